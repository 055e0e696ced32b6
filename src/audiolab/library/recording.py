"""Writing a lost record again, from the rows that were made of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.derived import FACTS_OF, chunks
from audiolab.library.ids import derived_id, set_id
from audiolab.library.media import MediaStore
from audiolab.library.models import DocumentRow, OpRow, ResultRow, SetItemRow, SetRow, SoundRow, TagRow, VectorRow
from audiolab.library.records import Record

__all__ = ["record_of", "vectors_of"]


def record_of(session: Session, media: MediaStore, key: str) -> Record:
    """Give the record of a result as its rows tell it.

    Raises
    ------
    CatalogError
        If rows of it are missing or have changed since; the message says which.
    """
    row = session.get_one(ResultRow, key)
    units = _units(session, row)
    made = session.scalars(
        select(SoundRow).where(SoundRow.result_key == key, SoundRow.start.is_(None)).order_by(SoundRow.name)
    ).all()
    sounds = [_sound(session, key, sound) for sound in made]
    left = [str(found) for found in row.media if str(found) not in {sound["media"] for sound in sounds}]
    return Record(
        key=row.key,
        stage=row.stage,
        version=row.version,
        params=row.params,
        engine=row.engine,
        weights=row.weights,
        profile=row.profile,
        notes=tuple(map(str, row.notes)),
        seconds=row.seconds,
        made_at=row.made_at,
        run=row.run_id,
        sound_id=row.sound_id,
        set_id=row.set_id,
        needs=row.needs,
        document=row.document,
        facts=row.facts,
        each=_each(session, row, units),
        sounds=sounds,
        cuts=_cuts(session, key),
        tags=_tags(session, key),
        vectors=_vectors(session, media, row, units, left),
    )


def _units(session: Session, row: ResultRow) -> list[str]:
    if row.set_id is None:
        return [row.sound_id]
    items = select(SetItemRow.sound_id).where(SetItemRow.set_id == row.set_id).order_by(SetItemRow.position)
    return list(session.scalars(items))


def _sound(session: Session, key: str, row: SoundRow) -> dict[str, Any]:
    """Find the name that it was made with: its id follows from that."""
    names = [row.stem, row.name]
    renames = select(OpRow.before).where(OpRow.target == row.id, OpRow.what == "rename")
    names += [(before or {}).get("name") for before in session.scalars(renames)]
    name = next((name for name in names if name is not None and derived_id(key, name) == row.id), None)
    if name is None:
        raise CatalogError(f"the name that {row.name!r} was made with is not known")
    columns = ("id", "media", "suffix", "content_id", "kind", "stem", "sample_rate", "channels", "frames", "format")
    return {
        **{column: getattr(row, column) for column in columns},
        "name": name,
        "subtype": row.subtype,
        "facts": row.made_facts,
    }


def _cuts(session: Session, key: str) -> list[dict[str, Any]] | None:
    found = session.get(SetRow, set_id(key))
    if found is None:
        return None
    items = (
        select(SoundRow, SetItemRow.position)
        .join(SetItemRow, SetItemRow.sound_id == SoundRow.id)
        .where(SetItemRow.set_id == found.id)
        .order_by(SetItemRow.position)
    )
    rows = session.execute(items).all()
    if [row.position for row in rows] != list(range(len(rows))):
        raise CatalogError("samples of its set are missing")
    return [
        {
            "id": row.SoundRow.id,
            "start": row.SoundRow.start,
            "stop": row.SoundRow.stop,
            "facts": row.SoundRow.made_facts | ({"render": row.SoundRow.render} if row.SoundRow.render else {}),
        }
        for row in rows
    ]


def _tags(session: Session, key: str) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(TagRow).where(TagRow.result_key == key, TagRow.source == "model").order_by(TagRow.sound_id, TagRow.label)
    )
    return [
        {"sound_id": row.sound_id, "label": row.label, "confidence": row.confidence, "top": row.top or ()}
        for row in rows
    ]


def _each(session: Session, row: ResultRow, units: Iterable[str]) -> list[dict[str, Any]]:
    found = []
    for part in chunks(units):
        mine = select(DocumentRow).where(DocumentRow.sound_id.in_(part), DocumentRow.kind == f"{FACTS_OF}{row.stage}")
        for document in session.scalars(mine.where(DocumentRow.updated_at == row.used_at)):
            found.append({"sound_id": document.sound_id, "facts": document.body})
    return found


def _vectors(
    session: Session, media: MediaStore, row: ResultRow, units: list[str], left: list[str]
) -> dict[str, Any] | None:
    """Find out whose vectors a file holds: those in the catalog are the same."""
    if not left:
        return None
    if len(left) > 1 or not media.exists(left[0]):
        raise CatalogError("the file of its vectors is missing")
    values = np.load(media.local(left[0]), allow_pickle=False).astype("<f4")
    ids = list(dict.fromkeys(units))
    encoders: set[str] = set()
    for part in chunks(ids):
        encoders.update(session.scalars(select(VectorRow.encoder).where(VectorRow.sound_id.in_(part)).distinct()))
    for encoder in sorted(encoders):
        rows = vectors_of(session, encoder, ids)
        if rows is not None and rows.shape == values.shape and np.array_equal(rows, values):
            return {"encoder": encoder, "media": left[0], "sound_ids": ids}
    raise CatalogError("the vectors in the catalog are newer ones")


def vectors_of(session: Session, encoder: str, ids: list[str]) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """Give the vectors of some sounds, in order; None if one has none."""
    found: dict[str, bytes] = {}
    for part in chunks(ids):
        rows = select(VectorRow.sound_id, VectorRow.data).where(
            VectorRow.sound_id.in_(part), VectorRow.encoder == encoder
        )
        found.update(session.execute(rows).all())
    if not ids or any(sound_id not in found for sound_id in ids):
        return None
    joined = np.frombuffer(b"".join(found[sound_id] for sound_id in ids), "<f4")
    return joined.reshape(len(ids), -1)
