"""Running queries."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import ParameterError
from audiolab.library.derived import visible
from audiolab.library.fields import condition
from audiolab.library.models import SoundRow
from audiolab.library.query import Query, Term, parse_query

__all__ = ["search"]


def search(session: Session, query: str | Query, limit: int | None = None) -> list[SoundRow]:
    """Give the sounds that a query chooses: the trash never, superseded ones if the query asks for them.

    They come in the order in which they were added; samples of one set by time.
    """
    parsed = parse_query(query) if isinstance(query, str) else query
    if limit is not None and limit < 0:
        raise ParameterError(f"limit must not be negative, not {limit}")
    shown = visible()
    if any(term.field == "current" for term in _terms(parsed)):
        shown = SoundRow.deleted_at.is_(None)
    statement = (
        select(SoundRow)
        .where(condition(parsed), shown)
        .order_by(SoundRow.added_at, SoundRow.parent_id, SoundRow.start, SoundRow.name_key, SoundRow.id)
    )
    return list(session.scalars(statement if limit is None else statement.limit(limit)))


def _terms(query: Query) -> Iterator[Term]:
    for clause in query.clauses:
        yield from clause.terms
