"""What each field of a query means: how its values are read, and which cards they choose."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from audiolab.library.cardmaking import word_value
from audiolab.library.cardrows import CardRow, CardWordRow
from audiolab.library.fieldtypes import (
    BPM,
    DATE,
    FLAG,
    KEY,
    LENGTH,
    NOTE,
    NUMBER,
    RATING,
    FieldType,
    chosen_between,
    compatible_keys,
)
from audiolab.library.labelwords import word_key
from audiolab.library.models import CollectionItemRow
from audiolab.library.query import Query, QueryError, Range, Term, Text, Value
from audiolab.library.text import clean_text, fold_text
from audiolab.library.textindex import Column, TextIndex

__all__ = ["FIELDS", "Context", "Field", "condition"]

Condition = ColumnElement[bool]
_Fail = Callable[[str], QueryError]
_MODIFIERS = {"sort": "put sort: before or after all conditions", "limit": "put limit: before or after all conditions"}


@dataclass(frozen=True, slots=True)
class Context:
    """What a query needs to know of the library that it is asked of."""

    index: TextIndex
    synonyms: Mapping[str, tuple[str, ...]]
    """Words (as `word_key` writes them) that mean others (as `word_value` writes them)."""
    saved: Callable[[str], tuple[str, Callable[[Context], ColumnElement[bool]]] | None]
    """Gives a saved search by any spelling of its name: its name, and what makes its condition."""
    collections: Callable[[str], list[int]]
    """Gives the ids of the collections of a name, by any spelling of it."""
    inside: tuple[str, ...] = ()
    """Names of the saved searches that are being read."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the query language."""

    help: str
    choose: Callable[[Value, _Fail, Context], Condition]
    column: InstrumentedAttribute[Any] | None = field(default=None)
    """Its column of the card, for sorting."""
    type: FieldType | None = None
    examples: tuple[str, ...] = ()


def condition(query: Query, context: Context) -> Condition:
    """Turn a query into a condition on `CardRow`; values are always bound, never part of the SQL text.

    Raises
    ------
    QueryError
        If a field is unknown or a value makes no sense for it.
    """
    if not query.clauses:
        return true()
    return or_(*(and_(*(_term(term, query.text, context) for term in clause.terms)) for clause in query.clauses))


def _term(term: Term, text: str, context: Context) -> Condition:
    if term.field is None:
        chosen = [_free_text(value, context) for value in term.values]
    else:
        known = FIELDS.get(term.field)
        if known is None:
            near = difflib.get_close_matches(term.field, [*FIELDS, *_MODIFIERS], 1, 0.6)
            hint = f"; did you mean {near[0]!r}?" if near else "; put text with a colon in quotes"
            raise QueryError(f"there is no field {term.field!r}{_MODIFIERS.get(term.field, hint)}", text, term.position)
        chosen = [known.choose(value, partial(_error, text, value.position), context) for value in term.values]
    either = or_(*chosen)
    # Not `NOT x`: that is null, and so false, where a column is null.
    return ~func.coalesce(either, False) if term.negated else either


def _error(query: str, position: int, message: str) -> QueryError:
    return QueryError(message, query, position)


# ---- words --------------------------------------------------------------------------------------


def _plain(value: Value, fail: _Fail) -> str:
    if isinstance(value, Range):
        raise fail("this field takes no range; put the text in quotes if it has two dots")
    return clean_text(value.text)


def _meanings(text: str, context: Context) -> tuple[str, ...]:
    """Give a word and what it means besides."""
    word = word_value(text)
    return tuple(dict.fromkeys((word, *context.synonyms.get(word_key(text), ()))))


def _like(column: InstrumentedAttribute[Any], text: str) -> Condition:
    return column.contains(fold_text(text), autoescape=True)


def _free_text(value: Value, context: Context) -> Condition:
    text = clean_text(value.text if isinstance(value, Text) else str(value))
    return or_(*(_in_texts(meaning, context) for meaning in dict.fromkeys((text, *_meanings(text, context)[1:]))))


def _in_texts(text: str, context: Context, where: Column | None = None) -> Condition:
    found = context.index.match(text, where)
    if found is not None:
        return found
    return false() if where else _like(CardRow.name_key, text)  # signs alone: only names are looked through


def _texts(where: Column) -> Callable[[Value, _Fail, Context], Condition]:
    return lambda value, fail, context: _in_texts(_plain(value, fail), context, where)


def _words(name: str, which: Condition) -> Condition:
    return CardRow.number.in_(select(CardWordRow.number).where(CardWordRow.field == name, which))


def _tag(value: Value, fail: _Fail, context: Context) -> Condition:
    return _words("tag", CardWordRow.value.in_(_meanings(_plain(value, fail), context)))


def _label(value: Value, fail: _Fail, context: Context) -> Condition:
    return CardRow.label.in_(_meanings(_plain(value, fail), context))


def _part_of(name: str) -> Callable[[Value, _Fail, Context], Condition]:
    """Choose by a part of one of the words in a field."""
    return lambda value, fail, _: _words(
        name, CardWordRow.value.contains(word_value(_plain(value, fail)), autoescape=True)
    )


def _year(value: Value, fail: _Fail, _: Context) -> Condition:
    low, high = (value.low, value.high) if isinstance(value, Range) else (value.text, value.text)
    if any(text is not None and not re.fullmatch(r"\d{4}", text) for text in (low, high)):
        raise fail("a year has four digits: year:1994, year:1990..1999")
    bounds = [] if low is None else [CardWordRow.value >= low]
    bounds += [] if high is None else [CardWordRow.value <= high]
    return _words("year", and_(*bounds))


def _choice(
    column: InstrumentedAttribute[Any], what: str, *choices: str
) -> Callable[[Value, _Fail, Context], Condition]:
    def choose(value: Value, fail: _Fail, _: Context) -> Condition:
        text = _plain(value, fail).lower()
        if text not in choices:
            near = difflib.get_close_matches(text, choices, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise fail(f"{what} is {', '.join(choices[:-1])} or {choices[-1]}, not {text!r}{hint}")
        return column == text

    return choose


def _shape(value: Value, fail: _Fail, context: Context) -> Condition:
    text = _plain(value, fail).lower().replace("oneshot", "one-shot")
    return _choice(CardRow.shape, "a shape", "loop", "one-shot")(Text(text), fail, context)


def _take(value: Value, fail: _Fail, _: Context) -> Condition:
    text = _plain(value, fail).lower()
    if text not in {"best", "other", "any"}:
        raise fail(f"a take is best, other or any, not {text!r}")
    return _words("take", true() if text == "any" else CardWordRow.value == text)


def _song(value: Value, fail: _Fail, _: Context) -> Condition:
    text, song = _plain(value, fail), aliased(CardRow)
    named = or_(
        song.name_key.contains(fold_text(text), autoescape=True),
        and_(song.sound_id >= text, song.sound_id < text + "g") if re.fullmatch("[0-9a-f]{4,}", text) else false(),
    )
    return CardRow.song.in_(select(song.number).where(song.kind == "song", named))


def _collection(value: Value, fail: _Fail, context: Context) -> Condition:
    name = _plain(value, fail)
    saved = context.saved(name)
    if saved is not None:
        spelled, choose = saved
        if spelled in context.inside:
            raise fail(f"the saved search {spelled!r} asks for itself")
        return choose(replace(context, inside=(*context.inside, spelled)))
    inside = CollectionItemRow.collection_id.in_(context.collections(name))
    return CardRow.sound_id.in_(select(CollectionItemRow.sound_id).where(inside))


def _key(value: Value, fail: _Fail, _: Context) -> Condition:
    text = _plain(value, fail)
    try:
        key = KEY.parse(text.removeprefix("~"))
    except ValueError as error:
        raise fail(str(error)) from None
    return CardRow.key.in_(compatible_keys(key)) if text.startswith("~") else CardRow.key == key


def _current(value: Value, fail: _Fail, _: Context) -> Condition:
    text = _plain(value, fail).lower()
    if text not in {"yes", "no", "any"}:
        raise fail(f"current is yes, no or any, not {text!r}")
    return true() if text == "any" else CardRow.current.is_(text == "yes")


_FILLED: Mapping[str, InstrumentedAttribute[Any]] = {
    "label": CardRow.label,
    "bpm": CardRow.bpm,
    "key": CardRow.key,
    "rating": CardRow.rating,
    "root": CardRow.root_note,
    "parent": CardRow.parent,
}


def _has(value: Value, fail: _Fail, _: Context) -> Condition:
    text = _plain(value, fail).lower()
    text = {"tags": "tag", "vectors": "vector", "stem": "stems", "sample": "samples", "notes": "midi"}.get(text, text)
    if text in _FILLED:
        return _FILLED[text].is_not(None)
    if text == "tag":
        return exists().where(CardWordRow.number == CardRow.number, CardWordRow.field == "tag")
    if text == "collection":
        return CardRow.sound_id.in_(select(CollectionItemRow.sound_id))
    return _words("has", CardWordRow.value == text)


# ---- numbers and dates --------------------------------------------------------------------------


def _measured(column: InstrumentedAttribute[Any], kind: FieldType) -> Callable[[Value, _Fail, Context], Condition]:
    def choose(value: Value, fail: _Fail, _: Context) -> Condition:
        try:
            if isinstance(value, Text):
                low, high = kind.span(value.text)
                return and_(column >= low, column < high)
            return chosen_between(column, kind, value.low, value.high)
        except ValueError as error:
            raise fail(str(error)) from None

    return choose


def _root(value: Value, fail: _Fail, context: Context) -> Condition:
    column = CardRow.root_note
    if isinstance(value, Text) and re.fullmatch(r"[a-gA-G][#b]?", value.text.strip()):
        note = int(NOTE.parse(f"{value.text.strip()}4")) % 12
        return column.in_([float(note + 12 * octave) for octave in range(11)])
    return _measured(column, NOTE)(value, fail, context)


def _favourite(value: Value, fail: _Fail, _: Context) -> Condition:
    try:
        wanted = FLAG.parse(_plain(value, fail))
    except ValueError as error:
        raise fail(str(error)) from None
    return func.coalesce(CardRow.favourite, False).is_(wanted)


def _measure(help: str, column: InstrumentedAttribute[Any], kind: FieldType, *examples: str) -> Field:
    return Field(help, _measured(column, kind), column, kind, examples)


FIELDS: dict[str, Field] = {
    "kind": Field(
        "song, stem or sample", _choice(CardRow.kind, "a kind", "song", "stem", "sample"), CardRow.kind,
        examples=("kind:song,stem",),
    ),
    "label": Field(
        "what the sound is: a person's word before a model's", _label, CardRow.label, examples=("label:kick,snare",)
    ),
    "tag": Field("any tag that nobody denied", _tag, examples=("^tag:reject",)),
    "name": Field(
        "part of the name", lambda v, fail, _: _like(CardRow.name_key, _plain(v, fail)), CardRow.name_key,
        examples=("name:808",),
    ),
    "song": Field(
        "part of the name, or the id, of the song that it belongs to", _song, CardRow.song, examples=('song:"my song"',)
    ),
    "stem": Field(
        "drums, bass, vocals, ...", lambda v, fail, _: CardRow.stem == _plain(v, fail).lower(), CardRow.stem,
        examples=("stem:drums",),
    ),
    "artist": Field("part of the artist that the file names", _part_of("artist"), examples=("artist:jane",)),
    "album": Field("part of the album that the file names", _part_of("album"), examples=("album:live",)),
    "genre": Field("part of the genre that the file names", _part_of("genre"), examples=("genre:house",)),
    "year": Field("year that the file names", _year, examples=("year:1994", "year:1990..1999")),
    "note": Field("words in its notes and comments", _texts("notes"), examples=("note:compress",)),
    "lyrics": Field("words that are sung in it", _texts("lyrics"), examples=('lyrics:"you and me"',)),
    "word": Field("part of the sung word that it was cut at", _part_of("word"), examples=("word:love",)),
    "take": Field(
        "best or other: of the hits of one drum in a song, the cleanest or the rest; any: both", _take,
        examples=("take:best",),
    ),
    "bpm": _measure("tempo, its own or its song's", CardRow.bpm, BPM, "bpm:120", "bpm:120..130"),
    "key": Field(
        "musical key, its own or its song's; ~ takes those that mix well with it too", _key, CardRow.key, KEY,
        ("key:Am", "key:F#", "key:8A", "key:~Am"),
    ),
    "duration": _measure("length", CardRow.duration, LENGTH, "duration:..0.5", "duration:250ms", "duration:3:07.."),
    "root": Field(
        "root note of a one-shot", _root, CardRow.root_note, NOTE, ("root:A2", "root:E1..E2", "root:57", "root:F#")
    ),
    "shape": Field("one-shot or loop", _shape, CardRow.shape, examples=("shape:loop",)),
    "loudness": _measure("loudness in LUFS", CardRow.lufs, NUMBER, "loudness:-14..-8"),
    "brightness": _measure("centre of its spectrum in hertz", CardRow.brightness, NUMBER, "brightness:4000.."),
    "noisiness": _measure("0 tones only, 1 noise only", CardRow.noisiness, NUMBER, "noisiness:..0.1"),
    "attack": _measure("how long it takes to rise", CardRow.attack, LENGTH, "attack:..5ms"),
    "decay": _measure("how long it takes to fall by 20 dB", CardRow.decay, LENGTH, "decay:0.5.."),
    "start": _measure("where it begins in what it was cut from", CardRow.start, LENGTH, "start:1:00..2:00"),
    "rate": _measure("frames a second", CardRow.sample_rate, NUMBER, "rate:44100"),
    "channels": _measure("number of channels", CardRow.channels, NUMBER, "channels:1"),
    "added": _measure("when it came", CardRow.added_at, DATE, "added:2026-11..", "added:today", "added:-7d.."),
    "rating": _measure("a person's stars, 1 to 5", CardRow.rating, RATING, "rating:4.."),
    "favourite": Field("marked by a person", _favourite, CardRow.favourite, FLAG, ("favourite:yes",)),
    "collection": Field(
        "in the collection, or found by the saved search, of that name", _collection, examples=('collection:"my kit"',)
    ),
    "source": Field(
        "who gave the label", _choice(CardRow.label_source, "a source", "human", "import", "model"),
        CardRow.label_source, examples=("source:model",),
    ),
    "confidence": _measure("how sure the label is, 0 to 1", CardRow.confidence, NUMBER, "confidence:..0.5"),
    "has": Field(
        "label, tag, bpm, key, rating, root, parent, stems, samples, vector, collection, or a stage's result", _has,
        examples=("has:lyrics", "^has:label"),
    ),
    "current": Field("no: superseded sounds; any: these too", _current, examples=("current:any",)),
}  # fmt: skip
