"""Scores of a classifier: accuracy on several merges of the labels, macro F1, top 3, calibration, the unknown rule.

Conventions: `probabilities` has shape (sounds, labels) and is from before the `unknown` rule; a merged class is
predicted if the best label belongs to it; sounds whose true label is in no class of a merge are left out of it.
Intervals are 95 % bootstrap intervals over whole sources, because sounds of one source are not independent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError

__all__ = ["MERGES", "best_threshold", "calibration_error", "fit_temperature", "score", "softmax", "unknown_threshold"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

_DRUMS = {
    **{name: (name,) for name in ("kick", "snare", "clap", "closed_hat", "open_hat")},
    "cymbal": ("crash", "ride"),
    "tom": ("tom",),
    "percussion": ("percussion",),
}
_ELEVEN = {
    **{name: (name,) for name in ("kick", "snare", "clap", "rim")},
    "cymbal": ("closed_hat", "open_hat", "crash", "ride"),
    **{name: (name,) for name in ("tom", "cowbell", "percussion")},
    "tonal": ("bass", "synth", "keys", "guitar", "strings", "brass"),
    "vocal": ("vocal",),
    "fx": ("fx",),
}
MERGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"8 drums": _DRUMS, "11 classes": _ELEVEN}
"""Coarser views of the labels that scores are reported on."""


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Turn logits into probabilities."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    p = np.exp(scaled)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def fit_temperature(logits: Floats, truth: Ints) -> float:
    """Find the temperature with the best likelihood (Guo et al. 2017) by a search on a fine grid."""
    grid = np.geomspace(0.2, 5.0, 200)
    rows = np.arange(len(truth))
    losses = [-np.log(softmax(logits, t)[rows, truth] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def calibration_error(probabilities: Floats, truth: Ints, bins: int = 15) -> float:
    """Give the expected calibration error: how far confidence lies from accuracy, on average over equal bins."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for number in range(bins):
        mine = place == number
        if mine.any():
            error += mine.mean() * abs(right[mine].mean() - confidence[mine].mean())
    return float(error)


def unknown_threshold(probabilities: Floats, truth: Ints, precision: float) -> float:
    """Find the lowest confidence from which on the labels are right at least this often.

    Raises
    ------
    ParameterError
        If no confidence gives that precision on at least 20 sounds.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    for threshold in np.arange(0.0, 1.0, 0.01):
        kept = confidence >= threshold
        if kept.sum() >= min(20, len(truth)) and right[kept].mean() >= precision:
            return float(round(threshold, 2))
    raise ParameterError(f"no confidence gives a precision of {precision}; the classifier is not that good")


def best_threshold(probabilities: Floats, truth: Ints, precision: float) -> tuple[float, float]:
    """Find that confidence, or the one with the best precision if none is that good, and the precision there."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    try:
        found = unknown_threshold(probabilities, truth, precision)
    except ParameterError:
        grid = np.arange(0.0, 1.0, 0.01)
        enough = [t for t in grid if (confidence >= t).sum() >= min(20, len(truth))]
        found = float(round(max(enough, key=lambda t: (right[confidence >= t].mean(), -t)), 2))
        said = f"no confidence gives a precision of {precision}; `unknown` is under the best there is, {found}"
        logging.getLogger("audiolab.training").warning("%s", said)
    kept = confidence >= found
    return found, float(right[kept].mean()) if kept.any() else float("nan")


def score(
    probabilities: Floats, truth: Ints, labels: Sequence[str], sources: Sequence[str], *, unknown_below: float = 0.0
) -> dict[str, Any]:
    """Score predictions; see the module's conventions.

    Returns
    -------
    dict
        `labels` (accuracy, top_3, macro_f1, each with its interval), one entry per merge (accuracy, interval, sounds),
        `ece`, `unknown` (share, precision of the rest) and `per_label` (recall, precision, sounds, sources).
    """
    best = probabilities.argmax(axis=1)
    right = best == truth
    ranks = np.argsort(-probabilities, axis=1, kind="stable")
    among = (ranks[:, :3] == truth[:, None]).any(axis=1)
    names = np.asarray(sources)
    result: dict[str, Any] = {
        "labels": {
            "sounds": len(truth),
            "accuracy": float(right.mean()),
            "interval": _interval(right, names),
            "top_3": float(among.mean()),
            "top_3_interval": _interval(among, names),
            "macro_f1": _macro_f1(best, truth),
            "macro_f1_interval": _macro_f1_interval(best, truth, names),
        }
    }
    for name, classes in MERGES.items():
        number = np.full(len(labels), -1)
        for index, members in enumerate(classes.values()):
            for member in members:
                if member in labels:
                    number[list(labels).index(member)] = index
        inside = number[truth] >= 0
        hit = number[best[inside]] == number[truth[inside]]
        result[name] = {
            "sounds": int(inside.sum()),
            "accuracy": float(hit.mean()) if inside.any() else float("nan"),
            "interval": _interval(hit, names[inside]),
            "macro_f1": _macro_f1(number[best[inside]], number[truth[inside]]),
        }
    result["ece"] = calibration_error(probabilities, truth)
    kept = probabilities.max(axis=1) >= unknown_below
    result["unknown"] = {
        "threshold": unknown_below,
        "share": float(1 - kept.mean()),
        "precision_of_the_rest": float(right[kept].mean()) if kept.any() else float("nan"),
    }
    result["per_label"] = {
        label: {
            "recall": float(right[truth == index].mean()) if (truth == index).any() else float("nan"),
            "precision": float(right[best == index].mean()) if (best == index).any() else float("nan"),
            "sounds": int((truth == index).sum()),
            "sources": len(set(names[truth == index].tolist())),
        }
        for index, label in enumerate(labels)
    }
    return result


def _macro_f1(predicted: Ints, truth: Ints) -> float:
    scores = []
    for label in sorted(set(truth.tolist())):
        hits = int(((predicted == label) & (truth == label)).sum())
        scores.append(2 * hits / (int((predicted == label).sum()) + int((truth == label).sum())))
    return float(np.mean(scores)) if scores else float("nan")


def _macro_f1_interval(predicted: Ints, truth: Ints, sources: NDArray[np.str_], draws: int = 1000) -> list[float]:
    if not len(truth):
        return [float("nan"), float("nan")]
    names, place = np.unique(sources, return_inverse=True)
    count = int(max(predicted.max(), truth.max())) + 1
    counts = np.zeros((3, len(names), count))  # hits, said, true: by source and label
    np.add.at(counts[0], (place, truth), predicted == truth)
    np.add.at(counts[1], (place, predicted), 1)
    np.add.at(counts[2], (place, truth), 1)
    drawn = np.random.default_rng(0).integers(0, len(names), (draws, len(names)))
    times = np.zeros((draws, len(names)))  # how often each source was drawn
    np.add.at(times, (np.arange(draws)[:, None], drawn), 1)
    hits, said, true = (times @ table for table in counts)
    scores = np.where(true > 0, 2 * hits / np.maximum(said + true, 1), np.nan)
    return [float(x) for x in np.percentile(np.nanmean(scores, axis=1), [2.5, 97.5])]


def _interval(right: NDArray[np.bool_], sources: NDArray[np.str_], draws: int = 1000) -> list[float]:
    if not len(right):
        return [float("nan"), float("nan")]
    names = sorted(set(sources.tolist()))
    hits = np.array([right[sources == name].sum() for name in names], np.float64)
    sizes = np.array([(sources == name).sum() for name in names], np.float64)
    drawn = np.random.default_rng(0).integers(0, len(names), (draws, len(names)))
    means = hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return [float(x) for x in np.percentile(means, [2.5, 97.5])]
