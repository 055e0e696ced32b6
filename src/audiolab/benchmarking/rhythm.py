"""Onsets, beats, tempo, meter, key and drum hits against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiolab.benchmarking.drum_classes import CLASSES

__all__ = ["beat_scores", "drum_counts", "drum_f", "key_score", "merge_close", "onset_scores", "tempo_scores"]

Scores: TypeAlias = dict[str, float]
Counts: TypeAlias = dict[str, NDArray[np.int64]]

_TOLERANCE = 0.04
_OCTAVES = (1.0, 2.0, 0.5, 3.0, 1 / 3)
_FIRST_SECONDS = 5.0


def merge_close(times: Iterable[float], gap: float = 0.03) -> NDArray[np.float64]:
    """Keep the first of onsets that lie within `gap` seconds: people hear them as one."""
    kept: list[float] = []
    for time in sorted(times):
        if not kept or time - kept[-1] > gap:
            kept.append(time)
    return np.array(kept)


def onset_scores(truth: ArrayLike, found: ArrayLike, *, window: float = 0.05) -> Scores:
    """Give F, precision and recall (mir_eval.onset), and the median distance of matched onsets in ms."""
    import mir_eval

    true, got = np.asarray(truth, float), np.asarray(found, float)
    if not len(true) or not len(got):
        hit = float(len(true) == len(got))
        return {"f": hit, "precision": hit, "recall": hit, "start_error_ms": float("nan")}
    f, precision, recall = mir_eval.onset.f_measure(true, got, window=window)
    errors = [abs(got[j] - true[i]) for i, j in mir_eval.util.match_events(true, got, window)]
    return {
        "f": float(f),
        "precision": float(precision),
        "recall": float(recall),
        "start_error_ms": 1000 * float(np.median(errors)) if errors else float("nan"),
    }


def tempo_scores(truth: float, found: float | None) -> Scores:
    """Give accuracy 1 (within 4 %) and 2 (or at double, half, three times, a third of it)."""
    right = [found is not None and abs(found / (truth * k) - 1) < _TOLERANCE for k in _OCTAVES]
    return {"tempo_accuracy_1": float(right[0]), "tempo_accuracy_2": float(any(right))}


def beat_scores(truth: ArrayLike, found: ArrayLike) -> Scores:
    """Give F (70 ms) and AMLt of mir_eval.beat; the first five seconds are left out, as the field does.

    Shorter sounds, of which nothing would be left, are scored from the start.
    """
    import mir_eval

    true, got = np.asarray(truth, float), np.asarray(found, float)
    if (true > _FIRST_SECONDS).sum() >= 2:
        true, got = mir_eval.beat.trim_beats(true), mir_eval.beat.trim_beats(got)
    if not len(true) or not len(got):
        return {"f": float(len(true) == len(got)), "amlt": float(len(true) == len(got))}
    amlt = float(mir_eval.beat.continuity(true, got)[3]) if min(len(true), len(got)) > 1 else float("nan")
    return {"f": float(mir_eval.beat.f_measure(true, got)), "amlt": amlt}


def key_score(truth: str, found: str | None) -> float:
    """Give MIREX's weighted score: 1 right, 0.5 a fifth off, 0.3 relative, 0.2 parallel."""
    import mir_eval

    return 0.0 if found is None else float(mir_eval.key.weighted_score(truth, found))


def drum_counts(truth: Mapping[str, Sequence[float]], found: Mapping[str, Sequence[float]], *, window: float) -> Counts:
    """Count for each class [hits, true onsets, found onsets]; a class's onsets at the same time count once."""
    import mir_eval

    counts = {}
    for label in CLASSES:
        true, got = np.unique(truth.get(label, [])), np.unique(found.get(label, []))
        hits = len(mir_eval.util.match_events(true, got, window)) if len(true) and len(got) else 0
        counts[label] = np.array([hits, len(true), len(got)])
    return counts


def drum_f(counts: Mapping[str, ArrayLike]) -> Scores:
    """Give F of each class and over all hits; NaN where there is neither a true nor a found hit."""
    table = {label: np.asarray(counts[label], float) for label in CLASSES}
    total = np.sum(list(table.values()), axis=0)
    scores = {label: _f(row) for label, row in table.items()}
    precision, recall = (float(total[0] / n) if n else float("nan") for n in (total[2], total[1]))
    return {**scores, "all": _f(total), "precision": precision, "recall": recall}


def _f(row: NDArray[np.float64]) -> float:
    return float(2 * row[0] / (row[1] + row[2])) if row[1] + row[2] else float("nan")
