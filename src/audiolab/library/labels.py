"""Who said what sounds are: the labels that people (and file names) gave, as training and proposing want them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from audiolab.library.cardrows import CardRow
from audiolab.library.derived import chunks
from audiolab.library.models import SoundRow, TagRow

__all__ = ["REJECT", "GivenLabel", "Place", "denied_labels", "free_words", "given_labels", "judged_sounds", "places_of"]

REJECT = "reject"
"""A free tag: the sound is not wanted."""


@dataclass(frozen=True, slots=True)
class Place:
    """A sound and where it comes from."""

    id: str
    name: str
    kind: str
    song_id: str | None
    parent_id: str | None
    label: str | None
    confidence: float | None
    source: str | None
    """human, import or model: who gave the label that counts."""

    @property
    def origin(self) -> str:
        """What it shares with others: its song, else its parent, else itself."""
        return self.song_id or self.parent_id or self.id


@dataclass(frozen=True, slots=True)
class GivenLabel:
    """The label of a sound that counts, among those that people or imports gave."""

    sound_id: str
    label: str
    confidence: float
    source: str
    rejected: bool
    """A person hung the tag `reject` on the sound."""


def given_labels(
    session: Session, *, words: Collection[str] = (), sources: Collection[str] = ("human",)
) -> list[GivenLabel]:
    """Give for each sound that is not in the trash the label that was given to it, a person's newest first.

    Parameters
    ----------
    words : collection of str
        Only these labels; they count also where they hang on a sound as free tags. Default: all labels.
    sources : collection of str
        human, import.
    """
    wanted = TagRow.label.in_(sorted(words)) if words else TagRow.role == "label"
    rows = session.scalars(
        select(TagRow)
        .join(SoundRow, SoundRow.id == TagRow.sound_id)
        .where(SoundRow.deleted_at.is_(None), TagRow.denied.is_(False), TagRow.source.in_(sorted(sources)), wanted)
    )
    found: dict[str, TagRow] = {}
    for row in rows:
        rank = (row.source == "human", row.created_at, row.confidence, row.label)
        best = found.get(row.sound_id)
        if best is None or rank > (best.source == "human", best.created_at, best.confidence, best.label):
            found[row.sound_id] = row
    rejected = _with_word(session, REJECT)
    return [
        GivenLabel(row.sound_id, row.label, row.confidence, row.source, row.sound_id in rejected)
        for row in sorted(found.values(), key=lambda row: row.sound_id)
    ]


def free_words(session: Session) -> dict[str, int]:
    """Count the sounds that each free tag of a person hangs on."""
    rows = session.execute(
        select(TagRow.label, TagRow.sound_id).where(
            TagRow.source == "human", TagRow.role == "tag", TagRow.denied.is_(False)
        )
    )
    counted: dict[str, int] = defaultdict(int)
    for label, _ in rows:
        counted[label] += 1
    return dict(sorted(counted.items()))


def judged_sounds(session: Session) -> set[str]:
    """Give the sounds about which a person has said enough: what they are, or that they are not wanted."""
    said = or_(TagRow.role == "label", TagRow.label == REJECT)
    rows = select(TagRow.sound_id).where(TagRow.source == "human", TagRow.denied.is_(False), said)
    return set(session.scalars(rows))


def denied_labels(session: Session) -> dict[str, set[str]]:
    """Give the labels that people said are wrong, by sound."""
    found: dict[str, set[str]] = defaultdict(set)
    rows = select(TagRow.sound_id, TagRow.label).where(TagRow.source == "human", TagRow.denied.is_(True))
    for sound_id, label in session.execute(rows):
        found[sound_id].add(label)
    return dict(found)


def places_of(session: Session, sound_ids: Iterable[str] | None = None, *, shown: bool = True) -> dict[str, Place]:
    """Give where sounds come from and what they are taken for.

    Parameters
    ----------
    sound_ids : optional
        Default: all.
    shown : bool
        Only what a user sees: neither in the trash nor superseded.
    """
    columns = (
        SoundRow.id, SoundRow.name, SoundRow.kind, SoundRow.song_id, SoundRow.parent_id, SoundRow.label,
        SoundRow.label_confidence, SoundRow.label_source,
    )  # fmt: skip
    statement = select(*columns)
    if shown:
        statement = statement.join(CardRow, CardRow.sound_id == SoundRow.id).where(CardRow.shown)
    if sound_ids is None:
        return {row[0]: Place(*row) for row in session.execute(statement)}
    found: dict[str, Place] = {}
    for part in chunks(sound_ids):
        found.update({row[0]: Place(*row) for row in session.execute(statement.where(SoundRow.id.in_(part)))})
    return found


def _with_word(session: Session, word: str) -> set[str]:
    rows = select(TagRow.sound_id).where(TagRow.source == "human", TagRow.label == word, TagRow.denied.is_(False))
    return set(session.scalars(rows))
