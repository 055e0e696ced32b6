"""What the catalog knows of a result that is to be made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.ids import set_id
from audiolab.library.models import OpRow, ResultRow, SetItemRow, SetRow, SoundRow

__all__ = ["cuts_of", "made_by", "past_overlays", "result_keys", "results_of", "set_key"]


def results_of(session: Session, sound_id: str, stage: str) -> list[ResultRow]:
    """Give all results of a stage on a sound or its sample sets, the newest first."""
    mine = select(ResultRow).where(ResultRow.sound_id == sound_id, ResultRow.stage == stage)
    return list(session.scalars(mine.order_by(ResultRow.used_at.desc(), ResultRow.key)))


def set_key(session: Session, sample_set: str) -> str | None:
    """Give the key of the result that cut a sample set."""
    return session.scalar(select(SetRow.result_key).where(SetRow.id == sample_set))


def made_by(session: Session, key: str) -> list[SoundRow]:
    """Give the sounds with a file that a result made."""
    rows = select(SoundRow).where(SoundRow.result_key == key, SoundRow.media.is_not(None))
    return list(session.scalars(rows.order_by(SoundRow.id)))


def cuts_of(session: Session, key: str) -> list[tuple[int, int]] | None:
    """Give the spans that a result cut, in order; None if it made no sample set."""
    made = set_id(key)
    if session.get(SetRow, made) is None:
        return None
    spans = select(SoundRow.start, SoundRow.stop).join(SetItemRow, SetItemRow.sound_id == SoundRow.id)
    found = session.execute(spans.where(SetItemRow.set_id == made).order_by(SetItemRow.position))
    return [(int(start or 0), int(stop or 0)) for start, stop in found]


def past_overlays(session: Session, sound_id: str, stage: str) -> list[Mapping[str, Any]]:
    """Give the corrections of a stage's document that people once made and took back or replaced, the newest first."""
    found: list[Mapping[str, Any]] = []
    rows = select(OpRow).where(OpRow.target == sound_id, OpRow.what == "overlay").order_by(OpRow.id.desc())
    for row in session.scalars(rows):
        for state in (row.after, row.before):
            if state and state.get("kind") == stage and state.get("body") and state["body"] not in found:
                found.append(state["body"])
    return found


def result_keys(session: Session) -> list[tuple[str, str]]:
    """Give key and sound of all results, the oldest first: what a result was made of comes before it."""
    rows = session.execute(select(ResultRow.key, ResultRow.sound_id).order_by(ResultRow.made_at, ResultRow.key))
    return [(key, sound_id) for key, sound_id in rows]
