"""Many results of a stage at once, in the place of those that counted: one action, with a way back.

The new results are records like any other, so derived rows can be made anew from them. What an action did is kept in
the history as pairs of keys: before and after.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library import folding
from audiolab.library.derived import chunks
from audiolab.library.models import ResultRow, SetItemRow, VectorRow
from audiolab.library.ops import begin_group, note
from audiolab.library.records import Record
from audiolab.library.scratch import scratch_folder

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["RETAG", "Counting", "all_vectors", "counting_results", "newest_key", "replace_results"]

RETAG = "retag"
"""The kind of change in the history."""


@dataclass(frozen=True, slots=True)
class Counting:
    """A result that counts for its unit: a sound, or a sample set."""

    key: str
    sound_id: str
    set_id: str | None
    version: int
    params: dict[str, Any]
    weights: str | None
    needs: dict[str, Any]
    document: dict[str, Any]
    sounds: tuple[str, ...]


def counting_results(session: Session, stage: str) -> list[Counting]:
    """Give the newest result of a stage on each unit, the oldest first."""
    columns = (ResultRow.key, ResultRow.sound_id, ResultRow.set_id, ResultRow.used_at)
    newest: dict[tuple[str, str | None], tuple[Any, str]] = {}
    for key, sound_id, set_id, used_at in session.execute(select(*columns).where(ResultRow.stage == stage)):
        unit = (sound_id, set_id)
        newest[unit] = max(newest.get(unit, (used_at, key)), (used_at, key))
    keys = [key for _, key in sorted(newest.values())]
    rows: dict[str, ResultRow] = {}
    for part in chunks(keys):
        rows.update({row.key: row for row in session.scalars(select(ResultRow).where(ResultRow.key.in_(part)))})
    members = _members(session, [row.set_id for row in rows.values() if row.set_id is not None])
    return [
        Counting(
            row.key, row.sound_id, row.set_id, row.version, dict(row.params), row.weights, dict(row.needs),
            dict(row.document), (row.sound_id,) if row.set_id is None else members[row.set_id],
        )
        for row in (rows[key] for key in keys)
    ]  # fmt: skip


def _members(session: Session, sets: Sequence[str]) -> defaultdict[str, tuple[str, ...]]:
    found: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    columns = (SetItemRow.set_id, SetItemRow.position, SetItemRow.sound_id)
    for part in chunks(sets):
        for set_id, position, sound_id in session.execute(select(*columns).where(SetItemRow.set_id.in_(part))):
            found[set_id].append((position, sound_id))
    return defaultdict(tuple, {name: tuple(sound_id for _, sound_id in sorted(items)) for name, items in found.items()})


def all_vectors(session: Session, encoder: str) -> tuple[dict[str, int], NDArray[np.float32]]:
    """Give all embeddings of an encoder, of shown sounds or not: the row of each sound, and the rows."""
    rows = session.execute(select(VectorRow.sound_id, VectorRow.data).where(VectorRow.encoder == encoder)).all()
    if not rows:
        return {}, np.zeros((0, 0), np.float32)
    joined = np.frombuffer(b"".join(data for _, data in rows), "<f4")
    return {row[0]: number for number, row in enumerate(rows)}, joined.reshape(len(rows), -1).astype(np.float32)


def newest_key(session: Session, key: str) -> str | None:
    """Give the key of the result that counts in the place where this one was made; None if it is unknown."""
    row = session.get(ResultRow, key)
    if row is None:
        return None
    mine = ResultRow.set_id.is_(None) if row.set_id is None else ResultRow.set_id == row.set_id
    same = select(ResultRow.key).where(ResultRow.sound_id == row.sound_id, ResultRow.stage == row.stage, mine)
    return session.scalar(same.order_by(ResultRow.used_at.desc(), ResultRow.key.desc()).limit(1))


def replace_results(library: Library, records: Iterator[tuple[str, Record]], actor: str) -> tuple[str, int]:
    """Let new results count in the place of others, all of them or none; give the action's group and their number.

    Parameters
    ----------
    records : iterator of (str, Record)
        The key of the result that counted, and the new one. One whose key is known already is chosen again.
    """
    with scratch_folder(library.tmp_dir, RETAG) as folder:
        staged: list[tuple[Path, Path]] = []
        with library.store.transaction() as session:
            group, count = begin_group(session), 0
            for before, record in records:
                if newest_key(session, before) != before:
                    raise CatalogError(
                        f"the result {before[:12]}… does not count any more: somebody ran {record.stage} meanwhile; "
                        "look again"
                    )
                place = library.record_path(record.key)
                known = session.get(ResultRow, record.key) is not None
                if known and place.exists():
                    record = Record.read(place)
                else:
                    staged.append((record.write(folder / place.name), place))
                folding.put(session, library.media, record)
                note(session, actor, RETAG, record.sound_id, before={"key": before}, after={"key": record.key})
                session.flush()
                count += 1
        # After the commit: were they killed in between, `fsck --repair` writes the records anew from the rows.
        for written, place in staged:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(written, place)
            if library.remote is not None:
                library.remote.write(Record.read(place))
    return group, count
