"""What the catalog knows of the sounds of an export, asked once for each sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from audiolab.audio import BlockSource, Frames, View
from audiolab.library import Library, Sound

__all__ = ["Card", "Cards"]


@dataclass(frozen=True, slots=True)
class Card:
    """A sound as it was when the export began; the names are those of `Sound`."""

    library: Library
    id: str
    name: str
    kind: str
    stem: str | None
    label: str | None
    confidence: float | None
    label_source: str | None
    """human, import or model."""
    bpm: float | None
    key: str | None
    facts: Mapping[str, Any]
    embedded: Mapping[str, Any]
    render: Mapping[str, Any]
    """Reserved: gain, fades, reverse; see `audiolab.audio.Render`."""
    parent_id: str | None
    song_id: str | None
    """None for songs themselves."""
    start: Frames | None
    stop: Frames | None
    sample_rate: int
    channels: int
    frames: Frames
    result_key: str | None
    content_id: str | None
    original_name: str | None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


class Cards:
    """All cards of one export, and the open sources of what samples were cut from."""

    def __init__(self) -> None:
        self._cards: dict[str, Card] = {}
        self._sources: dict[str, BlockSource] = {}

    def of(self, sound: Sound) -> Card:
        """Give a sound's card."""
        return self._of(sound.library, sound.id)

    def all(self, sounds: Iterable[Sound]) -> list[Card]:
        """Give the cards of some sounds, in order."""
        return [self.of(sound) for sound in sounds]

    def song(self, card: Card) -> Card | None:
        """Give the song that a sound belongs to; a song belongs to itself."""
        if card.kind == "song":
            return card
        return self._of(card.library, card.song_id) if card.song_id else None

    def parent(self, card: Card) -> Card | None:
        """Give what a sound was made or cut from."""
        return self._of(card.library, card.parent_id) if card.parent_id else None

    def source(self, card: Card) -> BlockSource:
        """Open a sound without its render; what samples are views of is opened once."""
        parent = self.parent(card)
        if card.content_id is None and parent is not None and card.start is not None and card.stop is not None:
            if parent.id not in self._sources:
                self._sources[parent.id] = self.source(parent)
            return View(self._sources[parent.id], card.start, card.stop)
        return card.library.sound(card.id).source(rendered=False)

    def _of(self, library: Library, sound_id: str) -> Card:
        if sound_id not in self._cards:
            row = library.sound_row(sound_id)
            self._cards[sound_id] = Card(
                library, row.id, row.name, row.kind, row.stem, row.label, row.label_confidence, row.label_source,
                row.bpm, row.key, dict(row.facts), dict(row.embedded or {}), dict(row.render or {}),
                row.parent_id, row.song_id, row.start, row.stop, row.sample_rate, row.channels, row.frames,
                row.result_key, row.content_id, row.original_name,
            )  # fmt: skip
        return self._cards[sound_id]
