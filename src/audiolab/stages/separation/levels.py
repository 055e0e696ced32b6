"""Integrated loudness of a stream (ITU-R BS.1770-4), with pyloudnorm's filters and gates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from audiolab.audio import Block, Lufs

__all__ = ["LoudnessMeter"]


class LoudnessMeter:
    """Adds up gated loudness block by block; equals `pyloudnorm.Meter(rate).integrated_loudness` of the whole."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        import pyloudnorm

        filters = pyloudnorm.Meter(sample_rate)._filters.values()
        self._filters = [(stage.b, stage.a) for stage in filters]
        self._states = [np.zeros((channels, max(len(b), len(a)) - 1)) for b, a in self._filters]
        self._rate = sample_rate
        self._held = np.zeros(0)
        self._start = 0
        self._powers: list[float] = []

    def add(self, block: Block) -> None:
        """Take the next block, shape (channels, n)."""
        y: NDArray[np.float64] = block.astype(np.float64)
        for i, (b, a) in enumerate(self._filters):
            y, self._states[i] = lfilter(b, a, y, axis=-1, zi=self._states[i])
        self._held = np.concatenate([self._held, np.sum(y * y, axis=0)])
        self._take()

    def _take(self) -> None:
        sums = np.concatenate([[0.0], np.cumsum(self._held)])
        while True:
            j = len(self._powers)
            # the same arithmetic as pyloudnorm: blocks of 400 ms, a new one every 100 ms
            left, right = int(0.4 * (j * 0.25) * self._rate), int(0.4 * (j * 0.25 + 1) * self._rate)
            if right - self._start > len(self._held):
                break
            self._powers.append(float(sums[right - self._start] - sums[left - self._start]) / (0.4 * self._rate))
        keep = int(0.4 * (len(self._powers) * 0.25) * self._rate) - self._start
        self._held = self._held[keep:]
        self._start += keep

    def integrated(self) -> Lufs | None:
        """Give the loudness so far; None if nothing passes the gate, or there are less than 400 ms."""
        powers = np.array(self._powers)
        powers = powers[powers >= 10.0 ** ((-70.0 + 0.691) / 10.0)]
        if not len(powers):
            return None
        gate = 0.1 * powers.mean()
        powers = powers[powers > gate]
        return -0.691 + 10.0 * math.log10(float(powers.mean()))
