"""Samples that a person cut: views of a sound that belong to no stage's sample set and are superseded by none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from audiolab.errors import ParameterError
from audiolab.library.clock import utc_now
from audiolab.library.derived import refresh_facts
from audiolab.library.ids import view_id
from audiolab.library.models import SoundRow
from audiolab.library.ops import note
from audiolab.library.overlaying import NAME, rename, require, write_document
from audiolab.library.tags import add_tags
from audiolab.library.text import clean_json, clean_text
from audiolab.library.trash import restore_rows

__all__ = ["HandCut", "cut_by_hand"]


@dataclass(frozen=True, slots=True)
class HandCut:
    """A part of a sound that becomes a sample.

    Attributes
    ----------
    start, stop : int
        First frame, and the one after the last.
    name : str
        What it is called; empty: the parent's name and the time.
    facts : mapping
        What is known about it, such as `{"word": "love"}`.
    """

    start: int
    stop: int
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def cut_by_hand(
    session: Session, actor: str, parent_id: str, cuts: Sequence[HandCut], *, label: str | None = None
) -> list[str]:
    """Make samples of parts of a sound, all in one action; give their ids in the order of `cuts`.

    A part that is a sample already stays that sample; it gets the name and the label, and comes out of the trash.

    Raises
    ------
    ParameterError
        If a part lies outside the sound or is empty; nothing is made then.
    """
    parent = require(session, parent_id)
    for cut in cuts:
        if not 0 <= cut.start < cut.stop <= parent.frames:
            raise ParameterError(
                f"{parent.name!r} has {parent.frames} frames: frames {cut.start} to {cut.stop} are no part of it"
            )
    rows = [_put(session, actor, parent, cut) for cut in cuts]
    session.flush()
    refresh_facts(session, rows)
    ids = list(dict.fromkeys(row.id for row in rows))
    if label and ids:
        add_tags(session, actor, ids, label)
    return [row.id for row in rows]


def _put(session: Session, actor: str, parent: SoundRow, cut: HandCut) -> SoundRow:
    name = clean_text(cut.name).strip() or f"{parent.name} @{cut.start / parent.sample_rate:.3f}"
    identity = view_id(parent.id, cut.start, cut.stop)
    row = session.get(SoundRow, identity)
    if row is not None:
        if row.deleted_at is not None:
            restore_rows(session, actor, [identity])
            session.refresh(row)
        if cut.name and row.name != name:
            rename(session, actor, identity, name)
        return row
    row = SoundRow(
        id=identity,
        kind="sample",
        name=name,
        stem=parent.stem,
        sample_rate=parent.sample_rate,
        channels=parent.channels,
        frames=cut.stop - cut.start,
        duration=(cut.stop - cut.start) / parent.sample_rate,
        start=cut.start,
        stop=cut.stop,
        parent_id=parent.id,
        song_id=parent.id if parent.kind == "song" else parent.song_id,
        made_facts=clean_json(dict(cut.facts)),
        facts={},
        current=True,
        added_at=utc_now(),
    )
    session.add(row)
    session.flush()
    # Its name is a person's: it stays where a stage later makes the same cut.
    write_document(session, identity, NAME, {"name": name})
    note(session, actor, "add", identity, after={"kind": "sample", "cut": [cut.start, cut.stop], "of": parent.id})
    return row
