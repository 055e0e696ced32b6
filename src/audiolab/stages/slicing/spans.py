"""From starts to spans: where each cut ends, and that cuts never overlap or leave the sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Frames

__all__ = ["decay_ends", "make_spans", "thin_out"]

FloatArray = NDArray[np.float32]
_HOLD = 8
"""Hops that must stay quiet before a sound has ended: 40 ms, longer than a period of the lowest bass."""
_LEAST_FIT = 4
"""Hops that a decay must be seen for before it is extrapolated."""
_LEAST_FALL = 0.01
"""Decibels a hop (2 a second): what falls more slowly does not fall."""
_FOR_EVER = 1 << 20
_ABOVE_FLOOR = 1.4
"""A sound that has come within 3 dB of the noise floor has ended."""


def thin_out(starts: Sequence[Frames], strengths: Sequence[float], min_gap: Frames) -> list[int]:
    """Choose which starts to keep so that any two lie at least `min_gap` frames apart; stronger ones win.

    Returns
    -------
    list of int
        Indices into `starts`, in order of the start.
    """
    kept: list[int] = []
    for index in sorted(range(len(starts)), key=lambda i: (-strengths[i], starts[i])):
        if all(abs(starts[index] - starts[other]) >= max(1, min_gap) for other in _near(kept, starts, index)):
            _insert(kept, starts, index)
    return kept


def _near(kept: list[int], starts: Sequence[Frames], index: int) -> list[int]:
    at = _place(kept, starts, index)
    return kept[max(0, at - 1) : at + 1]


def _insert(kept: list[int], starts: Sequence[Frames], index: int) -> None:
    kept.insert(_place(kept, starts, index), index)


def _place(kept: list[int], starts: Sequence[Frames], index: int) -> int:
    from bisect import bisect_left

    return bisect_left(kept, starts[index], key=lambda i: starts[i])


def decay_ends(
    level: FloatArray,
    hop: Frames,
    origin: Frames,
    starts: Sequence[Frames],
    *,
    decay_db: float,
    ring: Frames = 0,
) -> list[Frames]:
    """Find where each sound has died away.

    A sound has ended when its level stays below its own peak less `decay_db`, or below the noise floor
    plus 3 dB where that is higher, for 40 ms. The search stops at the next start; with `ring`, a sound that has
    not ended there is taken to go on falling as it fell until then, since the next one covers it.

    Parameters
    ----------
    level : ndarray [shape=(n,)]
        RMS of each hop; hop `i` is centred on frame `origin + i * hop`.
    hop, origin : int
        The grid.
    starts : sequence of int
        Increasing frames.
    decay_db : float
        How far a sound must fall, in decibels.

    Returns
    -------
    list of int
        An end for each start, after it; the sound may still ring when the next one begins.
    """
    ends: list[Frames] = []
    end_of_all = origin + len(level) * hop
    held = _held_maximum(level)
    floor = noise_floor(level)
    for index, start in enumerate(starts):
        following = starts[index + 1] if index + 1 < len(starts) else end_of_all
        first = min(max(0, (start - origin) // hop + 1), len(level))
        last = min(len(level), max(first, -(-(following - origin) // hop)))
        peak = float(level[first:last].max(initial=0.0))
        threshold = peak * 10.0 ** (-decay_db / 20.0)
        if _ABOVE_FLOOR * floor < 0.1 * peak:
            threshold = max(threshold, _ABOVE_FLOOR * floor)
        top = first + int(level[first:last].argmax()) if last > first else first
        quiet = np.flatnonzero(held[top:last] <= threshold)
        end = origin + (top + int(quiet[0])) * hop if len(quiet) else following
        end = max(start + 1, min(end, following))
        if ring and end == following < end_of_all:
            end = min(end + min(ring, hop * _hops_to_fall(level[top:last], threshold)), end_of_all)
        ends.append(end)
    return ends


def _hops_to_fall(level: FloatArray, threshold: float) -> int:
    """Extrapolate how many more hops a decay takes to come down to a threshold; very many if it does not fall."""
    heard = level[level > 0]
    if len(heard) < _LEAST_FIT:
        return 0
    decibels = 20.0 * np.log10(heard.astype(np.float64))
    slope, height = np.polyfit(np.arange(len(decibels)), decibels, 1)
    if slope > -_LEAST_FALL:
        return _FOR_EVER
    left = height + slope * len(decibels) - 20.0 * np.log10(max(threshold, 1e-12))
    return int(np.clip(left / -slope, 0, _FOR_EVER))


def noise_floor(level: FloatArray) -> float:
    """Give the level between sounds: the lowest 5 % of hops that are not digital silence."""
    heard = level[level > 1e-5 * level.max(initial=0.0)]
    return float(np.percentile(heard, 5)) if len(heard) else 0.0


def _held_maximum(level: FloatArray) -> FloatArray:
    """Largest level of each hop and the next few, as if silence followed the end."""
    padded = np.pad(level, (0, _HOLD))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, _HOLD + 1).max(axis=1)[: len(level)])


def make_spans(
    starts: Sequence[Frames],
    ends: Sequence[Frames],
    frames: Frames,
    *,
    min_length: Frames = 1,
    max_length: Frames | None = None,
    choke: bool = True,
) -> list[tuple[Frames, Frames]]:
    """Join starts and ends to spans that are ordered, not empty, inside the sound and (with `choke`) apart.

    Parameters
    ----------
    starts : sequence of int
        Increasing (with `choke` strictly), in 0 to `frames` (exclusive).
    ends : sequence of int
        Wanted end of each.
    frames : int
        Length of the sound.
    min_length : int
        Shorter spans are lengthened, as far as the next start or the end of the sound allows.
    max_length : int, optional
        Longer spans are cut off.
    choke : bool
        End every span at the next start at the latest.

    Returns
    -------
    list of tuple (start, stop)
    """
    spans = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        room = min(frames, starts[index + 1] if index + 1 < len(starts) else frames)
        # Lengthening never reaches into the next sound, even if its own tail may.
        stop = max(end, min(start + max(1, min_length), max(room, start + 1)))
        wall = room if choke else frames
        if max_length is not None:
            stop = min(stop, start + max(1, max_length))
        spans.append((start, min(stop, wall)))
    return spans
