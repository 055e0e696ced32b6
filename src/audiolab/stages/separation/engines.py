"""The engine seam: what a separator is, which engines there are, and which of them can run here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol

from audiolab.audio import Block, BlockSource
from audiolab.errors import ParameterError
from audiolab.stages.base import Progress

__all__ = ["BUILT_IN", "Engine", "Identity", "Options", "Separator", "available", "engine_names", "get_engine"]


class Separator(Protocol):
    """An engine that is ready to run.

    It may have `remarks` (texts: what it fell back to in the last run) and `profile` (what it really used where that
    differs from `Identity.profile`); both are read after the run.
    """

    @property
    def name(self) -> str:
        """The engine's name."""

    def stems(self) -> tuple[str, ...]:
        """Name the stems, in the order in which they are stored."""

    def blocks(self, source: BlockSource, *, progress: Progress | None = None) -> Iterator[Mapping[str, Block]]:
        """Separate a source.

        Parameters
        ----------
        source : BlockSource
            Mono or stereo, any rate and length. It may be opened more than once.
        progress : Progress, optional
            Called after at most ten seconds of audio with a count that never falls and ends at its total;
            what it raises passes through.

        Yields
        ------
        mapping of str to ndarray [float32, shape=(channels, n)]
            The next `n` frames of every stem, at the source's rate and with its channels, aligned with the
            source; all blocks together are exactly as long as the source. Memory does not grow with length, and
            the samples do not depend on how the source cuts its blocks. The stems need not add up to the mix:
            folding does that.
        """


@dataclass(frozen=True, slots=True)
class Options:
    """What an engine may be told."""

    model: str = "htdemucs"
    overlap: float = 0.25
    shifts: int = 0
    """Shifted repetitions to average; 0 for one without a shift."""
    segment: float | None = None
    """Seconds of a segment; None for the model's own."""
    dtype: str = "float32"
    """`float32`, `bfloat16`, or `auto`, which `Engine.decide` decides."""
    device: str = "auto"
    threads: int = 1
    stem: str | None = None
    """The only stem that is wanted, where an engine can save work by that."""
    weights: str | None = None
    """Hash that the weights must have, once it has been resolved."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What decides the samples that an engine makes, apart from its parameters."""

    weights: str | None = None
    """Hash of the weights, None for an engine without."""
    profile: Mapping[str, str] = field(default_factory=dict)
    """Compute profile: device class, dtype, segment, threads, versions of the libraries that matter."""


class Engine(Protocol):
    """A kind of separator: knows whether it can run here, and makes one."""

    @property
    def name(self) -> str:
        """The name that recipes use."""

    def missing(self, options: Options) -> str | None:
        """Say what is missing to run here and how to get it, or None. Cheap: nothing heavy is imported."""

    def decide(self, options: Options) -> Options:
        """Decide what is `auto` and changes the samples (dtype), for this machine.

        Raises
        ------
        ModelError
            If this machine cannot do what was asked for.
        """

    def identify(self, options: Options) -> Identity:
        """Name weights and compute profile. Cheap: no model is loaded."""

    def build(self, options: Options) -> Separator:
        """Load the model, if any.

        Raises
        ------
        ModelError
            If the weights are missing, changed, unsafe, or not what the engine can run.
        """


BUILT_IN = {
    "spectral": "audiolab.stages.separation.spectral:SpectralEngine",
    "demucs": "audiolab.stages.separation.htdemucs:DemucsEngine",
}
GROUP = "audiolab.separators"


def engine_names() -> tuple[str, ...]:
    """Name all engines: built-in ones, then those from entry points of the group `audiolab.separators`."""
    others = sorted(point.name for point in entry_points(group=GROUP) if point.name not in BUILT_IN)
    return (*BUILT_IN, *others)


@cache
def get_engine(name: str) -> Engine:
    """Give the engine of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name].split(":")
        made = getattr(import_module(module), attribute)()
    else:
        found = [point for point in entry_points(group=GROUP) if point.name == name]
        if not found:
            raise ParameterError(
                f"there is no separation engine {name!r}; there are: auto, {', '.join(engine_names())}"
            )
        made = found[0].load()()
    engine: Engine = made
    return engine


def available(options: Options | None = None) -> dict[str, str | None]:
    """Tell for every engine what is missing to run it here (None: it can run)."""
    options = options or Options()
    return {name: get_engine(name).missing(options) for name in engine_names()}
