"""The time-frequency grid: the same in seconds and hertz at every sample rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from audiolab.audio import Block, Frames

__all__ = ["Array", "Complex", "Grid"]

Array = NDArray[np.float32]
Complex = NDArray[np.complex64]

_HOP = 1024 / 44100
"""Seconds between two frames of the grid."""
_HIGHEST = 22050
_ROWS = 64


@dataclass(frozen=True)
class Grid:
    """Frames every 23 ms with bins every 10.8 Hz (4096 points every 1024 at 44.1 kHz)."""

    rate: int
    hop: Frames
    """A multiple of four, so that shorter windows can step by halves and quarters."""

    @classmethod
    def at(cls, rate: int) -> Grid:
        """Give the grid for a sample rate, with lengths that the FFT likes."""
        return cls(rate, 4 * int(next_fast_len(max(4, round(rate * _HOP / 4)), real=True)))

    @property
    def size(self) -> Frames:
        """Length of the grid's window."""
        return 4 * self.hop

    @property
    def bins(self) -> int:
        """Number of frequencies that are looked at: up to 22.05 kHz. Higher ones share the last one's fate."""
        return min(self.size // 2, int(_HIGHEST * self.size / self.rate)) + 1

    @cached_property
    def hertz(self) -> Array:
        """Frequency of each bin."""
        return np.asarray(np.arange(self.bins) * (self.rate / self.size), np.float32)

    @cached_property
    def first_gain(self) -> Array:
        """What the first `hop` frames of a song are short of: only three of the four windows reach them."""
        missing = hann(self.size)[3 * self.hop :] ** 2 / np.float32(1.5)
        return np.asarray(1.0 / (1.0 - missing), np.float32)

    def transform(self, audio: Block, *, size: Frames, step: Frames, count: int, keep: int | None = None) -> Complex:
        """Short-time Fourier transform.

        Parameters
        ----------
        audio : ndarray [float32, shape=(channels, n)]
            The first window covers its first `size` frames.
        size, step : int
            Length of the (Hann) window, and its advance.
        count : int
            Number of windows.
        keep : int, optional
            Number of lowest bins to give; default all.

        Returns
        -------
        ndarray [complex64, shape=(channels, count, size // 2 + 1 or keep)]
        """
        windows = np.lib.stride_tricks.sliding_window_view(audio, size, axis=1)[:, : (count - 1) * step + 1 : step]
        out = np.empty((len(audio), count, min(keep or size, size // 2 + 1)), np.complex64)
        for at in range(0, count, _ROWS):
            part = slice(at, min(at + _ROWS, count))
            out[:, part] = rfft(windows[:, part] * hann(size), axis=-1)[..., : out.shape[2]]
        return out

    def add_up(self, spectra: Complex, into: Block) -> None:
        """Inverse transform with overlap-add.

        Parameters
        ----------
        spectra : ndarray [complex64, shape=(channels, count, bins)]
            As `transform` gives them with the grid's own size and hop.
        into : ndarray [float32, shape=(channels, (count + 3) * hop)]
            Is added to; four overlapping windows make one.
        """
        count = spectra.shape[1]
        # Four squared Hann windows, a quarter of their length apart, add up to 1.5.
        pieces = irfft(spectra, n=self.size, axis=-1) * (hann(self.size) / np.float32(1.5))
        quarters = pieces.reshape(len(spectra), count, 4, self.hop)
        target = into.reshape(len(spectra), count + 3, self.hop)
        for quarter in range(4):
            target[:, quarter : quarter + count] += quarters[:, :, quarter]


@cache
def hann(size: Frames) -> Array:
    """Periodic Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size), np.float32)
