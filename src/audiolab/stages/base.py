"""What every stage declares, takes and gives back.

A stage is pure: sounds and earlier results in, one `StageOutput` out. It opens no database, knows no
Dask and draws no progress bar. Audio that it makes it leaves as files in the scratch folder that it
was given; whoever called takes them from there. Runner, command line, docs and recipe checker read the
declarations below and know no stage by name, so a new stage is one new class in the registry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from audiolab.audio import BlockSource
from audiolab.errors import AudiolabError

__all__ = [
    "Cut",
    "Need",
    "NewSound",
    "NewTag",
    "Params",
    "Progress",
    "Resolved",
    "SoundInput",
    "Stage",
    "StageInput",
    "StageOutput",
    "StageSkipped",
    "Takes",
    "Vectors",
    "Wants",
    "no_progress",
]

Unit: TypeAlias = Literal["song", "stem", "sample", "set"]
Kind: TypeAlias = Literal["song", "stem", "sample"]
Product: TypeAlias = Literal["document", "facts", "sounds", "cuts", "tags", "vectors"]
Document: TypeAlias = dict[str, Any]
"""JSON: what stages hand to each other and to the library."""


class Progress(Protocol):
    """Called as work goes on; it may raise `Cancelled`, which must pass through."""

    def __call__(self, done: float, total: float, /) -> None:
        """Say that `done` of `total` (any unit; `done` never falls) is finished."""


def no_progress(done: float, total: float) -> None:
    """Ignore progress."""


class StageSkipped(AudiolabError):
    """The stage cannot or need not run here, which is a normal state; the message says why and what would help."""


class Params(BaseModel):
    """A stage's parameters: frozen, unknown keys refused, good defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Takes:
    """Which sounds a stage takes."""

    kinds: frozenset[Kind]
    stems: frozenset[str] | None = None
    """Names of stems, or None for any."""

    def accepts(self, kind: str, stem: str | None) -> bool:
        """Say whether a sound of this kind (and stem name) is taken."""
        return kind in self.kinds and (self.stems is None or kind != "stem" or stem in self.stems)


@dataclass(frozen=True, slots=True)
class Need:
    """An earlier result that a stage wants to see."""

    stage: str
    of: Literal["self", "song"] = "self"
    """Whose result: of the sound (or set) itself, or of the song that it comes from."""
    required: bool = True
    """Whether the stage cannot run without it. Optional ones are waited for if the recipe makes them."""
    saves: bool = False
    """Only its vectors are taken, to save work: the result is the same without them, so it is no part of the key."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a stage asks of a worker."""

    device: Literal["cpu", "gpu"] = "cpu"
    memory_mb: int = 1000


@dataclass(frozen=True, slots=True)
class Resolved:
    """Parameters with every `auto` decided, before anything is hashed."""

    params: Params
    engine: str = "builtin"
    weights: str | None = None
    """Hash of the weights used."""
    profile: Mapping[str, str] = field(default_factory=dict)
    """Compute profile: device class, dtype, segment, threads, versions of the libraries that matter."""
    notes: tuple[str, ...] = ()
    """What fell back and why; shown on the console, in the report and in the provenance."""


@dataclass(frozen=True, slots=True)
class SoundInput:
    """One sound handed to a stage."""

    key: str
    """Its id in the library, or what stands for it on plain files."""
    name: str
    kind: Kind
    source: BlockSource
    stem: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageInput:
    """What one job gets: one sound, or for the unit `set` all samples of a set in order."""

    sounds: tuple[SoundInput, ...]
    scratch: Path
    needs: Mapping[str, Document] = field(default_factory=dict)
    """Earlier results by stage name (their `document`); optional ones may be absent."""
    progress: Progress = no_progress
    vectors: Vectors | None = None
    """Embeddings of the sounds that are known already, by some encoder; for a stage with a need that `saves`."""

    @property
    def sound(self) -> SoundInput:
        """The only, or the first, sound."""
        return self.sounds[0]


@dataclass(frozen=True, slots=True)
class NewSound:
    """A sound that the stage made, as a finished file in the scratch folder."""

    path: Path
    kind: Kind
    name: str
    stem: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cut:
    """A view of the job's sound: frames `start` (inclusive) to `stop` (exclusive)."""

    start: int
    stop: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewTag:
    """A label for one of the job's sounds."""

    sound: int
    """Index into the job's sounds."""
    label: str
    confidence: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Vectors:
    """An embedding for each of the job's sounds."""

    encoder: str
    """Hash of the encoder that made them; vectors of different encoders do not compare. What was measured and not
    learned has a fixed name that begins with sixteen zeros."""
    values: NDArray[np.float32]
    """Shape (sounds, dimensions)."""


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What one job gives back."""

    document: Document = field(default_factory=dict)
    """The whole result as JSON; later stages see it under the stage's name."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Short values worth showing in a table and searching: they become facts of the job's sound."""
    each: tuple[Mapping[str, Any], ...] = ()
    """Facts of each of the job's sounds, in order; empty if there are none (for the unit `set`)."""
    sounds: tuple[NewSound, ...] = ()
    cuts: tuple[Cut, ...] | None = None
    """A new sample set of the job's sound (may be empty); None if the stage does not cut."""
    tags: tuple[NewTag, ...] = ()
    vectors: Vectors | None = None
    notes: tuple[str, ...] = ()


class Stage(ABC):
    """Something that can be done to a sound. Subclasses set the declarations and write `run`."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Raise it whenever the same input and parameters may give another result."""
    params: ClassVar[type[Params]]
    unit: ClassVar[Unit]
    takes: ClassVar[Takes]
    makes: ClassVar[frozenset[Product]] = frozenset({"document"})
    """What it yields: the planner waits for `sounds` and `cuts` before it looks for units to work on."""
    needs: ClassVar[tuple[Need, ...]] = ()
    """All earlier results that it may look at; `needs_for` says which with given parameters."""
    wants: ClassVar[Wants] = Wants()

    def resolve(self, params: Params) -> Resolved:
        """Decide every `auto`, find the weights, name the compute profile. Cheap: no model is loaded.

        Raises
        ------
        StageSkipped
            If the stage cannot run on this machine and the parameters leave that open.
        ModelError
            If an engine was named whose weights are missing; the message tells the two ways to get them.
        """
        return Resolved(params)

    def resolve_as_then(self, params: Params, weights: str | None) -> Resolved:
        """Decide as it was decided when a result was made with these weights, so that it can be made again.

        By default what `resolve` says; stages whose weights a user changes look for those of then.
        """
        return self.resolve(params)

    def needs_for(self, params: Params) -> tuple[Need, ...]:
        """Say which earlier results matter with these parameters (resolved or not); by default all of `needs`.

        Only these are waited for and enter the result key, so that correcting a result which is not looked at
        makes nothing anew.
        """
        return self.needs

    @abstractmethod
    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Do the work.

        Raises
        ------
        StageSkipped
            If this sound holds nothing for the stage.
        AudiolabError
            If the sound or a file is bad; the message names it.
        Cancelled
            Whatever `job.progress` raises.
        """
