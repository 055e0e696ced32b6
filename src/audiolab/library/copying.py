"""Copying a catalog, row by row, from any database to any other: backups, and moving between SQLite and PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library import cards
from audiolab.library.cardrows import CardRow, CardWordRow
from audiolab.library.derived import chunks
from audiolab.library.models import Base, SoundRow
from audiolab.library.store import Store

__all__ = ["copy_catalog"]

_DERIVED = {CardRow.__tablename__, CardWordRow.__tablename__}
"""Tables that are made anew instead."""
_BATCH = 1000


def copy_catalog(source: Store, target: Store, *, progress: Callable[[float, float], None] | None = None) -> int:
    """Copy all rows of a catalog into an empty one, as they were at one moment; give their number.

    Parameters
    ----------
    source, target : Store
        On SQLite or PostgreSQL, in any combination.
    progress : callable, optional
        Gets (rows done, rows in all).

    Raises
    ------
    CatalogError
        If the target holds sounds already; nothing is changed then.
    """
    tables = [table for table in Base.metadata.sorted_tables if table.name not in _DERIVED]
    with source.transaction(write=False) as read, target.transaction() as write:
        if write.scalar(select(func.count()).select_from(SoundRow)):
            raise CatalogError(f"{target.where!r} holds sounds already; give an empty database")
        total = sum(read.scalar(select(func.count()).select_from(table)) or 0 for table in tables)
        for table in reversed(tables):
            write.execute(table.delete())
        done = 0
        for table in tables:
            for rows in _batches(read, table):
                write.execute(insert(table), rows)
                done += len(rows)
                if progress is not None:
                    progress(done, total)
            _set_sequence(write, table)
        cards.rebuild(write)
    return done


def _batches(session: Session, table: Table) -> Any:
    if table.name == SoundRow.__tablename__:
        for level in _levels(session):
            for part in chunks(level):
                yield _rows(session, table, table.c.id.in_(part))
        return
    keys = list(table.primary_key.columns)
    found = session.execute(select(table).order_by(*keys)).mappings()
    while rows := [dict(row) for row in found.fetchmany(_BATCH)]:
        yield rows


def _rows(session: Session, table: Table, condition: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in session.execute(select(table).where(condition)).mappings()]


def _levels(session: Session) -> Sequence[list[str]]:
    """Sort sounds so that none comes before what it was made from or the song that it belongs to."""
    above = {
        row.id: {found for found in (row.parent_id, row.song_id) if found is not None and found != row.id}
        for row in session.execute(select(SoundRow.id, SoundRow.parent_id, SoundRow.song_id).order_by(SoundRow.id))
    }
    depths: dict[str, int] = {}
    for start in above:
        path = [start]
        while path:
            sound_id = path[-1]
            missing = [found for found in above.get(sound_id, ()) if found not in depths]
            if missing and len(path) <= len(above):
                path.append(missing[0])
                continue
            depths[sound_id] = 1 + max(
                (depths[found] for found in above.get(sound_id, ()) if found in depths), default=0
            )
            path.pop()
    levels: defaultdict[int, list[str]] = defaultdict(list)
    for sound_id, depth in depths.items():
        levels[depth].append(sound_id)
    return [levels[depth] for depth in sorted(levels)]


def _set_sequence(session: Session, table: Table) -> None:
    """Let PostgreSQL go on counting after the numbers that were copied."""
    number = cast("Any", table.autoincrement_column)
    if session.get_bind().dialect.name != "postgresql" or number is None:
        return
    highest = session.scalar(select(func.max(number)))
    if highest is not None:
        sequence = text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)")
        session.execute(sequence, {"table": table.name, "column": number.name, "highest": highest})
