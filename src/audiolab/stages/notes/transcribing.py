"""One sound in, notes out: what the stage and the function for files share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, TempoMap, require_stereo
from audiolab.errors import ParameterError
from audiolab.stages.base import Document, Progress, no_progress
from audiolab.stages.notes.creation import LOWEST_PITCH, NoteEvent, create_notes, frame_times, min_frames
from audiolab.stages.notes.midi_file import Note
from audiolab.stages.notes.model import activations
from audiolab.stages.notes.presets import Settings

__all__ = ["DEFAULT_BPM", "document_of", "notes_of", "one_voice", "transcribe"]

_FAINTEST = 1e-4
"""RMS of -80 dBFS: below it lies nothing that was meant to be heard."""

DEFAULT_BPM = 120.0
"""MIDI's own default, for sounds without a known tempo."""


def transcribe(
    source: BlockSource, settings: Settings, *, threads: int = 1, progress: Progress = no_progress
) -> list[Note]:
    """Find the notes of a pitched sound with Basic Pitch.

    Parameters
    ----------
    source : BlockSource
        Mono or stereo, any rate.
    settings : Settings
        See `settings_for`.
    threads : int
        Changes the speed only.
    progress : Progress
        Called with seconds done and in all.

    Returns
    -------
    list of Note
        In order of time, then pitch.
    """
    _check_range(settings)
    source = require_stereo(source, downmix=settings.downmix)
    found = activations(source, contours=settings.bends, threads=threads, progress=progress)
    if not settings.exact_times:
        found = found.as_upstream()
    events = create_notes(
        found,
        onset_threshold=settings.onset_threshold,
        frame_threshold=settings.frame_threshold,
        min_length=min_frames(settings.minimum_note_length_ms),
        min_pitch=_pitch(settings.minimum_frequency),
        max_pitch=_pitch(settings.maximum_frequency),
        melodia=settings.melodia,
        keep=False,
    )
    if settings.ghost_db is not None:
        events = _without_ghosts(events, found.level, settings.ghost_db)
    times = frame_times(len(found.note), upstream=not settings.exact_times)
    notes = [
        Note(
            float(times[event.start]),
            float(times[event.stop]),
            event.pitch,
            max(int(np.round(127 * event.amplitude)), 1),
            _semitones(event.bend, center=settings.center_bends) if event.bend is not None and settings.bends else (),
        )
        for event in events
    ]
    notes.sort(key=lambda note: (note.start, note.pitch, note.end))
    return one_voice(notes) if settings.one_voice else notes


def _semitones(steps: tuple[int, ...], *, center: bool) -> tuple[float, ...]:
    """Turn thirds of a semitone to semitones; a lasting single step off the pitch is the network's own grain."""
    middle = sorted(steps)[len(steps) // 2] if center and steps else 0
    off = middle if abs(middle) == 1 else 0
    return tuple((step - off) / 3 for step in steps)


def one_voice(notes: Sequence[Note]) -> list[Note]:
    """Keep one note at a time: of those that overlap by half or more the strongest, cut where the next begins.

    Strength is velocity times length, so a held note wins over the flicker of its harmonics.
    """
    kept: list[Note] = []
    group: list[Note] = []
    reach = -math.inf
    for note in sorted(notes, key=lambda note: note.start):
        if note.start >= reach:
            kept += _strongest(group)
            group = []
        group.append(note)
        reach = max(reach, note.end)
    kept += _strongest(group)
    return [replace(note, end=min(note.end, following.start)) for note, following in pairwise(kept)] + kept[-1:]


def _strongest(group: Sequence[Note]) -> list[Note]:
    """Take notes by falling strength unless those taken cover half of them."""
    taken: list[Note] = []
    for note in sorted(group, key=lambda note: (-note.velocity * (note.end - note.start), note.start, note.pitch)):
        covered = sum(max(0.0, min(note.end, other.end) - max(note.start, other.start)) for other in taken)
        if covered <= (note.end - note.start) / 2 and all(note.start != other.start for other in taken):
            taken.append(note)
    return sorted(taken, key=lambda note: note.start)


def _without_ghosts(events: list[NoteEvent], level: NDArray[np.float32], down: float) -> list[NoteEvent]:
    """Drop notes during most of which there is next to nothing to hear.

    The network levels each window out, so it hears notes in a stem's faint bleed, in dither and in an offset.
    """
    if not events:
        return []
    least = max(float(level.max()) * 10 ** (-down / 20), _FAINTEST)
    return [event for event in events if np.median(level[event.start : event.stop]) >= least]


def _pitch(hertz: float | None) -> int | None:
    """Round a frequency to the MIDI pitch that upstream takes for it."""
    if hertz is None:
        return None
    return int(np.round(12 * (math.log2(hertz) - math.log2(440.0)) + 69 - LOWEST_PITCH)) + LOWEST_PITCH


def _check_range(settings: Settings) -> None:
    low, high = settings.minimum_frequency, settings.maximum_frequency
    if low is not None and high is not None and low >= high:
        raise ParameterError(f"minimum_frequency ({low:g} Hz) must lie below maximum_frequency ({high:g} Hz)")


def document_of(
    notes: Iterable[Note], settings: Settings, *, tempo_map: TempoMap, duration: float, name: str
) -> Document:
    """Give the JSON that later stages, the library and the exporters read."""
    drums = settings.preset == "drums"
    return {
        "bpm": round(tempo_map.bpm(duration), 6),
        "preset": settings.preset,
        "drums": drums,
        "program": 0 if drums else settings.program,
        "name": name,
        "duration": duration,
        "notes": [
            {
                "start": round(note.start, 6),
                "end": round(note.end, 6),
                "pitch": note.pitch,
                "velocity": note.velocity,
                **({"bend": [round(step, 3) for step in note.bend]} if note.bend else {}),
            }
            for note in notes
        ],
    }


def notes_of(document: Mapping[str, Any]) -> list[Note]:
    """Read the notes of a document (the library's, perhaps edited by hand) back."""
    return [
        Note(
            float(item["start"]),
            float(item["end"]),
            int(item["pitch"]),
            int(item["velocity"]),
            tuple(float(step) for step in item.get("bend", ())),
        )
        for item in document["notes"]
    ]
