"""The append-only list of what people changed; undo reads it.

Changes of one transaction share a group: they are one action of a person, and are taken back together. Work that
needs several transactions is one action inside `one_action()`.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from audiolab.library.clock import utc_now
from audiolab.library.models import OpRow
from audiolab.library.text import clean_json, clean_text, shorten

__all__ = [
    "Action",
    "Op",
    "action_of",
    "actions",
    "begin_group",
    "group_ops",
    "note",
    "note_all",
    "one_action",
    "ops",
    "walk_groups",
]

_GROUP, _UNDOES = "op group", "op undoes"
_running: ContextVar[str | None] = ContextVar("audiolab_action", default=None)
_PAGE = 1000
_LEGACY = "op:"
"""Begins the name of the group of an op that was written before there were groups."""


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
    group: str = ""
    undoes: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What a person did at once: one or many changes.

    Attributes
    ----------
    group : str
        What its changes share.
    what : mapping
        Number of changes of each kind.
    undoes : str or None
        The action that this one took back.
    """

    group: str
    at: datetime
    actor: str
    what: Mapping[str, int]
    targets: tuple[str, ...]
    undoes: str | None = None

    def __str__(self) -> str:
        told = ", ".join(f"{what} {count}" if count > 1 else what for what, count in self.what.items())
        some = ", ".join(shorten(target, 24 if ":" in target else 12) for target in self.targets[:2])
        more = " …" if len(self.targets) > 2 else ""
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor}: {'took back: ' if self.undoes else ''}{told} ({some}{more})"


@contextmanager
def one_action() -> Iterator[str]:
    """Let all changes inside, in however many transactions, be one action."""
    known = _running.get()
    if known is not None:
        yield known
        return
    group = secrets.token_hex(8)
    token = _running.set(group)
    try:
        yield group
    finally:
        _running.reset(token)


def begin_group(session: Session, *, undoes: str | None = None) -> str:
    """Let what is noted from here on be an action of its own within the transaction."""
    group = secrets.token_hex(8)
    session.info[_GROUP], session.info[_UNDOES] = group, undoes
    return group


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
        add, tag, untag, rename, delete, restore, overlay, fields, kind, collect, uncollect, and so on; each has
        its way back in `ways_back.py`.
    target : str
        Id of the sound, or `collection:NAME`.
    before, after : mapping, optional
        Enough to take the change back, and to make it again.
    """
    session.add(OpRow(**_columns(session, actor, what, target, before, after)))


def note_all(session: Session, actor: str, what: str, changes: Iterable[tuple[str, Mapping[str, Any] | None]]) -> None:
    """Write many changes of one kind down with one statement: pairs of target and what is there afterwards."""
    rows = [_columns(session, actor, what, target, None, after) for target, after in changes]
    if rows:
        session.execute(insert(OpRow), rows)


def _columns(  # noqa: PLR0917 - the columns of a row, in their order
    session: Session,
    actor: str,
    what: str,
    target: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> dict[str, Any]:
    if _GROUP not in session.info:
        session.info[_GROUP] = _running.get() or secrets.token_hex(8)
    return {
        "at": utc_now(),
        "actor": clean_text(actor),
        "what": what,
        "target": target,
        "before": clean_json(before),
        "after": clean_json(after),
        "group": session.info[_GROUP],
        "undoes": session.info.get(_UNDOES),
    }


def ops(session: Session, *, target: str | None = None, limit: int = 100) -> list[Op]:
    """Give the newest changes, the newest first."""
    statement = select(OpRow).order_by(OpRow.id.desc()).limit(limit)
    if target is not None:
        statement = statement.where(OpRow.target == target)
    return [_op(row) for row in session.scalars(statement)]


def group_ops(session: Session, group: str) -> list[Op]:
    """Give the changes of one action in the order in which they were made."""
    mine = OpRow.id == int(group.removeprefix(_LEGACY)) if group.startswith(_LEGACY) else OpRow.group == group
    return [_op(row) for row in session.scalars(select(OpRow).where(mine).order_by(OpRow.id))]


def walk_groups(session: Session, actor: str | None = None) -> Iterator[Op]:
    """Give the newest change of each action, the newest action first; without `before` and `after`."""
    seen: set[str] = set()
    for op in _walk(session, actor):
        if op.group not in seen:
            seen.add(op.group)
            yield op


def actions(session: Session, *, actor: str | None = None, limit: int = 100) -> list[Action]:
    """Give what people did, the newest first."""
    groups: list[str] = []
    for op in walk_groups(session, actor):
        groups.append(op.group)
        if len(groups) == limit:
            break
    return [action_of(group_ops(session, group)) for group in groups]


def action_of(done: Iterable[Op]) -> Action:
    """Sum up the changes of one action."""
    listed = list(done)
    last = listed[-1]
    targets = tuple(dict.fromkeys(op.target for op in listed))
    return Action(last.group, last.at, last.actor, dict(Counter(op.what for op in listed)), targets, last.undoes)


def _walk(session: Session, actor: str | None) -> Iterator[Op]:
    columns = (OpRow.id, OpRow.at, OpRow.actor, OpRow.what, OpRow.target, OpRow.group, OpRow.undoes)
    last: int | None = None
    while True:
        statement = select(*columns).order_by(OpRow.id.desc()).limit(_PAGE)
        if actor is not None:
            statement = statement.where(OpRow.actor == clean_text(actor))
        if last is not None:
            statement = statement.where(OpRow.id < last)
        rows = session.execute(statement).all()
        for row in rows:
            group = row.group or f"{_LEGACY}{row.id}"
            yield Op(row.id, row.at, row.actor, row.what, row.target, None, None, group, row.undoes)
        if len(rows) < _PAGE:
            return
        last = rows[-1].id


def _op(row: OpRow) -> Op:
    group = row.group or f"{_LEGACY}{row.id}"
    return Op(row.id, row.at, row.actor, row.what, row.target, row.before, row.after, group, row.undoes)
