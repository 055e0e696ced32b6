"""The trash: deleting hides a sound and what was made from it; restoring brings it all back."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks
from audiolab.library.models import SoundRow
from audiolab.library.ops import note
from audiolab.library.overlaying import require
from audiolab.library.store import touch

__all__ = ["delete_rows", "restore_rows"]


def delete_rows(session: Session, actor: str, sound_ids: Iterable[str]) -> int:
    """Put sounds and everything made from them into the trash; give the number of rows."""
    now, count = utc_now(), 0
    for root in dict.fromkeys(sound_ids):
        row = require(session, root)
        if row.deleted_at is not None:
            continue
        for ids in chunks(_family(session, root)):
            alive = session.scalars(
                select(SoundRow.id).where(SoundRow.id.in_(ids), SoundRow.deleted_at.is_(None))
            ).all()
            session.execute(update(SoundRow).where(SoundRow.id.in_(alive)).values(deleted_at=now))
            touch(session, alive)
            count += len(alive)
        note(session, actor, "delete", root)
    return count


def restore_rows(session: Session, actor: str, sound_ids: Iterable[str]) -> int:
    """Take sounds out of the trash, with what went in together with them; give the number of rows."""
    count = 0
    for root in dict.fromkeys(sound_ids):
        row = require(session, root)
        if row.deleted_at is None:
            continue
        at = row.deleted_at
        for ids in chunks(_family(session, root)):
            together = select(SoundRow.id).where(SoundRow.id.in_(ids), SoundRow.deleted_at == at)
            back = session.scalars(together).all()
            session.execute(update(SoundRow).where(SoundRow.id.in_(back)).values(deleted_at=None))
            touch(session, back)
            count += len(back)
        note(session, actor, "restore", root)
    return count


def _family(session: Session, root: str) -> list[str]:
    family, todo = [root], [root]
    while todo:
        below: list[str] = []
        for ids in chunks(todo):
            below += session.scalars(select(SoundRow.id).where(SoundRow.parent_id.in_(ids)))
        family += below
        todo = below
    return family
