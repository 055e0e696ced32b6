"""The stage `describe`, and the same for plain files: `audiolab.stages.describe("hit.wav")`.

It is a stage of its own, of the unit `set`: hundreds of short samples are one job, and what it finds belongs to each
sample, while `analyze` reads whole songs one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from audiolab.audio import Block, BlockSource, as_source, require_stereo
from audiolab.errors import ParameterError
from audiolab.stages.analysis.aspects import ASPECTS, DIMENSIONS
from audiolab.stages.analysis.oneshot import Description, Kind, describe_sound
from audiolab.stages.base import (
    Params,
    Progress,
    Resolved,
    Stage,
    StageInput,
    StageOutput,
    Takes,
    Vectors,
    Wants,
    no_progress,
)

__all__ = ["Describe", "DescribeParams", "Described", "describe"]


class DescribeParams(Params):
    """Parameters of `describe`."""

    min_confidence: float = Field(0.8, ge=0, le=1, description="A root note is given from this pitch confidence on")
    downmix: bool = Field(False, description="Take sounds of more than two channels, mixed to stereo")


class Describe(Stage):
    """Says what each sample is like: one-shot or loop, root note, attack, decay, brightness, noisiness, levels.

    Its vectors are what similarity compares beside the embedding: envelope and pitch.
    """

    name = "describe"
    version = 2
    params = DescribeParams
    unit = "set"
    takes = Takes(frozenset({"sample"}))
    makes = frozenset({"document", "facts", "vectors"})
    wants = Wants(memory_mb=500)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Describe all sounds of the job, in order."""
        params = resolved.params
        assert isinstance(params, DescribeParams)
        each, items = [], []
        aspects = np.zeros((len(job.sounds), DIMENSIONS), np.float32)
        for number, sound in enumerate(job.sounds, start=1):
            # A loop that was cut as one stays one, however little happens in it; its tempo is exact already.
            known: Kind | None = "loop" if sound.facts.get("kind") == "loop" else None
            found = describe_sound(require_stereo(sound.source, downmix=params.downmix), known=known)
            aspects[number - 1] = found.aspects
            facts = found.facts(min_confidence=params.min_confidence)
            if known and "bpm" in sound.facts:
                facts |= {name: sound.facts[name] for name in ("bpm", "beats") if name in sound.facts}
            each.append(facts)
            items.append(found.to_dict(min_confidence=params.min_confidence) | facts)
            job.progress(number, len(job.sounds))
        loops = sum(facts["kind"] == "loop" for facts in each)
        counts = {"loops": loops, "pitched": sum("root_note" in facts for facts in each)} if each else {}
        document = {"items": items}
        return StageOutput(document=document, facts=counts, each=tuple(each), vectors=Vectors(ASPECTS, aspects))


@dataclass(frozen=True, slots=True)
class Described:
    """The description of one sound."""

    path: str
    """The file, or the name of a sound in memory."""
    description: Description
    min_confidence: float = 0.0

    @property
    def root_note(self) -> int | None:
        """MIDI number of its note, if it is sure enough."""
        found: int | None = self.to_dict()["root_note"]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab describe --json` prints."""
        return {"path": self.path, **self.description.to_dict(min_confidence=self.min_confidence)}


def describe(
    sounds: BlockSource | str | Path | tuple[Block, int] | Sequence[Any],
    *,
    progress: Progress | None = None,
    **params: Any,
) -> list[Described]:
    """Describe one-shots and loops.

    Parameters
    ----------
    sounds : path, Audio, BlockSource or (array, sample_rate), or a list of those
        Mono or stereo, any rate.
    progress : Progress, optional
        Called with sounds done and sounds in all.
    **params
        Fields of `DescribeParams`: min_confidence, downmix.

    Returns
    -------
    list of Described
        In the order of the sounds, also for a single one.

    Raises
    ------
    AudioError
        If a file cannot be read, or has more than two channels and `downmix` is off.
    ParameterError
        If a parameter is unknown or out of range.
    """
    from pydantic import ValidationError

    try:
        wanted = DescribeParams(**params)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"describe: {problems}; it takes {', '.join(DescribeParams.model_fields)}") from error
    hook = progress or no_progress
    single = isinstance(sounds, (str, Path, tuple)) or not isinstance(sounds, Sequence)
    items: Sequence[Any] = [sounds] if single else list(sounds)  # type: ignore[arg-type]
    found = []
    for number, item in enumerate(items, start=1):
        source = as_source(item)
        path = str(item) if isinstance(item, (str, Path)) else source.name
        description = describe_sound(require_stereo(source, downmix=wanted.downmix))
        found.append(Described(path, description, wanted.min_confidence))
        hook(number, len(items))
    return found
