"""The stage `separate`: one song in, its stems out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from audiolab.audio import require_stereo
from audiolab.config import get_settings
from audiolab.errors import ModelError
from audiolab.stages.base import NewSound, Params, Product, Resolved, Stage, StageInput, StageOutput, Takes, Wants
from audiolab.stages.separation.engines import Options, get_engine
from audiolab.stages.separation.pairs import Pair
from audiolab.stages.separation.running import separate_into

__all__ = ["PRESETS", "Preset", "PresetName", "Separate", "SeparateParams"]


PresetName: TypeAlias = Literal["fast", "default", "best"]


@dataclass(frozen=True, slots=True)
class Preset:
    """What a preset stands for."""

    overlap: float
    shifts: int
    dtype: Literal["auto", "float32", "bfloat16"]


PRESETS: dict[PresetName, Preset] = {
    "fast": Preset(0.1, 0, "auto"),
    "default": Preset(0.25, 0, "auto"),
    # Three times the work of `default`: twice the segments, and two shifted repetitions.
    "best": Preset(0.5, 2, "float32"),
}


class SeparateParams(Params):
    """Parameters of `separate`."""

    engine: Annotated[str, Field(description="auto, spectral, demucs, or the name of another installed engine")] = (
        "auto"
    )
    model: Annotated[str, Field(description="Weights for engines that have a choice")] = "htdemucs"
    preset: Annotated[
        PresetName, Field(description="How much work demucs does; the fields from overlap to dtype say otherwise")
    ] = "default"
    overlap: Annotated[float | None, Field(ge=0.0, lt=1.0, description="Overlap of demucs' segments")] = None
    shifts: Annotated[int | None, Field(ge=0, le=20, description="Shifted repetitions that demucs averages")] = None
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"] | None,
        Field(description="auto: bfloat16 where the processor multiplies it itself, else float32"),
    ] = None
    segment: Annotated[
        float | None, Field(gt=0.0, description="Seconds of demucs' segments; default: the model's own, the best")
    ] = None
    two_stems: Annotated[
        str | None, Field(min_length=1, description="Give this stem and the rest of the song (vocals: instrumental)")
    ] = None
    device: Annotated[str, Field(description="auto, cpu, cuda or mps, for engines on torch")] = "auto"
    subtype: Annotated[
        Literal["auto", "float"],
        Field(description="auto: 24-bit FLAC, or float32 WAV where a stem exceeds full scale; float: always that"),
    ] = "auto"
    downmix: Annotated[bool, Field(description="Mix more than two channels to stereo first")] = False


_DEFAULTS = SeparateParams()
_OF_MODELS = ("model", "preset", "overlap", "shifts", "dtype", "segment", "device")
"""What engines without weights do not read."""


class Separate(Stage):
    """Separate a song into stems that add up to it exactly."""

    name: ClassVar[str] = "separate"
    version: ClassVar[int] = 2
    params: ClassVar[type[Params]] = SeparateParams
    unit: ClassVar[Literal["song"]] = "song"
    takes: ClassVar[Takes] = Takes(frozenset({"song"}))
    makes: ClassVar[frozenset[Product]] = frozenset({"document", "facts", "sounds"})
    wants: ClassVar[Wants] = Wants(device="gpu", memory_mb=2500)

    def resolve(self, params: Params) -> Resolved:
        """Choose the engine; see `Stage.resolve`.

        `auto` takes demucs where torch, demucs and the weights are there, else spectral, and says so; but a model that
        was named is wanted.
        """
        assert isinstance(params, SeparateParams)
        options = _options(params)
        name = params.engine
        notes: tuple[str, ...] = ()
        if name == "auto":
            name, notes = ("demucs", ()) if params.model != _DEFAULTS.model else _choose(options)
        lacking = get_engine(name).missing(options)
        if lacking is not None:
            raise ModelError(f"separate: engine {name!r} cannot run here: {lacking}")
        decided = get_engine(name).decide(options)
        identity = get_engine(name).identify(decided)
        if identity.weights is None:  # parameters that such an engine does not read must not change the result key
            values = {key: getattr(_DEFAULTS, key) for key in _OF_MODELS}
        else:  # the preset's name says nothing any more
            values = {key: getattr(decided, key) for key in ("overlap", "shifts", "dtype")} | {"preset": "default"}
        chosen = params.model_copy(update={"engine": name, **values})
        return Resolved(chosen, engine=name, weights=identity.weights, profile=identity.profile, notes=notes)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Separate; see `Stage.run`."""
        params = resolved.params
        assert isinstance(params, SeparateParams)
        sound = job.sound
        source = require_stereo(sound.source, downmix=params.downmix)
        threads = int(resolved.profile.get("threads", get_settings().threads))
        options = replace(_options(params), weights=resolved.weights, threads=threads)
        separator = get_engine(resolved.engine).build(options)
        if params.two_stems is not None:
            separator = Pair(separator, params.two_stems)
        job.scratch.mkdir(parents=True, exist_ok=True)
        stored = separate_into(
            job.scratch, source, separator, as_float=params.subtype == "float", progress=job.progress
        )
        document = {
            "engine": resolved.engine,
            "model": params.model if resolved.weights else None,
            "weights": resolved.weights,
            "profile": {**resolved.profile, **getattr(separator, "profile", {})},
            "overlap": params.overlap,
            "shifts": params.shifts,
            "sample_rate": source.sample_rate,
            "channels": source.channels,
            "frames": source.frames,
            "subtype": stored.subtype,
            "null_db": stored.null_db,
            "residual_db": stored.residual_db,
            "stems": stored.facts,
        }
        sounds = tuple(
            NewSound(path, "stem", name, stem=name, facts=stored.facts[name]) for name, path in stored.paths.items()
        )
        facts = {"engine": resolved.engine, "null_db": stored.null_db}
        notes = (*resolved.notes, *getattr(separator, "remarks", ()))
        return StageOutput(document=document, facts=facts, sounds=sounds, notes=notes)


def _options(params: SeparateParams) -> Options:
    preset = PRESETS[params.preset]
    return Options(
        model=params.model,
        overlap=preset.overlap if params.overlap is None else params.overlap,
        shifts=preset.shifts if params.shifts is None else params.shifts,
        segment=params.segment,
        dtype=params.dtype or preset.dtype,
        device=params.device,
        threads=get_settings().threads,
        stem=params.two_stems,
    )


def _choose(options: Options) -> tuple[str, tuple[str, ...]]:
    lacking = get_engine("demucs").missing(options)
    if lacking is None:
        return "demucs", ()
    return "spectral", (
        f"separate: the built-in engine `spectral` is used, which separates far less well than demucs: {lacking}",
    )
