"""Running queries: which sounds, in which order, how many."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from audiolab.errors import ParameterError
from audiolab.library.cardrows import CardRow
from audiolab.library.fields import FIELDS, Context, condition
from audiolab.library.models import CollectionRow
from audiolab.library.query import Clause, Query, QueryError, Range, Term, parse_query
from audiolab.library.synonyms import synonyms_of
from audiolab.library.text import fold_text
from audiolab.library.textindex import text_index

__all__ = ["check_query", "search"]


def search(session: Session, query: str | Query, limit: int | None = None) -> list[int]:
    """Give the numbers of the cards that a query chooses: the trash never, superseded sounds if it asks for them.

    They come in the order in which they were added, unless the query says `sort:`.

    Raises
    ------
    QueryError
        If it cannot be understood; the message says where.
    """
    if limit is not None and limit < 0:
        raise ParameterError(f"limit must not be negative, not {limit}")
    asked = _split(parse_query(query) if isinstance(query, str) else query)
    shown = CardRow.shown.is_(True)
    if any(term.field == "current" for term in _terms(asked.query)):
        shown = CardRow.trashed.is_(False)
    found = select(CardRow.number).where(condition(asked.query, _context(session)), shown)
    limits = [number for number in (limit, asked.limit) if number is not None]
    found = found.order_by(*asked.order, CardRow.number)
    if limits:
        found = found.limit(min(limits))
    if session.get_bind().dialect.name != "sqlite":
        return list(session.scalars(found))
    # One row of all numbers is read much faster than a row a number.
    rows = found.subquery()
    return list(json.loads(session.scalar(select(func.json_group_array(rows.c.number))) or "[]"))


def check_query(session: Session, query: str, name: str) -> Query:
    """Read a query that is to be saved under a name, and make sure that it can be asked."""
    parsed = parse_query(query)
    context = _context(session)
    condition(_split(parsed).query, replace(context, inside=(name,)))
    return parsed


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    order: tuple[ColumnElement[Any], ...]
    limit: int | None


def _split(query: Query) -> _Asked:
    """Take `sort:` and `limit:` out of a query: they are of the whole of it."""
    order: list[ColumnElement[Any]] = []
    limits: list[int] = []
    clauses: list[Clause] = []
    for clause in query.clauses:
        kept = []
        for term in clause.terms:
            if term.field == "sort":
                order += _order(term, query.text)
            elif term.field == "limit":
                limits.append(_limit(term, query.text))
            else:
                kept.append(term)
        if kept:
            clauses.append(Clause(tuple(kept)))
    if len(limits) > 1:
        raise QueryError("there are two limits", query.text, 0)
    return _Asked(Query(tuple(clauses), query.text), tuple(order), limits[0] if limits else None)


def _order(term: Term, text: str) -> list[ColumnElement[Any]]:
    order: list[ColumnElement[Any]] = []
    for value in term.values:
        if term.negated or isinstance(value, Range):
            raise QueryError("sort takes names of fields: sort:bpm, sort:-added", text, term.position)
        name = value.text.removeprefix("-").removeprefix("+").lower()
        column = CardRow.number if name == "number" else getattr(FIELDS.get(name), "column", None)
        if column is None:
            known = [word for word, field in FIELDS.items() if field.column is not None]
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise QueryError(f"sounds cannot be sorted by {name!r}{hint}", text, value.position)
        # Sounds without a value come last either way.
        order += [column.is_(None), column.desc() if value.text.startswith("-") else column.asc()]
    return order


def _limit(term: Term, text: str) -> int:
    (value, *more) = term.values
    if term.negated or more or isinstance(value, Range) or not (value.text.isascii() and value.text.isdigit()):
        raise QueryError("limit takes one number: limit:20", text, term.position)
    return min(int(value.text[:18]), 2**31)


def _context(session: Session) -> Context:
    def spelled(name: str) -> list[CollectionRow]:
        """Find collections whatever the case of their letters, which databases know of ASCII only; the exact first."""
        rows = session.scalars(select(CollectionRow).order_by(CollectionRow.name != name, CollectionRow.name))
        return [row for row in rows if fold_text(row.name).strip() == fold_text(name).strip()]

    def collections(name: str) -> list[int]:
        return [row.id for row in spelled(name)]

    def saved(name: str) -> tuple[str, Callable[[Context], ColumnElement[bool]]] | None:
        row = next((row for row in spelled(name) if row.query is not None), None)
        if row is None:
            return None
        asked = _split(parse_query(row.query or ""))
        return row.name, partial(_saved_condition, asked)

    return Context(text_index(session.get_bind().dialect.name), synonyms_of(session), saved, collections)


def _saved_condition(asked: _Asked, context: Context) -> ColumnElement[bool]:
    chosen = condition(asked.query, context)
    if asked.limit is None:
        return chosen
    first = select(CardRow.number).where(chosen, CardRow.shown).order_by(*asked.order, CardRow.number)
    return CardRow.number.in_(first.limit(asked.limit).correlate(None))


def _terms(query: Query) -> Iterator[Term]:
    for clause in query.clauses:
        yield from clause.terms
