"""The bass line's pitch, frame by frame: what lies between its harmonics is not bass.

Harmonic summation (Hermes 1988) on the long window's compressed magnitudes, smoothed over a third of a second.
Pitch-class is what counts: an octave too low only leaves fewer gaps between the harmonics.

References
----------
.. [1] D. Hermes (1988), Measurement of pitch by subharmonic summation, JASA 83.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from audiolab.stages.separation.spectral.grid import Array, Grid

__all__ = ["bass_pitch", "off_bass"]

LOWEST, HIGHEST = 38.0, 220.0
"""Hertz: a five-string bass's low D sharp to the A above middle position."""
_PER_OCTAVE = 48
_HARMONICS = 5
_DECAY = 0.8
_SMOOTH = 13
_TOP = 600.0
_WIDTH = 9.0


def bass_pitch(grid: Grid, long: Array) -> Array:
    """Estimate the pitch of the bass.

    Parameters
    ----------
    grid : Grid
        The grid.
    long : ndarray [shape=(frames, 4 * (bins - 1) + 1)]
        Magnitudes of windows four times the grid's.

    Returns
    -------
    ndarray [shape=(frames,)]
        In hertz, between `LOWEST` and `HIGHEST`; some value even where no bass plays.
    """
    step = grid.rate / (4.0 * grid.size)
    pitches = LOWEST * 2.0 ** (np.arange(int(np.log2(HIGHEST / LOWEST) * _PER_OCTAVE)) / _PER_OCTAVE)
    top = min(long.shape[1] - 1, int(_HARMONICS * HIGHEST / step) + 2)
    loudness = np.sqrt(long[:, : top + 1])
    salience = np.zeros((len(long), len(pitches)), np.float32)
    for harmonic in range(1, _HARMONICS + 1):
        place = np.minimum(pitches * harmonic / step, top - 1e-3)
        left = place.astype(np.intp)
        part = (place - left).astype(np.float32)
        salience += np.float32(_DECAY ** (harmonic - 1)) * (
            loudness[:, left] * (1 - part) + loudness[:, left + 1] * part
        )
    salience /= salience.max(axis=1, keepdims=True) + np.float32(1e-9)
    best = np.argmax(uniform_filter1d(salience, _SMOOTH, axis=0, mode="nearest"), axis=1)
    return np.asarray(pitches[best], np.float32)


def off_bass(grid: Grid, pitch: Array) -> Array:
    """Tell for each bin how far it is from being a harmonic of the bass: 0 on one, 1 between two of them.

    Only above the pitch and below 600 Hz; elsewhere 0. Shape (frames, bins).
    """
    out = np.zeros((len(pitch), grid.bins), np.float32)
    used = int(np.searchsorted(grid.hertz, _TOP))
    hertz = grid.hertz[None, :used]
    nearest = np.maximum(np.rint(hertz / pitch[:, None]), 1.0) * pitch[:, None]
    away = 1.0 - np.exp(-0.5 * ((hertz - nearest) / _WIDTH) ** 2)
    out[:, :used] = away * (hertz > 1.2 * pitch[:, None])
    return out
