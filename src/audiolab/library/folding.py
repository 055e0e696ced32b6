"""Folding: from a record to rows. One transaction a job; folding twice, or by two processes, changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from audiolab.audio import Render
from audiolab.errors import CatalogError, ParameterError
from audiolab.library.derived import FACTS_OF, chunks, latest_of, refresh_current, refresh_facts, refresh_labels
from audiolab.library.ids import derived_id, set_id, view_id
from audiolab.library.media import MediaStore
from audiolab.library.models import DocumentRow, ResultRow, SetItemRow, SetRow, SoundRow, TagRow, VectorRow
from audiolab.library.records import Record
from audiolab.library.store import Store, touch
from audiolab.library.vectors import mark_written

__all__ = ["choose", "fold", "fold_again", "put", "reuse"]

_TICK = timedelta(microseconds=1)


def fold(store: Store, media: MediaStore, record: Record, *, catching_up: bool = False) -> bool:
    """Write what a job left into the catalog.

    Parameters
    ----------
    store, media : Store, MediaStore
        The library's.
    record : Record
        What the worker left; its media must be stored already.
    catching_up : bool
        Keep the record's own place in time. Otherwise what is folded now counts as the newest of its stage,
        even if a clock went backwards in between.

    Returns
    -------
    bool
        False if the catalog had it already.

    Raises
    ------
    CatalogError
        If the sound, the set or a media file is missing, or the record contradicts itself; nothing is changed then.
    """
    _check(record, media)
    with store.transaction() as session:
        known = session.get(ResultRow, record.key)
        if known is not None and (known.sound_id, known.set_id) != (record.sound_id, record.set_id):
            raise CatalogError(
                f"the result key {record.key[:12]}… ({record.stage}) is taken by another sound of equal content; "
                "result keys must name the sounds by their ids"
            )
        if known is not None and known.made_at >= record.made_at:
            return False
        used_at = record.made_at if catching_up else _newest(session, record, record.made_at)
        _apply(session, media, record, used_at)
    return True


def fold_again(store: Store, media: MediaStore, record: Record) -> bool:
    """Write the rows of a known result again, in its own place in time; gives False if the catalog has it not."""
    _check(record, media)
    with store.transaction() as session:
        known = session.get(ResultRow, record.key)
        if known is None:
            return False
        _apply(session, media, record, known.used_at)
    return True


def reuse(store: Store, media: MediaStore, key: str, record: Record | None) -> bool:
    """Let a known result count as the newest of its stage again; gives False if it does already.

    `record` may be None if its file is lost; a model's tags then stay as they are.
    """
    with store.transaction() as session:
        return choose(session, media, key, record)


def choose(session: Session, media: MediaStore, key: str, record: Record | None) -> bool:
    """Do what `reuse` says within a transaction."""
    if record is not None:
        _check(record, media)
    row = session.get(ResultRow, key)
    if row is None:
        raise CatalogError(f"there is no result {key[:12]}… in the library")
    if _counts(session, row):
        return False
    if record is not None:
        _apply(session, media, record, _newest(session, record, row.used_at))
    else:
        row.used_at = _newest(session, row, row.used_at)
        made = session.get(SetRow, set_id(key))
        if made is not None:
            made.used_at = row.used_at
        refresh_facts(session, [session.get_one(SoundRow, row.sound_id)])
        refresh_current(session, row.sound_id)
    return True


def put(session: Session, media: MediaStore, record: Record) -> None:
    """Write a record's rows within a transaction; it counts as the newest of its stage."""
    _check(record, media)
    _apply(session, media, record, _newest(session, record, record.made_at))


def _check(record: Record, media: MediaStore) -> None:
    for made in record.sounds:
        if made.id != derived_id(record.key, made.name):
            raise CatalogError(f"the record {record.key[:12]}… is damaged: the id of {made.name!r} does not fit")
    for cut in record.cuts or ():
        if cut.stop <= cut.start or cut.id != view_id(record.sound_id, cut.start, cut.stop):
            raise CatalogError(
                f"the record {record.key[:12]}… is damaged: the cut {cut.start} to {cut.stop} does not fit"
            )
        try:
            Render.from_dict(cut.facts.get("render"))
        except (ParameterError, TypeError) as error:
            raise CatalogError(f"the record {record.key[:12]}… is damaged: {error}") from error
    for found in record.media:
        if not media.exists(found):
            raise CatalogError(f"the record {record.key[:12]}… names the media {found[:12]}…, which is missing")


def _counts(session: Session, row: ResultRow) -> bool:
    latest = latest_of(session, row.sound_id, row.stage)
    made = session.get(SetRow, set_id(row.key))
    return latest is not None and latest.key == row.key and (made is None or made.superseded_by is None)


def _newest(session: Session, row: Record | ResultRow, at: datetime) -> datetime:
    """Give a time after everything that this result competes with, `at` if possible."""
    key = row.key
    rivals = select(func.max(ResultRow.used_at)).where(
        ResultRow.sound_id == row.sound_id, ResultRow.stage == row.stage, ResultRow.key != key
    )
    sets = select(func.max(SetRow.used_at)).where(SetRow.parent_id == row.sound_id, SetRow.result_key != key)
    times = [found for found in (session.scalar(rivals), session.scalar(sets)) if found is not None]
    return max([at, *(found + _TICK for found in times)])


def _apply(session: Session, media: MediaStore, record: Record, used_at: datetime) -> None:
    sound = session.get(SoundRow, record.sound_id)
    if sound is None:
        raise CatalogError(f"the record {record.key[:12]}… ({record.stage}) is of a sound that the library has not")
    if record.set_id is not None and session.get(SetRow, record.set_id) is None:
        raise CatalogError(
            f"the record {record.key[:12]}… ({record.stage}) is of a sample set that the library has not"
        )
    _put_result(session, record, used_at)
    touched = {sound.id: sound}
    for made in _put_sounds(session, media, record, sound):
        touched[made.id] = made
    if record.cuts is not None:
        for made in _put_cuts(session, record, sound, used_at):
            touched[made.id] = made
    for known in _put_each(session, record, used_at):
        touched[known.id] = known
    _put_vectors(session, media, record)
    tagged = _put_tags(session, record, sound, used_at)
    refresh_facts(session, touched.values())
    refresh_labels(session, tagged)
    if record.sounds or record.cuts is not None:
        refresh_current(session, sound.id)


def _put_result(session: Session, record: Record, used_at: datetime) -> None:
    session.merge(
        ResultRow(
            key=record.key,
            stage=record.stage,
            version=record.version,
            params=record.params,
            engine=record.engine,
            weights=record.weights,
            profile=record.profile,
            notes=list(record.notes),
            sound_id=record.sound_id,
            set_id=record.set_id,
            document=record.document,
            facts=record.facts,
            needs=record.needs,
            media=record.media,
            seconds=record.seconds,
            made_at=record.made_at,
            used_at=used_at,
            run_id=record.run,
        )
    )
    session.flush()


def _put_sounds(session: Session, media: MediaStore, record: Record, parent: SoundRow) -> list[SoundRow]:
    sounds = _Sounds(session, (made.id for made in record.sounds), record.made_at)
    for made in record.sounds:
        values = {
            **made.model_dump(include={"id", "kind", "stem", "content_id", "media", "suffix", "format", "subtype"}),
            "sample_rate": made.sample_rate,
            "channels": made.channels,
            "frames": made.frames,
            "name": made.name,
            "size": media.size(made.media),
            "parent_id": parent.id,
            "song_id": _song_of(parent),
            "made_facts": made.facts,
            "result_key": record.key,
            "duration": made.frames / made.sample_rate,
        }
        sounds.put(values)
    session.flush()
    return list(sounds.rows.values())


def _put_cuts(session: Session, record: Record, parent: SoundRow, used_at: datetime) -> list[SoundRow]:
    assert record.cuts is not None
    beyond = next((cut for cut in record.cuts if cut.stop > parent.frames), None)
    if beyond is not None:
        raise CatalogError(
            f"the record {record.key[:12]}… is damaged: a cut ends at frame {beyond.stop} "
            f"of a sound of {parent.frames} frames"
        )
    identity = set_id(record.key)
    session.merge(SetRow(id=identity, parent_id=parent.id, result_key=record.key, facts=record.facts, used_at=used_at))
    session.flush()
    session.execute(delete(SetItemRow).where(SetItemRow.set_id == identity))
    sounds = _Sounds(session, (cut.id for cut in record.cuts), record.made_at)
    for cut in record.cuts:
        values = {
            "id": cut.id,
            "kind": "sample",
            "name": f"{parent.name} @{cut.start / parent.sample_rate:.3f}",
            "stem": parent.stem,
            "sample_rate": parent.sample_rate,
            "channels": parent.channels,
            "frames": cut.stop - cut.start,
            "start": cut.start,
            "stop": cut.stop,
            "parent_id": parent.id,
            "song_id": _song_of(parent),
            "set_id": identity,
            "made_facts": {name: value for name, value in cut.facts.items() if name != "render"},
            "render": cut.facts.get("render") or None,
            "result_key": record.key,
            "duration": (cut.stop - cut.start) / parent.sample_rate,
        }
        sounds.put(values)
    session.flush()
    session.add_all(
        SetItemRow(set_id=identity, position=position, sound_id=cut.id) for position, cut in enumerate(record.cuts)
    )
    session.flush()
    return list(sounds.rows.values())


class _Sounds:
    """Rows to insert or change; known ones are looked up all at once."""

    def __init__(self, session: Session, ids: Iterable[str], added_at: datetime) -> None:
        self._session, self._added_at = session, added_at
        listed = list(ids)
        self.rows: dict[str, SoundRow] = {}
        for part in chunks(listed):
            self.rows.update({row.id: row for row in session.scalars(select(SoundRow).where(SoundRow.id.in_(part)))})
        self.names = _renames(session, listed)

    def put(self, values: Mapping[str, Any]) -> SoundRow:
        """Insert or change one; a name that a person gave stays."""
        values = {**values, "name": self.names.get(values["id"], values["name"])}
        row = self.rows.get(values["id"])
        if row is None:
            row = SoundRow(**values, added_at=self._added_at, facts={}, current=True)
            self.rows[row.id] = row
            self._session.add(row)
        else:
            by_hand = row.start is not None and row.result_key is None
            for column, value in values.items():
                if by_hand and column == "result_key":
                    continue  # a person cut it before: it stays when this set is superseded
                if getattr(row, column) != value:
                    setattr(row, column, value)
        return row


def _renames(session: Session, ids: list[str]) -> dict[str, str]:
    """Names that people gave: a sound that is made again keeps its own."""
    names: dict[str, str] = {}
    for part in chunks(ids):
        found = select(DocumentRow.sound_id, DocumentRow.body).where(
            DocumentRow.sound_id.in_(part), DocumentRow.kind == "name"
        )
        names.update({sound_id: body["name"] for sound_id, body in session.execute(found)})
    return names


def _song_of(parent: SoundRow) -> str | None:
    return parent.id if parent.kind == "song" else parent.song_id


def _units(session: Session, record: Record) -> list[str]:
    if record.set_id is None:
        return [record.sound_id]
    items = select(SetItemRow.sound_id).where(SetItemRow.set_id == record.set_id).order_by(SetItemRow.position)
    return list(dict.fromkeys(session.scalars(items)))


def _put_tags(session: Session, record: Record, sound: SoundRow, used_at: datetime) -> list[str]:
    """Replace the tags that this stage gave to the job's sounds; people's and other stages' tags stay."""
    before: dict[str, datetime] = {}
    units = _units(session, record)
    for ids in chunks(units):
        mine = (TagRow.sound_id.in_(ids), TagRow.source == "model", TagRow.stage == record.stage)
        newest = select(TagRow.sound_id, func.max(TagRow.created_at)).where(*mine).group_by(TagRow.sound_id)
        before.update({row[0]: row[1] for row in session.execute(newest)})
    stale = [unit for unit in units if unit not in before or before[unit] <= used_at]
    for ids in chunks(stale):
        touch(session, ids)
        session.execute(
            delete(TagRow).where(TagRow.sound_id.in_(ids), TagRow.source == "model", TagRow.stage == record.stage)
        )
    wanted, best = set(stale), defaultdict[str, dict[str, TagRow]](dict)
    for tag in record.tags:
        if tag.sound_id not in units:
            raise CatalogError(f"the record {record.key[:12]}… is damaged: a tag is of a sound outside the job")
        if tag.sound_id in wanted:
            best[tag.sound_id][tag.label] = TagRow(
                sound_id=tag.sound_id,
                source="model",
                stage=record.stage,
                label=tag.label,
                confidence=tag.confidence,
                model=":".join(filter(None, (f"{record.engine}@{record.version}", (record.weights or "")[:16]))),
                top=[list(pair) for pair in tag.top],
                result_key=record.key,
                created_at=used_at,
            )
    session.add_all(row for rows in best.values() for row in rows.values())
    return stale


def _put_each(session: Session, record: Record, used_at: datetime) -> list[SoundRow]:
    """Keep what this stage found about single sounds of the set, unless a newer result has said more; give them."""
    if not record.each:
        return []
    ids = [found.sound_id for found in record.each]
    if not set(_units(session, record)).issuperset(ids):
        raise CatalogError(f"the record {record.key[:12]}… is damaged: it has facts of a sound outside the job")
    kind = f"{FACTS_OF}{record.stage}"
    known: dict[str, DocumentRow] = {}
    for part in chunks(ids):
        of_mine = select(DocumentRow).where(DocumentRow.sound_id.in_(part), DocumentRow.kind == kind)
        known.update({row.sound_id: row for row in session.scalars(of_mine)})
    for found in record.each:
        row = known.get(found.sound_id)
        if row is None:
            row = known[found.sound_id] = DocumentRow(sound_id=found.sound_id, kind=kind)
            session.add(row)
        elif row.updated_at > used_at:
            continue
        row.body, row.source, row.updated_at = dict(found.facts), "model", used_at
    session.flush()
    rows: list[SoundRow] = []
    for part in chunks(ids):
        rows += session.scalars(select(SoundRow).where(SoundRow.id.in_(part)))
    return rows


def _put_vectors(session: Session, media: MediaStore, record: Record) -> None:
    if record.vectors is None:
        return
    try:
        values = np.load(media.local(record.vectors.media), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CatalogError(f"the vectors of the record {record.key[:12]}… cannot be read: {error}") from error
    if values.ndim != 2 or len(values) != len(record.vectors.sound_ids) or values.dtype.kind != "f":
        raise CatalogError(
            f"the vectors of the record {record.key[:12]}… have the shape {values.shape} ({values.dtype}) "
            f"for {len(record.vectors.sound_ids)} sounds"
        )
    encoder, ids = record.vectors.encoder, record.vectors.sound_ids
    known = set(_units(session, record))
    if not known.issuperset(ids):
        raise CatalogError(f"the record {record.key[:12]}… is damaged: a vector is of a sound outside the job")
    for part in chunks(ids):
        session.execute(delete(VectorRow).where(VectorRow.sound_id.in_(part), VectorRow.encoder == encoder))
    vectors = dict(zip(ids, values.astype("<f4"), strict=True))
    session.add_all(VectorRow(sound_id=i, encoder=encoder, data=vector.tobytes()) for i, vector in vectors.items())
    mark_written(session, record.key)
