"""What the catalog knows of a result that is to be made again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.derived import chunks
from audiolab.library.ids import set_id
from audiolab.library.models import OpRow, ResultRow, SetItemRow, SetRow, SoundRow

__all__ = ["cuts_of", "keys_like", "labels_then", "made_by", "past_overlays", "result_keys", "results_of", "set_key"]

Labels: TypeAlias = tuple[list[dict[str, float]], list[set[str]]]


def results_of(session: Session, sound_id: str, stage: str) -> list[ResultRow]:
    """Give all results of a stage on a sound or its sample sets, the newest first."""
    mine = select(ResultRow).where(ResultRow.sound_id == sound_id, ResultRow.stage == stage)
    return list(session.scalars(mine.order_by(ResultRow.used_at.desc(), ResultRow.key)))


def keys_like(session: Session, beginning: str) -> list[str]:
    """Give the keys of results that begin with some hex digits (8 at least), two at most."""
    if not re.fullmatch("[0-9a-f]{8,128}", beginning):
        return []
    near = select(ResultRow.key).where(ResultRow.key >= beginning, ResultRow.key < beginning + "g")
    return list(session.scalars(near.order_by(ResultRow.key).limit(2)))


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


def labels_then(session: Session, result: ResultRow, at: datetime) -> Labels:
    """Give what people had said of a result's sounds at some moment: labels with confidence, and what they denied."""
    ids = [result.sound_id]
    if result.set_id is not None:
        members = select(SetItemRow.sound_id).where(SetItemRow.set_id == result.set_id)
        ids = list(session.scalars(members.order_by(SetItemRow.position)))
    said: dict[str, dict[str, tuple[Any, ...]]] = defaultdict(dict)
    for part in chunks(ids):
        ops = select(OpRow).where(OpRow.target.in_(part), OpRow.what.in_(("tag", "untag")), OpRow.at <= at)
        for op in session.scalars(ops.order_by(OpRow.id)):
            state = op.after if op.after and "role" in op.after else None
            label = str((op.after or op.before or {}).get("label"))
            if state is None:
                said[op.target].pop(label, None)
            elif state["role"] == "label":
                said[op.target][label] = (op.at, float(state["confidence"]), label, bool(state["denied"]))
    given, denied = [], []
    for sound_id in ids:
        newest = sorted(said[sound_id].values(), reverse=True)
        given.append({label: sure for _, sure, label, no in newest if not no})
        denied.append({label for _, _, label, no in newest if no})
    return given, denied


def result_keys(session: Session) -> list[tuple[str, str]]:
    """Give key and sound of all results, the oldest first: what a result was made of comes before it."""
    rows = session.execute(select(ResultRow.key, ResultRow.sound_id).order_by(ResultRow.made_at, ResultRow.key))
    return [(key, sound_id) for key, sound_id in rows]
