"""The tempo of a loop, which is its length: a loop holds a whole number of beats.

For each number of beats that gives a usual tempo, the onsets are compared with its quarters, eighths and sixteenths.
Usual numbers of beats (whole bars, powers of two) and usual tempos break ties. Tempo and double tempo share their
grid, so that only these habits tell them apart.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio, BlockSource, Bpm, Seconds, to_frames

__all__ = ["find_loop_tempo", "loop_tempo"]

_LISTEN = 16.0
"""Seconds that are read."""
_SLOWEST, _FASTEST = 60.0, 200.0
_USUAL, _SPREAD = 120.0, 0.45
"""Bpm, and the spread of tempos around it in octaves."""
_LEVELS = ((1, 0.4), (2, 0.8), (4, 1.0))
"""Steps a beat, and what onsets on them are worth."""


def find_loop_tempo(source: BlockSource) -> tuple[Bpm, int] | None:
    """Find tempo and number of beats of a loop; see `loop_tempo`. Reads its first 16 seconds."""
    from audiolab.stages.classification.looping import strong_onsets
    from audiolab.stages.classification.preparing import to_mono

    rate = source.sample_rate
    heard = Audio.from_source(source, stop=min(source.frames, to_frames(_LISTEN, rate)))
    return loop_tempo(strong_onsets(to_mono(heard.samples), rate), source.frames / rate)


def loop_tempo(onsets: NDArray[np.float64], duration: Seconds) -> tuple[Bpm, int] | None:
    """Choose how many beats a loop has.

    Parameters
    ----------
    onsets : ndarray [float64, shape=(n,)]
        Seconds from the loop's first frame.
    duration : float
        Length of the loop in seconds.

    Returns
    -------
    tuple (bpm, beats), or None
        None if there are fewer than two onsets or no number of beats gives 60 to 200 bpm.
    """
    fewest, most = math.ceil(duration * _SLOWEST / 60), math.floor(duration * _FASTEST / 60)
    if len(onsets) < 2 or most < 1:
        return None
    best: tuple[float, int] | None = None
    for beats in range(max(1, fewest), most + 1):
        bpm = 60 * beats / duration
        score = _on_grid(onsets, bpm) + _habit(beats) - 0.5 * (math.log2(bpm / _USUAL) / _SPREAD) ** 2 * 0.25
        if best is None or score > best[0]:
            best = (score, beats)
    return None if best is None else (round(60 * best[1] / duration, 4), best[1])


def _on_grid(onsets: NDArray[np.float64], bpm: Bpm) -> float:
    """Give how well onsets lie on steps of the beat, -2.2 to 2.2; onsets are known to 10 ms."""
    phase = onsets * bpm / 60
    return sum(weight * float(np.cos(2 * np.pi * steps * phase).mean()) for steps, weight in _LEVELS)


def _habit(beats: int) -> float:
    """Prefer whole bars, and one, two, four, eight of them."""
    if beats & (beats - 1) == 0:
        return 0.6 if beats >= 4 else 0.3
    return 0.3 if beats % 4 == 0 else 0.1 if beats % 3 == 0 else 0.0
