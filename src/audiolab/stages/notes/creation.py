"""From activations to notes: the same notes as `basic_pitch.note_creation`, without its packages and faster.

Upstream looks for the largest remaining value of the whole matrix again and again, which takes time in
the square of the length. Remaining values only ever become zero, so sorting them once gives the same
order. Tests compare the two on random activations and on real sounds: the same notes, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.notes.model import FRAME_HOP, MODEL_RATE, WINDOW_FRAMES, WINDOW_HOP, Activations, Contours

__all__ = ["LOWEST_PITCH", "NoteEvent", "create_notes", "frame_times", "min_frames"]

LOWEST_PITCH = 21
_PITCHES = 88
_PATIENCE = 11
"""Frames below the threshold that end a note."""
_QUIET = b"\x01" * _PATIENCE
_CHUNK = 4096
_BEND_REACH = 25
_BEND_STEPS = 3


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """One note in frames: `start` to `stop` (exclusive)."""

    start: int
    stop: int
    pitch: int
    amplitude: np.float32
    """Mean activation, 0 to 1."""
    bend: tuple[int, ...] | None = None
    """Distance from the pitch in thirds of a semitone, for each frame."""


def min_frames(milliseconds: float) -> int:
    """Turn the shortest note's length into frames, as upstream rounds it."""
    return int(np.round(milliseconds / 1000 * (MODEL_RATE / FRAME_HOP)))


def frame_times(frames: int, *, upstream: bool = False) -> NDArray[np.float64]:
    """Give the time of each frame in seconds.

    Parameters
    ----------
    frames : int
        Number of frames.
    upstream : bool
        As `basic_pitch.note_creation.model_frames_to_time` has it: a mean correction after every 172 frames,
        right to 9 ms. Else exact: the windows lie 36,164 samples apart and give 142 frames each.
    """
    index = np.arange(frames)
    if upstream:
        window = 2 * MODEL_RATE - FRAME_HOP
        offset = (FRAME_HOP / MODEL_RATE) * (172 - (window / FRAME_HOP)) + 0.0018
        return index * FRAME_HOP / MODEL_RATE - offset * np.floor(index / 172)
    return (index // WINDOW_FRAMES * WINDOW_HOP + index % WINDOW_FRAMES * FRAME_HOP) / MODEL_RATE


def create_notes(
    found: Activations,
    *,
    onset_threshold: float = 0.5,
    frame_threshold: float = 0.3,
    min_length: int = 11,
    min_pitch: int | None = None,
    max_pitch: int | None = None,
    melodia: bool = True,
    keep: bool = True,
) -> list[NoteEvent]:
    """Find notes in activations.

    Parameters
    ----------
    found : Activations
        Of the whole sound.
    onset_threshold, frame_threshold : float
        Least activation of a beginning, and of a note that goes on; above 0, at most 1.
    min_length : int
        Notes of this many frames or fewer are dropped.
    min_pitch, max_pitch : int, optional
        MIDI pitches: the lowest that counts, and the first that no longer does (as upstream has it).
    melodia : bool
        Whether to look for notes without a clear beginning afterwards.
    keep : bool
        Leave `found` as it is; else pitches out of range may be zeroed in it, which saves a copy.

    Returns
    -------
    list of NoteEvent
        In upstream's order: notes with a beginning from the last to the first, then the others from the
        strongest to the weakest. Bends are there if the activations hold contours.
    """
    frames, onsets = found.note, found.onset
    if len(frames) == 0:
        return []
    if min_pitch is not None or max_pitch is not None:
        low = max((LOWEST_PITCH if min_pitch is None else min_pitch) - LOWEST_PITCH, 0)
        high = max((LOWEST_PITCH + _PITCHES if max_pitch is None else max_pitch) - LOWEST_PITCH, 0)
        if keep:
            frames, onsets = frames.copy(), onsets.copy()
        for matrix in (frames, onsets):
            matrix[:, :low] = 0
            matrix[:, high:] = 0
    grid = _Grid(frames, frame_threshold)
    spans = [
        span
        for start, column in _onset_peaks(onsets, frames, onset_threshold)
        if (span := grid.take_from(start, column, min_length))
    ]
    if melodia:
        spans += grid.take_strongest(min_length)
    return [
        NoteEvent(
            start,
            stop,
            column + LOWEST_PITCH,
            np.mean(frames[start:stop, column]),
            None if found.contour is None else _bend(found.contour, start, stop, column),
        )
        for start, stop, column in spans
    ]


def _onset_peaks(onsets: NDArray[np.float32], frames: NDArray[np.float32], threshold: float) -> list[tuple[int, int]]:
    """Find beginnings: peaks in time of the onset activation or of the rise of the note activation.

    The rise is scaled to the onsets' maximum. Works in chunks, since upstream's float64 copies of the whole
    would take a gigabyte an hour. Gives (frame, column), the last first.
    """
    largest = np.max(onsets)
    rise = max(float(np.max(_rise(frames, at, at + _CHUNK))) for at in range(0, len(frames), _CHUNK))
    if rise == 0:  # upstream divides by it and finds nothing
        return []
    peaks: list[tuple[int, int]] = []
    for at in range(0, len(frames), _CHUNK):
        first, last = max(at - 1, 0), min(at + _CHUNK + 1, len(frames))
        strength = np.maximum(onsets[first:last], largest * _rise(frames, first, last) / rise)
        middle = strength[1:-1]
        rows, columns = np.nonzero((middle > strength[:-2]) & (middle > strength[2:]) & (middle >= threshold))
        peaks += zip((rows + first + 1).tolist(), columns.tolist(), strict=True)
    return peaks[::-1]


def _rise(frames: NDArray[np.float32], first: int, last: int) -> NDArray[np.float64]:
    """Give rows `first` to `last` of the rise over one and over two frames, whichever is smaller, not below 0."""
    last = min(last, len(frames))
    head = max(first - 2, 0)
    rows = frames[head:last].astype(np.float64)
    rise = np.zeros((last - first, frames.shape[1]))
    begin = max(2 - first, 0)  # the first two frames of all rise by nothing
    here = rows[first - head + begin :]
    if len(here) > 0:
        before = rows[first - head + begin - 1 : -1]
        earlier = rows[first - head + begin - 2 : -2]
        rise[begin:] = np.maximum(np.minimum(here - before, here - earlier), 0)
    return rise


class _Grid:
    """Which cells are below the threshold or taken, as one string of bytes a pitch, so that runs are found fast."""

    def __init__(self, frames: NDArray[np.float32], threshold: float) -> None:
        self.frames = frames
        self.size = len(frames)
        # Compared in float64, as upstream does.
        self.threshold = np.float64(threshold)
        below = np.empty((_PITCHES, self.size), np.uint8)
        for at in range(0, self.size, _CHUNK):
            below[:, at : at + _CHUNK] = (frames[at : at + _CHUNK] < self.threshold).T
        self.quiet = [bytearray(row) for row in below]

    def take(self, start: int, stop: int, column: int) -> None:
        """Take frames of a pitch and of both its neighbours out of the game."""
        if stop > start:
            ones = b"\x01" * (stop - start)
            for near in range(max(column - 1, 0), min(column + 2, _PITCHES)):
                self.quiet[near][start:stop] = ones

    def forwards(self, start: int, column: int) -> tuple[int, int]:
        """Go on from `start` until 11 quiet frames, or the last frame but one: (where it stopped, quiet frames)."""
        end = self.size - 1
        if start >= end:
            return start, 0
        quiet = self.quiet[column]
        at = quiet.find(_QUIET, start, end)
        if at >= 0:
            return at + _PATIENCE, _PATIENCE
        tail = quiet[max(start, end - _PATIENCE) : end]
        return end, len(tail) - len(tail.rstrip(b"\x01"))

    def backwards(self, start: int, column: int) -> tuple[int, int]:
        """Go back from `start` until 11 quiet frames, or frame 0."""
        if start <= 0:
            return start, 0
        quiet = self.quiet[column]
        at = quiet.rfind(_QUIET, 1, start + 1)
        if at >= 0:
            return at - 1, _PATIENCE
        head = quiet[1 : min(start, _PATIENCE) + 1]
        return 0, len(head) - len(head.lstrip(b"\x01"))

    def take_from(self, start: int, column: int, min_length: int) -> tuple[int, int, int] | None:
        """Take the note that begins at an onset, unless it is too short."""
        if start >= self.size - 1:
            return None
        at, quiet = self.forwards(start + 1, column)
        stop = at - quiet
        if stop - start <= min_length:
            return None
        self.take(start, stop, column)
        return start, stop, column

    def take_strongest(self, min_length: int) -> list[tuple[int, int, int]]:
        """Take what is left, the strongest first."""
        spans = []
        for middle, column in self._left():
            quiet = self.quiet[column]
            if quiet[middle]:
                continue
            quiet[middle] = 1
            after, tail = self.forwards(middle + 1, column)
            self.take(middle + 1, after, column)
            before, head = self.backwards(middle - 1, column)
            self.take(before + 1, middle, column)
            start, stop = before + 1 + head, after - 1 - tail
            if stop - start > min_length:
                spans.append((start, stop, column))
        return spans

    def _left(self) -> list[tuple[int, int]]:
        """List the cells that are above the threshold and free, by falling value, then time, then pitch."""
        rows, columns, values = [], [], []
        for at in range(0, self.size, _CHUNK):
            free = np.stack([np.frombuffer(row, np.uint8)[at : at + _CHUNK] for row in self.quiet], axis=1) == 0
            chunk = self.frames[at : at + _CHUNK]
            row, column = np.nonzero(free & (chunk > self.threshold))
            rows.append(row + at)
            columns.append(column)
            values.append(chunk[row, column])
        order = np.argsort(-np.concatenate(values), kind="stable")
        return list(zip(np.concatenate(rows)[order].tolist(), np.concatenate(columns)[order].tolist(), strict=True))


_DISTANCE = np.arange(2 * _BEND_REACH + 1) - float(_BEND_REACH)
_NEAR = np.exp(-(_DISTANCE**2) / (2 * 5.0 * 5.0))


def _bend(contour: Contours, start: int, stop: int, column: int) -> tuple[int, ...]:
    """Read the pitch of each frame from the contours, preferring what is near the note's own pitch."""
    bin_ = column * _BEND_STEPS
    low, high = max(bin_ - _BEND_REACH, 0), min(bin_ + _BEND_REACH + 1, contour.shape[1])
    first = max(0, _BEND_REACH - bin_)
    last = len(_NEAR) - max(0, bin_ - (contour.shape[1] - _BEND_REACH - 1))
    weighted = contour[start:stop, low:high] * _NEAR[first:last]
    return tuple((np.argmax(weighted, axis=1) - (_BEND_REACH - first)).tolist())
