"""A small library of rendered hits with known labels: two songs cut into equal parts, and loose files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audiolab.audio import Audio, write_audio
from audiolab.library import Library
from audiolab.runs import process
from audiolab.stages.classification.preparing import RATE
from audiolab.training.data import render

HITS = ("kick", "snare", "closed_hat", "tom", "kick", "clap", "closed_hat", "cowbell")
LOOSE = ("kick", "snare", "cowbell", "bass", "synth")
_FIRST = 90_000
"""Rendered sounds far from those that the shipped model was trained on."""


def hit(label: str, number: int) -> np.ndarray:
    """Render a hit, cut or padded to 0.4 s."""
    out = np.zeros(round(0.4 * RATE), np.float32)
    samples = render(label, _FIRST + number, seed=7)[: out.size]
    out[: samples.size] = samples
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


def make_library(folder: Path, client, *, songs: int = 2) -> Library:
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
    report = process(added, recipe(len(HITS)), client=client).wait(120)
    assert report.status == "done", str(report)
    return library


def samples_by_song(library: Library) -> list[list]:
    return [list(song.samples) for song in sorted(library.songs, key=lambda song: song.name)]
