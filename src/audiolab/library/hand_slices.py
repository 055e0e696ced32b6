"""Slices that people cut, move, split and take away.

A slice cut by hand is a view like any other: its id follows from parent, start and stop. What tells it from a run's
is a document of the kind `cut`: with it a slice belongs to no sample set, and no newer set hides it. To move a slice
is to cut another one, carry over what people said, and put the old one into the trash; so moving has a way back, and
a run that cuts the old place again does not bring it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.carrying import carry
from audiolab.library.clock import utc_now
from audiolab.library.derived import BY_HAND, refresh_facts, refresh_labels
from audiolab.library.ids import view_id
from audiolab.library.models import DocumentRow, SoundRow
from audiolab.library.ops import note
from audiolab.library.overlaying import overlay, require, write_document
from audiolab.library.text import clean_json, shorten
from audiolab.library.trash import bury, restore_rows

__all__ = ["hand_slices", "move_slice", "put_slice", "remove_slices", "split_slice"]


def put_slice(
    session: Session, actor: str, parent_id: str, start: int, stop: int, *, facts: Mapping[str, Any] | None = None
) -> SoundRow:
    """Cut a sample out of a sound by hand; give its row.

    Where the same frames were cut before, that sample is taken (out of the trash, if need be) and kept from now on.

    Parameters
    ----------
    parent_id : str
        The sound; of a sample that is itself a view, the sound that it lies in is cut.
    start, stop : int
        First frame, and the one after the last.
    facts : mapping, optional
        What is known about it, such as `{"word": "love"}`.

    Raises
    ------
    ParameterError
        If the span is empty or lies outside the sound.
    CatalogError
        If the sound is unknown or in the trash.
    """
    parent, offset = _root(session, parent_id)
    return _cut(session, actor, parent, start + offset, stop + offset, facts=facts)


def move_slice(session: Session, actor: str, sound_id: str, start: int, stop: int) -> str:
    """Move the edges of a slice; give the id of the slice that stands there now.

    People's and imports' words, its name, rating and note, and its places in collections go with it; what models said
    only if at least half of all frames are the same, since they have not heard the others.

    Parameters
    ----------
    start, stop : int
        Frames in its parent.

    Raises
    ------
    ParameterError
        If the span is empty or lies outside the sound.
    CatalogError
        If this is no slice, it is in the trash, or there is another slice at these very frames.
    """
    old, parent = _slice(session, sound_id)
    if (old.start, old.stop) == (start, stop):
        return old.id
    _check(parent, start, stop)
    there = session.get(SoundRow, view_id(parent.id, start, stop))
    if there is not None and there.deleted_at is None:
        raise CatalogError(f"there is a slice at these frames already: {shorten(there.name)!r}; nothing was changed")
    new = _cut(session, actor, parent, start, stop, moved_from=old.id)
    carry(session, actor, old, new)
    _put_away(session, actor, old)
    return new.id


def split_slice(session: Session, actor: str, sound_id: str, at: int) -> tuple[str, str]:
    """Split a slice in two; give their ids. What was said of it stays with the first, which begins where it began.

    Parameters
    ----------
    at : int
        First frame of the second, in the parent.
    """
    old, parent = _slice(session, sound_id)
    assert old.start is not None
    assert old.stop is not None
    if not old.start < at < old.stop:
        raise ParameterError(
            f"a slice is split between its edges, frames {old.start} and {old.stop}, not at frame {at}"
        )
    first = _cut(session, actor, parent, old.start, at, moved_from=old.id)
    second = _cut(session, actor, parent, at, old.stop)
    carry(session, actor, old, first)
    _put_away(session, actor, old)
    return first.id, second.id


def remove_slices(session: Session, actor: str, sound_ids: Iterable[str]) -> int:
    """Put slices into the trash; a run that cuts the same frames again does not bring them back. Gives their number."""
    rows = [_slice(session, sound_id)[0] for sound_id in dict.fromkeys(sound_ids)]
    for row in rows:
        _put_away(session, actor, row)
    return len(rows)


def hand_slices(session: Session, parent_id: str) -> list[SoundRow]:
    """Give the slices of a sound that people cut or moved, in order of time, without those in the trash."""
    rows = (
        select(SoundRow)
        .join(DocumentRow, (DocumentRow.sound_id == SoundRow.id) & (DocumentRow.kind == BY_HAND))
        .where(SoundRow.parent_id == parent_id, SoundRow.start.is_not(None), SoundRow.deleted_at.is_(None))
    )
    return list(session.scalars(rows.order_by(SoundRow.start, SoundRow.stop)))


def _root(session: Session, sound_id: str) -> tuple[SoundRow, int]:
    """Give the sound to cut, and where in it the one asked for begins: slices of slices lie in what those lie in."""
    row, offset = require(session, sound_id), 0
    while row.start is not None and row.parent_id is not None:
        offset += row.start
        row = require(session, row.parent_id)
    return row, offset


def _slice(session: Session, sound_id: str) -> tuple[SoundRow, SoundRow]:
    row = require(session, sound_id)
    if row.start is None or row.parent_id is None:
        raise CatalogError(f"{shorten(row.name)!r} is a file of its own, not a slice of another sound")
    if row.deleted_at is not None:
        raise CatalogError(f"{shorten(row.name)!r} is in the trash; restore it first")
    return row, require(session, row.parent_id)


def _check(parent: SoundRow, start: int, stop: int) -> None:
    if not 0 <= start < stop <= parent.frames:
        raise ParameterError(
            f"{shorten(parent.name)!r} has {parent.frames} frames ({parent.frames / parent.sample_rate:.3f} s): frames "
            f"{start} to {stop} are no part of it: were seconds passed, or an edge moved over the other?"
        )


def _cut(
    session: Session,
    actor: str,
    parent: SoundRow,
    start: int,
    stop: int,
    *,
    moved_from: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> SoundRow:
    """Give the slice of these frames, as one by hand: a new one, or the one that was cut there before."""
    _check(parent, start, stop)
    if parent.deleted_at is not None:
        raise CatalogError(f"{shorten(parent.name)!r} is in the trash; restore it first")
    body: dict[str, Any] = {"by": actor} | ({"moved_from": moved_from} if moved_from else {})
    row = session.get(SoundRow, view_id(parent.id, start, stop))
    if row is None:
        row = _new_row(parent, start, stop, facts or {})
        session.add(row)
        session.flush()
        note(session, actor, "add", row.id, after={"kind": "sample", "parent": parent.id, "start": start, "stop": stop})
        write_document(session, row.id, BY_HAND, body)
    else:
        if row.deleted_at is not None:
            restore_rows(session, actor, [row.id])
            session.refresh(row)
        before = overlay(session, row.id, BY_HAND)
        if before is None:
            write_document(session, row.id, BY_HAND, body)
            note(session, actor, BY_HAND, row.id, before={"body": None}, after={"body": body})
        row.current = parent.current
    refresh_facts(session, [row])
    refresh_labels(session, [row.id])
    return row


def _new_row(parent: SoundRow, start: int, stop: int, facts: Mapping[str, Any]) -> SoundRow:
    return SoundRow(
        id=view_id(parent.id, start, stop),
        kind="sample",
        name=f"{parent.name} @{start / parent.sample_rate:.3f}",
        stem=parent.stem,
        sample_rate=parent.sample_rate,
        channels=parent.channels,
        frames=stop - start,
        start=start,
        stop=stop,
        parent_id=parent.id,
        song_id=parent.id if parent.kind == "song" else parent.song_id,
        duration=(stop - start) / parent.sample_rate,
        facts={},
        made_facts=clean_json(dict(facts)),
        current=parent.current,
        added_at=utc_now(),
    )


def _put_away(session: Session, actor: str, row: SoundRow) -> None:
    """Put one slice into the trash, and leave what was made from it where it is."""
    made = session.scalars(select(SoundRow.id).where(SoundRow.parent_id == row.id)).all()
    bury(session, actor, row.id, spared=frozenset(made))
    session.expire(row, ["deleted_at"])
