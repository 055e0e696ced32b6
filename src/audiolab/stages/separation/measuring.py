"""What is true of stems as they were stored: null against the mix, levels, shares of energy and silence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block, BlockSource, LoudnessMeter, amplitude_to_db
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.separation.bleeding import BleedMeter
from audiolab.stages.separation.folding import Reader

__all__ = ["Measured", "measure"]

FLOOR_DB = -240.0
SILENT_DB = -60.0
"""A window of 50 ms whose RMS is below this (against full scale) counts as silent."""
_WINDOW = 0.05
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Measured:
    """Facts of one song's stored stems."""

    null_db: float
    """RMS of (mix - sum of the stems) against the mix's, in dB; -240 when it is exactly zero."""
    stems: dict[str, dict[str, Any]]


class _Stem:
    """Running sums of one stem."""

    def __init__(self, source: BlockSource) -> None:
        self.window = max(1, round(_WINDOW * source.sample_rate))
        self.meter = LoudnessMeter(source.sample_rate, source.channels)
        self.energy, self.peak, self.silent, self.windows = 0.0, 0.0, 0, 0
        self._held = np.zeros(0)

    def add(self, block: Block) -> None:
        power = np.mean(block.astype(np.float64) ** 2, axis=0)
        self.energy += float(power.sum())
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
        self.meter.add(block)
        joined = np.concatenate([self._held, power])
        whole = len(joined) // self.window
        self._count(joined[: whole * self.window].reshape(whole, self.window).mean(axis=1))
        self._held = joined[whole * self.window :]

    def _count(self, power: NDArray[np.float64]) -> None:
        self.windows += len(power)
        self.silent += int(np.count_nonzero(power < 10.0 ** (SILENT_DB / 10.0)))

    def close(self) -> None:
        if len(self._held):
            self._count(self._held.mean(keepdims=True))


def measure(mix: BlockSource, stems: Mapping[str, BlockSource], *, progress: Progress = no_progress) -> Measured:
    """Read mix and stored stems once, side by side.

    Parameters
    ----------
    mix : BlockSource
        What was separated.
    stems : mapping of str to BlockSource
        As stored, of the mix's rate, channels and length.

    Returns
    -------
    Measured
        For every stem: `energy_share` (of the sum of the stems' energies; they add up to 1, or are all 0),
        `level_lufs` (integrated, None where nothing passes the gate of BS.1770), `peak_db` (sample peak against full
        scale), `silence_share` (share of 50-ms windows below -60 dB), `bleed_db` and `bleed_from` (see `Bleed`).
    """
    readers = {name: Reader(source) for name, source in stems.items()}
    sums = {name: _Stem(source) for name, source in stems.items()}
    bleed = BleedMeter(tuple(stems), mix.sample_rate)
    mix_energy, left_energy, done = 0.0, 0.0, 0
    for block in mix.blocks(_BLOCK):
        left = block.astype(np.float64)
        mix_energy += float(np.einsum("cn,cn->", left, left))
        parts = {name: reader.read(block.shape[1]) for name, reader in readers.items()}
        bleed.add(parts)
        for name, part in parts.items():
            sums[name].add(part)
            left = left - part
        left_energy += float(np.einsum("cn,cn->", left, left))
        done += block.shape[1]
        progress(done, mix.frames)
    for stem in sums.values():
        stem.close()
    total = sum(stem.energy for stem in sums.values())
    bleeds = bleed.result()
    facts = {
        name: {
            "energy_share": stem.energy / total if total > 0 else 0.0,
            "level_lufs": stem.meter.integrated(),
            "peak_db": amplitude_to_db(stem.peak, floor=FLOOR_DB),
            "silence_share": stem.silent / stem.windows if stem.windows else 1.0,
            "bleed_db": bleeds[name].db,
            "bleed_from": bleeds[name].source,
        }
        for name, stem in sums.items()
    }
    return Measured(_null(left_energy, mix_energy), facts)


def _null(left: float, mix: float) -> float:
    if left <= 0.0:
        return FLOOR_DB
    if mix <= 0.0:
        return max(FLOOR_DB, 10.0 * math.log10(left))
    return max(FLOOR_DB, 10.0 * math.log10(left / mix))
