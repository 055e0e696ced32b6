"""Types of fields: how a value is written, read and compared. A type knows nothing of databases but columns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, true

from audiolab.library.keys import camelot, canonical_key
from audiolab.library.tables import seconds_text

__all__ = [
    "BPM",
    "DATE",
    "FLAG",
    "KEY",
    "LENGTH",
    "NOTE",
    "NUMBER",
    "RATING",
    "FieldType",
    "chosen_between",
    "compatible_keys",
]


class FieldType(Protocol):
    """How the values of a field are read and written."""

    @property
    def example(self) -> str:
        """What the values are called, with some of them."""

    def parse(self, text: str) -> Any:
        """Read a value; raises `ValueError` with what is expected."""

    def format(self, value: Any) -> str:
        """Write a value as people read it; `parse` takes it."""

    def span(self, text: str) -> tuple[Any, Any]:
        """Give the values, first and last (exclusive), that are meant by a text: 120 means 119.5 to 120.5."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number, to its last digit."""

    example: str
    read: Callable[[str], float | None]
    write: Callable[[float], str]

    def parse(self, text: str) -> float:
        value = self.read(text.strip())
        if value is None:
            raise ValueError(f"{text!r} is no {self.example}")
        return value

    def format(self, value: float) -> str:
        return self.write(value)

    def span(self, text: str) -> tuple[float, float]:
        middle = self.parse(text)
        digits = re.search(r"\.(\d+)", text)
        step = 0.5 * 10.0 ** -(len(digits[1]) if digits else 0) * (0.001 if text.strip().endswith("ms") else 1)
        return middle - step, middle + step


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _length(text: str) -> float | None:
    """Read seconds: 12, 0.5s, 250ms, 3:07, 1:02:03."""
    if found := re.fullmatch(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)", text):
        return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])
    if text.endswith("ms"):
        value = _number(text[:-2])
        return None if value is None else value / 1000
    return _number(text.removesuffix("s").rstrip())


_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def _midi(text: str) -> float | None:
    """Read a note: A2, F#3, Bb1 (A4 is 440 Hz), or its MIDI number."""
    if found := re.fullmatch(r"([a-g])([#b]?)(-?\d)", text.strip().lower()):
        return _STEPS[found[1]] + {"#": 1, "b": -1, "": 0}[found[2]] + 12 * (int(found[3]) + 1)
    return _number(text)


def _note_name(value: float) -> str:
    octave, step = divmod(round(value), 12)
    return f"{_NAMES[step]}{octave - 1}"


NUMBER: FieldType = _Number("number", _number, _plain)
BPM: FieldType = _Number("tempo (120, 97.5)", _number, _plain)
LENGTH: FieldType = _Number("length (12, 0.5s, 250ms, 3:07)", _length, seconds_text)
NOTE: FieldType = _Number("note (A2, F#3, 57)", _midi, _note_name)


@dataclass(frozen=True, slots=True)
class _Rating:
    example: str = "rating (1 to 5, or stars: ***)"

    def parse(self, text: str) -> int:
        text = text.strip()
        if text and set(text) <= {"*", "★"}:
            text = str(len(text))
        if text not in {"0", "1", "2", "3", "4", "5"}:
            raise ValueError(f"{text!r} is no {self.example}")
        return int(text)

    def format(self, value: int) -> str:
        return "★" * value

    def span(self, text: str) -> tuple[int, int]:
        value = self.parse(text)
        return value, value + 1


@dataclass(frozen=True, slots=True)
class _Flag:
    example: str = "yes or no"

    def parse(self, text: str) -> bool:
        if text.strip().lower() not in {"yes", "no", "true", "false", "1", "0"}:
            raise ValueError(f"{text!r} is neither yes nor no")
        return text.strip().lower() in {"yes", "true", "1"}

    def format(self, value: bool) -> str:
        return "yes" if value else "no"

    def span(self, text: str) -> tuple[int, int]:
        value = int(self.parse(text))
        return value, value + 1


@dataclass(frozen=True, slots=True)
class _Key:
    example: str = "key (Am, F#, Bb minor or 8A)"

    def parse(self, text: str) -> str:
        key = canonical_key(text)
        if key is None:
            raise ValueError(f"{text!r} is no {self.example}")
        return key

    def format(self, value: str) -> str:
        return f"{value} ({camelot(value)})"

    def span(self, text: str) -> tuple[str, str]:
        key = self.parse(text)
        return key, key + "\0"


@dataclass(frozen=True, slots=True)
class _Date:
    example: str = "date (2026, 2026-11, 2026-11-22, 2026-11-22T18:30, today, yesterday, -7d)"

    def parse(self, text: str) -> datetime:
        return self.span(text)[0]

    def format(self, value: datetime) -> str:
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M}"

    def span(self, text: str) -> tuple[datetime, datetime]:
        """Give the beginning and the end of a year, month, day or minute, in UTC."""
        text = text.strip()
        if (ago := _days_ago(text)) is not None:
            today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            try:
                start = today - timedelta(days=ago)
            except OverflowError:
                raise ValueError(f"{text!r} is no {self.example}") from None
            return start, start + timedelta(days=1)
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
            raise ValueError(f"{text!r} is no {self.example}") from None


def _days_ago(text: str) -> int | None:
    if text in {"today", "yesterday"}:
        return int(text == "yesterday")
    found = re.fullmatch(r"-(\d{1,6})([dw])", text)
    return None if found is None else int(found[1]) * (7 if found[2] == "w" else 1)


RATING: FieldType = _Rating()
FLAG: FieldType = _Flag()
KEY: FieldType = _Key()
DATE: FieldType = _Date()


def chosen_between(
    column: SQLColumnExpression[Any], kind: FieldType, low: str | None, high: str | None
) -> ColumnElement[bool]:
    """Choose rows from `low` to `high`; both ends are included, to their last digit or day for dates.

    Raises
    ------
    ValueError
        If a value cannot be read or the range is upside down.
    """
    dates = kind is DATE
    first = None if low is None else kind.parse(low)
    last = None if high is None else kind.span(high)[1] if dates else kind.parse(high)
    if first is not None and last is not None and first > last:
        raise ValueError(f"this range is upside down: {low}..{high}")
    above = true() if first is None else column >= first
    below = true() if last is None else (column < last if dates else column <= last)
    return and_(above, below, column.is_not(None))


def compatible_keys(key: str) -> tuple[str, ...]:
    """Give the keys that mix well with a key: itself, its relative, and its neighbours on the Camelot wheel."""
    code = camelot(key)
    assert code is not None, key
    number, letter = int(code[:-1]), code[-1]
    around = [f"{(number - 2) % 12 + 1}{letter}", f"{number % 12 + 1}{letter}"]
    codes = [code, f"{number}{'B' if letter == 'A' else 'A'}", *around]
    return tuple(spelled for found in codes if (spelled := canonical_key(found)) is not None)
