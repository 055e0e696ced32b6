"""The trash: deleting hides a sound and what was made from it; restoring brings it all back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks
from audiolab.library.models import SoundRow
from audiolab.library.ops import note
from audiolab.library.overlaying import require
from audiolab.library.store import touch

__all__ = ["bury", "delete_rows", "family_of", "restore_rows"]

_TICK = timedelta(microseconds=1)


def delete_rows(session: Session, actor: str, sound_ids: Iterable[str]) -> int:
    """Put sounds and everything made from them into the trash; give the number of rows."""
    return sum(bury(session, actor, root) for root in _parents_first(session, sound_ids))


def bury(session: Session, actor: str, root: str, *, at: datetime | None = None, spared: Collection[str] = ()) -> int:
    """Put one sound with its family into the trash; give the number of rows, 0 if it is there already.

    Parameters
    ----------
    at : datetime, optional
        When it went; what went at the same moment comes back together. Default: now.
    spared : collection of str
        Ids that stay out of it.
    """
    if require(session, root).deleted_at is not None:
        return 0
    family = family_of(session, root)
    at = at or _moment(session, family)
    count = 0
    for ids in chunks(family):
        alive = session.scalars(select(SoundRow.id).where(SoundRow.id.in_(ids), SoundRow.deleted_at.is_(None)))
        going = [sound_id for sound_id in alive if sound_id not in spared]
        session.execute(update(SoundRow).where(SoundRow.id.in_(going)).values(deleted_at=at))
        touch(session, going)
        count += len(going)
    note(session, actor, "delete", root, before={"deleted": None}, after={"deleted": at.isoformat()})
    return count


def restore_rows(session: Session, actor: str, sound_ids: Iterable[str]) -> int:
    """Take sounds out of the trash, with what went in together with them; give the number of rows."""
    count = 0
    for root in _parents_first(session, sound_ids):
        row = require(session, root)
        if row.deleted_at is None:
            continue
        at, spared = row.deleted_at, []
        for ids in chunks(family_of(session, root)):
            family = session.execute(select(SoundRow.id, SoundRow.deleted_at).where(SoundRow.id.in_(ids))).all()
            back = [found.id for found in family if found.deleted_at == at]
            spared += [found.id for found in family if found.deleted_at is None]
            session.execute(update(SoundRow).where(SoundRow.id.in_(back)).values(deleted_at=None))
            touch(session, back)
            count += len(back)
        before = {"deleted": at.isoformat()} | ({"alive": sorted(spared)} if spared else {})
        note(session, actor, "restore", root, before=before, after={"deleted": None})
    return count


def family_of(session: Session, root: str) -> list[str]:
    """Give a sound's id and those of everything that was made or cut from it, nearest first."""
    family, todo = [root], [root]
    while todo:
        below: list[str] = []
        for ids in chunks(todo):
            below += session.scalars(select(SoundRow.id).where(SoundRow.parent_id.in_(ids)))
        family += below
        todo = below
    return family


def _parents_first(session: Session, sound_ids: Iterable[str]) -> list[str]:
    """Sort sounds so that none comes before what it was made from: they go and come back with that."""
    depths: dict[str, int] = {}
    for sound_id in dict.fromkeys(sound_ids):
        depth, row = 0, require(session, sound_id)
        while row.parent_id is not None:
            depth, row = depth + 1, require(session, row.parent_id)
        depths[sound_id] = depth
    return sorted(depths, key=lambda sound_id: depths[sound_id])


def _moment(session: Session, family: Iterable[str]) -> datetime:
    """Give a moment at which nothing of the family went: what went at one moment comes back together."""
    taken: set[datetime | None] = set()
    for ids in chunks(family):
        taken.update(session.scalars(select(SoundRow.deleted_at).where(SoundRow.id.in_(ids)).distinct()))
    now = utc_now()
    while now in taken:
        now += _TICK
    return now
