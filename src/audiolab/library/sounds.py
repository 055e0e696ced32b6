"""`Sound`: a song, stem or sample of a library, with everything that is known about it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from audiolab.audio import Audio, BlockSource, Named, Render, Rendered, TempoMap, View, open_source, to_frames
from audiolab.errors import CatalogError
from audiolab.library.fixed import Fixed
from audiolab.library.tables import html_table, seconds_text
from audiolab.library.tempo import TEMPO_WORDS, correction
from audiolab.library.text import shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library
    from audiolab.library.lists import SampleSet, SoundList
    from audiolab.library.models import SoundRow
    from audiolab.library.provenance import Provenance
    from audiolab.library.tags import Role, Tag

__all__ = ["Sound", "Sounds", "Stems", "ids_of"]

# Stages whose documents have a name of their own on a sound; the library imports none of them.
_TEMPO, _NOTES, _LYRICS = "analyze", "midi", "lyrics"


class Stems(dict[str, "Sound"]):
    """A song's stems by name."""

    def _repr_html_(self) -> str:
        rows = [(name, sound.id[:10], seconds_text(sound.duration), sound.format) for name, sound in self.items()]
        return html_table(f"{len(self)} stems", ("stem", "id", "length", "format"), rows)


class Sound(Fixed):
    """A sound of a library.

    What never changes is kept; names, facts, labels and tags are looked up when they are asked for, so a
    `Sound` shows what a run has done meanwhile.

    Parameters
    ----------
    library : Library
        Where it is.
    row : SoundRow
        Its row.
    """

    __slots__ = ("library",)

    def __init__(self, library: Library, row: SoundRow) -> None:
        super().__init__(row)
        self.library = library

    # ---- what may change -----------------------------------------------------------------------

    def _now(self) -> SoundRow:
        return self.library.sound_row(self.id)

    @property
    def name(self) -> str:
        """Its name."""
        return self._now().name

    @property
    def facts(self) -> dict[str, Any]:
        """Short values that stages found, with the user's corrections."""
        return dict(self._now().facts)

    @property
    def bpm(self) -> float | None:
        """Tempo, if known."""
        return self._now().bpm

    @property
    def key(self) -> str | None:
        """Musical key (`Am`, `F#`), if known."""
        return self._now().key

    @property
    def label(self) -> str | None:
        """What it is: a person's word before a model's."""
        return self._now().label

    @property
    def confidence(self) -> float | None:
        """How sure the label is, 0 to 1."""
        return self._now().label_confidence

    @property
    def label_source(self) -> str | None:
        """Who gave the label: human, import or model."""
        return self._now().label_source

    @property
    def current(self) -> bool:
        """False once a newer result took the place of the one that made it."""
        return self._now().current

    @property
    def rating(self) -> int | None:
        """A person's stars, 1 to 5; may be set, None takes them away."""
        return self._now().rating

    @rating.setter
    def rating(self, value: int | None) -> None:
        self.library.rate([self.id], value)

    @property
    def favourite(self) -> bool:
        """Whether a person marked it; may be set."""
        return bool(self._now().favourite)

    @favourite.setter
    def favourite(self, value: bool) -> None:
        self.library.favour([self.id], value)

    @property
    def note(self) -> str | None:
        """A person's words about it; may be set."""
        return self._now().note

    @note.setter
    def note(self, value: str | None) -> None:
        self.library.set_note([self.id], value)

    @property
    def tags(self) -> list[Tag]:
        """All that was said about it, people first."""
        return self.library.tags_of(self.id)

    def tag(self, label: str, confidence: float = 1.0, *, role: Role | None = None) -> Sound:
        """Say what it is (`rim`), or hang a free word on it (`reject`). No model will ever change that.

        Parameters
        ----------
        role : {"label", "tag"}, optional
            Default: `label` for standard labels and those that this library's models use, else `tag`.
        """
        self.library.tag([self.id], label, confidence, role=role)
        return self

    def untag(self, label: str) -> Sound:
        """Take a word away. A model's label is denied: tagging anew does not bring it back."""
        self.library.untag([self.id], label)
        return self

    def rename(self, name: str) -> Sound:
        """Give it another name."""
        self.library.rename(self.id, name)
        return self

    def edit(self, kind: str, **changes: Any) -> Sound:
        """Lay a correction over a stage's result: `song.edit("analyze", key={"tonic": "C"})`.

        See `Library.set_overlay`.
        """
        self.library.set_overlay(self.id, kind, {**(self.library.overlay(self.id, kind) or {}), **changes})
        return self

    def correct_tempo(
        self,
        *,
        factor: float | None = None,
        bpm: float | None = None,
        downbeat: float | None = None,
        beats_per_bar: int | None = None,
    ) -> Sound:
        """Correct tempo and bars by hand; beats, MIDI, grids and exports follow, and no later analysis changes it.

        Parameters
        ----------
        factor : float, optional
            Count the music that many times as fast as now: 2, 0.5, 1.5 ...
        bpm : float, optional
            The tempo itself, instead of a factor; also where none was found.
        downbeat : float, optional
            Seconds at which a bar begins; the nearest beat or off-beat is taken.
        beats_per_bar : int, optional
            Length of bars.

        Raises
        ------
        ParameterError
            If nothing or too much is given, or there is no tempo to correct.
        """
        before = self.library.overlay(self.id, _TEMPO) or {}
        result = self.library.latest_result(self.id, _TEMPO)
        found = None if result is None else result.document
        words = correction(found, before, factor=factor, bpm=bpm, downbeat=downbeat, beats_per_bar=beats_per_bar)
        kept = {name: value for name, value in before.items() if name not in TEMPO_WORDS}
        self.library.set_overlay(self.id, _TEMPO, {**kept, **words})
        return self

    def uncorrect_tempo(self) -> Sound:
        """Take all corrections of tempo and bars away; what was found counts again."""
        before = self.library.overlay(self.id, _TEMPO) or {}
        kept = {name: value for name, value in before.items() if name not in TEMPO_WORDS}
        self.library.set_overlay(self.id, _TEMPO, kept or None)
        return self

    # ---- its audio -----------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The media file: its own, or for a view that of the nearest sound which has one.

        Raises
        ------
        CatalogError
            If the file is missing.
        """
        carrier = self.carrier
        assert carrier.media is not None
        try:
            return self.library.media.local(carrier.media)
        except CatalogError as error:
            raise CatalogError(f"{carrier.name!r}: {error}") from None

    @property
    def carrier(self) -> Sound:
        """Itself, or for a view the nearest ancestor that has a file."""
        sound = self
        while sound.media is None:
            parent = sound.parent
            if parent is None:
                raise CatalogError(f"{self.name!r} has neither a file nor a parent; run `audiolab fsck`")
            sound = parent
        return sound

    @property
    def render(self) -> dict[str, Any]:
        """What is done to it whenever it is read or exported (fades, gain, mono, ...); see `audiolab.audio.Render`."""
        return dict(self._now().render or {})

    def source(self, *, rendered: bool = True) -> BlockSource:
        """Open it as a stream of blocks.

        Parameters
        ----------
        rendered : bool
            Apply its `render`; else as it lies in its file or its parent.
        """
        if self.media is not None:
            plain: BlockSource = open_source(self.path)
        else:
            parent = self.parent
            if parent is None or self.start is None or self.stop is None:
                raise CatalogError(f"{self.name!r} has neither a file nor a parent; run `audiolab fsck`")
            # Start and stop count in the parent as it lies there, whatever is done to the parent itself.
            plain = View(parent.source(rendered=False), self.start, self.stop)
        render = Render.from_dict(self.render) if rendered else Render()
        return Named(Rendered(plain, render) if render else plain, self.name)

    def audio(self, *, rendered: bool = True) -> Audio:
        """Read it into memory; see `source`."""
        return Audio.from_source(self.source(rendered=rendered))

    # ---- its family ----------------------------------------------------------------------------

    @property
    def parent(self) -> Sound | None:
        """What it was made or cut from."""
        return self.library.sound(self._row.parent_id) if self._row.parent_id else None

    @property
    def song(self) -> Sound | None:
        """The song that it belongs to; a song belongs to itself."""
        if self.kind == "song":
            return self
        return self.library.sound(self._row.song_id) if self._row.song_id else None

    @property
    def stems(self) -> Stems:
        """Its stems by name, of the newest separation."""
        return Stems({sound.stem or sound.name: sound for sound in self.library.children(self.id, kind="stem")})

    def stems_of(self, key: str) -> list[Sound]:
        """Give the sounds that one result made of it."""
        return list(self.library.children(self.id, result_key=key))

    @property
    def samples(self) -> SampleSet:
        """Its newest sample set, with what people cut by hand; empty if it was never cut."""
        return self.library.samples_of(self.id, by_hand=True)

    @property
    def takes(self) -> dict[str, SoundList]:
        """The takes of each of its drums, the best one first; empty until they were looked for (`al.takes`)."""
        from audiolab.library.takes import takes_of

        return takes_of(self)

    def cut(self, start: float, stop: float, *, name: str | None = None, label: str | None = None) -> Sound:
        """Cut a sample out of it by hand, from and to a time in seconds; give the sample.

        It is a view that stays when the sound is sliced anew. `Library.add_slice` takes frames.

        Parameters
        ----------
        start, stop : float
            Seconds from its beginning.
        name, label : str, optional
            What to call it, and what it is (`kick`).

        Raises
        ------
        ParameterError
            If the span is empty or lies outside the sound.
        """
        first, after = to_frames(start, self.sample_rate), to_frames(stop, self.sample_rate)
        return self.library.add_slice(self, first, after, name=name, label=label)

    @property
    def onsets(self) -> list[float]:
        """Where sounds begin in it, in seconds: as a person marked it, else where its samples begin."""
        return self.library.onsets(self)

    # ---- what stages found ---------------------------------------------------------------------

    @property
    def tempo_map(self) -> TempoMap | None:
        """Its beats and bars (for stems and samples: the song's, from where they begin); None if unknown."""
        sound, offset = self, 0.0
        while True:
            document = self.library.effective(sound.id, _TEMPO)
            if document is not None and "tempo_map" in document:
                found = TempoMap.from_dict(document["tempo_map"])
                return found.shifted(-offset) if offset else found
            parent = sound.parent
            if parent is None:
                return None
            begins = sound.facts.get("begins_at", 0.0) if sound.start is None else sound.start / sound.sample_rate
            offset += begins if isinstance(begins, (int, float)) else 0.0
            sound = parent

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Its notes in order of time; a song gives those of its stems, each with its `stem`."""
        document = self.library.effective(self.id, _NOTES)
        if document is not None:
            return list(document.get("notes", ()))
        found = []
        for name, stem in self.stems.items():
            document = self.library.effective(stem.id, _NOTES) or {}
            found += [{**item, "stem": name} for item in document.get("notes", ())]
        return sorted(found, key=lambda item: (item.get("start", 0.0), item.get("pitch", 0)))

    @property
    def lyrics(self) -> dict[str, Any] | None:
        """Its timed words (for a song: those of a stem if it has none of its own); None if unknown."""
        document = self.library.effective(self.id, _LYRICS)
        if document is not None:
            return document
        found = (self.library.effective(stem.id, _LYRICS) for stem in self.stems.values())
        return next((document for document in found if document is not None), None)

    def explain(self) -> Provenance:
        """Say how it was made, step by step, up to the file that was added."""
        return self.library.explain(self.id)

    # ---- how it looks --------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sound) and (other.id, other.library.path) == (self.id, self.library.path)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Sound({self.kind} {shorten(self._row.name, 40)!r}, {seconds_text(self.duration)}, {self.id[:10]})"

    def _repr_html_(self) -> str:
        row = self._now()
        facts = [(name, value) for name, value in sorted(row.facts.items()) if not isinstance(value, (dict, list))]
        rows = [
            ("kind", f"{row.kind} {row.stem or ''}".strip()),
            ("length", seconds_text(self.duration)),
            ("audio", f"{row.sample_rate} Hz, {row.channels} ch, {row.format} {row.subtype}".strip()),
            ("label", row.label and f"{row.label} ({row.label_source} {row.label_confidence:.2f})"),
            ("tags", ", ".join(map(str, self.tags))),
            *facts,
            ("id", row.id[:16]),
        ]
        return html_table(row.name, ("", ""), [item for item in rows if item[1] not in (None, "")])


Sounds: TypeAlias = Sound | str | Iterable[Sound | str]
"""A sound, its id, or several."""


def ids_of(sounds: Sounds) -> list[str]:
    """Give the ids of a sound, an id, or several of them, each once."""
    listed = [sounds] if isinstance(sounds, (Sound, str)) else list(sounds)
    return list(dict.fromkeys(item.id if isinstance(item, Sound) else item for item in listed))
