"""Computing all derived columns anew, and saying which were wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.derived import chunks, refresh_current, refresh_facts, refresh_labels
from audiolab.library.models import SetRow, SoundRow
from audiolab.library.store import Store
from audiolab.library.trash import family_of

__all__ = ["rederive"]

_COLUMNS = (
    "facts", "bpm", "key", "duration", "rating", "favourite", "note", "label", "label_confidence", "label_source",
    "current",
)  # fmt: skip
_ROOTS = 50


class _OnlyLooking(Exception):
    """Takes back what was computed."""


def rederive(store: Store, *, keep: bool) -> dict[str, list[str]]:
    """Compute derived columns anew; give the ids of what was wrong, with the names of its columns.

    Parameters
    ----------
    keep : bool
        Write what is right; otherwise all stays as it is.
    """
    with store.transaction(write=False) as session:
        roots = session.scalars(select(SoundRow.id).where(SoundRow.parent_id.is_(None)).order_by(SoundRow.id)).all()
    wrong: dict[str, list[str]] = {}
    for at in range(0, len(roots), _ROOTS):
        try:
            with store.transaction() as session:
                found = _rederive(session, roots[at : at + _ROOTS])
                wrong |= found
                if not keep or not found:
                    raise _OnlyLooking
        except _OnlyLooking:
            continue
    return wrong


def _rederive(session: Session, roots: Iterable[str]) -> dict[str, list[str]]:
    ids = [sound_id for root in roots for sound_id in family_of(session, root)]
    before = _state(session, ids)
    parents: set[str] = set()
    for part in chunks(ids):
        refresh_facts(session, session.scalars(select(SoundRow).where(SoundRow.id.in_(part))).all())
        below = select(SoundRow.parent_id).where(SoundRow.parent_id.in_(part)).distinct()
        parents.update(found for found in session.scalars(below) if found is not None)
    refresh_labels(session, ids)
    for sound_id in ids:  # nearest to the root first: what was made from something old is old
        if sound_id in parents:
            refresh_current(session, sound_id)
    session.flush()
    session.expire_all()
    after = _state(session, ids)
    return {
        name: [column for column in values if values[column] != after[name][column]]
        for name, values in before.items()
        if values != after[name]
    }


def _state(session: Session, ids: list[str]) -> dict[str, dict[str, Any]]:
    state: dict[str, dict[str, Any]] = {}
    columns = [getattr(SoundRow, name) for name in _COLUMNS]
    for part in chunks(ids):
        for row in session.execute(select(SoundRow.id, *columns).where(SoundRow.id.in_(part))):
            state[row[0]] = dict(zip(_COLUMNS, row[1:], strict=True))
        for found, newer in session.execute(select(SetRow.id, SetRow.superseded_by).where(SetRow.parent_id.in_(part))):
            state[found] = {"superseded_by": newer}
    return state
