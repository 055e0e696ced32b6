"""MIDI and lyrics of songs and stems as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.audio import TempoMap, atomic_path
from audiolab.exporters.base import ExportJob, Item
from audiolab.exporters.cards import Card
from audiolab.exporters.names import clean_name
from audiolab.library import Sound
from audiolab.stages.notes import Track, notes_of, write_midi

__all__ = ["lyrics_of", "midi_of", "stem_title"]

DEFAULT_BPM = 120.0


@dataclass(frozen=True, slots=True)
class _Part:
    """The notes of one sound."""

    sound: Card
    track: Track


def stem_title(sound: Card, song: Card | None) -> str:
    """Give the file name of a song or stem: `song` or `song_stem`."""
    if sound.kind == "song" or song is None:
        return clean_name(sound.name)
    # The stem's name must not be lost at the end of a long song name.
    stem = clean_name(sound.stem or sound.name, max_bytes=40)
    return f"{clean_name(song.name, max_bytes=100)}_{stem}"


def midi_of(job: ExportJob, sound: Sound, folder: str) -> list[Item]:
    """Write the MIDI of a song (a file for each stem, and one with all as tracks) or of a stem.

    Nothing is written for sounds without notes.
    """
    sounds = [sound, *sound.stems.values()] if sound.kind == "song" else [sound]
    parts = [part for part in map(_part, job.cards.all(sounds)) if part is not None]
    if not parts:
        return []
    tempo = sound.tempo_map
    if tempo is None:
        job.notes.append(f"{sound.name}: no tempo known, its MIDI is written at {DEFAULT_BPM:g} bpm")
        tempo = TempoMap.constant(DEFAULT_BPM)
    items = []
    if sound.kind == "song":
        items.append(_write(job, job.cards.of(sound), folder, tracks=[part.track for part in parts], tempo=tempo))
    for part in parts:
        if part.sound.kind == "stem":
            items.append(_write(job, part.sound, folder, tracks=[part.track], tempo=tempo))
    return items


def _part(sound: Card) -> _Part | None:
    document = sound.library.effective(sound.id, "midi")
    if not document or not document.get("notes"):
        return None
    name = str(document.get("name") or sound.stem or sound.name)
    program, drums = int(document.get("program", 0)), bool(document.get("drums", sound.stem == "drums"))
    return _Part(sound, Track(name, notes_of(document), program, drums))


def _write(job: ExportJob, sound: Card, folder: str, *, tracks: Sequence[Track], tempo: TempoMap) -> Item:
    path = job.names.claim(folder, stem_title(sound, job.cards.song(sound)), ".mid")
    target = job.folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    write_midi(target, tracks, tempo, duration=sound.duration)
    facts = {"tracks": [track.name for track in tracks], "notes": sum(len(track.notes) for track in tracks)}
    return Item(path, "midi", sound, facts)


def lyrics_of(job: ExportJob, sound: Sound, folder: str) -> list[Item]:
    """Write a song's or stem's lyrics as text, LRC, SRT and JSON; nothing if there are none."""
    document = sound.lyrics
    if not document or not document.get("segments"):
        return []
    from audiolab.stages.words.formats import DEFAULT_FORMATS, FORMATS
    from audiolab.stages.words.sheet import LyricSheet

    sheet = LyricSheet.from_document(document, sound.name)
    card, items = job.cards.of(sound), []
    for kind in DEFAULT_FORMATS:
        path = job.names.claim(folder, stem_title(card, job.cards.song(card)), f".{kind}")
        _write_text(job.folder / path, FORMATS[kind](sheet))
        items.append(Item(path, "lyrics", card, _facts(document)))
    return items


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    return {"language": document.get("language"), "engine": document.get("engine")}


def _write_text(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target, sync=False) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="")
