"""What the masks look at: for every time-frequency bin some scale-free numbers.

- harmonic or percussive, at three window lengths (Fitzgerald 2010; Driedger, Müller and Disch 2014): how far the bin
  lies above or below the median of its neighbours in time, and in frequency. Drums are smooth over frequency at every
  window length, steady tones over time at every window length; a singing voice moves, so that it looks harmonic in
  short windows and percussive in long ones (Fitzgerald and Gainza 2010; Tachibana et al. 2010);
- concentration: the same bin's level in a shorter and a longer window against the grid's own;
- rise and fall against the frames around;
- off bass: whether the bin lies between the harmonics of the bass line (`bass`);
- side: how far the bin is from the middle of the stereo image (Avendano and Jot 2004), zero for mono.

References
----------
.. [1] D. Fitzgerald (2010), Harmonic/percussive separation using median filtering, DAFx.
.. [2] J. Driedger, M. Müller, S. Disch (2014), Extending harmonic-percussive separation of audio signals, ISMIR.
.. [3] D. Fitzgerald, M. Gainza (2010), Single channel vocal separation using median filtering and factorisation
       techniques, ISAST Transactions on Electronic and Signal Processing 4.
.. [4] H. Tachibana, T. Ono, N. Ono, S. Sagayama (2010), Melody line estimation in homophonic music audio signals
       based on temporal-variability of melodic source, ICASSP.
.. [5] C. Avendano, J.-M. Jot (2004), A frequency-domain approach to multichannel upmix, JAES 52.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from audiolab.audio import Block, Frames
from audiolab.stages.separation.spectral.bass import bass_pitch, off_bass
from audiolab.stages.separation.spectral.grid import Array, Complex, Grid
from audiolab.stages.separation.spectral.medians import median_along_bins, median_along_time

__all__ = ["MARGIN", "Analysis", "analyse"]

MARGIN = 28
"""Frames of context that every feature needs at most on either side, half the longest window included."""
_EDGE = 20
_TINY = np.float32(1e-7)
"""Added to magnitudes (full scale 1): below -140 dB all bins look alike."""
_NEIGHBOURS_S = 0.37
_NEIGHBOURS_LONG_S = 0.75
_NEIGHBOURS_HZ = 430.0


@dataclass(frozen=True, slots=True)
class Analysis:
    """One chunk of the grid: spectra and features of its frames."""

    spectra: Complex
    """Shape (channels, frames, bins)."""
    magnitude: Array
    """Root mean square over channels, shape (frames, bins)."""
    percussive: Array
    """The part of the magnitude that looks percussive."""
    features: dict[str, Array]
    """Each of shape (frames, bins)."""


def analyse(grid: Grid, audio: Block, count: Frames) -> Analysis:
    """Compute the features of `count` frames.

    Parameters
    ----------
    grid : Grid
        The grid.
    audio : ndarray [float32, shape=(channels, (count + 2 * MARGIN) * hop)]
        Frame `i` of the result is centred at sample `(MARGIN + i) * hop`.
    count : int
        Number of frames.
    """
    wide = count + 2 * _EDGE
    start = (MARGIN - _EDGE) * grid.hop
    own = _spectra(grid, audio, start, size=grid.size, step=grid.hop, count=wide)
    magnitude = _rms(own, grid.size)
    level = np.log(magnitude + _TINY)
    core = slice(_EDGE, _EDGE + count)
    features: dict[str, Array] = {}

    def note(name: str, values: Array) -> None:
        features[name] = values[core]

    short = _rms(_spectra(grid, audio, start, size=grid.hop, step=grid.hop // 2, count=2 * wide), grid.hop)
    s_level, s_time, s_bins = (
        _spread(_pairs(a), grid.bins)
        for a in _smoothness(short, 2 * _odd(_NEIGHBOURS_S, grid), 4 * grid.rate / grid.size)
    )
    note("short_time", s_time)
    note("short_bins", s_bins)
    note("short_level", s_level - level)
    _, o_time, o_bins = _smoothness(magnitude, _odd(_NEIGHBOURS_S, grid), grid.rate / grid.size)
    note("own_time", o_time)
    note("own_bins", o_bins)
    long = _rms(_spectra(grid, audio, start, size=4 * grid.size, step=grid.hop, count=wide), 4 * grid.size)
    l_level, l_time, l_bins = (
        _gather(a) for a in _smoothness(long, _odd(_NEIGHBOURS_LONG_S, grid), grid.rate / grid.size / 4)
    )
    note("long_time", l_time)
    note("long_bins", l_bins)
    note("long_level", l_level - level)
    for step in (1, 3):
        before, after = np.roll(level, step, axis=0), np.roll(level, -step, axis=0)
        note(f"rise_{step}", np.clip(level - before, 0.0, 6.0))
        note(f"fall_{step}", np.clip(level - after, 0.0, 6.0))
    note("side", _side(own))
    note("off_bass", off_bass(grid, bass_pitch(grid, long)))
    harmonic = 1.0 / (1.0 + np.exp(-2.0 * np.clip(s_time - s_bins + o_time - o_bins, -10.0, 10.0)))
    percussive = magnitude * (1.0 - harmonic.astype(np.float32))
    return Analysis(own[:, core], magnitude[core], percussive[core], features)


def _odd(seconds: float, grid: Grid) -> int:
    return round(seconds * grid.rate / grid.hop) | 1


def _spectra(grid: Grid, audio: Block, centre: Frames, *, size: Frames, step: Frames, count: int) -> Complex:
    """Transform windows centred at `centre`, `centre + step` and so on."""
    return grid.transform(audio[:, centre - size // 2 :], size=size, step=step, count=count)


def _rms(spectra: Complex, size: Frames) -> Array:
    """Magnitude over all channels; a full-scale sine gives about 1 at any window length."""
    power = np.mean(spectra.real**2 + spectra.imag**2, axis=0)
    return np.asarray(np.sqrt(power) * np.float32(4.0 / size), np.float32)


def _smoothness(magnitude: Array, frames: int, hertz: float) -> tuple[Array, Array, Array]:
    """Level, and the medians over time and over bins against it (natural logarithms)."""
    level = np.log(magnitude + _TINY)
    over_time = np.log(median_along_time(magnitude, frames | 1) + _TINY) - level
    over_bins = np.log(median_along_bins(magnitude, max(5, round(_NEIGHBOURS_HZ / hertz) | 1)) + _TINY) - level
    return level, over_time, over_bins


def _pairs(values: Array) -> Array:
    """Bring windows that step by half a hop to the grid: the mean of the one at, and the ones around, each frame."""
    return np.asarray(uniform_filter1d(values, 3, axis=0, mode="nearest")[::2], np.float32)


def _spread(values: Array, bins: int) -> Array:
    """Bring the bins of a window a quarter as long to the grid's, linearly in between."""
    quarter = np.arange(4, dtype=np.float32) / 4.0
    left, right = values[:, :-1, None], values[:, 1:, None]
    fine = (left + (right - left) * quarter).reshape(len(values), -1)
    return np.concatenate([fine, values[:, -1:]], axis=1)[:, :bins]


def _gather(values: Array) -> Array:
    """Bring the bins of a window four times as long to the grid's: the value of the strongest around."""
    return np.asarray(maximum_filter1d(values, 5, axis=1)[:, ::4], np.float32)


def _side(spectra: Complex) -> Array:
    """Distance from the middle: 0 in the middle, 1 on one side or without relation, 2 in opposite phase."""
    if len(spectra) == 1:
        return np.zeros(spectra.shape[1:], np.float32)
    left, right = spectra[0], spectra[1]
    cross = (left * right.conj()).real
    power = 0.5 * (left.real**2 + left.imag**2 + right.real**2 + right.imag**2)
    for axis, width in ((0, 3), (1, 3)):
        cross, power = uniform_filter1d(cross, width, axis=axis), uniform_filter1d(power, width, axis=axis)
    return np.asarray(1.0 - (cross + 1e-12) / (power + 1e-12), np.float32)
