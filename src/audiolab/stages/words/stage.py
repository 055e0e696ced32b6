"""The stage `lyrics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from audiolab import weights
from audiolab.audio import BlockSource
from audiolab.errors import ModelError
from audiolab.stages.base import Params, Progress, Resolved, Stage, StageInput, StageOutput, Takes, Wants
from audiolab.stages.words.aligning import align_text
from audiolab.stages.words.choosing import Choice, choose, load_engine, profile_of
from audiolab.stages.words.hearing import Transcriber
from audiolab.stages.words.languages import language_code
from audiolab.stages.words.sheet import Line, LyricSheet
from audiolab.stages.words.transcribing import transcribe

__all__ = ["Lyrics", "LyricsParams", "make_engine", "remarks_on", "write_down"]


class LyricsParams(Params):
    """Parameters of `lyrics`."""

    engine: Literal["auto", "whisper", "faster-whisper"] = Field(
        "auto", description="auto: the first whose weights are here; none: the stage is skipped"
    )
    model: str = Field("auto", min_length=1, description="tiny to large-v3, turbo, or an imported name")
    language: str | None = Field(None, description="en, es, fr ...; default: found once for the sound")
    beam_size: int = Field(1, ge=1, le=16, description="Hypotheses kept while decoding: more is slower and better")
    dtype: Literal["auto", "float32", "float16", "int8"] = Field(
        "auto", description="auto: float32 on a CPU (faster-whisper: int8), float16 on a GPU"
    )
    gate_db: float = Field(30.0, gt=0, le=90, description="How far below the loud moments a voice may begin")
    downmix: bool = Field(False, description="Take sounds of more than two channels, mixed to stereo")
    text: str | None = Field(None, description="The lyrics, if they are known: then only their times are found")


class Lyrics(Stage):
    """Writes down what is sung: words with times, their probability, and flags where they may be made up."""

    name = "lyrics"
    version = 2
    params = LyricsParams
    unit = "stem"
    takes = Takes(frozenset({"stem", "song"}), stems=frozenset({"vocals"}))
    wants = Wants(device="gpu", memory_mb=3000)

    def resolve(self, params: Params) -> Resolved:
        """Find the weights.

        Raises
        ------
        StageSkipped
            If there are none (or no package for them) and neither engine nor model was named.
        ModelError, MissingDependency
            If one was named.
        ParameterError
            If there is no such language, or the engine cannot compute with `dtype`.
        """
        assert isinstance(params, LyricsParams)
        choice = choose(params.engine, params.model)
        profile = profile_of(choice, params.dtype)
        resolved = params.model_copy(
            update={
                "engine": choice.engine,
                "model": choice.weights.name,
                "language": language_code(params.language),
                "dtype": profile["dtype"],
            }
        )
        return Resolved(resolved, engine=choice.engine, weights=choice.weights.sha256, profile=profile)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Transcribe the sound; without voice there are no lines."""
        params = resolved.params
        assert isinstance(params, LyricsParams)
        source = job.sound.source
        lines, language, probability = write_down(source, make_engine(resolved), params, job.progress)
        sheet = LyricSheet(
            job.sound.name,
            language,
            probability,
            resolved.engine,
            params.model,
            tuple(lines),
            source.frames / source.sample_rate,
        )
        notes = tuple(f"{job.sound.name}: {remark}" for remark in remarks_on(lines))
        facts: dict[str, Any] = {"words": len(sheet.words)}
        if language is not None:
            facts["language"] = language
        return StageOutput(document=sheet.document(), facts=facts, notes=notes)


def write_down(
    source: BlockSource, engine: Transcriber, params: LyricsParams, progress: Progress
) -> tuple[list[Line], str | None, float | None]:
    """Transcribe a sound, or align the known text with it."""
    gate_db, downmix = params.gate_db, params.downmix
    if params.text is None:
        return transcribe(source, engine, language=params.language, gate_db=gate_db, downmix=downmix, progress=progress)
    return align_text(
        source, engine, params.text, language=params.language, gate_db=gate_db, downmix=downmix, progress=progress
    )


def remarks_on(lines: Sequence[Line]) -> tuple[str, ...]:
    """Say what a user should know about the result."""
    if not lines:
        return ("no words found",)
    lost = sum("unaligned" in line.flags and bool(line.words) for line in lines)
    return (f"{lost} of {len(lines)} lines were not found; their times are guessed",) if lost else ()


def make_engine(resolved: Resolved) -> Transcriber:
    """Load the model that was resolved.

    Raises
    ------
    ModelError
        If the weights are gone or have changed since.
    """
    params = resolved.params
    assert isinstance(params, LyricsParams)
    found = weights.find(params.model)
    if found is None or found.sha256 != resolved.weights:
        raise ModelError(f"the weights {params.model} are gone or have changed: {weights.two_ways(params.model)}")
    return load_engine(
        Choice(resolved.engine, found),
        device=resolved.profile.get("device", "cpu"),
        dtype=params.dtype,
        threads=int(resolved.profile.get("threads", "1")),
        beam_size=params.beam_size,
    )
