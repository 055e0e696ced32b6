"""Pictures of what a classifier gets wrong: confusion matrix and reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.training.scoring import calibration_error

__all__ = ["confusion_matrix", "draw_confusions", "draw_reliability"]

Ints = NDArray[np.int64]


def confusion_matrix(said: Ints, truth: Ints, count: int) -> Ints:
    """Count sounds: one row a true label, one column a said one."""
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (truth, said), 1)
    return table


def draw_confusions(path: Path, table: Ints, labels: Sequence[str], title: str) -> None:
    """Draw a confusion matrix: colours say shares of each row, numbers count sounds."""
    from matplotlib.figure import Figure

    totals = table.sum(axis=1, keepdims=True)
    shares = table / np.maximum(totals, 1)
    size = max(4.0, 0.46 * len(labels) + 2.4)
    figure: Any = Figure(figsize=(size + 0.6, size), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(table > 0).tolist():
        dark = shares[row, column] > 0.55
        axes.text(column, row, str(table[row, column]), ha="center", va="center", fontsize=8,
                  color="white" if dark else "#222222")  # fmt: skip
    places = range(len(labels))
    names = [f"{label} ({total})" for label, total in zip(labels, totals[:, 0].tolist(), strict=True)]
    axes.set_xticks(places, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(places, names, fontsize=9)
    axes.set_xlabel("said")
    axes.set_ylabel("true (sounds)")
    axes.set_title(fill(title, 90), fontsize=10, loc="left")
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the row")
    _save(figure, path)


def draw_reliability(path: Path, probabilities: NDArray[np.float64], truth: Ints, title: str, bins: int = 15) -> None:
    """Draw how often labels of each confidence are right, and how many sounds have it."""
    from matplotlib.figure import Figure

    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    sizes = np.bincount(place, minlength=bins)
    middles = (np.arange(bins) + 0.5) / bins
    hits = np.bincount(place, right, bins) / np.maximum(sizes, 1)
    there = sizes > 0
    figure: Any = Figure(figsize=(5.6, 6.4), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1, label="perfect")
    upper.bar(middles[there], hits[there], width=0.9 / bins, color="#3b76af", label="right")
    mean = np.bincount(place, confidence, bins) / np.maximum(sizes, 1)
    upper.plot(mean[there], hits[there], "o", color="#b5442e", markersize=4, label="mean confidence")
    upper.set_ylim(0, 1)
    upper.set_xlim(0, 1)
    upper.set_ylabel("share that is right")
    upper.legend(loc="upper left", frameon=False, fontsize=9)
    error = calibration_error(probabilities, truth, bins)
    upper.set_title(f"{fill(title, 68)}\nECE {error:.3f}, {len(truth)} sounds", fontsize=10, loc="left")
    lower.bar(middles, sizes, width=0.9 / bins, color="#999999")
    lower.set_xlabel("confidence")
    lower.set_ylabel("sounds")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
