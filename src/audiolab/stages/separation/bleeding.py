"""How much of each stem is really another one: an estimate that needs no true stems.

What bleeds from one stem into another keeps its phase there, up to a factor that hardly changes within a second and a
third of an octave; two instruments have unrelated phases. So in every cell (a second, a band) the part of a stem
that follows a louder stem in phase is counted as bleed from it. The share that unrelated sounds reach by
chance is taken off. Of two stems that go together the louder one is taken for the origin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block

__all__ = ["Bleed", "BleedMeter"]

_WINDOW = 0.046
_CELL = 1.0
"""Seconds; the shortest time over which chance averages out."""
_BANDS_PER_OCTAVE = 3
_LOWEST = 40.0
FLOOR_DB = -80.0
_SILENT = 1e-10


@dataclass(frozen=True, slots=True)
class Bleed:
    """What bleeds into one stem."""

    db: float
    """Energy of other stems' sound within this one, against all its energy, in dB (-80 to 0)."""
    source: str | None
    """The stem that gives most of it; None where there is nothing to speak of (below -40 dB)."""


class BleedMeter:
    """Takes the stems of a song block by block; memory does not grow.

    Parameters
    ----------
    stems : tuple of str
        Names.
    sample_rate : int
        Frames a second.
    """

    def __init__(self, stems: tuple[str, ...], sample_rate: int) -> None:
        self._stems = stems
        self._size = 1 << max(5, round(math.log2(_WINDOW * sample_rate)))
        self._hop = self._size // 2
        self._window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        hertz = np.arange(self._size // 2 + 1) * sample_rate / self._size
        octaves = math.log2(max(0.5 * sample_rate / _LOWEST, 2.0))
        edges = _LOWEST * 2.0 ** (np.arange(int(octaves * _BANDS_PER_OCTAVE) + 1) / _BANDS_PER_OCTAVE)
        self._starts = np.unique(np.searchsorted(hertz, edges[edges < 0.5 * sample_rate]))
        self._bins = np.diff(np.append(self._starts, len(hertz)))
        self._per_cell = max(4, round(_CELL * sample_rate / self._hop))
        count = len(stems)
        self._held = np.zeros((count, 0), np.float32)
        self._cross = np.zeros((count, count, len(self._starts)))
        self._frames = 0
        self._into = np.zeros((count, count))
        self._energy = np.zeros(count)

    def add(self, blocks: Mapping[str, Block]) -> None:
        """Take the next frames of every stem, each of shape (channels, n)."""
        mono = np.stack([blocks[name].mean(axis=0) for name in self._stems])
        self._held = np.concatenate([self._held, mono], axis=1)
        count = (self._held.shape[1] - self._size) // self._hop + 1
        if count < 1:
            return
        frames = np.lib.stride_tricks.sliding_window_view(self._held, self._size, axis=1)[:, :: self._hop][:, :count]
        done = 0
        while done < count:
            part = min(count - done, self._per_cell - self._frames)
            self._gather(frames[:, done : done + part])
            done += part
        self._held = self._held[:, count * self._hop :].copy()

    def _gather(self, frames: NDArray[np.float32]) -> None:
        spectra = np.fft.rfft(frames * self._window, axis=-1).astype(np.complex64)
        for i in range(len(self._stems)):
            for j in range(i, len(self._stems)):
                product = np.einsum("tf,tf->f", spectra[i], spectra[j].conj()).real
                self._cross[i, j] += np.add.reduceat(product, self._starts)
        self._frames += frames.shape[1]
        if self._frames == self._per_cell:
            self._close()

    def _close(self) -> None:
        """Finish a cell."""
        power = np.einsum("iib->ib", self._cross)
        self._energy += power.sum(axis=1)
        # Half-overlapping windows and neighbouring bins are related: about half of the products count.
        chance = 1.0 / np.maximum(0.5 * self._frames * self._bins, 1.0)
        for i in range(len(self._stems)):
            for j in range(len(self._stems)):
                if i == j:
                    continue
                cross = self._cross[min(i, j), max(i, j)]
                both = power[i] * power[j]
                share = np.where(cross > 0, cross**2 / np.maximum(both, _SILENT**2), 0.0)
                share = np.clip((share - chance) / (1.0 - np.minimum(chance, 0.9)), 0.0, 1.0)
                self._into[i, j] += float((share * power[i])[(power[j] > power[i]) & (both > _SILENT**2)].sum())
        self._cross[:] = 0.0
        self._frames = 0

    def result(self) -> dict[str, Bleed]:
        """Give the estimates for all that was added."""
        if self._frames > 4:
            self._close()
        found = {}
        for i, name in enumerate(self._stems):
            share = min(1.0, self._into[i].sum() / self._energy[i]) if self._energy[i] > _SILENT else 0.0
            db = round(max(FLOOR_DB, 10.0 * math.log10(max(share, 1e-30))), 2)
            found[name] = Bleed(db, self._stems[int(self._into[i].argmax())] if db > -40.0 else None)
        return found
