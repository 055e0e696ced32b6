"""Outlines of sounds: exact ones from the peaks pyramid, kept in the library's cache; rough ones at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Peaks
from audiolab.audio.peaks import BINS
from audiolab.errors import AudioError
from audiolab.library import Sound

__all__ = ["Outline", "outline_of", "rough_outline"]

_SHORT = 60 * 48000
"""Up to so many frames an outline is made while the page waits."""
_SPOTS = 240
_SPOT = 2048


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
    kept = _place(sound) if isinstance(sound, Sound) else None
    if kept is not None and kept.is_file():
        try:
            return Outline(Peaks.load(kept))
        except AudioError:
            pass  # damaged: made anew below
    source = sound.source() if isinstance(sound, Sound) else sound
    if source.frames > _SHORT and not wait:
        return None
    peaks = Peaks.from_source(source)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        peaks.save(kept)
    return Outline(peaks)


def rough_outline(source: BlockSource) -> Outline:
    """Look at some spots only: enough for a first picture of an hour."""
    starts = np.linspace(0, max(0, source.frames - _SPOT), _SPOTS).astype(int)
    values = np.zeros((2, _SPOTS), np.float32)
    for index, start in enumerate(starts):
        for block in source.blocks(_SPOT, start=int(start), stop=min(source.frames, int(start) + _SPOT)):
            values[:, index] = block.max(initial=0.0), block.min(initial=0.0)
    return Outline(None, values)


def _place(sound: Sound) -> Path | None:
    """Where a sound's outline is kept; views and sounds that are changed when read are short or cheap: nowhere."""
    if sound.media is None or sound.content_id is None or sound.render:
        return None
    name = sound.content_id.replace(":", "_").replace("/", "_")
    return sound.library.path / "cache" / "peaks" / f"{name}.npz"


def _from_samples(source: BlockSource, start: int, stop: int, bins: int) -> NDArray[np.float32]:
    samples = np.concatenate(list(source.blocks(start=start, stop=stop)), axis=1)
    edges = np.arange(bins) * (stop - start) // bins
    high = np.maximum.reduceat(samples.max(axis=0), edges)
    low = np.minimum.reduceat(samples.min(axis=0), edges)
    return np.stack([high, low]).astype(np.float32)
