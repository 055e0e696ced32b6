"""Rows of collections: what the history keeps of them, and how that is brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks
from audiolab.library.models import CollectionItemRow, CollectionRow
from audiolab.library.store import touch
from audiolab.library.text import shorten

__all__ = ["PREFIX", "collection_row", "collection_state", "items_of", "put_collection", "target_of", "whole_state"]

PREFIX = "collection:"


def target_of(name: str) -> str:
    """Name a collection as the target of a change."""
    return f"{PREFIX}{name}"


def collection_row(session: Session, name: str) -> CollectionRow | None:
    """Give a collection's row."""
    return session.scalars(select(CollectionRow).where(CollectionRow.name == name)).first()


def items_of(row: CollectionRow) -> Select[CollectionItemRow]:
    """Choose a collection's items in their order."""
    mine = CollectionItemRow.collection_id == row.id
    return select(CollectionItemRow).where(mine).order_by(CollectionItemRow.position, CollectionItemRow.sound_id)


def collection_state(session: Session, name: str, sounds: Sequence[str] = ()) -> dict[str, Any]:
    """Give whether a collection exists, what it searches for, and where some sounds are in it."""
    row = collection_row(session, name)
    if row is None:
        return {"exists": False, "query": None, "sounds": list(sounds), "positions": [None] * len(sounds)}
    found = {item.sound_id: item.position for item in session.scalars(items_of(row))}
    positions = [found.get(sound_id) for sound_id in sounds]
    made = row.created_at.isoformat()
    return {"exists": True, "query": row.query, "made": made, "sounds": list(sounds), "positions": positions}


def whole_state(session: Session, name: str) -> dict[str, Any]:
    """Give all of a collection."""
    row = collection_row(session, name)
    sounds = [] if row is None else [item.sound_id for item in session.scalars(items_of(row))]
    return collection_state(session, name, sounds)


def put_collection(session: Session, name: str, state: Mapping[str, Any]) -> None:
    """Bring a collection, or some sounds' places in it, back to a state that the history has kept.

    Raises
    ------
    CatalogError
        If others have changed it so that this cannot be; nothing is changed then.
    """
    row = collection_row(session, name)
    wanted = dict(zip(state.get("sounds", ()), state.get("positions", ()), strict=True))
    if row is None:
        if not state["exists"]:
            return
        made = datetime.fromisoformat(state["made"]) if "made" in state else utc_now()
        row = CollectionRow(name=name, created_at=made)
        session.add(row)
    if state["exists"] and "query" in state:
        row.query = state["query"]
    session.flush()
    for part in chunks(wanted):
        _mine = CollectionItemRow.collection_id == row.id
        session.execute(delete(CollectionItemRow).where(_mine, CollectionItemRow.sound_id.in_(part)))
    touch(session, wanted)
    left = {item.position: item.sound_id for item in session.scalars(items_of(row))}
    if not state["exists"]:
        if left:
            raise CatalogError(f"the collection {shorten(name)!r} holds other sounds by now")
        session.delete(row)
        session.flush()
        return
    if any(position in left for position in wanted.values() if position is not None):
        raise CatalogError(f"other sounds have taken their places in the collection {shorten(name)!r}")
    session.add_all(
        CollectionItemRow(collection_id=row.id, sound_id=sound_id, position=position)
        for sound_id, position in wanted.items()
        if position is not None
    )
    session.flush()
