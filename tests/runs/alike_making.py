"""Libraries of rendered sounds for the tests of likeness; stages run here and now, without Dask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from audiolab.audio import Audio, write_audio
from audiolab.library import Library, Record, Sound
from audiolab.runs.graph import spec_of
from audiolab.runs.jobs import JobSpec
from audiolab.runs.keys import result_key
from audiolab.runs.worker import run_job
from audiolab.stages.registry import get_stage
from audiolab.synth import instruments as play

RATE = 32_000


def hit(what: str, seed: int, **options: float) -> Audio:
    """Give one hit of an instrument; another seed is another take."""
    rng = np.random.default_rng((hash_of(what), seed))
    wave = getattr(play, what)(RATE, rng, **options)
    return Audio(np.asarray(wave, np.float32)[None, :] * np.float32(0.7), RATE, f"{what} {seed}")


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:7], "big")


def add(lib: Library, folder: Path, sounds: Iterable[tuple[str, Audio]]) -> list[Sound]:
    """Add sounds as samples, by name."""
    return [lib.add(write_audio(folder / f"{name}.wav", audio, subtype="FLOAT"), "sample") for name, audio in sounds]


def do(lib: Library, stage: str, sound: Sound, sounds: Sequence[Sound] | None = None, set_id: str | None = None) -> str:
    """Let a stage work on a sound, or on a set of samples of it, and fold what it leaves."""
    found = get_stage(stage)
    resolved = found.resolve(found.params())
    specs = tuple(spec_of(item) for item in (sounds or [sound]))
    params = resolved.params.model_dump(mode="json")
    key = result_key(
        sounds=[spec.key for spec in specs], stage=stage, version=found.version, params=params, engine=resolved.engine,
        weights=resolved.weights, needs={},
    )  # fmt: skip
    spec = JobSpec(
        run="test", key=key, library=str(lib.path), stage=stage, version=found.version, params=params,
        engine=resolved.engine, weights=resolved.weights, profile=resolved.profile, notes=(), sound_id=sound.id,
        set_id=set_id, sounds=specs, needs={},
    )  # fmt: skip
    outcome = run_job(spec, report=lambda *_: None)
    assert outcome.status == "done", outcome
    lib.fold(Record.read(lib.record_path(key)))
    return key


def embed(lib: Library, sounds: Iterable[Sound], *stages: str) -> None:
    """Embed and describe samples that were added by themselves."""
    for sound in sounds:
        for stage in stages or ("describe", "embed"):
            do(lib, stage, sound)
