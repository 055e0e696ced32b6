"""A small labelled set that code renders: to try the bench, notebooks and experiments where no recordings are.

Each made-up source has a character of its own (speed, tilt, room, rate, bits), so that a split by source asks more
than a random one. Scores on it say that the machinery works, nothing about real sounds.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio, atomic_path, write_audio
from audiolab.stages.classification.preparing import RATE
from audiolab.training.data import render
from audiolab.training.rendering import between, drive, log_between, reverb

__all__ = ["PRACTICE_LABELS", "practice_set"]

PRACTICE_LABELS = ("kick", "snare", "closed_hat", "open_hat", "tom", "cowbell", "bass", "keys")
"""Labels that code can render and a small network can learn in a minute."""


def practice_set(
    folder: Path, *, labels: Sequence[str] = PRACTICE_LABELS, sources: int = 5, each: int = 6, seed: int = 11
) -> Path:
    """Render a labelled set.

    Parameters
    ----------
    folder : path
        Gets `<source>/<label>/<number>.wav` and manifest.csv; files that are there are kept.
    labels : sequence of str
        Labels that code renders.
    sources, each : int
        How many sources, and sounds of each label in each source.
    seed : int
        Decides everything; training renders with other seeds.

    Returns
    -------
    Path
        The manifest.
    """
    rows = []
    for source in range(sources):
        rng = np.random.default_rng((seed, source))
        speed, tilt, room = 2 ** between(rng, -0.25, 0.25), between(rng, -0.6, 0.6), log_between(rng, 0.02, 0.4)
        hard, bits = log_between(rng, 0.3, 4.0), int(rng.choice([8, 10, 12, 16]))
        for label in labels:
            for number in range(each):
                name = f"made_{source}/{label}/{number}.wav"
                path = folder / name
                if not path.is_file():
                    x: NDArray[Any] = render(label, 1000 * (source + 1) + number, seed)
                    mine = np.random.default_rng((seed, source, number))
                    x = drive(reverb(mine, _coloured(x, speed, tilt), 0.3, room), hard)
                    x = x / max(1e-9, float(np.abs(x).max())) * 0.8
                    x = np.round(x * 2 ** (bits - 1)) / 2 ** (bits - 1)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_audio(path, Audio(np.asarray(x, np.float32)[None], RATE))
                rows.append((name, f"made_{source}", label, "MIT", "yes"))
    manifest = folder / "manifest.csv"
    with atomic_path(manifest) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "source", "label", "licence", "may_ship"))
        writer.writerows(rows)
    return manifest


def _coloured(x: NDArray[Any], speed: float, tilt: float) -> NDArray[np.float64]:
    import soxr

    y = soxr.resample(x.astype(np.float64), RATE, round(RATE * speed), quality="MQ")
    spectrum = np.fft.rfft(y)
    place = np.linspace(0.01, 1, len(spectrum))
    return np.asarray(np.fft.irfft(spectrum * place**tilt, len(y)))
