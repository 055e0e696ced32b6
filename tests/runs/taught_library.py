"""A small library of rendered hits with known labels: two songs cut into equal parts, and loose files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio import Audio, write_audio
from audiolab.library import Library, Record
from audiolab.runs.graph import Ended, Planner
from audiolab.runs.recipe import Recipe
from audiolab.runs.worker import resolve_stage, run_job
from audiolab.stages.classification.preparing import RATE
from audiolab.training.rendered_drums import DRUMS
from audiolab.training.rendered_tones import TONES

HITS = ("kick", "snare", "closed_hat", "tom", "kick", "clap", "closed_hat", "cowbell")
LOOSE = ("kick", "snare", "cowbell", "bass", "synth")


def hit(label: str, number: int) -> np.ndarray:
    """Render a hit, cut or padded to 0.4 s."""
    rng = np.random.default_rng((7, number))
    makers = {**DRUMS, **TONES}[label]
    samples = np.asarray(makers[number % len(makers)](rng), np.float32)
    out = np.zeros(round(0.4 * RATE), np.float32)
    out[: min(out.size, samples.size)] = samples[: out.size]
    return 0.5 * out


def recipe(parts: int) -> dict:
    return {
        "name": "cut, embed, classify",
        "steps": [
            {"stage": "slice", "params": {"mode": "equal", "parts": parts}, "where": {"kinds": ["song"]}},
            {"stage": "embed"},
            {"stage": "classify"},
        ],
    }


def run_here(library: Library, sounds, recipe: dict, params: Mapping[str, Mapping[str, Any]] | None = None) -> Counter:
    """Do a recipe as a run's driver and its workers do, without a cluster; count how the jobs ended."""
    checked = Recipe.load(recipe).with_params(params or {})
    run_id = library.create_run("here", checked.to_dict(), [sound.id for sound in sounds])
    planner = Planner(library, run_id, checked, {s.stage: resolve_stage(s.stage, s.params) for s in checked.steps})
    for sound in sounds:
        while ready := planner.plan(sound):
            for job in ready:
                ended = job.ended
                if ended is None:
                    outcome = run_job(job.spec, lambda *_: None)
                    assert outcome.status == "done", outcome
                    library.fold(Record.read(library.record_path(job.spec.key)))
                    ended = Ended("done", job.spec.key)
                elif ended.status == "reused":
                    library.reuse(ended.key)
                planner.ended[job.id] = ended
    return Counter(ended.status for ended in planner.ended.values())


def make_library(folder: Path, *, songs: int = 2) -> Library:
    """Make it; samples carry their true label in the order of `HITS`."""
    library = Library(folder / "library", actor="tester")
    added = []
    for song in range(songs):
        samples = np.concatenate([hit(label, 100 * song + i) for i, label in enumerate(HITS)])
        path = write_audio(folder / f"song {song}.wav", Audio(samples[None], RATE))
        added.append(library.add(path, kind="song"))
    for i, label in enumerate(LOOSE):
        path = write_audio(folder / f"loose {label}.wav", Audio(hit(label, 900 + i)[None], RATE))
        added.append(library.add(path, kind="sample"))
    assert set(run_here(library, added, recipe(len(HITS)))) <= {"done", "skipped"}
    return library


def samples_by_song(library: Library) -> list[list]:
    return [list(song.samples) for song in sorted(library.songs, key=lambda song: song.name)]
