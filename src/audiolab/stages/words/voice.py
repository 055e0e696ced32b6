"""Where a stem holds voice at all, from its own level, and how those spans are packed into windows.

A recogniser makes words up where nothing is sung, and its cost is per window of 30 s whether that is full
or not. So only spans with sound are handed to it, several of them joined in one window, and the times it
gives are mapped back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Frames, Seconds, to_frames
from audiolab.stages.base import Progress, no_progress

__all__ = ["OVERLAP_SECONDS", "WINDOW_SECONDS", "Span", "Window", "frame_levels", "pack", "thresholds", "voice_spans"]

FRAME_SECONDS = 0.02
WINDOW_SECONDS = 28.0
"""Whisper hears 30 s at once; a little room keeps the last word away from the edge."""
OVERLAP_SECONDS = 2.0
"""Where singing has to be cut, both windows hear so much beyond the cut."""
_FAINTEST_DB = -60.0
_HOLD_DB = 10.0
"""A span goes on until it falls this far below the level that opened it."""
_MERGE_SECONDS = 0.5
_SHORTEST_SECONDS = 0.1
_PAD_SECONDS = 0.25
"""Consonants before and after the voiced part are quiet."""
_CUT_SEARCH_SECONDS = 10.0
_PAUSE_SECONDS = 0.2
"""A pause of this length is no part of a word, so that a cut within it needs no overlap."""
_SHORTEST_PIECE_SECONDS = 2.0
"""Of a span that is cut in a pause."""


@dataclass(frozen=True, slots=True)
class Span:
    """Frames `start` to `stop` (exclusive) of the sound."""

    start: Frames
    stop: Frames


@dataclass(frozen=True, slots=True)
class Window:
    """Spans that are played to the recogniser as one."""

    spans: tuple[Span, ...]
    sample_rate: int
    overlapping: bool = False
    """Whether its first span begins before the last one of the window before ended."""
    cut: Frames = 0
    """If so, where the window before hands over to this one."""

    @property
    def duration(self) -> Seconds:
        """Seconds of all spans together."""
        return sum(span.stop - span.start for span in self.spans) / self.sample_rate

    def place(self, time: Seconds) -> tuple[int, Seconds]:
        """Give the span in which a time of the window lies, and its time in the sound (within that span)."""
        offsets = self._offsets()
        index = min(max(bisect_right(offsets, time + 1e-9) - 1, 0), len(self.spans) - 1)
        return index, self.within(index, time)

    def within(self, index: int, time: Seconds) -> Seconds:
        """Give a time's place in the sound if it belongs to this span: not outside it."""
        span = self.spans[index]
        start, stop = span.start / self.sample_rate, span.stop / self.sample_rate
        return min(max(start + time - self._offsets()[index], start), stop)

    def _offsets(self) -> list[Seconds]:
        lengths = [(span.stop - span.start) / self.sample_rate for span in self.spans]
        return [0.0, *accumulate(lengths)][:-1]


def frame_levels(source: BlockSource, progress: Progress = no_progress) -> NDArray[np.float64]:
    """Give the level of each 20 ms in decibels (mean power of the channels, offset taken away; silence: -200)."""
    size = max(to_frames(FRAME_SECONDS, source.sample_rate), 1)
    powers: list[NDArray[np.float64]] = []
    rest = np.zeros((source.channels, 0), np.float32)
    done = 0
    for block in source.blocks():
        held = np.concatenate([rest, block], axis=1)
        whole = held.shape[1] // size * size
        powers.append(_powers(held[:, :whole], size))
        rest = held[:, whole:]
        done += block.shape[1]
        progress(done, source.frames)
    if rest.shape[1]:
        powers.append(_powers(rest, rest.shape[1]))
    joined = np.concatenate(powers) if powers else np.zeros(0)
    return 10 * np.log10(np.maximum(joined, 1e-20))


def _powers(block: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    frames = block.astype(np.float64).reshape(block.shape[0], -1, size)
    return np.asarray(frames.var(axis=2).mean(axis=0))


def thresholds(levels: NDArray[np.float64], gate_db: float) -> tuple[float, float] | None:
    """Give the levels at which a span opens and closes; None if nothing is above -60 dBFS."""
    heard = levels[levels > _FAINTEST_DB]
    if len(heard) == 0:
        return None
    opening = max(float(np.percentile(heard, 95)) - gate_db, _FAINTEST_DB)
    return opening, max(opening - _HOLD_DB, _FAINTEST_DB)


def voice_spans(levels: NDArray[np.float64], sample_rate: int, frames: Frames, *, gate_db: float = 30.0) -> list[Span]:
    """Find the spans that are loud enough to hold voice.

    Parameters
    ----------
    levels : ndarray [shape=(n,)]
        See `frame_levels`.
    sample_rate : int
        Of the sound.
    frames : int
        Length of the sound.
    gate_db : float
        A span has a moment less than this far below the loud moments of the sound (95th percentile of all that is
        above -60 dBFS), and lasts until 10 dB less than that.

    Returns
    -------
    list of Span
        In order, apart; a quarter of a second is added on both sides, pauses under half a second are kept.
    """
    bounds = thresholds(levels, gate_db)
    if bounds is None:
        return []
    opening, closing = bounds
    on = levels >= closing
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if levels[a:b].max() >= opening]
    merged: list[tuple[int, int]] = []
    for start, stop in runs:
        if merged and (start - merged[-1][1]) * FRAME_SECONDS < _MERGE_SECONDS:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    size = max(to_frames(FRAME_SECONDS, sample_rate), 1)
    pad = to_frames(_PAD_SECONDS, sample_rate)
    return [
        Span(max(start * size - pad, 0), min(stop * size + pad, frames))
        for start, stop in merged
        if (stop - start) * FRAME_SECONDS >= _SHORTEST_SECONDS
    ]


def pack(
    spans: Sequence[Span], levels: NDArray[np.float64], sample_rate: int, *, closing_db: float = -np.inf
) -> list[Window]:
    """Join spans to windows of at most 28 s.

    A span that does not fit any more is cut in the longest pause (frames below `closing_db`, at least 0.2 s) of the
    10 s before the window is full. Without a pause it begins the next window; if it is longer than that, it is cut at
    the quietest moment, and the two windows overlap by two seconds on both sides of the cut.
    """
    room = to_frames(WINDOW_SECONDS, sample_rate)
    overlap = to_frames(OVERLAP_SECONDS, sample_rate)
    windows: list[Window] = []
    current: list[Span] = []
    handover: Frames | None = None

    def close() -> None:
        windows.append(Window(tuple(current), sample_rate, handover is not None, handover or 0))
        current.clear()

    for span in spans:
        start = span.start
        while True:
            left = room - sum(held.stop - held.start for held in current)
            if span.stop - start <= left:
                current.append(Span(start, span.stop))
                break
            at = _pause(levels, Span(start, span.stop), left, sample_rate, closing_db)
            if at is None and not current:
                at = _quietest(levels, start + room - overlap, sample_rate)
                current.append(Span(start, at + overlap))
                close()
                start, handover = at - overlap, at
                continue
            if at is not None:
                current.append(Span(start, at))
                start = at
            close()
            handover = None
    if current:
        close()
    return windows


def _quietest(levels: NDArray[np.float64], stop: Frames, sample_rate: int) -> Frames:
    """Give the middle of the quietest frame of the 10 s before `stop`."""
    size = max(to_frames(FRAME_SECONDS, sample_rate), 1)
    first = (stop - to_frames(_CUT_SEARCH_SECONDS, sample_rate)) // size
    return min((int(np.argmin(levels[first : stop // size])) + first) * size + size // 2, stop)


def _pause(levels: NDArray[np.float64], span: Span, left: Frames, sample_rate: int, closing_db: float) -> Frames | None:
    """Give the middle of the longest pause in which a span can be cut to fit, if there is one."""
    size = max(to_frames(FRAME_SECONDS, sample_rate), 1)
    shortest = to_frames(_SHORTEST_PIECE_SECONDS, sample_rate)
    first = max(left - to_frames(_CUT_SEARCH_SECONDS, sample_rate), shortest)
    begin, stop = (span.start + first) // size, min(span.start + left, span.stop - shortest) // size
    if begin >= stop:
        return None
    quiet = levels[begin:stop] < closing_db
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    runs = [(int(b - a), int(a + b) // 2) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    length, middle = max(runs, default=(0, 0))
    return (begin + middle) * size if length * FRAME_SECONDS >= _PAUSE_SECONDS else None
