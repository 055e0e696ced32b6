"""Notes of a sound as a person sees and corrects them: some taken away, some brought back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from audiolab.errors import ParameterError
from audiolab.library import Sound
from audiolab.library.ops import Op

__all__ = ["DRUM_NAMES", "MIDI", "Place", "is_note_edit", "notes_now", "remove_notes", "removed_notes", "restore_notes"]

MIDI = "midi"
Place: TypeAlias = Sequence[float]
"""Start in seconds and pitch of a note."""

DRUM_NAMES: Mapping[int, str] = dict(
    enumerate(
        (
            "acoustic bass drum", "bass drum", "side stick", "acoustic snare", "hand clap", "electric snare",
            "low floor tom", "closed hi-hat", "high floor tom", "pedal hi-hat", "low tom", "open hi-hat", "low-mid tom",
            "high-mid tom", "crash cymbal 1", "high tom", "ride cymbal 1", "chinese cymbal", "ride bell", "tambourine",
            "splash cymbal", "cowbell", "crash cymbal 2", "vibraslap", "ride cymbal 2", "high bongo", "low bongo",
            "mute high conga", "open high conga", "low conga", "high timbale", "low timbale", "high agogo", "low agogo",
            "cabasa", "maracas", "short whistle", "long whistle", "short guiro", "long guiro", "claves",
            "high wood block", "low wood block", "mute cuica", "open cuica", "mute triangle", "open triangle",
        ),
        start=35,
    )
)  # fmt: skip
"""General MIDI percussion keys 35 to 81."""


def notes_now(sound: Sound) -> list[dict[str, Any]]:
    """Give the notes that count, in order of time."""
    document = sound.library.effective(sound.id, MIDI) or {}
    return _ordered(document.get("notes", ()))


def removed_notes(sound: Sound) -> list[dict[str, Any]]:
    """Give the notes that were found and that a person has taken away."""
    result = sound.library.latest_result(sound.id, MIDI)
    kept = {_key(note) for note in notes_now(sound)}
    found = () if result is None else result.document.get("notes", ())
    return _ordered(note for note in found if _key(note) not in kept)


def remove_notes(sound: Sound, places: Iterable[Place]) -> None:
    """Take notes away; one action of the library's history.

    Raises
    ------
    ParameterError
        If there is no such note.
    """
    now = notes_now(sound)
    wanted = _wanted(sound, now, places)
    _write(sound, [note for note in now if _key(note) not in wanted])


def restore_notes(sound: Sound, places: Iterable[Place]) -> None:
    """Bring notes back that were taken away; one action of the library's history.

    Raises
    ------
    ParameterError
        If no such note was taken away.
    """
    gone = removed_notes(sound)
    wanted = _wanted(sound, gone, places)
    _write(sound, _ordered([*notes_now(sound), *(note for note in gone if _key(note) in wanted)]))


def is_note_edit(op: Op) -> bool:
    """Say whether a change is one of these."""
    return op.what == "overlay" and (op.after or op.before or {}).get("kind") == MIDI


def _write(sound: Sound, notes: list[dict[str, Any]]) -> None:
    before = sound.library.overlay(sound.id, MIDI) or {}
    rest = {name: value for name, value in before.items() if name != "notes"}
    result = sound.library.latest_result(sound.id, MIDI)
    as_found = result is not None and _ordered(result.document.get("notes", ())) == notes
    sound.library.set_overlay(sound.id, MIDI, (rest if as_found else {**rest, "notes": notes}) or None)


def _wanted(sound: Sound, among: Iterable[Mapping[str, Any]], places: Iterable[Place]) -> set[tuple[float, int]]:
    wanted = {(round(float(start), 6), int(pitch)) for start, pitch in places}
    missing = wanted - {_key(note) for note in among}
    if missing or not wanted:
        start, pitch = next(iter(missing), (0.0, 0))
        raise ParameterError(f"{sound.name!r} has no note of pitch {pitch} at {start:.3f} s; look at the notes again")
    return wanted


def _key(note: Mapping[str, Any]) -> tuple[float, int]:
    return round(float(note["start"]), 6), int(note["pitch"])


def _ordered(notes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return sorted((dict(note) for note in notes), key=lambda note: (note["start"], note["pitch"], note["end"]))
