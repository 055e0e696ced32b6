"""`PianoRoll`: the notes of a song over its sound, heard as sound, as notes, or both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from html import escape
from typing import Any, ClassVar

import traitlets

from audiolab.errors import ParameterError
from audiolab.library import Sound
from audiolab.synth import NoteSource
from audiolab.widgets.base import Reply, request
from audiolab.widgets.drawings import svg_image, svg_notes
from audiolab.widgets.edit_history import EditHistory
from audiolab.widgets.html import Html, table
from audiolab.widgets.mixer import color_of
from audiolab.widgets.note_edits import (
    DRUM_NAMES,
    MIDI,
    Place,
    is_note_edit,
    notes_now,
    remove_notes,
    removed_notes,
    restore_notes,
)
from audiolab.widgets.sounding import SoundingWidget
from audiolab.widgets.standing import standing_sound

__all__ = ["PianoRoll", "piano_roll_of"]

_HEAR = ("audio", "notes", "both")
_MOST_DRAWN = 8000


class PianoRoll(SoundingWidget):
    """Notes over time and pitch, with the waveform above; plays the audio, the notes (simple voices), or both in sync.

    Parameters
    ----------
    sound : Sound
        A song whose stems have notes, or one sound that has.
    hear : {"audio", "notes", "both"}
        What is played.
    stems : sequence of str, optional
        Which stems are shown and heard; default: all that have notes.

    Attributes
    ----------
    hear : str
        What is played.
    stems : list of str
        The stems that are shown and heard.

    Raises
    ------
    ParameterError
        If there are no notes, or a stem has none.
    """

    view: ClassVar[str] = "piano_roll"
    hear = traitlets.Unicode("audio").tag(sync=True)
    stems = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, sound: Sound, *, hear: str = "audio", stems: Sequence[str] | None = None, **traits: Any) -> None:
        self.sound = sound
        self.parts = _parts(sound)
        super().__init__(**traits)
        self.hear = hear
        self.stems = list(self.parts if stems is None else stems)

    @traitlets.validate("hear")
    def _check_hear(self, proposal: Any) -> str:
        if proposal["value"] not in _HEAR:
            raise ParameterError(f"a piano roll plays {', '.join(_HEAR)}, not {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.validate("stems")
    def _check_stems(self, proposal: Any) -> list[str]:
        unknown = [name for name in proposal["value"] if name not in self.parts]
        if unknown:
            raise ParameterError(
                f"no notes of {', '.join(map(repr, unknown))}; there are some of {', '.join(self.parts)}"
            )
        return [name for name in self.parts if name in proposal["value"]]

    # ---- what the page asks --------------------------------------------------------------------

    @request
    def tracks(self) -> Reply:
        """Give notes, sounds and bar lines."""
        duration = self.sound.duration
        tempo = self.sound.tempo_map
        lines = ([], []) if tempo is None else (tempo.beats(duration).tolist(), tempo.downbeats(duration).tolist())
        return {
            "name": self.sound.name,
            "sound": self.offer(self.sound, key="sound"),
            "beats": [time for time in lines[0] if time >= 0],
            "downbeats": [time for time in lines[1] if time >= 0],
            "drum_names": {str(key): name for key, name in DRUM_NAMES.items()},
            "tracks": [self._track(name) for name in self.parts],
            **self._undoable(),
        }

    @request
    def remove(self, stem: str, notes: Sequence[Place]) -> Reply:
        """Take notes away: pairs of start (seconds) and pitch. The library keeps it as a correction, with undo."""
        remove_notes(self._part(stem), notes)
        return self._changed([stem])

    @request
    def restore(self, stem: str, notes: Sequence[Place]) -> Reply:
        """Bring notes back that were taken away."""
        restore_notes(self._part(stem), notes)
        return self._changed([stem])

    @request
    def undo(self) -> Reply:
        """Take the last correction of these notes back."""
        self._history().undo()
        return self._changed(list(self.parts))

    @request
    def redo(self) -> Reply:
        """Make the correction again that was last taken back."""
        self._history().redo()
        return self._changed(list(self.parts))

    def _part(self, stem: str) -> Sound:
        if stem not in self.parts:
            raise ParameterError(f"no notes of {stem!r}; there are some of {', '.join(self.parts)}")
        return self.parts[stem]

    def _history(self) -> EditHistory:
        ids = [part.id for part in self.parts.values()]
        return EditHistory(self.sound.library, ids, lambda op: op.target in ids and is_note_edit(op))

    def _undoable(self) -> dict[str, int]:
        undo, redo = self._history().counts()
        return {"undo": undo, "redo": redo}

    def _changed(self, stems: list[str]) -> Reply:
        told = self._undoable()
        self.tell("notes", tracks=[self._track(name) for name in stems], undo=told["undo"], redo=told["redo"])
        return told

    def _track(self, stem: str) -> dict[str, Any]:
        part = self.parts[stem]
        notes = notes_now(part)
        drums = _is_drums(part)
        # The page keeps what it has fetched: other notes are another sound.
        version = hashlib.blake2b(json.dumps(notes).encode(), digest_size=6).hexdigest()
        for key in [key for key in self._offered if key.startswith(f"voice:{stem}:")]:
            self.withdraw(key)
        voice = NoteSource(
            notes, frames=part.frames, sample_rate=part.sample_rate, drums=drums, name=f"notes of {stem}"
        )
        return {
            "stem": stem,
            "color": color_of(stem, list(self.parts).index(stem)),
            "drums": drums,
            "audio": self.offer(part, key=f"audio:{stem}"),
            "voice": self.offer(voice, key=f"voice:{stem}:{version}"),
            "notes": [_row(note) for note in notes],
            "removed": [_row(note) for note in removed_notes(part)],
        }

    # ---- how it looks --------------------------------------------------------------------------

    def _name(self) -> str:
        return self.sound.name

    def _standing(self) -> Html:
        tempo = self.sound.tempo_map
        bars = [] if tempo is None else tempo.downbeats(self.sound.duration).tolist()
        notes = {name: notes_now(part) for name, part in self.parts.items()}
        drawn = {name: listed[: _MOST_DRAWN // len(notes)] for name, listed in notes.items()}
        colors = {name: color_of(name, index) for index, name in enumerate(notes)}
        picture = svg_notes(drawn, colors, duration=self.sound.duration, lines=[time for time in bars if time >= 0])
        rows = [
            (Html(f'<span style="color:{colors[name]}">■</span> {escape(name)}'), len(listed), _range(listed))
            for name, listed in notes.items()
        ]
        return Html(
            f"<b>{escape(self.sound.name)}</b><br>{svg_image(picture, f'notes of {self.sound.name}')}"
            f"{standing_sound(self.sound, height=60)}{table(('notes of', 'count', 'pitches'), rows)}"
        )


def piano_roll_of(sound: Sound, *, hear: str = "audio", stems: Sequence[str] | None = None) -> PianoRoll:
    """Open the piano roll of a song or a sound; see `PianoRoll`."""
    return PianoRoll(sound, hear=hear, stems=stems)


def _parts(sound: Sound) -> dict[str, Sound]:
    if not isinstance(sound, Sound):
        raise ParameterError(f"give a sound of a library (lib.add(file)), not {type(sound).__name__}")
    effective = sound.library.effective
    if effective(sound.id, MIDI) is not None:
        return {sound.stem or "notes": sound}
    parts = {name: stem for name, stem in sound.stems.items() if effective(stem.id, MIDI) is not None}
    if not parts:
        raise ParameterError(
            f"{sound.name!r} has no notes: make them with al.process(song, recipe='full').wait() (its stage `midi`)"
        )
    return parts


def _is_drums(part: Sound) -> bool:
    document = part.library.effective(part.id, MIDI) or {}
    return bool(document.get("drums", part.stem == "drums"))


def _row(note: dict[str, Any]) -> list[float]:
    return [note["start"], note["end"], note["pitch"], note.get("velocity", 100)]


def _range(notes: Sequence[dict[str, Any]]) -> str:
    pitches = [note["pitch"] for note in notes]
    return f"{min(pitches)} to {max(pitches)}" if pitches else ""
