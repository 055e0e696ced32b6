"""Spectra of a stream, a batch of frames at a time: what analysis and slicing both stand on.

Conventions: mono, frame `i` is centred on sample `origin + i * hop`; samples before the origin and after
the end count as zeros; memory does not grow with the length of the stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block, BlockSource, DerivedSource, Frames
from audiolab.stages.base import Progress, no_progress

__all__ = ["Folded", "Survey", "frame_batches", "log_bands", "magnitudes", "survey"]

FloatArray = NDArray[np.float32]
SILENCE = 10.0 ** (-90.0 / 20.0)
"""A sound whose peak is below this (-90 dBFS, the last bit of 16) holds nothing but dither."""
BATCH = 1024
"""Frames per batch; 1024 spectra of 2048 samples are some 8 MB."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a sound tells before any spectrum is taken."""

    peak: float
    """Largest absolute sample after the offset is taken away."""
    level: float
    """Loud but usual level: 95th percentile of the RMS of 20 ms windows that are not silent."""
    first: Frames
    """First frame above -100 dB of the peak: exact leading silence does not move the analysis grid."""
    offset: float
    """Mean of the folded signal from `first` on (DC)."""
    weights: tuple[float, ...]
    """How channels are folded to one."""

    @property
    def silent(self) -> bool:
        """True if there is nothing to hear."""
        return self.peak < SILENCE


@dataclass(frozen=True, slots=True)
class Folded(DerivedSource):
    """One channel of a source: weighted sum of its channels less the offset."""

    parent: BlockSource
    weights: tuple[float, ...]
    offset: float = 0.0

    @property
    def channels(self) -> int:
        """Always 1."""
        return 1

    def blocks(self, size: Frames = 1 << 16, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of one channel; see `BlockSource`."""
        weights = np.asarray(self.weights, np.float32)[None, :]
        for block in self.parent.blocks(size, start=start, stop=stop):
            yield weights @ block - np.float32(self.offset)


def survey(source: BlockSource, progress: Progress = no_progress) -> Survey:
    """Read the sound once: peak, usual level, offset, where it begins, and how to fold its channels.

    Channels are averaged, unless that would cancel most of the sound (a stereo file with one side
    inverted): then they are subtracted, which costs a second pass.
    """
    mean = (1.0 / source.channels,) * source.channels
    found, kept = _survey(source, mean, progress)
    if source.channels == 2 and kept < 0.05:
        found, _ = _survey(source, (0.5, -0.5), no_progress)
    return found


def _survey(source: BlockSource, weights: tuple[float, ...], progress: Progress) -> tuple[Survey, float]:
    """Give the survey for these weights and which share of the channels' energy the fold keeps."""
    window = max(1, round(0.02 * source.sample_rate))
    fold = np.asarray(weights, np.float64)
    high, low, energy, origin = 0.0, 0.0, 0.0, 0
    rest = np.zeros(0)
    sums: list[NDArray[np.float64]] = []
    squares: list[NDArray[np.float64]] = []
    for block in source.blocks():
        wide = block.astype(np.float64)
        energy += float((wide**2).sum()) / len(fold)
        x = fold @ wide
        high, low = max(high, float(x.max())), min(low, float(x.min()))
        if not sums:  # windows start at the first sample that is not zero
            lead = int(np.argmax(x != 0)) if x.any() else len(x)
            origin, x = origin + lead, x[lead:]
            if not len(x):
                continue
        x = np.concatenate((rest, x))
        rows = x[: len(x) // window * window].reshape(-1, window)
        rest = x[rows.size :]
        sums.append(rows.sum(axis=1))
        squares.append((rows**2).sum(axis=1))
        progress(min(1.0, (origin + sum(map(len, sums)) * window) / source.frames), 1.0)
    loudest = max(high, -low)
    if loudest == 0.0:
        return Survey(0.0, 0.0, 0, 0.0, weights), 0.0 if energy else 1.0
    total = np.concatenate((*sums, [rest.sum()]))
    square = np.concatenate((*squares, [(rest**2).sum()]))
    first = _first_above(Folded(source, weights), 1e-5 * loudest, origin)
    begin = (first - origin) // window
    offset = float(total[begin:].sum() / max(1, source.frames - first))
    if abs(offset) < 1e-3 * loudest:
        offset = 0.0
    peak = max(high - offset, offset - low)
    power = square[begin:] / window - 2 * offset * total[begin:] / window + offset**2
    rms = np.sqrt(np.maximum(power, 0.0))
    heard = rms[rms > 1e-3 * rms.max(initial=0.0)]
    level = float(np.percentile(heard, 95)) if len(heard) else 0.0
    if peak <= 1e-5 * abs(offset):  # rounding of a constant signal leaves crumbs: they are silence too
        peak = 0.0
    return Survey(peak, level, first, offset, weights), float(square.sum()) / energy


def _first_above(source: BlockSource, threshold: float, start: Frames) -> Frames:
    position = start
    for block in source.blocks(start=start):
        loud = np.flatnonzero(np.abs(block[0]) > threshold)
        if len(loud):
            return position + int(loud[0])
        position += block.shape[1]
    return start


def frame_batches(blocks: Iterable[Block], n_fft: int, hop: int, *, batch: int = BATCH) -> Iterator[FloatArray]:
    """Cut a mono stream into overlapping frames.

    Parameters
    ----------
    blocks : iterable of ndarray [float32, shape=(1, n)]
        The stream.
    n_fft, hop : int
        Length of a frame (even) and distance between frames.
    batch : int
        Largest number of frames given at once.

    Yields
    ------
    ndarray [float32, shape=(m, n_fft)]
        Frames; the first is centred on sample 0, the last on the last multiple of `hop` inside the stream.
    """
    total = 0
    buffer = np.zeros(n_fft // 2, np.float32)
    done = 0

    def cut(data: FloatArray, count: int) -> FloatArray:
        return np.lib.stride_tricks.sliding_window_view(data, n_fft)[: (count - 1) * hop + 1 : hop]

    for block in blocks:
        buffer = np.concatenate((buffer, block[0]))
        total += block.shape[1]
        while (count := min(batch, (len(buffer) - n_fft) // hop + 1)) >= batch:
            yield cut(buffer, count)
            buffer = buffer[count * hop :]
            done += count
    left = -(-total // hop) - done
    if left <= 0:
        return
    buffer = np.pad(buffer, (0, max(0, (left - 1) * hop + n_fft - len(buffer))))
    while left > 0:
        count = min(batch, left)
        yield cut(buffer, count)
        buffer = buffer[count * hop :]
        left -= count


def magnitudes(frames: FloatArray, window: FloatArray) -> FloatArray:
    """Give magnitude spectra, shape (m, n_fft // 2 + 1); a full-scale sine reads about 1."""
    from scipy.fft import rfft

    return np.asarray(np.abs(rfft(frames * window, axis=1)) * np.float32(2.0 / window.sum()), np.float32)


def log_bands(
    sample_rate: int, n_fft: int, *, per_octave: int, low: float, high: float
) -> tuple[FloatArray, FloatArray]:
    """Make triangular filters on a logarithmic axis (as in Böck and Widmer 2013, without doubled bands).

    Returns
    -------
    filters : ndarray [float32, shape=(n_fft // 2 + 1, bands)]
        Each band's weights sum to 1.
    centres : ndarray [float32, shape=(bands,)]
        Centre frequencies in hertz.
    """
    high = min(high, 0.98 * sample_rate / 2)
    count = int(np.floor(np.log2(high / low) * per_octave)) + 1
    wanted = low * 2.0 ** (np.arange(-1, count + 1) / per_octave)
    bins = np.unique(np.clip(np.round(wanted * n_fft / sample_rate).astype(int), 1, n_fft // 2))
    filters = np.zeros((n_fft // 2 + 1, len(bins) - 2), np.float32)
    for band in range(len(bins) - 2):
        left, centre, right = bins[band : band + 3]
        filters[left : centre + 1, band] = np.linspace(0.0, 1.0, centre - left + 1)
        filters[centre : right + 1, band] = np.linspace(1.0, 0.0, right - centre + 1)
    filters /= filters.sum(axis=0, keepdims=True)
    return filters, np.asarray(bins[1:-1] * sample_rate / n_fft, np.float32)
