"""How neatly a hit was cut out of what it was played in: what sounds before it, how it is cut off, how loud it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiolab.audio import BlockSource, to_frames
from audiolab.stages.classification.preparing import to_mono

__all__ = ["Neatness", "measure_neatness"]

_BEFORE, _ENDING = 0.030, 0.010
_FLOOR_DB = -90.0


@dataclass(frozen=True, slots=True)
class Neatness:
    """Levels around a hit."""

    before_db: float
    """What sounds in the 30 ms before it, against its peak: the ringing of others, and bleed. -90 is silence."""
    ending_db: float
    """Level of its last 10 ms against its peak: high where the next hit cut it off."""
    peak_db: float
    """Its peak against full scale."""


def measure_neatness(source: BlockSource, start: int, stop: int) -> Neatness:
    """Measure a hit that lies from `start` to `stop` (frames) in a longer sound; only those frames are read."""
    rate = source.sample_rate
    first = max(0, start - to_frames(_BEFORE, rate))
    blocks = list(source.blocks(max(1, stop - first), start=first, stop=stop))
    mono = to_mono(np.concatenate(blocks, axis=1)) if blocks else np.zeros(0, np.float32)
    before, hit = mono[: start - first], mono[start - first :]
    peak = _decibels(float(np.abs(hit).max(initial=0.0)))
    tail = hit[-max(1, to_frames(_ENDING, rate)) :]
    levels = (max(_FLOOR_DB, _decibels(_rms(part)) - peak) for part in (before, tail))
    before_db, ending_db = (round(level, 2) for level in levels)
    return Neatness(before_db, ending_db, round(peak, 2))


def _rms(x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    return float(np.sqrt(np.square(x, dtype=np.float64).mean())) if x.size else 0.0


def _decibels(level: float) -> float:
    return float(20 * np.log10(max(level, 1e-9)))
