"""Outlines of sounds: exact ones from the peaks pyramid, kept in the library's cache; rough ones at once."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Peaks
from audiolab.audio.peaks import BINS
from audiolab.library import Sound
from audiolab.library.peakcache import kept_peaks, make_peaks

__all__ = ["Outline", "outline_of", "rough_outline"]

_SHORT = 60 * 48000
"""Up to so many frames an outline is made while the page waits."""
_SPOTS = 240
_SPOT = 2048
_ROUGH_SECONDS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Highest and lowest sample of every part of a sound.

    Attributes
    ----------
    peaks : Peaks or None
        The exact pyramid; None for a rough outline.
    rough : ndarray [float32, shape=(2, spots)]
        Values at spots spread evenly, where there is no pyramid.
    """

    peaks: Peaks | None
    rough: NDArray[np.float32] | None = None

    @property
    def exact(self) -> bool:
        """Whether every sample was looked at."""
        return self.peaks is not None

    @property
    def peak(self) -> float | None:
        """Largest absolute sample, to within the pyramid's step; None while it is not known."""
        if self.peaks is None:
            return None
        level = self.peaks.levels[BINS[-1]]
        return float(np.abs(level.astype(np.int32)).max(initial=0)) * self.peaks.scale / 32767

    def between(self, source: BlockSource, start: int, stop: int, bins: int) -> NDArray[np.float32]:
        """Give (highest, lowest) of each bin between two frames; shape (2, bins), over all channels."""
        if self.peaks is None:
            assert self.rough is not None
            at = np.linspace(start, stop, bins, endpoint=False) / source.frames * self.rough.shape[1]
            return self.rough[:, at.astype(int).clip(0, self.rough.shape[1] - 1)]
        if (stop - start) / bins < BINS[0] and stop - start <= _SHORT:
            return _from_samples(source, start, stop, bins)
        found = self.peaks.slice(start, stop, bins)
        return np.stack([found[..., 1].max(axis=0), found[..., 0].min(axis=0)])


def outline_of(sound: Sound | BlockSource, *, wait: bool) -> Outline | None:
    """Give the exact outline from the cache, or make it; None if that would take long and `wait` is False."""
    if isinstance(sound, Sound) and sound.media is not None and sound.content_id is not None and not sound.render:
        folder, content = sound.library.path, sound.content_id
        if not wait and sound.frames > _SHORT:
            kept = kept_peaks(folder, content)
            return None if kept is None else Outline(kept)
        return Outline(make_peaks(folder, content, sound.source()))
    # Views and sounds that are changed when they are read have no content of their own; most are short.
    source = sound.source() if isinstance(sound, Sound) else sound
    if source.frames > _SHORT and not wait:
        return None
    return Outline(Peaks.from_source(source))


def rough_outline(source: BlockSource) -> Outline:
    """Look at spots only, for a quarter of a second: enough for a first picture of an hour where seeking is quick.

    Where it is not (MP3), spots that were not looked at are drawn like the nearest one that was.
    """
    starts = np.linspace(0, max(0, source.frames - _SPOT), _SPOTS).astype(int)
    values = np.zeros((2, _SPOTS), np.float32)
    seen = np.zeros(_SPOTS, bool)
    until = perf_counter() + _ROUGH_SECONDS
    for index in _coarse_first(_SPOTS):
        start = int(starts[index])
        for block in source.blocks(_SPOT, start=start, stop=min(source.frames, start + _SPOT)):
            values[:, index] = block.max(initial=0.0), block.min(initial=0.0)
        seen[index] = True
        if perf_counter() > until:
            break
    known = np.flatnonzero(seen)
    nearest = known[np.abs(np.arange(_SPOTS)[:, None] - known).argmin(axis=1)]
    return Outline(None, values[:, nearest])


def _coarse_first(count: int) -> list[int]:
    """Order 0..count-1 so that any beginning of it is spread evenly."""
    step, order = 1 << (count - 1).bit_length(), dict.fromkeys([0])
    while step >= 1:
        order.update(dict.fromkeys(range(0, count, step)))
        step //= 2
    return list(order)


def _from_samples(source: BlockSource, start: int, stop: int, bins: int) -> NDArray[np.float32]:
    samples = np.concatenate(list(source.blocks(start=start, stop=stop)), axis=1)
    edges = np.arange(bins) * (stop - start) // bins
    high = np.maximum.reduceat(samples.max(axis=0), edges)
    low = np.minimum.reduceat(samples.min(axis=0), edges)
    return np.stack([high, low]).astype(np.float32)
