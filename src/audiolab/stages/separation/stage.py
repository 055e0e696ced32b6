"""The stage `separate`: one song in, its stems out."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from audiolab.audio import require_stereo
from audiolab.config import get_settings
from audiolab.errors import ModelError
from audiolab.stages.base import NewSound, Params, Resolved, Stage, StageInput, StageOutput, Takes, Wants
from audiolab.stages.separation.engines import Options, get_engine
from audiolab.stages.separation.running import separate_into

__all__ = ["Separate", "SeparateParams"]


class SeparateParams(Params):
    """Parameters of `separate`."""

    engine: Annotated[str, Field(description="auto, spectral, demucs, or the name of another installed engine")] = (
        "auto"
    )
    model: Annotated[str, Field(description="Weights for engines that have a choice")] = "htdemucs"
    overlap: Annotated[float, Field(ge=0.0, lt=1.0, description="Overlap of demucs' segments")] = 0.25
    device: Annotated[str, Field(description="auto, cpu, cuda or mps, for engines on torch")] = "auto"
    subtype: Annotated[
        Literal["auto", "float"],
        Field(description="auto: 24-bit FLAC, or float32 WAV where a stem exceeds full scale; float: always that"),
    ] = "auto"
    downmix: Annotated[bool, Field(description="Mix more than two channels to stereo first")] = False


_DEFAULTS = SeparateParams()


class Separate(Stage):
    """Separate a song into stems that add up to it exactly."""

    name: ClassVar[str] = "separate"
    version: ClassVar[int] = 1
    params: ClassVar[type[Params]] = SeparateParams
    unit: ClassVar[Literal["song"]] = "song"
    takes: ClassVar[Takes] = Takes(frozenset({"song"}))
    wants: ClassVar[Wants] = Wants(device="gpu", memory_mb=2000)

    def resolve(self, params: Params) -> Resolved:
        """Choose the engine; see `Stage.resolve`.

        `auto` takes demucs where torch, demucs and the weights are there, else spectral, and says so.
        """
        assert isinstance(params, SeparateParams)
        options = _options(params)
        name = params.engine
        notes: tuple[str, ...] = ()
        if name == "auto":
            name, notes = _choose(options)
        else:
            lacking = get_engine(name).missing(options)
            if lacking is not None:
                raise ModelError(f"separate: engine {name!r} cannot run here: {lacking}")
        identity = get_engine(name).identify(options)
        chosen = params.model_copy(update={"engine": name})
        if identity.weights is None:  # parameters that such an engine does not read must not change the result key
            chosen = chosen.model_copy(update={key: getattr(_DEFAULTS, key) for key in ("model", "overlap", "device")})
        return Resolved(chosen, engine=name, weights=identity.weights, profile=identity.profile, notes=notes)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Separate; see `Stage.run`."""
        params = resolved.params
        assert isinstance(params, SeparateParams)
        sound = job.sound
        source = require_stereo(sound.source, downmix=params.downmix)
        separator = get_engine(resolved.engine).build(replace(_options(params), weights=resolved.weights))
        job.scratch.mkdir(parents=True, exist_ok=True)
        stored = separate_into(
            job.scratch, source, separator, as_float=params.subtype == "float", progress=job.progress
        )
        document = {
            "engine": resolved.engine,
            "model": params.model if resolved.weights else None,
            "weights": resolved.weights,
            "profile": dict(resolved.profile),
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
        return StageOutput(document=document, facts=facts, sounds=sounds, notes=resolved.notes)


def _options(params: SeparateParams) -> Options:
    return Options(params.model, params.overlap, params.device, get_settings().threads)


def _choose(options: Options) -> tuple[str, tuple[str, ...]]:
    lacking = get_engine("demucs").missing(options)
    if lacking is None:
        return "demucs", ()
    return "spectral", (
        f"separate: the built-in engine `spectral` is used, which separates far less well than demucs: {lacking}",
    )
