"""The append-only list of what people changed; undo reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.clock import utc_now
from audiolab.library.models import OpRow
from audiolab.library.text import clean_json, clean_text

__all__ = ["Op", "note", "ops"]


@dataclass(frozen=True, slots=True)
class Op:
    """One change that a person made."""

    id: int
    at: datetime
    actor: str
    what: str
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def note(
    session: Session,
    actor: str,
    what: str,
    target: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write a change down, in the transaction that makes it.

    Parameters
    ----------
    what : str
        add, tag, untag, rename, delete, restore, overlay, kind, collect, uncollect, and so on.
    target : str
        Id of the sound, or `collection:NAME`.
    before, after : mapping, optional
        Enough to take the change back, and to make it again.
    """
    session.add(
        OpRow(
            at=utc_now(),
            actor=clean_text(actor),
            what=what,
            target=target,
            before=clean_json(before),
            after=clean_json(after),
        )
    )


def ops(session: Session, *, target: str | None = None, limit: int = 100) -> list[Op]:
    """Give the newest changes, the newest first."""
    statement = select(OpRow).order_by(OpRow.id.desc()).limit(limit)
    if target is not None:
        statement = statement.where(OpRow.target == target)
    return [
        Op(row.id, row.at, row.actor, row.what, row.target, row.before, row.after) for row in session.scalars(statement)
    ]
