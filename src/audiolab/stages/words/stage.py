"""The stage `lyrics`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from audiolab import weights
from audiolab.config import get_settings
from audiolab.errors import ModelError
from audiolab.stages.base import Params, Resolved, Stage, StageInput, StageOutput, StageSkipped, Takes, Wants
from audiolab.stages.words.hearing import Transcriber
from audiolab.stages.words.sheet import LyricSheet
from audiolab.stages.words.transcribing import transcribe
from audiolab.stages.words.whisper_engine import WhisperEngine, language_code, require_whisper, whisper_installed

__all__ = ["PREFERRED", "Lyrics", "LyricsParams", "make_engine"]

PREFERRED = (
    "large-v3-turbo",
    "medium",
    "small",
    "base",
    "tiny",
    "large-v3",
    "large-v2",
    "large-v1",
    "medium.en",
    "small.en",
    "base.en",
    "tiny.en",
)
"""What `auto` takes, the first that is here: the best first, but the full large ones (very slow on a CPU) late."""
SUGGESTED = "small"
"""What to fetch: 484 MB, usable on a CPU."""


class LyricsParams(Params):
    """Parameters of `lyrics`."""

    engine: Literal["auto", "whisper"] = Field("auto", description="auto: whisper if its weights are here, else skip")
    model: str = Field("auto", min_length=1, description="tiny to large-v3, turbo, or an imported name")
    language: str | None = Field(None, description="en, es, fr ...; default: found once for the sound")
    beam_size: int = Field(1, ge=1, le=16, description="Hypotheses kept while decoding: more is slower and better")
    gate_db: float = Field(30.0, gt=0, le=90, description="How far below the loud moments a voice may begin")
    downmix: bool = Field(False, description="Take sounds of more than two channels, mixed to stereo")


class Lyrics(Stage):
    """Writes down what is sung: words with times, their probability, and flags where they may be made up."""

    name = "lyrics"
    version = 1
    params = LyricsParams
    unit = "stem"
    takes = Takes(frozenset({"stem", "song"}), stems=frozenset({"vocals"}))
    wants = Wants(device="gpu", memory_mb=3000)

    def resolve(self, params: Params) -> Resolved:
        """Find the weights.

        Raises
        ------
        StageSkipped
            If there are none (or no openai-whisper) and neither engine nor model was named.
        ModelError, MissingDependency
            If one was named.
        """
        assert isinstance(params, LyricsParams)
        named = params.engine != "auto" or params.model != "auto"
        if not named and not whisper_installed():
            raise StageSkipped("lyrics need the package openai-whisper: pip install 'audiolab[lyrics]'")
        require_whisper()
        found = find_weights(params.model)
        if found is None:
            name = SUGGESTED if params.model == "auto" else params.model
            why = f"Whisper's weights {'' if params.model == 'auto' else name + ' '}are not on this machine: "
            if named:
                raise ModelError(why + weights.two_ways(name))
            raise StageSkipped(why + weights.two_ways(name))
        resolved = params.model_copy(
            update={"engine": "whisper", "model": found.name, "language": language_code(params.language)}
        )
        return Resolved(resolved, engine="whisper", weights=found.sha256, profile=_profile())

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Transcribe the sound; without voice there are no lines."""
        params = resolved.params
        assert isinstance(params, LyricsParams)
        source = job.sound.source
        lines, language, probability = transcribe(
            source,
            make_engine(resolved),
            language=params.language,
            gate_db=params.gate_db,
            downmix=params.downmix,
            progress=job.progress,
        )
        sheet = LyricSheet(
            job.sound.name,
            language,
            probability,
            resolved.engine,
            params.model,
            tuple(lines),
            source.frames / source.sample_rate,
        )
        notes = () if lines else (f"{job.sound.name}: no words found",)
        facts: dict[str, Any] = {"words": len(sheet.words)}
        if language is not None:
            facts["language"] = language
        return StageOutput(document=sheet.document(), facts=facts, notes=notes)


def find_weights(model: str) -> weights.Weights | None:
    """Find a model by name, or for `auto` the best that is here."""
    if model != "auto":
        return weights.find(model)
    return next((found for name in PREFERRED if (found := weights.find(name)) is not None), None)


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
    return WhisperEngine(
        found,
        device=resolved.profile.get("device", "cpu"),
        threads=int(resolved.profile.get("threads", "1")),
        beam_size=params.beam_size,
    )


def _profile() -> dict[str, str]:
    from importlib.metadata import version

    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return {
        "device": device,
        "dtype": "float32" if device == "cpu" else "float16",
        "threads": str(get_settings().threads),
        "torch": version("torch"),
        "openai-whisper": version("openai-whisper"),
    }
