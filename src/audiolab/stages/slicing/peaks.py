"""Picking onsets from a detection function: local maxima above an adaptive threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

__all__ = ["pick_peaks", "strength_of", "threshold_of"]

FloatArray = NDArray[np.float32]
DEFAULT_THRESHOLD = 0.02
"""At sensitivity 0.5. Chosen on rendered loops and seven drum stems; F stays within 0.005 from 0.013 to 0.026."""
_OVER_MEAN = 1.2
"""How far above the moving mean a peak must stand besides: steady noise has a mean and peaks of its own."""
_BEFORE, _AFTER = 20, 14
"""Hops of the moving mean: 100 ms before, 70 ms after (as in Böck, Krebs and Schedl, ISMIR 2012)."""
_HALF_STRENGTH = 0.12


def threshold_of(sensitivity: float) -> float:
    """Give the threshold above the moving mean: 0.2 at sensitivity 0, 0.02 at 0.5, 0.002 at 1."""
    return float(DEFAULT_THRESHOLD * 10.0 ** (1.0 - 2.0 * sensitivity))


def strength_of(rise: FloatArray) -> FloatArray:
    """Map rises above the moving mean to 0..1; a rise of 0.12 decades over all bands is 0.5."""
    return np.asarray(1.0 - 2.0 ** (-np.maximum(rise, 0.0) / _HALF_STRENGTH), np.float32)


def pick_peaks(flux: FloatArray, *, threshold: float, reach: int) -> tuple[NDArray[np.intp], FloatArray]:
    """Pick the hops where something begins.

    Parameters
    ----------
    flux : ndarray [shape=(n,)]
        Detection function, not negative.
    threshold : float
        How far a peak must stand above the mean of its surroundings.
    reach : int
        A peak is the largest value within this many hops on both sides; peaks are farther apart than that.

    Returns
    -------
    peaks : ndarray [int, shape=(k,)]
        Hops, increasing.
    rises : ndarray [float32, shape=(k,)]
        Height of each above the mean of its surroundings.
    """
    n = len(flux)
    if n == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.float32)
    running = np.concatenate(([0.0], np.cumsum(flux, dtype=np.float64)))
    index = np.arange(n)
    mean = running[np.minimum(n, index + _AFTER + 1)] - running[np.maximum(0, index - _BEFORE)]
    rise = flux - (_OVER_MEAN * mean / (_BEFORE + _AFTER + 1)).astype(np.float32)
    # Hops outside the sound count as zero, so that leading or trailing silence makes no difference.
    top = maximum_filter1d(flux, 2 * reach + 1, mode="constant", cval=0.0)
    found = np.flatnonzero((flux >= top) & (rise >= threshold) & (flux > 0))
    kept: list[int] = []
    for hop in found:  # equal neighbours: the first of a plateau counts
        if not kept or hop - kept[-1] > reach:
            kept.append(int(hop))
    peaks = np.array(kept, np.intp)
    return peaks, rise[peaks]
