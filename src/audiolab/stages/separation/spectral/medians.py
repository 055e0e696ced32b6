"""Medians along one axis of a spectrogram, and across a handful of spectrograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import rank_filter

from audiolab.stages.separation.spectral.grid import Array

__all__ = ["median_across", "median_along_bins", "median_along_time"]


def median_along_bins(spectrogram: Array, width: int) -> Array:
    """Give the running median of odd `width` over the last axis, mirrored at its ends.

    All rows are filtered as one long row with mirrored gaps in between: SciPy's one-dimensional filter updates
    its window in logarithmic time, its two-dimensional one does not.
    """
    half = min(width // 2, spectrogram.shape[1] - 1)
    if half < 1:
        return spectrogram
    padded = np.pad(spectrogram, ((0, 0), (half, half)), mode="reflect")
    flat = rank_filter(padded.ravel(), half, size=2 * half + 1)
    return np.asarray(flat.reshape(padded.shape)[:, half:-half], np.float32)


def median_along_time(spectrogram: Array, width: int) -> Array:
    """Give the running median of odd `width` over the first axis, mirrored at its ends."""
    return np.ascontiguousarray(median_along_bins(np.ascontiguousarray(spectrogram.T), width).T)


def median_across(arrays: Sequence[Array]) -> Array:
    """Element-wise median of an odd number of equally shaped arrays.

    Forgetful selection: of n // 2 + 2 values neither the smallest nor the largest can be the median; drop both, take in
    the next, repeat. Whole arrays are compared at a time.
    """
    waiting = list(arrays)
    held = [np.array(a) for a in waiting[: len(waiting) // 2 + 2]]
    waiting = waiting[len(held) :]
    while len(held) > 1:
        for i in range(len(held) // 2):  # smaller ones to the front half, larger ones to the back half
            _order(held, i, len(held) - 1 - i)
        middle = (len(held) - 1) // 2
        for i in range(1, middle + 1):
            _order(held, 0, i)
        for i in range(len(held) // 2, len(held) - 1):
            _order(held, i, len(held) - 1)
        held = held[1:-1]
        if waiting:
            held.append(np.array(waiting.pop(0)))
    return held[0]


def _order(held: list[Array], low: int, high: int) -> None:
    if low != high:
        held[low], held[high] = np.minimum(held[low], held[high]), np.maximum(held[low], held[high])
