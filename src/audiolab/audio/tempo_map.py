"""`TempoMap`: where the beats and bars of a song lie, with drift.

Conventions: times are seconds from the start of the sound; beats are counted from 0 at the first
downbeat and may be negative before it (a pick-up); one beat is one quarter note. A constant tempo is
one segment. MIDI, grid slicing, lyrics and exporters know the music's time only through this class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiolab.audio.units import Bpm, Seconds
from audiolab.errors import ParameterError

__all__ = ["Segment", "TempoMap"]

_MIN_BPM, _MAX_BPM = 5.0, 1000.0


@dataclass(frozen=True, slots=True)
class Segment:
    """From `time` (seconds), where beat number `beat` lies, the tempo is `bpm` until the next segment."""

    time: Seconds
    beat: float
    bpm: Bpm


@dataclass(frozen=True, slots=True)
class TempoMap:
    """A song's tempo over time and its meter.

    Parameters
    ----------
    segments : sequence of Segment
        At least one, in order of time; each begins at the beat which its predecessor reaches.
        The first also holds backwards to the start, the last onwards to the end.
    beats_per_bar : int
        The meter's upper number.

    Raises
    ------
    ParameterError
        If there is no segment, times do not increase, a tempo is outside 5 to 1000 bpm, or the
        segments do not join.
    """

    segments: tuple[Segment, ...]
    beats_per_bar: int = 4

    def __post_init__(self) -> None:
        if not self.segments:
            raise ParameterError("a TempoMap needs at least one segment; use TempoMap.constant(120) for a plain tempo")
        if not 1 <= self.beats_per_bar <= 32:
            raise ParameterError(f"beats_per_bar must be 1 to 32, not {self.beats_per_bar}")
        for segment in self.segments:
            values = (segment.time, segment.beat, segment.bpm)
            if not all(map(math.isfinite, values)) or not _MIN_BPM <= segment.bpm <= _MAX_BPM:
                raise ParameterError(f"a tempo must lie between 5 and 1000 bpm at a finite time, not {segment}")
        for left, right in pairwise(self.segments):
            if right.time <= left.time:
                raise ParameterError(f"segments must be in order of time: {left} comes before {right}")
            if abs(left.beat + (right.time - left.time) * left.bpm / 60 - right.beat) > 1e-3:
                raise ParameterError(f"segments do not join: {left} does not reach {right}")

    # ---- making one ------------------------------------------------------------------------------

    @classmethod
    def constant(cls, bpm: Bpm, *, first_downbeat: Seconds = 0.0, beats_per_bar: int = 4) -> TempoMap:
        """Make a map of one tempo whose first bar starts at `first_downbeat` seconds."""
        return cls((Segment(float(first_downbeat), 0.0, float(bpm)),), beats_per_bar)

    @classmethod
    def from_beats(
        cls, times: ArrayLike, *, first_downbeat: int = 0, beats_per_bar: int = 4, tolerance: Seconds = 0.02
    ) -> TempoMap:
        """Make a map from beat times, with as few segments as keep every beat within `tolerance`.

        Parameters
        ----------
        times : array_like [shape=(n,)]
            Beat times in seconds, increasing, at least two.
        first_downbeat : int
            Index into `times` of the first beat of a bar.
        beats_per_bar : int
            The meter's upper number.
        tolerance : float
            Largest distance in seconds between a given beat and the map's.

        Returns
        -------
        TempoMap
            One segment (a least-squares line) if that fits; else a polyline through some of the beats.
        """
        array = np.asarray(times, float)
        if array.ndim != 1 or len(array) < 2:
            raise ParameterError("a TempoMap needs at least two beat times")
        if not np.isfinite(array).all() or (np.diff(array) <= 0).any():
            raise ParameterError("beat times must be finite and increasing, in seconds")
        if not 0 <= first_downbeat < len(array):
            raise ParameterError(f"first_downbeat is an index into {len(array)} beats, not {first_downbeat}")
        numbers = np.arange(len(array), dtype=float) - first_downbeat
        period, origin = np.polyfit(numbers, array, 1)
        if period > 0 and np.abs(origin + period * numbers - array).max() <= tolerance:
            return cls((Segment(float(origin), 0.0, float(60.0 / period)),), beats_per_bar)
        knots = _polyline(numbers, array, tolerance)
        segments = [
            Segment(float(array[a]), float(numbers[a]), float(60 * (numbers[b] - numbers[a]) / (array[b] - array[a])))
            for a, b in pairwise(knots)
        ]
        return cls(tuple(segments), beats_per_bar)

    # ---- reading it ------------------------------------------------------------------------------

    def beat_at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Give the (fractional) beat number at one or more times in seconds."""
        times = np.asarray(times, float)
        starts = np.array([s.time for s in self.segments])
        index = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)
        beats = np.array([s.beat for s in self.segments])
        bpms = np.array([s.bpm for s in self.segments])
        return np.asarray(beats[index] + (times - starts[index]) * bpms[index] / 60.0)

    def time_at(self, beats: ArrayLike) -> NDArray[np.float64]:
        """Give the time in seconds of one or more beat numbers."""
        beats = np.asarray(beats, float)
        firsts = np.array([s.beat for s in self.segments])
        index = np.clip(np.searchsorted(firsts, beats, side="right") - 1, 0, None)
        starts = np.array([s.time for s in self.segments])
        bpms = np.array([s.bpm for s in self.segments])
        return np.asarray(starts[index] + (beats - firsts[index]) * 60.0 / bpms[index])

    def bpm_at(self, time: Seconds) -> Bpm:
        """Give the tempo at a time."""
        return max((s for s in self.segments if s.time <= time), key=lambda s: s.time, default=self.segments[0]).bpm

    def bpm(self, duration: Seconds | None = None) -> Bpm:
        """Give the mean tempo, over `duration` seconds if given, else over the first to the last segment."""
        if len(self.segments) == 1:
            return self.segments[0].bpm
        start, stop = (self.segments[0].time, self.segments[-1].time) if duration is None else (0.0, duration)
        return float((self.beat_at(stop) - self.beat_at(start)) * 60 / (stop - start))

    def beats(self, duration: Seconds) -> NDArray[np.float64]:
        """Give the times of all beats from 0 to `duration` seconds (exclusive)."""
        return self._grid(duration, 1)

    def downbeats(self, duration: Seconds) -> NDArray[np.float64]:
        """Give the times of all first beats of bars from 0 to `duration` seconds (exclusive)."""
        return self._grid(duration, self.beats_per_bar)

    def _grid(self, duration: Seconds, step: int) -> NDArray[np.float64]:
        first = math.ceil(round(float(self.beat_at(0.0)) / step, 6)) * step
        last = math.ceil(round(float(self.beat_at(duration)) / step, 6)) * step
        times = self.time_at(np.arange(first, last, step))
        return np.asarray(times.clip(min=0.0))

    # ---- changing it -----------------------------------------------------------------------------

    def scaled(self, factor: float) -> TempoMap:
        """Give the same music counted `factor` times as fast (2 for "twice the tempo")."""
        segments = tuple(Segment(s.time, s.beat * factor, s.bpm * factor) for s in self.segments)
        return TempoMap(segments, self.beats_per_bar)

    def doubled(self) -> TempoMap:
        """Give the same music counted twice as fast: a beat between each two, bars half as long."""
        return self.scaled(2.0)

    def halved(self) -> TempoMap:
        """Give the same music counted half as fast; `halved` and `doubled` undo each other exactly."""
        return self.scaled(0.5)

    def shifted_downbeat(self, beats: float) -> TempoMap:
        """Let bars begin `beats` beats later (negative: earlier); whole numbers leave every beat where it is.

        Half a beat moves the count onto the off-beats.
        """
        return TempoMap(tuple(Segment(s.time, s.beat - beats, s.bpm) for s in self.segments), self.beats_per_bar)

    def with_downbeat_at(self, time: Seconds) -> TempoMap:
        """Let a bar begin at the beat nearest to `time`; nearer to the middle of two beats, at that off-beat.

        Examples
        --------
        >>> TempoMap.constant(120).with_downbeat_at(1.03).downbeats(4).tolist()
        [1.0, 3.0]
        """
        halves = round(2 * float(self.beat_at(time)))
        return self.shifted_downbeat(halves // 2 if halves % 2 == 0 else halves / 2)

    def with_meter(self, beats_per_bar: int) -> TempoMap:
        """Give the same beats in bars of another length, counted from the same downbeat."""
        return TempoMap(self.segments, beats_per_bar)

    def shifted(self, seconds: Seconds) -> TempoMap:
        """Give the map of the same music starting `seconds` later (negative: cut from the front)."""
        return TempoMap(tuple(Segment(s.time + seconds, s.beat, s.bpm) for s in self.segments), self.beats_per_bar)

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON document that `from_dict` reads back without loss."""
        return {
            "beats_per_bar": self.beats_per_bar,
            "segments": [{"time": s.time, "beat": s.beat, "bpm": s.bpm} for s in self.segments],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> TempoMap:
        """Read what `to_dict` wrote."""
        try:
            rows: Iterable[Mapping[str, float]] = document["segments"]
            segments = tuple(Segment(float(row["time"]), float(row["beat"]), float(row["bpm"])) for row in rows)
            beats_per_bar = int(document["beats_per_bar"])
        except (KeyError, TypeError, ValueError) as error:
            raise ParameterError(f"not a TempoMap document: {error!r}") from error
        return cls(segments, beats_per_bar)


def _polyline(x: NDArray[np.float64], y: NDArray[np.float64], tolerance: float) -> Sequence[int]:
    """Ramer, Douglas and Peucker's simplification, measured in y, without recursion."""
    keep, todo = {0, len(x) - 1}, [(0, len(x) - 1)]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        line = y[a] + (x[a : b + 1] - x[a]) * (y[b] - y[a]) / (x[b] - x[a])
        distance = np.abs(y[a : b + 1] - line)
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            keep.add(a + worst)
            todo += [(a, a + worst), (a + worst, b)]
    return sorted(keep)
