"""`Peaks`: the outline of a sound at several zooms, small enough to keep and quick to draw.

Minima and maxima per channel are 16-bit integers, rounded outwards (minima down, maxima up) on a grid of
`scale / 32767`; so the outline encloses every sample and lies at most one grid step outside it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.audio.source import BlockSource
from audiolab.audio.units import Frames
from audiolab.audio.writing import atomic_path
from audiolab.errors import AudioError, ParameterError

__all__ = ["BINS", "Peaks"]

BINS = (256, 4096, 65536)
"""Frames per bin of each level; each divides the next."""
_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Minimum and maximum of every bin of frames, at three zooms.

    Parameters
    ----------
    sample_rate : int
        Of the sound.
    frames : int
        Of the sound; the last bin may be shorter.
    scale : float
        What the integer 32767 stands for: 1.0, or the sound's peak where that is higher.
    levels : mapping of int to ndarray [int16, shape=(channels, bins, 2)]
        By frames per bin; the last axis is (minimum, maximum).
    """

    sample_rate: int
    frames: Frames
    scale: float
    levels: Mapping[int, NDArray[np.int16]]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.levels[BINS[0]].shape[0])

    @classmethod
    def from_source(cls, source: BlockSource) -> Peaks:
        """Read a source once, block by block."""
        fine, parts, peak = BINS[0], [], 1.0
        for block in source.blocks(BINS[-1]):
            parts.append(_bins(block, fine))
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
        values = np.concatenate(parts, axis=1) if parts else np.zeros((source.channels, 0, 2), np.float32)
        levels = {fine: _quantized(values, peak)}
        for coarse in BINS[1:]:
            levels[coarse] = _coarser(levels[fine], coarse // fine)
            fine = coarse
        return cls(source.sample_rate, source.frames, peak, levels)

    def slice(self, start: Frames, stop: Frames, width: int) -> NDArray[np.float32]:
        """Give the outline of frames `start` to `stop` for a picture `width` pixels wide.

        Below 256 frames a pixel neighbours share a bin: read the samples themselves for such close views.

        Returns
        -------
        ndarray [float32, shape=(channels, width, 2)]
            Minimum and maximum for each pixel.
        """
        if not 0 <= start < stop <= self.frames or width < 1:
            raise ParameterError(f"cannot draw frames {start} to {stop} of {self.frames} on {width} pixels")
        size = max((bins for bins in BINS if bins * width <= stop - start), default=BINS[0])
        level = self.levels[size]
        edges = start + (stop - start) * np.arange(width + 1) // width
        left = edges[:-1] // size
        right = np.maximum(-(-edges[1:] // size), left + 1)
        # reduceat over interleaved (left, right) pairs; the odd ones are the gaps between and are dropped.
        pairs = np.stack([left, right], axis=1).ravel()
        padded = np.concatenate([level, level[:, -1:]], axis=1)
        low = np.minimum.reduceat(padded[..., 0], pairs, axis=1)[:, ::2]
        high = np.maximum.reduceat(padded[..., 1], pairs, axis=1)[:, ::2]
        return np.asarray(np.stack([low, high], axis=-1) * np.float32(self.scale / 32767), np.float32)

    def save(self, path: str | Path) -> Path:
        """Write to an `.npz` file, atomically."""
        path = Path(path)
        arrays = {f"level_{size}": level for size, level in self.levels.items()}
        head = np.array([_FORMAT, self.sample_rate, self.frames], np.int64)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, head=head, scale=np.float64(self.scale), **arrays)  # type: ignore[arg-type]
        return path

    @classmethod
    def load(cls, path: str | Path) -> Peaks:
        """Read what `save` wrote.

        Raises
        ------
        AudioError
            If the file is missing, damaged, or of another format; peaks can be made anew from the sound.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                version, rate, frames = (int(value) for value in file["head"])
                if version != _FORMAT:
                    raise AudioError(f"{Path(path).name!r} holds peaks of format {version}; make them anew")
                levels = {size: file[f"level_{size}"] for size in BINS}
                peaks = cls(rate, frames, float(file["scale"]), levels)
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise AudioError(f"{Path(path).name!r} cannot be read as peaks: {error}; make them anew") from error
        for size, level in levels.items():
            if level.dtype != np.int16 or level.ndim != 3 or level.shape[1:] != (-(-frames // size), 2):
                raise AudioError(f"{Path(path).name!r} holds damaged peaks; make them anew")
        return peaks


def _bins(block: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Minimum and maximum of each bin of a block that starts on a bin's edge."""
    starts = np.arange(0, block.shape[1], size)
    low = np.minimum.reduceat(block, starts, axis=1)
    high = np.maximum.reduceat(block, starts, axis=1)
    return np.stack([low, high], axis=-1)


def _quantized(values: NDArray[np.float32], scale: float) -> NDArray[np.int16]:
    steps = values.astype(np.float64) * (32767 / scale)
    steps[..., 0] = np.floor(steps[..., 0])
    steps[..., 1] = np.ceil(steps[..., 1])
    return steps.clip(-32768, 32767).astype(np.int16)


def _coarser(level: NDArray[np.int16], factor: int) -> NDArray[np.int16]:
    starts = np.arange(0, level.shape[1], factor)
    if not len(starts):
        return level
    low = np.minimum.reduceat(level[..., 0], starts, axis=1)
    high = np.maximum.reduceat(level[..., 1], starts, axis=1)
    return np.stack([low, high], axis=-1)
