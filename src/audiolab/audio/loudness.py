"""Levels: integrated and momentary loudness, loudness range, true peak and sample peak, all read block by block.

References
----------
.. [1] ITU-R BS.1770-4 (2015), Algorithms to measure audio programme loudness and true-peak audio level.
.. [2] B. De Man (2018), Evaluation of implementations of the EBU R128 loudness measurement, AES 145
       (the analogue prototypes of the K-weighting, from which the filter at any rate follows).
.. [3] EBU Tech 3342 (2016), Loudness range: a measure to supplement EBU R 128 loudness normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.audio.resampling import resample_blocks
from audiolab.audio.source import BlockSource
from audiolab.audio.units import Block, Decibels, Lufs, amplitude_to_db

__all__ = [
    "Levels",
    "LoudnessMeter",
    "integrated_lufs",
    "loudness_range",
    "measure_levels",
    "momentary_lufs",
    "sample_peak_db",
    "true_peak_db",
]

_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
_RANGE_GATE = -20.0
_QUIET, _LOUD = 10.0, 95.0
"""Percentiles between which the loudness range lies."""
_SHORT_TERM = 30
"""Steps of 0.1 s in a short-term window: 3 s."""
_OFFSET = -0.691
# BS.1770-4, table 3, in the channel order of WAVE_FORMAT_EXTENSIBLE (L R C LFE Ls Rs).
_WEIGHTS = {5: (1.0, 1.0, 1.0, 1.41, 1.41), 6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41)}


@dataclass(frozen=True, slots=True)
class Levels:
    """All levels of a sound."""

    lufs: Lufs | None
    """Integrated loudness, or None if nothing passes the gate of -70 LUFS."""
    true_peak_db: Decibels
    """Highest level between samples, in dBTP; -240 for silence."""
    sample_peak_db: Decibels
    """Highest sample, in dBFS; -240 for silence."""
    lra: float | None = None
    """Loudness range in LU, or None for sounds shorter than 3 s or below the gate of -70 LUFS."""


def measure_levels(source: BlockSource) -> Levels:
    """Measure loudness, its range and peaks in one pass over the source."""
    loudness, peaks = LoudnessMeter(source.sample_rate, source.channels), _SamplePeak()

    def tapped() -> Iterator[Block]:
        for block in source.blocks():
            loudness.add(block)
            peaks.add(block)
            yield block

    over = _true_peak(tapped(), source)
    top, over = amplitude_to_db(peaks.peak), amplitude_to_db(max(over, peaks.peak))
    return Levels(loudness.integrated(), over, top, loudness.range())


def integrated_lufs(source: BlockSource) -> Lufs | None:
    """Measure the integrated loudness (BS.1770-4, gated).

    Parameters
    ----------
    source : BlockSource
        Any rate from 8 to 192 kHz. Five and six channels get the surround weights, others weight 1 each.

    Returns
    -------
    float or None
        In LUFS; None for silence and whatever stays below -70 LUFS. Sounds shorter than 0.4 s count as one block.
    """
    loudness = LoudnessMeter(source.sample_rate, source.channels)
    for block in source.blocks():
        loudness.add(block)
    return loudness.integrated()


def loudness_range(source: BlockSource) -> float | None:
    """Measure the loudness range (EBU Tech 3342): how far apart quiet and loud passages are.

    The short-term loudness (windows of 3 s, one each 0.1 s) is gated at -70 LUFS and at 20 LU below its mean power;
    the range lies between its 10th and 95th percentile. As in libebur128, no silence is appended (the example code of
    the standard, and pyloudnorm, append 1.5 s, which gives short steady sounds a range).

    Returns
    -------
    float or None
        In LU; None for sounds shorter than 3 s or below -70 LUFS.
    """
    loudness = LoudnessMeter(source.sample_rate, source.channels)
    for block in source.blocks():
        loudness.add(block)
    return loudness.range()


def momentary_lufs(source: BlockSource) -> NDArray[np.float64]:
    """Measure the momentary loudness: windows of 0.4 s, one each 0.1 s.

    Returns
    -------
    ndarray [float64, shape=(n,)]
        Window `i` covers `0.1 i` to `0.1 i + 0.4` seconds; -inf for silence; one value for shorter sounds.
    """
    loudness = LoudnessMeter(source.sample_rate, source.channels)
    for block in source.blocks():
        loudness.add(block)
    return _to_lufs(loudness.windows())


def sample_peak_db(source: BlockSource) -> Decibels:
    """Measure the highest sample in dBFS; -240 for silence."""
    peak = _SamplePeak()
    for block in source.blocks():
        peak.add(block)
    return amplitude_to_db(peak.peak)


def true_peak_db(source: BlockSource) -> Decibels:
    """Measure the highest level between samples in dBTP, oversampled four times; -240 for silence.

    The interpolator is soxr's (linear phase, steeper than the 48 taps of BS.1770-4 annex 2); the sound is
    taken as surrounded by silence. Never below the sample peak.
    """
    peaks = _SamplePeak()

    def tapped() -> Iterator[Block]:
        for block in source.blocks():
            peaks.add(block)
            yield block

    return amplitude_to_db(max(_true_peak(tapped(), source), peaks.peak))


def _true_peak(blocks: Iterator[Block], source: BlockSource) -> float:
    rate, peak = source.sample_rate, 0.0
    for block in resample_blocks(blocks, source.channels, rate, 4 * rate, 4 * source.frames, quality="HQ"):
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
    return peak


class _SamplePeak:
    def __init__(self) -> None:
        self.peak = 0.0

    def add(self, block: Block) -> None:
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))


class LoudnessMeter:
    """Loudness of a stream: weighted energies of steps of 0.1 s, from which windows of 0.4 s follow."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.rate, self.channels = sample_rate, channels
        self.sos = _k_weighting(sample_rate)
        self.state = np.zeros((len(self.sos), channels, 2))
        self.weights = np.array(_WEIGHTS.get(channels, (1.0,) * channels))
        self.steps: list[float] = []
        self.partial = 0.0
        self.frames = 0

    def add(self, block: Block) -> None:
        """Take the next block, shape (channels, n)."""
        from scipy.signal import sosfilt

        filtered, self.state = sosfilt(self.sos, block.astype(np.float64), axis=1, zi=self.state)
        power = self.weights @ np.square(filtered)
        at = 0
        while at < len(power):
            edge = self._edge(len(self.steps) + 1) - self.frames
            part = power[at : at + edge]
            self.partial += float(part.sum())
            self.frames += len(part)
            at += len(part)
            if len(part) == edge:
                self.steps.append(self.partial)
                self.partial = 0.0

    def _edge(self, step: int) -> int:
        return step * self.rate // 10

    def windows(self, length: int = 4) -> NDArray[np.float64]:
        """Mean weighted power of each window of `length` steps; a sound shorter than 0.4 s is one window."""
        if len(self.steps) < min(length, 4):
            total = sum(self.steps) + self.partial
            return np.array([total / self.frames]) if self.frames else np.zeros(0)
        # As pyloudnorm does: a last step that is more than half full counts, as if silence followed.
        rest = self.frames - self._edge(len(self.steps))
        steps = [*self.steps, self.partial] if 20 * rest > self.rate else self.steps
        edges = np.arange(len(steps) + 1) * self.rate // 10
        sums = np.concatenate([[0.0], np.cumsum(steps)])
        # Differences of a running sum can end a hair below zero in silence.
        return np.asarray(np.maximum(sums[length:] - sums[:-length], 0.0) / (edges[length:] - edges[:-length]))

    def integrated(self) -> Lufs | None:
        """Give the gated loudness so far; see `integrated_lufs`."""
        power = self.windows()
        power = power[_to_lufs(power) > _ABSOLUTE_GATE]
        if not len(power):
            return None
        threshold = _OFFSET + 10 * math.log10(power.mean()) + _RELATIVE_GATE
        return float(_OFFSET + 10 * math.log10(power[_to_lufs(power) > threshold].mean()))

    def range(self) -> float | None:
        """Give the loudness range so far; see `loudness_range`."""
        if len(self.steps) < _SHORT_TERM:
            return None
        power = self.windows(_SHORT_TERM)
        power = power[_to_lufs(power) > _ABSOLUTE_GATE]
        if not len(power):
            return None
        loudness = _to_lufs(power[_to_lufs(power) > _OFFSET + 10 * math.log10(power.mean()) + _RANGE_GATE])
        low, high = np.percentile(loudness, (_QUIET, _LOUD))
        return float(high - low)


def _to_lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(_OFFSET + 10 * np.log10(power))


def _k_weighting(rate: int) -> NDArray[np.float64]:
    """Give the K-weighting as two second-order sections: the bilinear transform of its analogue prototypes.

    At 48 kHz these are the coefficients of BS.1770-4, except that its low cut is 0.04 dB above unity in the
    pass band and this one is not, so that all rates measure alike.
    """
    gain, q, centre = 3.999843853973347, 0.7071752369554196, 1681.974450955533
    k = math.tan(math.pi * centre / rate)
    high, band = 10 ** (gain / 20), (10 ** (gain / 20)) ** 0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        1.0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    q, centre = 0.5003270373238773, 38.13547087602444
    k = math.tan(math.pi * centre / rate)
    a0 = 1 + k / q + k * k
    low_cut = [1 / a0, -2 / a0, 1 / a0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, low_cut])
