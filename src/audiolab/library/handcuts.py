"""Samples that a person cut: views of a sound that belong to no stage's sample set and are superseded by none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from audiolab.library.hand_slices import put_slice
from audiolab.library.overlaying import rename
from audiolab.library.tags import add_tags
from audiolab.library.text import clean_text

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
    rows = []
    for cut in cuts:
        row = put_slice(session, actor, parent_id, cut.start, cut.stop, facts=cut.facts)
        name = clean_text(cut.name).strip()
        if name and row.name != name:
            rename(session, actor, row.id, name)
        rows.append(row)
    if label and rows:
        add_tags(session, actor, dict.fromkeys(row.id for row in rows), label)
    return [row.id for row in rows]
