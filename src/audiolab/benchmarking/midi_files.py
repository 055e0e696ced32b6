"""Notes of a MIDI file as truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audiolab.benchmarking.tables import AnnotationError

__all__ = ["drum_hits", "read_notes"]


def read_notes(path: Path) -> tuple[tuple[float, float, float], ...]:
    """Read all notes but drums: start, end (seconds), pitch.

    Raises
    ------
    AnnotationError
        If it is no MIDI file or holds no note.
    """
    found = [(start, end, float(pitch)) for start, end, pitch, channel in _events(path) if channel != 9]
    if not found:
        raise AnnotationError(f"{str(path)!r} holds no notes (drums on channel 10 do not count)")
    return tuple(sorted(found))


def drum_hits(path: Path) -> tuple[tuple[float, str], ...]:
    """Read the beginnings of all notes with their General MIDI percussion keys as labels."""
    hits = sorted((start, str(pitch)) for start, _, pitch, _ in _events(path))
    if not hits:
        raise AnnotationError(f"{str(path)!r} holds no notes")
    return tuple(hits)


def _events(path: Path) -> list[tuple[float, float, int, int]]:
    import mido

    try:
        file: Any = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise AnnotationError(f"{str(path)!r} is not a MIDI file or is damaged: {error}") from None
    now, open_notes, found = 0.0, {}, []  # type: ignore[var-annotated]
    for message in file:
        now += message.time
        if message.type not in {"note_on", "note_off"}:
            continue
        place = (message.channel, message.note)
        begun = open_notes.pop(place, None)
        if begun is not None and now > begun:
            found.append((begun, now, message.note, message.channel))
        if message.type == "note_on" and message.velocity > 0:
            open_notes[place] = now
    return found
