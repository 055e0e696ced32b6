"""Labelled sounds with their embeddings, for bench_similar.py and its parts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import open_source
from audiolab.errors import AudioError
from audiolab.stages.classification.encoder import get_encoder
from audiolab.stages.classification.preparing import Heard, listen, prepare

Matrix = NDArray[np.float32]


@dataclass
class Data:
    """Labelled sounds with their embeddings."""

    rows: list[dict[str, str]]
    heard: list[Heard]
    vectors: Matrix

    def column(self, name: str) -> NDArray[np.str_]:
        """Give one column of the manifest."""
        return np.asarray([row[name] for row in self.rows])

    def same_recording(self, first: int, second: int) -> bool:
        """Say whether the manifest takes two sounds for one recording."""
        group = self.rows[first]["dup_group"]
        return bool(group) and group == self.rows[second]["dup_group"]


def load(folder: Path, every: int) -> Data:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::every]
    kept, heard = [], []
    for row in rows:
        try:
            heard.append(listen(open_source(folder / row["path"])))
        except AudioError as error:
            print(f"left out: {error}")
            continue
        kept.append(row)
    vectors = embed(heard)
    audible = vectors.any(axis=1)
    return Data(
        [row for row, ok in zip(kept, audible, strict=True) if ok],
        [sound for sound, ok in zip(heard, audible, strict=True) if ok], vectors[audible],
    )  # fmt: skip


def embed(heard: Sequence[Heard]) -> Matrix:
    encoder = get_encoder()
    parts = [
        encoder([prepare(sound.mono, sound.sample_rate) for sound in heard[at : at + 64]])
        for at in range(0, len(heard), 64)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, encoder.dimensions), np.float32)


def unit(values: NDArray[np.floating[Any]]) -> Matrix:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)
