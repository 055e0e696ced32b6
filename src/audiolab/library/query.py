r"""The query language: text to syntax tree and back. What fields mean is in `fields.py`.

Grammar::

    query  := [ clause { "," clause } ]        a comma with a space on either side: or
    clause := term { term }                    spaces: and
    term   := { "^" } [ field ":" ] values     ^: not
    values := value { "," value }              a comma without spaces: one of these
    value  := operand | [ operand ] ".." [ operand ]     ranges only after a field
    operand := word | '"' text '"'             in quotes: \" and \\

Example: ``kind:sample label:kick,snare bpm:120..130 ^tag:reject "big room"``
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TypeAlias

from audiolab.errors import ParameterError
from audiolab.library.text import clean_text

__all__ = ["Clause", "Query", "QueryError", "Range", "Term", "Text", "Value", "parse_query"]

_FIELD = re.compile(r"([A-Za-z_]+):")
_PLAIN = re.compile(r"[^\s,\"^:.]([^\s,\":.]|\.(?!\.))*")


class QueryError(ParameterError):
    """A query cannot be understood.

    Attributes
    ----------
    query : str
        The query.
    position : int
        Where, counted from 0.
    """

    def __init__(self, message: str, query: str, position: int) -> None:
        super().__init__(f"{message} (position {position + 1} of the query {query!r})")
        self.message, self.query, self.position = message, query, position

    @property
    def picture(self) -> str:
        """The query, and under it a mark where the mistake is."""
        line = "".join(sign if sign.isprintable() else " " for sign in self.query)
        return f"{line}\n{' ' * self.position}^ {self.message}"


@dataclass(frozen=True, slots=True)
class Text:
    """A word or a quoted text."""

    text: str
    position: int = attribute(default=0, compare=False)

    def __str__(self) -> str:
        return _quoted(self.text)


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included; None leaves an end open."""

    low: str | None
    high: str | None
    position: int = attribute(default=0, compare=False)

    def __str__(self) -> str:
        return f"{'' if self.low is None else _quoted(self.low)}..{'' if self.high is None else _quoted(self.high)}"


Value: TypeAlias = Text | Range


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: a field (or, without one, free text) has one of some values."""

    field: str | None
    values: tuple[Value, ...]
    negated: bool = False
    position: int = attribute(default=0, compare=False)

    def __str__(self) -> str:
        name = f"{self.field}:" if self.field else ""
        return f"{'^' if self.negated else ''}{name}{','.join(map(str, self.values))}"


@dataclass(frozen=True, slots=True)
class Clause:
    """Terms that must all hold."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))


@dataclass(frozen=True, slots=True)
class Query:
    """Clauses of which one must hold; without any, everything does. `str` gives it back as text."""

    clauses: tuple[Clause, ...]
    text: str = attribute(default="", compare=False)

    def __str__(self) -> str:
        return ", ".join(map(str, self.clauses))


def parse_query(text: str) -> Query:
    """Read a query.

    Raises
    ------
    QueryError
        If it cannot be understood; the message and `position` say where.
    """
    return _Parser(clean_text(text)).query()


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def query(self) -> Query:
        clauses: list[Clause] = []
        terms: list[Term] = []
        self._spaces()
        while self.at < len(self.text):
            if self.text[self.at] == ",":
                if not terms:
                    raise self._error("there is nothing before this comma", self.at)
                clauses.append(Clause(tuple(terms)))
                terms, comma = [], self.at
                self.at += 1
                self._spaces()
                if self.at == len(self.text):
                    raise self._error("there is nothing after this comma", comma)
            else:
                terms.append(self._term())
            self._spaces()
        if terms:
            clauses.append(Clause(tuple(terms)))
        return Query(tuple(clauses), self.text)

    def _term(self) -> Term:
        position, negated = self.at, False
        while self._peek() == "^":
            negated = not negated
            self.at += 1
        found = _FIELD.match(self.text, self.at)
        name = found[1].lower() if found else None
        if found:
            self.at = found.end()
        values = [self._value(ranges=name is not None)]
        while self._peek() == "," and self._peek(1) not in {"", ","} and not self._peek(1).isspace():
            self.at += 1
            values.append(self._value(ranges=name is not None))
        if (left := self._peek()) and left != "," and not left.isspace():
            raise self._error("a space is missing here", self.at)
        return Term(name, tuple(values), negated, position)

    def _value(self, *, ranges: bool) -> Value:
        position = self.at
        low = self._operand(ranges)
        if ranges and self.text.startswith("..", self.at):
            self.at += 2
            high = self._operand(ranges)
            if low is None and high is None:
                raise self._error("a range needs a beginning or an end", position)
            return Range(low, high, position)
        if low is None:
            raise self._error("a value is missing here", position)
        return Text(low, position)

    def _operand(self, ranges: bool) -> str | None:
        if self._peek() == '"':
            return self._string()
        start = self.at
        while (sign := self._peek()) and not sign.isspace() and sign not in {",", '"'}:
            if ranges and self.text.startswith("..", self.at):
                break
            self.at += 1
        return self.text[start : self.at] or None

    def _string(self) -> str:
        start = self.at
        signs: list[str] = []
        self.at += 1
        while sign := self._peek():
            self.at += 1
            if sign == '"':
                return "".join(signs)
            if sign == "\\" and self._peek() in {'"', "\\"}:
                sign = self._peek()
                self.at += 1
            signs.append(sign)
        raise self._error("this quote is not closed", start)

    def _peek(self, ahead: int = 0) -> str:
        return self.text[self.at + ahead : self.at + ahead + 1]

    def _spaces(self) -> None:
        while self._peek().isspace():
            self.at += 1

    def _error(self, message: str, position: int) -> QueryError:
        return QueryError(message, self.text, position)
