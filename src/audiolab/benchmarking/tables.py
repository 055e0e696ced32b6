"""Annotation files that are tables: commas, semicolons, tabs or spaces; with or without a header."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiolab.audio.jams import read_text
from audiolab.errors import AnnotationError

__all__ = ["AnnotationError", "Row", "Table", "read_table", "read_text"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    path: Path
    line: int
    cells: tuple[str, ...]

    def fail(self, why: str) -> AnnotationError:
        """Make the error that names this line."""
        return AnnotationError(f"{str(self.path)!r}, line {self.line}: {why}")

    def number(self, column: int, name: str) -> float:
        """Read a finite number."""
        try:
            value = float(self.cells[column])
        except IndexError:
            raise self.fail(f"there is no column {column + 1} ({name}): {', '.join(self.cells)!r}") from None
        except ValueError:
            raise self.fail(f"{self.cells[column]!r} is not a number ({name})") from None
        if not math.isfinite(value):
            raise self.fail(f"{self.cells[column]!r} is not a finite number ({name})")
        return value

    def time(self, column: int, name: str) -> float:
        """Read seconds from the start of the sound."""
        value = self.number(column, name)
        if value < 0:
            raise self.fail(f"{name} {value:g} lies before the start of the sound")
        return value


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows; `header` is empty if the first line holds numbers already."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, *names: str) -> int | None:
        """Find a column by one of its names, or None."""
        return next((self.header.index(name) for name in names if name in self.header), None)

    def required(self, place: int, *names: str) -> int:
        """Find a column by name if there is a header, else by its usual place.

        Raises
        ------
        AnnotationError
            If there is a header and it has no such column.
        """
        if not self.header:
            return place
        found = self.column(*names)
        if found is None:
            raise AnnotationError(
                f"{str(self.path)!r}, line 1: no column {names[0]!r} in the header {', '.join(self.header)!r}"
            )
        return found


def read_table(path: Path) -> Table:
    """Read a table. Lines that begin with # and empty lines are skipped.

    Raises
    ------
    AnnotationError
        If the file is no text or holds no rows.
    """
    lines = list(_lines(read_text(path)))
    if not lines:
        raise AnnotationError(f"{str(path)!r} holds comments only")
    split = _splitter([text for _, text in lines])
    rows = [Row(path, number, tuple(cell.strip() for cell in split(text))) for number, text in lines]
    header: tuple[str, ...] = ()
    if not _is_number(rows[0].cells[0]):
        header = tuple(cell.lower() for cell in rows[0].cells)
        rows = rows[1:]
    if not rows:
        raise AnnotationError(f"{str(path)!r} holds a header and no rows")
    return Table(path, header, tuple(rows))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _splitter(lines: Sequence[str]):  # type: ignore[no-untyped-def]
    """Choose the separator by the first line: comma, semicolon, else white space."""
    for sign in (",", ";"):
        if sign in lines[0]:
            return lambda line: next(csv.reader([line], delimiter=sign))
    return lambda line: re.split(r"\s+", line)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
