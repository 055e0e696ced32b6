"""Loops with exact tempos, cut from the rendered styles: whole bars, with or without a tail that rings on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rendered_styles import STYLES, Kit, Piece, render_style

__all__ = ["BARS", "Loop", "cut_loop"]

BARS = (1, 2, 4, 8)
LONGEST = 20.0
"""Seconds; whoever cuts eight slow bars has no loop but a song."""


@dataclass(frozen=True)
class Loop:
    """A loop; `samples` has the shape (1, frames). Its first frame is a downbeat."""

    samples: NDArray[np.float32]
    sample_rate: int
    style: str
    bpm: float
    bars: int
    beats: NDArray[np.float64]
    downbeats: NDArray[np.float64]
    beats_per_bar: int
    tail: float
    """Seconds that ring on after the last bar; 0 for a loop that repeats without a seam."""


def cut_loop(
    name: str, *, seed: int, bars: int | None = None, tail: bool | None = None, kit: Kit | None = None
) -> Loop:
    """Render a piece of a style and cut some of its bars; what is not given is drawn from the seed."""
    rng = np.random.default_rng((seed, 77, sorted(STYLES).index(name)))
    bars = int(rng.choice(BARS)) if bars is None else bars
    tail = bool(rng.random() < 0.35) if tail is None else tail
    piece = render_style(name, seed=seed, seconds=float(rng.uniform(18, 34)), kit=kit, rough=True)
    ends = np.append(piece.downbeats, _end(piece))
    longest = int(np.searchsorted(ends - ends[0], LONGEST, side="right")) - 1
    bars = max(1, min(bars, len(piece.downbeats), longest))
    first = len(piece.downbeats) - bars if tail else int(rng.integers(0, len(piece.downbeats) - bars + 1))
    start, stop = ends[first], ends[first + bars]
    ring = float(rng.uniform(0.06, 0.6)) if tail else 0.0
    a, b = round(start * piece.sample_rate), round((stop + ring) * piece.sample_rate)
    samples = piece.samples[:, a:b].copy()
    if ring:
        fade = round(0.05 * piece.sample_rate)
        samples[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    inside = (piece.beats >= start - 1e-6) & (piece.beats < stop - 1e-6)
    return Loop(
        samples,
        piece.sample_rate,
        name,
        float(60 * bars * piece.beats_per_bar / (stop - start)),
        bars,
        piece.beats[inside] - start,
        ends[first : first + bars] - start,
        piece.beats_per_bar,
        ring,
    )


def _end(piece: Piece) -> float:
    return float(2 * piece.beats[-1] - piece.beats[-2])
