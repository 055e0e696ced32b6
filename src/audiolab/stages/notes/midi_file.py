"""The one writer of MIDI files: notes at their exact times, bars on the song's downbeats.

Conventions: tick 0 is time 0 of the audio; 960 ticks a beat (half a tick is 0.26 ms at 120 bpm); the
first track holds tempo and meter, each further track one instrument. When the first downbeat comes later
than time 0, a bar of its own with a tempo of its own fills the time until then, so that all further bars
of the DAW are the song's.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio import Seconds, TempoMap, atomic_path
from audiolab.errors import ExportError, ParameterError

__all__ = ["TICKS_PER_BEAT", "Note", "TickMap", "Track", "write_midi"]

TICKS_PER_BEAT = 960
_ANCHOR_BEATS = 480
"""MIDI's tempo is a whole number of microseconds: at least this often the error is taken back (0.25 ms at most)."""
_FINEST = 8
"""The lead-in bar counts quarters, or down to thirty-seconds where it is shorter than half a beat."""
_LEAST_LEAD_IN = 0.0075
"""Shorter lead-ins would need more than 1000 bpm, which DAWs refuse: then the first bar begins at time 0."""
_DRUM_CHANNEL = 9
_BEND_RANGE = 2.0
"""Semitones at full bend: the General MIDI default, which is also written to the file."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note, times in seconds of the audio."""

    start: Seconds
    end: Seconds
    pitch: int
    """MIDI pitch: 60 is middle C; for drums the General MIDI percussion key."""
    velocity: int
    """1 to 127."""
    bend: tuple[float, ...] = ()
    """Distance from the pitch in semitones, evenly spaced from start to end."""


@dataclass(frozen=True, slots=True)
class Track:
    """One instrument."""

    name: str
    notes: Sequence[Note] = field(default_factory=tuple)
    program: int = 0
    """General MIDI program, counted from 0."""
    is_drum: bool = False


class TickMap:
    """Where each second lies in ticks, given tempos that are whole microseconds.

    Parameters
    ----------
    tempo_map : TempoMap
        The song's musical time.
    duration : float
        Seconds; tempo events stop there.
    """

    def __init__(self, tempo_map: TempoMap, duration: Seconds) -> None:
        self._ticks, self._times, self._tempos = [0], [0.0], [0]
        self.meters: list[tuple[int, int, int]] = []
        """Time signatures: (tick, upper number, lower number)."""
        bar = tempo_map.beats_per_bar
        # A downbeat a hair before 0 (rounding) counts as 0.
        first = math.ceil(round(float(tempo_map.beat_at(0.0)), 6) / bar) * bar
        start = max(float(tempo_map.time_at(first)), 0.0)
        if start < _LEAST_LEAD_IN:
            self._lead_ticks = 0
        else:
            self._lead_in(start, 60.0 / tempo_map.bpm_at(start))
        self.meters.append((self._lead_ticks, bar, 4))
        # Between two knots the tempo is one; each aims at the true time of the next, so errors do not add up.
        ends = [first + _ANCHOR_BEATS * (1 + i) for i in range(self._anchors(tempo_map, first, duration))]
        beats = sorted({*(s.beat for s in tempo_map.segments if s.beat > first and s.time < duration), *ends})
        for beat in beats:
            tick = self._lead_ticks + round((beat - first) * TICKS_PER_BEAT)
            if tick > self._ticks[-1]:
                self._reach(tick, float(tempo_map.time_at(first + (tick - self._lead_ticks) / TICKS_PER_BEAT)))
        last = first + (self._ticks[-1] - self._lead_ticks) / TICKS_PER_BEAT
        self._tempos[-1] = _whole(60e6 / tempo_map.bpm_at(float(tempo_map.time_at(last)) + 1e-9))

    @staticmethod
    def _anchors(tempo_map: TempoMap, first: float, duration: Seconds) -> int:
        return max(math.floor((float(tempo_map.beat_at(duration)) - first) / _ANCHOR_BEATS), 0)

    def _lead_in(self, start: Seconds, beat: Seconds) -> None:
        parts = 1
        while parts < _FINEST and start < beat / parts / 2:
            parts *= 2
        count = max(1, round(start * parts / beat))
        self.meters.append((0, count, 4 * parts))
        self._lead_ticks = count * TICKS_PER_BEAT // parts
        self._reach(self._lead_ticks, start)

    def _reach(self, tick: int, time: Seconds) -> None:
        """Go on with the tempo that comes closest to being at `time` at `tick`."""
        ticks = tick - self._ticks[-1]
        self._tempos[-1] = _whole((time - self._times[-1]) * 1e6 * TICKS_PER_BEAT / ticks)
        self._ticks.append(tick)
        self._times.append(self._times[-1] + ticks * self._tempos[-1] / (1e6 * TICKS_PER_BEAT))
        self._tempos.append(self._tempos[-1])

    @property
    def tempos(self) -> list[tuple[int, int]]:
        """Tempo events: (tick, microseconds a beat), without repetitions."""
        events: list[tuple[int, int]] = []
        for tick, tempo in zip(self._ticks, self._tempos, strict=True):
            if not events or events[-1][1] != tempo:
                events.append((tick, tempo))
        return events

    def tick_at(self, time: Seconds) -> int:
        """Give the nearest tick; times before 0 are tick 0."""
        index = max(bisect_right(self._times, time) - 1, 0)
        beats = (time - self._times[index]) * 1e6 / self._tempos[index]
        return max(self._ticks[index] + round(beats * TICKS_PER_BEAT), 0)


def _whole(microseconds: float) -> int:
    return min(max(round(microseconds), 1), (1 << 24) - 1)


def write_midi(path: str | Path, tracks: Sequence[Track], tempo_map: TempoMap, *, duration: Seconds) -> Path:
    """Write a MIDI file of one or more tracks (format 1).

    Parameters
    ----------
    path : path-like
        Target; written atomically.
    tracks : sequence of Track
        One for each instrument; may be empty of notes.
    tempo_map : TempoMap
        The song's musical time.
    duration : float
        Length of the audio in seconds; every track ends there, or with its last note.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ParameterError
        If a note ends before it starts, or a pitch, velocity or program is out of range.
    ExportError
        If the file cannot be written.
    """
    import mido

    if not math.isfinite(duration) or duration < 0:
        raise ParameterError(f"a duration is a number of seconds from 0 on, not {duration}")
    for track in tracks:
        _check(track)
    ticks = TickMap(tempo_map, duration)
    end = ticks.tick_at(duration)
    # latin-1 is the only character set that mido writes without loss of sync for other readers; the rest becomes "?".
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT, charset="latin-1")
    conductor: list[tuple[int, int, Any]] = [
        (tick, 0, mido.MetaMessage("time_signature", numerator=upper, denominator=lower))
        for tick, upper, lower in ticks.meters
    ]
    conductor += [(tick, 1, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in ticks.tempos]
    file.tracks.append(_assemble("tempo", conductor, end))
    channels = (number for number in range(16) if number != _DRUM_CHANNEL)
    for track in tracks:
        channel = _DRUM_CHANNEL if track.is_drum else next(channels, 15)
        file.tracks.append(_assemble(track.name, _events(track, channel, ticks), end))
    target = Path(path)
    try:
        with atomic_path(target) as temporary:
            file.save(str(temporary))
    except OSError as error:
        raise ExportError(f"cannot write {str(target)!r}: {error.strerror or error}") from error
    return target


def _check(track: Track) -> None:
    if not 0 <= track.program <= 127:
        raise ParameterError(f"track {track.name!r}: a program is 0 to 127, not {track.program}")
    for note in track.notes:
        if not (math.isfinite(note.start) and math.isfinite(note.end) and note.start <= note.end):
            raise ParameterError(f"track {track.name!r}: a note ends before it starts: {note}")
        if not (0 <= note.pitch <= 127 and 1 <= note.velocity <= 127):
            raise ParameterError(f"track {track.name!r}: pitch is 0 to 127 and velocity 1 to 127: {note}")


def _assemble(name: str, events: Iterable[tuple[int, int, Any]], end: int) -> Any:
    """Make a track of (tick, order within the tick, message)."""
    import mido

    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name=name.encode("latin-1", "replace").decode("latin-1")))
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(end - now, 0)))
    return track


def _events(track: Track, channel: int, ticks: TickMap) -> list[tuple[int, int, Any]]:
    import mido

    def message(kind: str, **values: int) -> Any:
        return mido.Message(kind, channel=channel, **values)

    events: list[tuple[int, int, Any]] = [(0, 0, message("program_change", program=track.program))]
    bending = [] if track.is_drum else [note for note in _apart(track.notes) if any(note.bend)]
    if bending:
        # Registered parameter 0: the range of the bend wheel in semitones.
        values = ((101, 0), (100, 0), (6, int(_BEND_RANGE)), (38, 0), (101, 127), (100, 127))
        events += [(0, 0, message("control_change", control=control, value=value)) for control, value in values]
    for start, stop, note in _spans(track.notes, ticks):
        events.append((stop, 0, message("note_off", note=note.pitch, velocity=0)))
        events.append((start, 3, message("note_on", note=note.pitch, velocity=note.velocity)))
    for note in bending:
        last, end = None, ticks.tick_at(note.end)
        for time, bend in zip(np.linspace(note.start, note.end, len(note.bend)), note.bend, strict=True):
            value = min(max(round(bend / _BEND_RANGE * 8192), -8192), 8191)
            tick = ticks.tick_at(float(time))
            if value != last and tick < end:
                events.append((tick, 2, message("pitchwheel", pitch=value)))
                last = value
        events.append((end, 1, message("pitchwheel", pitch=0)))
    return events


def _apart(notes: Sequence[Note]) -> list[Note]:
    """Keep the notes that sound alone: a bend moves everything on its channel."""
    alone: list[Note] = []
    ordered = sorted(notes, key=lambda note: (note.start, note.end))
    reach = -math.inf
    for index, note in enumerate(ordered):
        following = ordered[index + 1].start if index + 1 < len(ordered) else math.inf
        if note.start >= reach and following >= note.end:
            alone.append(note)
        reach = max(reach, note.end)
    return alone


def _spans(notes: Sequence[Note], ticks: TickMap) -> list[tuple[int, int, Note]]:
    """Turn notes to ticks. One key sounds once at a time: a later note ends an earlier one of the same pitch."""
    spans: list[tuple[int, int, Note]] = []
    open_: dict[int, int] = {}
    for note in sorted(notes, key=lambda note: (note.start, note.pitch, -note.velocity)):
        start = ticks.tick_at(note.start)
        stop = max(ticks.tick_at(note.end), start + 1)
        index = open_.get(note.pitch)
        if index is not None:
            before = spans[index]
            if before[0] == start:  # twice the same: the louder one came first, the longer end holds
                spans[index] = (start, max(before[1], stop), before[2])
                continue
            if before[1] > start:
                spans[index] = (before[0], start, before[2])
        open_[note.pitch] = len(spans)
        spans.append((start, stop, note))
    return spans
