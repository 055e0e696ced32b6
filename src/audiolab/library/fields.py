"""What each field of a query means: how its values are read, and which rows they choose."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from audiolab.library.keys import canonical_key
from audiolab.library.models import CollectionItemRow, CollectionRow, ResultRow, SetRow, SoundRow, TagRow, VectorRow
from audiolab.library.query import Query, QueryError, Range, Term, Text, Value
from audiolab.library.text import clean_text, fold_text

__all__ = ["FIELDS", "Field", "condition"]

Condition = ColumnElement[bool]
_Fail = Callable[[str], QueryError]
_Number = Callable[[str], float | None]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the query language."""

    help: str
    choose: Callable[[Value, _Fail], Condition]


def condition(query: Query) -> Condition:
    """Turn a query into a condition on `SoundRow`; values are always bound, never part of the SQL text.

    Raises
    ------
    QueryError
        If a field is unknown or a value makes no sense for it.
    """
    if not query.clauses:
        return true()
    return or_(*(and_(*(_term(term, query.text) for term in clause.terms)) for clause in query.clauses))


def _term(term: Term, text: str) -> Condition:
    if term.field is None:
        chosen = [_free_text(value) for value in term.values]
    else:
        known = FIELDS.get(term.field)
        if known is None:
            near = difflib.get_close_matches(term.field, FIELDS, 1, 0.6)
            hint = f"; did you mean {near[0]!r}?" if near else "; put text with a colon in quotes"
            raise QueryError(f"there is no field {term.field!r}{hint}", text, term.position)
        chosen = [known.choose(value, partial(_error, text, value.position)) for value in term.values]
    either = or_(*chosen)
    # Not `NOT x`: that is null, and so false, where a column is null.
    return ~func.coalesce(either, False) if term.negated else either


def _error(query: str, position: int, message: str) -> QueryError:
    return QueryError(message, query, position)


# ---- text ---------------------------------------------------------------------------------------


def _plain(value: Value, fail: _Fail) -> str:
    if isinstance(value, Range):
        raise fail("this field takes no range; put the text in quotes if it has two dots")
    return clean_text(value.text)


def _like(column: InstrumentedAttribute[Any], text: str) -> Condition:
    return column.contains(fold_text(text), autoescape=True)


def _same(column: InstrumentedAttribute[Any], text: str) -> Condition:
    return func.lower(column) == text.lower()


def _free_text(value: Value) -> Condition:
    text = clean_text(value.text if isinstance(value, Text) else str(value))
    return _like(SoundRow.search, text) | _has_tag(func.lower(TagRow.label).contains(text.lower(), autoescape=True))


def _has_tag(which: Condition) -> Condition:
    """Choose sounds with some tag that no person has denied."""
    denial = aliased(TagRow)
    denied = exists().where(denial.sound_id == TagRow.sound_id, denial.label == TagRow.label, denial.denied)
    return exists().where(TagRow.sound_id == SoundRow.id, which, TagRow.denied.is_(False), ~denied)


def _name(value: Value, fail: _Fail) -> Condition:
    return _like(SoundRow.name_key, _plain(value, fail))


def _song(value: Value, fail: _Fail) -> Condition:
    text, song = _plain(value, fail), aliased(SoundRow)
    named = or_(
        song.name_key.contains(fold_text(text), autoescape=True),
        and_(song.id >= text, song.id < text + "g") if re.fullmatch("[0-9a-f]{4,}", text) else false(),
    )
    songs = select(song.id).where(song.kind == "song", named)
    return SoundRow.song_id.in_(songs) | SoundRow.id.in_(songs)


def _kind(value: Value, fail: _Fail) -> Condition:
    text = _plain(value, fail).lower()
    if text not in {"song", "stem", "sample"}:
        raise fail(f"a kind is song, stem or sample, not {text!r}")
    return SoundRow.kind == text


def _tag(value: Value, fail: _Fail) -> Condition:
    return _has_tag(_same(TagRow.label, _plain(value, fail)))


def _source(value: Value, fail: _Fail) -> Condition:
    text = _plain(value, fail).lower()
    if text not in {"human", "model", "import"}:
        raise fail(f"a source is human, model or import, not {text!r}")
    return SoundRow.label_source == text


def _collection(value: Value, fail: _Fail) -> Condition:
    named = select(CollectionItemRow.sound_id).join(CollectionRow).where(_same(CollectionRow.name, _plain(value, fail)))
    return SoundRow.id.in_(named)


def _key(value: Value, fail: _Fail) -> Condition:
    key = canonical_key(_plain(value, fail))
    if key is None:
        raise fail("a key is written like Am, F#, Bb minor or 8A")
    song = aliased(SoundRow)
    songs = select(song.id).where(song.key == key)
    return or_(SoundRow.key == key, and_(SoundRow.key.is_(None), SoundRow.song_id.in_(songs)))


def _current(value: Value, fail: _Fail) -> Condition:
    text = _plain(value, fail).lower()
    if text not in {"yes", "no", "any"}:
        raise fail(f"current is yes, no or any, not {text!r}")
    return true() if text == "any" else SoundRow.current.is_(text == "yes")


def _has(value: Value, fail: _Fail) -> Condition:
    text = _plain(value, fail).lower()
    below = aliased(SoundRow)
    simple: dict[str, Condition] = {
        "label": SoundRow.label.is_not(None),
        "bpm": SoundRow.bpm.is_not(None),
        "key": SoundRow.key.is_not(None),
        "tag": exists().where(TagRow.sound_id == SoundRow.id, TagRow.denied.is_(False)),
        "stems": exists().where(below.parent_id == SoundRow.id, below.kind == "stem"),
        "samples": exists().where(SetRow.parent_id == SoundRow.id),
        "vector": exists().where(VectorRow.sound_id == SoundRow.id),
        "collection": exists().where(CollectionItemRow.sound_id == SoundRow.id),
    }
    stage = {"notes": "midi"}.get(text, text)
    return simple.get(text.removesuffix("s") if text in {"tags", "vectors"} else text, _result(stage))


def _result(stage: str) -> Condition:
    return exists().where(ResultRow.sound_id == SoundRow.id, ResultRow.stage == stage)


# ---- numbers and dates --------------------------------------------------------------------------


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _length(text: str) -> float | None:
    """Read seconds: 12, 0.5s, 250ms, 3:07, 1:02:03."""
    if found := re.fullmatch(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)", text):
        return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])
    if text.endswith("ms"):
        value = _number(text[:-2])
        return None if value is None else value / 1000
    return _number(text.removesuffix("s"))


def _step(text: str) -> float:
    """Half of the last digit's worth: `120` means 119.5 to 120.5, `0.25` means 0.245 to 0.255."""
    digits = re.search(r"\.(\d+)", text)
    return 0.5 * 10.0 ** -(len(digits[1]) if digits else 0) * (0.001 if text.endswith("ms") else 1)


def _between(column: Any, value: Value, fail: _Fail, read: _Number, what: str) -> Condition:
    def number(text: str) -> float:
        found = read(text.strip())
        if found is None:
            raise fail(f"{text!r} is no {what}")
        return found

    if isinstance(value, Text):
        middle, step = number(value.text), _step(value.text)
        return and_(column >= middle - step, column < middle + step)
    low = None if value.low is None else number(value.low)
    high = None if value.high is None else number(value.high)
    if low is not None and high is not None and low > high:
        raise fail(f"this range is upside down: {value}")
    return and_(true() if low is None else column >= low, true() if high is None else column <= high)


def _bpm(value: Value, fail: _Fail) -> Condition:
    song = aliased(SoundRow)
    songs = select(song.id).where(_between(song.bpm, value, fail, _number, "tempo"))
    own = _between(SoundRow.bpm, value, fail, _number, "tempo")
    return or_(own, and_(SoundRow.bpm.is_(None), SoundRow.song_id.in_(songs)))


def _duration(value: Value, fail: _Fail) -> Condition:
    return _between(SoundRow.duration, value, fail, _length, "length (12, 0.5s, 250ms, 3:07)")


def _confidence(value: Value, fail: _Fail) -> Condition:
    return _between(SoundRow.label_confidence, value, fail, _number, "number")


def _fact(name: str, read: _Number, what: str) -> Callable[[Value, _Fail], Condition]:
    """Choose by a number among the facts that stages found."""
    column = SoundRow.facts[name].as_float()
    return lambda value, fail: _between(column, value, fail, read, what)


_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


def _midi(text: str) -> float | None:
    """Read a note: A2, F#3, Bb1 (A4 is 440 Hz), or its MIDI number."""
    if found := re.fullmatch(r"([a-g])([#b]?)(-?\d)", text.strip().lower()):
        return _STEPS[found[1]] + {"#": 1, "b": -1, "": 0}[found[2]] + 12 * (int(found[3]) + 1)
    return _number(text)


def _root(value: Value, fail: _Fail) -> Condition:
    column = SoundRow.facts["root_note"].as_integer()
    if isinstance(value, Text) and (found := re.fullmatch(r"([a-gA-G])([#b]?)", value.text.strip())):
        note = _STEPS[found[1].lower()] + {"#": 1, "b": -1, "": 0}[found[2]]
        same: Condition = column % 12 == note % 12
        return same
    return _between(column, value, fail, _midi, "note (A2, F#3, 57, or A for any octave)")


def _shape(value: Value, fail: _Fail) -> Condition:
    text = _plain(value, fail).lower()
    if text not in {"loop", "one-shot", "oneshot"}:
        raise fail(f"a shape is loop or one-shot, not {text!r}")
    same: Condition = SoundRow.facts["kind"].as_string() == text.replace("oneshot", "one-shot")
    return same


def _word(value: Value, fail: _Fail) -> Condition:
    found: Condition = SoundRow.facts["word"].as_string().icontains(_plain(value, fail), autoescape=True)
    return found


def _period(text: str, fail: _Fail) -> tuple[datetime, datetime]:
    """Give the beginning and the (exclusive) end of a year, month, day or minute, in UTC."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:T(\d{1,2}):(\d{2}))?)?)?", text)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute = (None if part is None else int(part) for part in found.groups())
        start = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, tzinfo=UTC)
        if month is None:
            return start, start.replace(year=start.year + 1)
        if day is None:
            return start, start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        return start, start + (timedelta(days=1) if hour is None else timedelta(minutes=1))
    except (ValueError, OverflowError):
        raise fail(f"{text!r} is no date (2026, 2026-11, 2026-11-22, 2026-11-22T18:30)") from None


def _added(value: Value, fail: _Fail) -> Condition:
    if isinstance(value, Text):
        start, stop = _period(value.text, fail)
        return and_(SoundRow.added_at >= start, SoundRow.added_at < stop)
    after = true() if value.low is None else SoundRow.added_at >= _period(value.low, fail)[0]
    before = true() if value.high is None else SoundRow.added_at < _period(value.high, fail)[1]
    return and_(after, before)


FIELDS: dict[str, Field] = {
    "kind": Field("song, stem or sample", _kind),
    "label": Field(
        "what the sound is: a person's word before a model's", lambda v, f: _same(SoundRow.label, _plain(v, f))
    ),
    "tag": Field("any tag that nobody denied", _tag),
    "name": Field("part of the name", _name),
    "song": Field("part of the name, or the id, of the song that it belongs to", _song),
    "stem": Field("drums, bass, vocals, ...", lambda v, f: _same(SoundRow.stem, _plain(v, f))),
    "bpm": Field("tempo, its own or its song's: 120, 120..130", _bpm),
    "key": Field("musical key, its own or its song's: Am, F#, 8A", _key),
    "duration": Field("length: ..0.5, 250ms, 3:07..", _duration),
    "root": Field("root note of a one-shot: A2, F#1..C3, 57, A (any octave)", _root),
    "shape": Field("one-shot or loop", _shape),
    "brightness": Field("centre of its spectrum in hertz: ..500, 4000..", _fact("brightness_hz", _number, "number")),
    "noisiness": Field("0 tones only, 1 noise only: ..0.1", _fact("noisiness", _number, "number")),
    "attack": Field("how long it takes to rise: ..5ms", _fact("attack_s", _length, "time (0.1, 5ms)")),
    "decay": Field("how long it takes to fall by 20 dB: 0.5..", _fact("decay_s", _length, "time (0.1, 5ms)")),
    "word": Field("part of the sung word that it was cut at", _word),
    "added": Field("when: 2026, 2026-11..2026-12, 2026-11-22..", _added),
    "collection": Field("in the collection of that name", _collection),
    "source": Field("who gave the label: human, import or model", _source),
    "confidence": Field("how sure the label is: ..0.5", _confidence),
    "has": Field("label, tag, bpm, key, stems, samples, vector, collection, notes, or a stage's result", _has),
    "current": Field("no: superseded sounds; any: these too; default: yes", _current),
}
