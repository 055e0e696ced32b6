"""Notes against the truth: mir_eval.transcription."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["note_scores"]

_SHORTEST = 1e-3


def note_scores(
    truth: Sequence[tuple[float, float, float]], found: Sequence[tuple[float, float, float]]
) -> dict[str, float]:
    """Score notes given as (start, end, MIDI pitch).

    Returns
    -------
    dict
        `onset_f` (50 ms, any pitch), `f`, `precision` and `recall` (onset and pitch: 50 ms, 50 cents), `offset_f` (the
        end within a fifth of the length, at least 50 ms, as well).
    """
    import mir_eval

    if not len(truth) or not len(found):
        hit = float(len(truth) == len(found))
        return dict.fromkeys(("onset_f", "f", "precision", "recall", "offset_f"), hit)
    true, true_hz = _arrays(truth)
    got, got_hz = _arrays(found)
    match: Any = mir_eval.transcription.precision_recall_f1_overlap
    _, _, onset = mir_eval.transcription.onset_precision_recall_f1(true, got)
    precision, recall, f, _ = match(true, true_hz, got, got_hz, offset_ratio=None)
    _, _, offset, _ = match(true, true_hz, got, got_hz)
    values = {"onset_f": onset, "f": f, "precision": precision, "recall": recall, "offset_f": offset}
    return {name: float(value) for name, value in values.items()}


def _arrays(notes: Sequence[tuple[float, float, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.array(notes, float)
    rows[:, 1] = np.maximum(rows[:, 1], rows[:, 0] + _SHORTEST)
    return rows[:, :2], 440.0 * 2.0 ** ((rows[:, 2] - 69.0) / 12.0)
