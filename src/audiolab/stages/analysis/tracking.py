"""Beats: the best path through the accents at a given tempo (Ellis, "Beat tracking by dynamic programming", 2007)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.pulse import parabola

__all__ = ["extend_beats", "track_beats"]

Array = NDArray[np.float64]
TIGHTNESS = 1200.0
"""Price of an interval that differs from the local period, per squared logarithm, in deviations of the accents."""
WINDOW, STEP = 800, 200
"""Frames: the local period is looked for in 8 s of accents, every 2 s."""
STRETCH = 0.2
"""How far the local period may be from the usual one, as a share."""
PULL = 40.0
"""Price of that distance, per squared logarithm, in units of correlation."""


def track_beats(strength: Array, period: float, *, tightness: float = TIGHTNESS) -> Array:
    """Follow the beat.

    Parameters
    ----------
    strength : ndarray [shape=(n,)]
        Onset strength by frame.
    period : float
        Usual distance of beats in frames; the tempo may stray from it by a quarter, slowly.
    tightness : float
        How steady the beat is expected to be from one to the next.

    Returns
    -------
    ndarray [shape=(k,)]
        Beat positions in frames, increasing, with fractions.
    """
    if len(strength) < 2 or period < 4:
        return np.zeros(0)
    # Half the frame rate is enough to choose a path; each beat is then placed at full rate.
    halved = np.pad(strength, (0, len(strength) % 2)).reshape(-1, 2).max(axis=1)
    local = local_periods(strength, period)
    path = _best_path(halved / (halved.std() + 1e-9), local[: 2 * len(halved) : 2] / 2, tightness)
    return _place(strength, path * 2)


def local_periods(strength: Array, period: float) -> Array:
    """Follow a slowly changing period through the sound.

    The autocorrelation of each window is read near the usual period and its double; the path that stays
    high while changing little is found by dynamic programming.

    Returns
    -------
    ndarray [shape=(n + 1,)]
        Period by frame.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    frames = len(strength)
    if frames < 2 * WINDOW:
        return np.full(frames + 1, period)
    grid = period * np.exp(np.linspace(np.log(1 - STRETCH), np.log(1 + STRETCH), 61))
    length = next_fast_len(2 * WINDOW)
    starts = np.arange(0, frames - WINDOW + 1, STEP)
    values = np.empty((len(starts), len(grid)))
    lags = np.arange(WINDOW)
    for row, start in zip(values, starts, strict=True):
        part = strength[start : start + WINDOW]
        spectrum = rfft(part - part.mean(), length)
        curve = irfft(np.abs(spectrum) ** 2, length)[:WINDOW]
        curve = curve / (curve[0] + 1e-9) * WINDOW / (WINDOW - lags + WINDOW / 8)
        row[:] = np.interp(grid, lags, curve) + np.interp(2 * grid, lags, curve, right=0.0)
    price = 2000.0 * np.log(grid[:, None] / grid[None, :]) ** 2
    values -= PULL * np.log(grid / period) ** 2
    score, back = values[0], []
    for row in values[1:]:
        reached = score[None, :] - price
        best = reached.argmax(axis=1)
        back.append(best)
        score = row + reached[np.arange(len(grid)), best]
    path = [int(score.argmax())]
    for best in reversed(back):
        path.append(int(best[path[-1]]))
    return np.interp(np.arange(frames + 1), starts + WINDOW / 2, grid[path[::-1]])


def _best_path(strength: Array, periods: Array, tightness: float) -> NDArray[np.intp]:
    low, high = max(1, round(0.6 * periods.min())), max(2, round(1.6 * periods.max()))
    lags = np.arange(high, low - 1, -1).astype(float)
    score = np.zeros(len(strength) + high)
    back = np.full(len(strength), -1)
    last, price = -1.0, np.zeros(len(lags))
    for now in range(len(strength)):
        if abs(periods[now] - last) > 0.02:
            last = float(periods[now])
            # an interval of frames cannot fit a period better than within half a frame
            off = np.maximum(0.0, np.abs(lags - last) - 0.5)
            price = -tightness * (off / last) ** 2
        reached = score[now : now + high - low + 1] + price
        best = int(reached.argmax())
        if reached[best] > 0:
            score[now + high] = strength[now] + reached[best]
            back[now] = now - int(lags[best])
        else:
            score[now + high] = strength[now]
    tail = max(0, len(strength) - max(1, round(float(periods[-1]))))
    now = tail + int(score[high + tail :].argmax())
    path = [now]
    while back[now] >= 0:
        now = int(back[now])
        path.append(now)
    found = np.array(path[::-1])
    # Where nothing sounds at the ends, the path is mere guessing.
    heard = np.flatnonzero(strength[found] > 0.1 * np.median(strength[found]))
    return found[heard[0] : heard[-1] + 1] if len(heard) else found


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
