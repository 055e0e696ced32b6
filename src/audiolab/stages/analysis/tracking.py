"""Beats: the best path through the accents at a given tempo (Ellis, "Beat tracking by dynamic programming", 2007)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.pulse import parabola

__all__ = ["extend_beats", "track_beats"]

Array = NDArray[np.float64]
TIGHTNESS = 100.0
"""Price of an interval that differs from the period, per squared logarithm, in deviations of the accents."""


def track_beats(strength: Array, period: float, *, tightness: float = TIGHTNESS) -> Array:
    """Follow the beat.

    Parameters
    ----------
    strength : ndarray [shape=(n,)]
        Onset strength by frame.
    period : float
        Usual distance of beats in frames; the path may stray from it where the accents do.
    tightness : float
        How steady the beat is expected to be.

    Returns
    -------
    ndarray [shape=(k,)]
        Beat positions in frames, increasing, with fractions.
    """
    if len(strength) < 2 or period < 4:
        return np.zeros(0)
    # Half the frame rate is enough to choose a path; each beat is then placed at full rate.
    halved = np.pad(strength, (0, len(strength) % 2)).reshape(-1, 2).max(axis=1)
    path = _best_path(halved / (halved.std() + 1e-9), period / 2, tightness)
    return _place(strength, path * 2)


def _best_path(strength: Array, period: float, tightness: float) -> NDArray[np.intp]:
    low, high = max(1, round(0.6 * period)), max(2, round(1.6 * period))
    lags = np.arange(high, low - 1, -1)
    price = -tightness * np.log(lags / period) ** 2
    score = np.zeros(len(strength) + high)
    back = np.full(len(strength), -1)
    for now in range(len(strength)):
        reached = score[now : now + high - low + 1] + price
        best = int(reached.argmax())
        if reached[best] > 0:
            score[now + high] = strength[now] + reached[best]
            back[now] = now - lags[best]
        else:
            score[now + high] = strength[now]
    tail = max(0, len(strength) - max(1, round(period)))
    now = tail + int(score[high + tail :].argmax())
    path = [now]
    while back[now] >= 0:
        now = int(back[now])
        path.append(now)
    return np.array(path[::-1])


def _place(strength: Array, frames: NDArray[np.intp]) -> Array:
    """Move each beat to the summit of the accent that it stands on, between frames."""
    placed = frames.astype(np.float64)
    padded = np.pad(strength, 1)
    for index, frame in enumerate(frames):
        low, high = max(0, frame - 1), min(len(strength), frame + 3)
        peak = low + int(strength[low:high].argmax()) if low < high else int(frame)
        placed[index] = peak + parabola(*padded[peak : peak + 3])
    return np.maximum.accumulate(placed + 1e-6 * np.arange(len(placed)))


def extend_beats(beats: Array, frames: float) -> Array:
    """Go on with the beat to both ends of the sound, and at most half a beat beyond."""
    first, last = float(np.median(np.diff(beats[:9]))), float(np.median(np.diff(beats[-9:])))
    before = np.arange(max(0, int((beats[0] + 0.5 * first) // first)), 0, -1)
    after = np.arange(1, max(0, int((frames + 0.5 * last - beats[-1]) // last)) + 1)
    return np.concatenate((beats[0] - before * first, beats, beats[-1] + after * last))
