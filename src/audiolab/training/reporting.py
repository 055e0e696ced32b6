"""Pictures, gallery and speed of a model: what lies beside its scores."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.classification.encoder import Encoder
from audiolab.stages.classification.head import Head
from audiolab.stages.classification.preparing import FRAMES
from audiolab.training.gallery import write_gallery
from audiolab.training.manifest import Entry
from audiolab.training.pictures import confusion_matrix, draw_confusions, draw_reliability

__all__ = ["milliseconds", "write_report"]


def write_report(
    folder: Path,
    entries: Sequence[Entry],
    probabilities: NDArray[np.float64],
    truth: NDArray[np.int64],
    labels: Sequence[str],
    *,
    title: str,
    read: Callable[[Entry], NDArray[np.float32]],
) -> list[Path]:
    """Write confusions.png, calibration.png and errors.html into a folder; give their paths."""
    table = confusion_matrix(probabilities.argmax(axis=1), truth, len(labels))
    paths = [folder / name for name in ("confusions.png", "calibration.png", "errors.html")]
    draw_confusions(paths[0], table, labels, title)
    draw_reliability(paths[1], probabilities, truth, title)
    write_gallery(paths[2], entries, probabilities, truth, labels, title=title, read=read)
    return paths


def milliseconds(encoder: bytes, head: Head, sounds: int = 60) -> float:
    """Give the median time that one sound takes in encoder and heads, one thread, one sound a call."""
    session = Encoder(encoder, 1)
    rng = np.random.default_rng(0)
    sound = rng.uniform(-1, 1, FRAMES).astype(np.float32)
    times = []
    for _ in range(sounds + 5):
        start = time.perf_counter()
        vectors = session([sound])
        head.probabilities(vectors)
        head.drum_probabilities(vectors)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[5:])
