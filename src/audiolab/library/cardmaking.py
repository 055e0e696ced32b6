"""What stands on a sound's card, computed from all that is known about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, exists, select
from sqlalchemy.orm import Session, aliased

from audiolab.library.derived import BY_HAND
from audiolab.library.models import CollectionItemRow, DocumentRow, ResultRow, SetRow, SoundRow, TagRow, VectorRow
from audiolab.library.overlaying import effective
from audiolab.library.text import fold_text
from audiolab.library.textindex import Column
from audiolab.library.vectors import MEASURED
from audiolab.library.words import index_words

__all__ = ["VERSION", "Card", "make_cards", "word_value"]

VERSION = 2
"""Raised when a card of the same sound may look otherwise; all are made anew then."""
LYRICS = "lyrics"
"""Kind of the documents whose texts are searched; the library imports no stage."""
_NUMBERS = {
    "root_note": "root_note",
    "lufs": "lufs",
    "brightness": "brightness_hz",
    "noisiness": "noisiness",
    "attack": "attack_s",
    "decay": "decay_s",
}
_MOST_LYRICS = 20_000
_COLUMNS = tuple(
    getattr(SoundRow, name)
    for name in (
        "id", "kind", "name", "stem", "start", "sample_rate", "channels", "facts", "embedded", "deleted_at", "current",
        "duration", "bpm", "key", "label", "label_source", "label_confidence", "rating", "favourite", "note",
        "added_at", "original_name", "origin",
    )
)  # fmt: skip


class _Said(NamedTuple):
    """What of a tag counts for a card."""

    label: str
    source: str
    denied: bool


@dataclass(frozen=True, slots=True)
class Card:
    """What queries see of one sound."""

    values: Mapping[str, Any]
    """Columns of its card, but for `number`, `song` and `parent`."""
    words: set[tuple[str, str]] = field(default_factory=set)
    """(field, value) for the inverted index."""
    texts: Mapping[Column, str] = field(default_factory=dict)
    """Words for the text index."""


def word_value(text: str) -> str:
    """Give the form in which a word stands in the inverted index."""
    return fold_text(text).strip()[:255]


@cache
def _told() -> Select[Any]:
    """Select what cards tell of sounds: columns, not objects, since half of the work is reading."""
    song = aliased(SoundRow)
    return (
        select(*_COLUMNS, song.bpm.label("song_bpm"), song.key.label("song_key"))
        .outerjoin(song, song.id == SoundRow.song_id)
        .where(SoundRow.id.in_(bindparam("ids", expanding=True)))
    )


def make_cards(session: Session, ids: Sequence[str]) -> dict[str, Card]:
    """Compute the cards of some sounds (as many as fit in one statement), in the order given."""
    rows = {row.id: row for row in session.execute(_told(), {"ids": ids})}
    tags: dict[str, list[_Said]] = defaultdict(list)
    said = select(TagRow.sound_id, TagRow.label, TagRow.source, TagRow.denied).where(TagRow.sound_id.in_(ids))
    for sound_id, label, source, denied in session.execute(said):
        tags[sound_id].append(_Said(label, source, denied))
    held = set(session.scalars(select(CollectionItemRow.sound_id).where(CollectionItemRow.sound_id.in_(ids))))
    held.update(
        session.scalars(select(DocumentRow.sound_id).where(DocumentRow.sound_id.in_(ids), DocumentRow.kind == BY_HAND))
    )
    has = _has(session, ids)
    lyrics = _lyrics(session, [i for i in rows if LYRICS in has[i]], [i for i in rows if "stems" in has[i]])
    cards = {}
    for sound_id in ids:
        if sound_id in rows:
            row = rows[sound_id]
            cards[sound_id] = _card(
                row,
                tags[sound_id],
                has[sound_id],
                lyrics=lyrics.get(sound_id, ""),
                held=sound_id in held,
            )
    return cards


def _card(
    sound: Any,
    tags: Sequence[_Said],
    has: set[str],
    *,
    lyrics: str,
    held: bool,
) -> Card:
    facts = sound.facts
    kept = held or any(tag.source == "human" and not tag.denied for tag in tags)
    values = {
        "shown": sound.deleted_at is None and (sound.current or kept),
        "trashed": sound.deleted_at is not None,
        "current": sound.current,
        "kind": sound.kind,
        "stem": sound.stem.lower() if sound.stem else None,
        "start": None if sound.start is None else sound.start / sound.sample_rate,
        "label": word_value(sound.label) if sound.label else None,
        "label_source": sound.label_source,
        "confidence": sound.label_confidence,
        "bpm": sound.bpm if sound.bpm is not None else sound.song_bpm,
        "key": sound.key or sound.song_key,
        "duration": sound.duration,
        "added_at": sound.added_at,
        "rating": sound.rating,
        "favourite": sound.favourite,
        "shape": facts["kind"] if isinstance(facts.get("kind"), str) and len(facts["kind"]) <= 16 else None,
        "sample_rate": sound.sample_rate,
        "channels": sound.channels,
        "name_key": fold_text(sound.name),
        **{column: _number(facts.get(name)) for column, name in _NUMBERS.items()},
    }
    denied = {tag.label for tag in tags if tag.denied}
    labels = {tag.label for tag in tags if not tag.denied and tag.label not in denied}
    return Card(values, _words(sound, labels, has), _texts(sound, labels, lyrics))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _words(sound: Any, labels: Iterable[str], has: Iterable[str]) -> set[tuple[str, str]]:
    embedded = sound.embedded or {}
    words = {("tag", word_value(label)) for label in labels}
    words |= {("has", name) for name in has}
    for name in ("artist", "album", "genre"):
        if isinstance(embedded.get(name), str):
            words.add((name, word_value(embedded[name])))
    if isinstance(date := embedded.get("date"), str) and date[:4].isdigit():
        words.add(("year", date[:4]))
    if isinstance(word := sound.facts.get("word"), str):
        words.add(("word", word_value(word)))
    if (take := sound.facts.get("take")) in {"best", "other"}:
        words.add(("take", take))
    return {(name, value) for name, value in words if value}


def _texts(sound: Any, labels: Iterable[str], lyrics: str) -> dict[Column, str]:
    embedded = sound.embedded or {}
    told = [embedded.get(name) for name in ("title", "artist", "album", "genre")]
    names = [sound.name, sound.original_name, sound.origin, sound.stem, *told]
    word = sound.facts.get("word")
    return {
        "names": index_words(dict.fromkeys(text for text in names if isinstance(text, str))),
        "tags": index_words(sorted(labels)),
        "notes": index_words([sound.note, *(_text(embedded.get(name)) for name in ("comment", "description"))]),
        "lyrics": index_words([lyrics[:_MOST_LYRICS], _text(word)]),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _has(session: Session, ids: Sequence[str]) -> defaultdict[str, set[str]]:
    """Say which stages have been at the sounds, and what they have."""
    has: defaultdict[str, set[str]] = defaultdict(set)
    own = select(ResultRow.sound_id, ResultRow.stage).where(ResultRow.sound_id.in_(ids)).distinct()
    for sound_id, stage in session.execute(own):
        has[sound_id].add(stage)
    sung = select(DocumentRow.sound_id).where(DocumentRow.sound_id.in_(ids), DocumentRow.kind == LYRICS)
    for sound_id in session.scalars(sung):
        has[sound_id].add(LYRICS)  # by hand, or from a file: no stage has to have been there
    stems = select(SoundRow.parent_id).where(SoundRow.parent_id.in_(ids), SoundRow.kind == "stem").distinct()
    cut = select(SetRow.parent_id).where(SetRow.parent_id.in_(ids)).distinct()
    learned = VectorRow.encoder.not_like(f"{MEASURED}%")
    vectors = select(VectorRow.sound_id).where(VectorRow.sound_id.in_(ids), learned).distinct()
    for name, statement in (("stems", stems), ("samples", cut), ("vector", vectors)):
        for (found,) in session.execute(statement):
            has[str(found)].add(name)
    return has


def _lyrics(session: Session, own: Iterable[str], songs: Sequence[str]) -> dict[str, str]:
    """Give the sung words of sounds that have some, and of songs whose stems have."""
    found = {sound_id: _sung(effective(session, sound_id, LYRICS)) for sound_id in own}
    if songs:
        stems = (
            select(SoundRow.parent_id, SoundRow.id)
            .where(SoundRow.parent_id.in_(songs), SoundRow.current, SoundRow.kind == "stem")
            .where(
                exists().where(ResultRow.sound_id == SoundRow.id, ResultRow.stage == LYRICS)
                | exists().where(DocumentRow.sound_id == SoundRow.id, DocumentRow.kind == LYRICS)
            )
            .order_by(SoundRow.id)
        )
        for song, stem in session.execute(stems).all():
            if song is not None and not found.get(song):
                found[song] = _sung(effective(session, stem, LYRICS))
    return found


def _sung(document: Mapping[str, Any] | None) -> str:
    segments = (document or {}).get("segments", ())
    return "\n".join(
        str(part["text"]) for part in segments if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    )
