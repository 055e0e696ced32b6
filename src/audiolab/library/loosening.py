"""Repairing rows: references that lead nowhere are taken out, rows that cannot stay are written to lost+found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Table, delete, exists, select, tuple_, update
from sqlalchemy.orm import Session

from audiolab.library.cardrows import CardRow, CardWordRow
from audiolab.library.checking import LOOSE
from audiolab.library.collecting import items_of
from audiolab.library.derived import chunks
from audiolab.library.lostfound import LostAndFound
from audiolab.library.models import Base, CollectionRow, ResultRow, SetItemRow, SetRow, SoundRow

__all__ = ["loosen", "reorder", "take_out_rows"]

_DERIVED = {CardRow.__tablename__, CardWordRow.__tablename__}


def take_out_rows(session: Session, lost: LostAndFound) -> int:
    """Take out the rows whose foreign keys lead nowhere; sounds with a file of their own stay, without a parent."""
    count = 0
    while found := list(_violations(session)):
        for table, column, keys in found:
            if table.name == SoundRow.__tablename__:
                count += _let_go(session, lost, column.name, [key[0] for key in keys])
            else:
                count += _remove(session, lost, table, keys, f"{column.name} leads nowhere")
    return count


def _violations(session: Session) -> Iterator[tuple[Table, Column[Any], list[tuple[Any, ...]]]]:
    for table in Base.metadata.sorted_tables:
        if table.name in _DERIVED:
            continue
        for key in table.foreign_keys:
            other = key.column.table.alias()
            missing = ~exists().where(other.c[key.column.name] == key.parent)
            rows = session.execute(select(*table.primary_key.columns).where(key.parent.is_not(None), missing)).all()
            if rows:
                yield table, key.parent, [tuple(row) for row in rows]


def _let_go(session: Session, lost: LostAndFound, column: str, ids: list[str]) -> int:
    for part in chunks(ids):
        stays = SoundRow.media.is_not(None) if column == "parent_id" else SoundRow.id.is_not(None)
        session.execute(update(SoundRow).where(SoundRow.id.in_(part), stays).values({column: None}))
        gone = session.scalars(select(SoundRow.id).where(SoundRow.id.in_(part), ~stays)).all()
        for child in Base.metadata.sorted_tables:
            if child.name in _DERIVED or child.name == SoundRow.__tablename__:
                continue
            for key in child.foreign_keys:
                if key.column.table.name == SoundRow.__tablename__:
                    keys = session.execute(select(*child.primary_key.columns).where(key.parent.in_(gone))).all()
                    _remove(session, lost, child, [tuple(row) for row in keys], "its sound leads nowhere")
        below = session.scalars(select(SoundRow.id).where(SoundRow.parent_id.in_(gone))).all()
        if below:
            _let_go(session, lost, "parent_id", list(below))
        session.execute(update(SoundRow).where(SoundRow.song_id.in_(gone)).values(song_id=None))
        _remove(session, lost, SoundRow.__table__, [(sound_id,) for sound_id in gone], "it was cut from nothing")
    return len(ids)


def _remove(session: Session, lost: LostAndFound, table: Any, keys: list[tuple[Any, ...]], why: str) -> int:
    columns = list(table.primary_key.columns)
    for at in range(0, len(keys), 200):
        mine = tuple_(*columns).in_(keys[at : at + 200])
        rows = session.execute(select(table).where(mine)).mappings().all()
        if rows:
            lost.keep_rows(table.name, [dict(row) for row in rows], why)
            session.execute(delete(table).where(mine))
    return len(keys)


def loosen(session: Session) -> int:
    """Take out references that lead nowhere and that nothing depends on; gives their number."""
    count = 0
    for loose in LOOSE:
        if loose.column is ResultRow.set_id:
            continue  # without its set it would be taken for a result on the sound itself
        found = session.scalars(select(loose.of).where(loose.dangles())).all()
        if not found:
            continue
        count += len(set(found))
        value: Any = None
        if loose.column is SoundRow.set_id:
            newest = select(SetItemRow.set_id).join(SetRow, SetRow.id == SetItemRow.set_id)
            newest = newest.where(SetItemRow.sound_id == SoundRow.id).order_by(SetRow.used_at.desc(), SetRow.id.desc())
            value = newest.limit(1).correlate(SoundRow).scalar_subquery()
        rows = update(loose.column.class_).where(loose.dangles()).values({loose.column.key: value})
        session.execute(rows.execution_options(synchronize_session=False))
    return count


def reorder(session: Session, name: str) -> None:
    """Give each sound of a collection a place of its own, in the order in which they show."""
    row = session.scalars(select(CollectionRow).where(CollectionRow.name == name)).one()
    for position, item in enumerate(session.scalars(items_of(row)).all()):
        item.position = position
