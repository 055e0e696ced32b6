"""Folding: make the stems add up to the mix, exactly, block by block.

Two steps, both independent of how the blocks are cut.

1. What the engine left over, residual = mix - sum of the stems, is shared among the stems by their energy
   at that moment (one-pole envelopes of 20 ms). Least squares under "the sum must be the mix" asks for shares in
   proportion to each stem's error variance, and an error grows with its stem: so a silent stem stays silent.
   Where no stem sounds, the residual goes to `other`.
2. The samples are rounded to the grid of 24-bit integers, and the last stem absorbs the rounding: it is the mix minus
   the other stems in whole steps. A mix of up to 24 bits is then the exact sum of what is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from audiolab.audio import Block, BlockSource
from audiolab.errors import ModelError
from audiolab.stages.base import Progress
from audiolab.stages.separation.engines import Separator

__all__ = ["Folding", "Reader", "paired"]

STEPS = float(1 << 23)
"""Steps of the 24-bit grid in one unit of full scale."""
_TIME = 0.02
_QUIET = 1e-12
"""Energy (-120 dB) below which a stem's claim to the residual gives way to `other`."""


class Reader:
    """Reads a source in pieces of any wanted length."""

    def __init__(self, source: BlockSource) -> None:
        self._blocks = source.blocks()
        self._held = np.zeros((source.channels, 0), np.float32)

    def read(self, frames: int) -> Block:
        """Give the next `frames` frames (fewer only at the end)."""
        parts, have = [self._held], self._held.shape[1]
        while have < frames:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            have += block.shape[1]
        joined = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        self._held = joined[:, frames:]
        return np.asarray(joined[:, :frames], np.float32)


class Folding:
    """The state of folding one song.

    Parameters
    ----------
    stems : tuple of str
        Names in order; the last one absorbs the rounding.
    sample_rate : int
        Frames a second.
    grid : bool
        Round to the 24-bit grid. Without it the stems are float32 and add up within float32's own rounding.
    """

    def __init__(self, stems: tuple[str, ...], sample_rate: int, *, grid: bool = True) -> None:
        self.stems, self.grid = stems, grid
        self._pole = math.exp(-1.0 / (_TIME * sample_rate))
        self._state = np.zeros((len(stems), 1))
        self._floor = np.zeros((len(stems), 1))
        self._floor[stems.index("other") if "other" in stems else -1] = _QUIET
        self._energies = np.zeros(len(stems))
        self._mix_energy = 0.0
        self._residual_energy = 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Each stem's share of the energies of all stems as the engine gave them; all 0 for silence."""
        total = float(self._energies.sum())
        return {
            name: float(e) / total if total > 0 else 0.0 for name, e in zip(self.stems, self._energies, strict=True)
        }

    @property
    def residual_db(self) -> float:
        """Energy that the engine left over, against the mix's, in dB (-240: nothing)."""
        if self._residual_energy <= 0.0 or self._mix_energy <= 0.0:
            return -240.0
        return max(-240.0, 10.0 * math.log10(self._residual_energy / self._mix_energy))

    def __call__(self, mix: Block, stems: Mapping[str, Block]) -> dict[str, Block]:
        """Fold one block of the mix and the engine's stems, each of shape (channels, n)."""
        if mix.shape[1] == 0:  # SciPy's filter forgets its state on empty input
            return dict(stems)
        whole = mix.astype(np.float64)
        parts = np.stack([stems[name] for name in self.stems]).astype(np.float64)
        residual = whole - parts.sum(axis=0)
        self._mix_energy += float(np.einsum("cn,cn->", whole, whole))
        self._energies += np.einsum("kcn,kcn->k", parts, parts)
        self._residual_energy += float(np.einsum("cn,cn->", residual, residual))
        parts += self._shares(parts)[:, None, :] * residual
        last = whole
        if self.grid:
            parts = np.rint(parts * STEPS) / STEPS
            last = np.rint(whole * STEPS) / STEPS
        else:
            parts = parts.astype(np.float32).astype(np.float64)
        parts[-1] = last - parts[:-1].sum(axis=0)
        return {name: np.asarray(part, np.float32) for name, part in zip(self.stems, parts, strict=True)}

    def _shares(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        energy = np.einsum("kcn,kcn->kn", parts, parts) + 1e-30  # the constant keeps denormals away
        smooth, self._state = lfilter([1.0 - self._pole], [1.0, -self._pole], energy, axis=-1, zi=self._state)
        smooth = smooth + self._floor
        return np.asarray(smooth / smooth.sum(axis=0))


def paired(
    source: BlockSource, separator: Separator, *, progress: Progress | None = None
) -> Iterator[tuple[Block, Mapping[str, Block]]]:
    """Run an engine over a source and yield its stems, each block with the same frames of the mix.

    Raises
    ------
    ModelError
        If the engine breaks its promise about stems, channels or length.
    """
    reader, done = Reader(source), 0
    for stems in separator.blocks(source, progress=progress):
        shapes = {stems[name].shape for name in separator.stems()}
        if len(shapes) != 1 or (shape := shapes.pop())[0] != source.channels:
            raise ModelError(f"engine {separator.name!r} gave blocks of unequal shape for {source.name!r}")
        mix = reader.read(shape[1])
        done += shape[1]
        if mix.shape[1] != shape[1]:
            raise ModelError(f"engine {separator.name!r} gave more than the {source.frames} frames of {source.name!r}")
        yield mix, stems
    if done != source.frames:
        raise ModelError(f"engine {separator.name!r} gave {done} of the {source.frames} frames of {source.name!r}")
