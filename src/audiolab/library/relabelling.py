"""One label in the place of another: what a person says last of a sound, without the words before it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.derived import refresh_labels
from audiolab.library.models import TagRow
from audiolab.library.ops import note
from audiolab.library.overlaying import require
from audiolab.library.tags import add_tags, human_tag

__all__ = ["relabel", "unlabel"]


def relabel(session: Session, actor: str, sound_ids: Iterable[str], label: str) -> None:
    """Let people have said one label of sounds, and no other; free words and what was denied stay."""
    ids = list(dict.fromkeys(sound_ids))
    unlabel(session, actor, ids, but=label.strip())
    add_tags(session, actor, ids, label, role="label")


def unlabel(session: Session, actor: str, sound_ids: Iterable[str], *, but: str | None = None) -> int:
    """Take away the labels that people gave; unlike `remove_tags` nothing is denied. Gives how many went."""
    gone = 0
    ids = list(dict.fromkeys(sound_ids))
    for sound_id in ids:
        require(session, sound_id)
        mine = select(TagRow).where(
            TagRow.sound_id == sound_id, TagRow.source == "human", TagRow.role == "label", TagRow.denied.is_(False)
        )
        for row in session.scalars(mine.order_by(TagRow.label)).all():
            if row.label != but:
                before = human_tag(session, sound_id, row.label)
                session.delete(row)
                note(session, actor, "untag", sound_id, before=before, after={"label": row.label})
                gone += 1
    refresh_labels(session, ids)
    return gone
