"""What `fsck` looks for in the rows of a catalog: what points nowhere where no foreign key watches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from audiolab.library.derived import BY_HAND
from audiolab.library.models import (
    CollectionItemRow,
    CollectionRow,
    DocumentRow,
    FileRow,
    ResultRow,
    SetItemRow,
    SetRow,
    SoundRow,
    TagRow,
)
from audiolab.library.text import shorten

__all__ = ["LOOSE", "Loose", "check_rows"]


class Loose(NamedTuple):
    """A column that names a row of another table, and which no foreign key watches."""

    of: InstrumentedAttribute[Any]
    column: InstrumentedAttribute[Any]
    target: InstrumentedAttribute[Any]
    what: str

    def dangles(self) -> ColumnElement[bool]:
        """Choose the rows that point nowhere."""
        other = aliased(self.target.class_) if self.target.class_ is self.column.class_ else self.target.class_
        nothing = ~exists().where(getattr(other, self.target.key) == self.column)
        return and_(self.column.is_not(None), nothing)


LOOSE = (
    Loose(TagRow.sound_id, TagRow.result_key, ResultRow.key, "a tag names a result that is not in the catalog"),
    Loose(SoundRow.id, SoundRow.set_id, SetRow.id, "its sample set is not in the catalog"),
    Loose(SetRow.id, SetRow.superseded_by, SetRow.id, "the sample set that took its place is not in the catalog"),
    Loose(ResultRow.key, ResultRow.set_id, SetRow.id, "the sample set of this result is not in the catalog"),
    Loose(FileRow.path, FileRow.sound_id, SoundRow.id, "a file in a folder names a sound that is not in the catalog"),
)


def check_rows(session: Session) -> Iterator[tuple[str, str, str]]:
    """Give kind, name and meaning of each problem."""
    yield from _sounds(session)
    for loose in LOOSE:
        for found in sorted(set(session.scalars(select(loose.of).where(loose.dangles())))):
            yield "loose", found, loose.what
    yield from _places(session)


def _sounds(session: Session) -> Iterator[tuple[str, str, str]]:
    made = select(SoundRow.id, SoundRow.name).where(
        SoundRow.result_key.is_not(None), ~exists().where(ResultRow.key == SoundRow.result_key)
    )
    for sound_id, name in session.execute(made):
        yield "dangling", sound_id, f"how {shorten(name)!r} was made is not in the catalog"
    sets = select(SetRow.id).where(~exists().where(ResultRow.key == SetRow.result_key))
    for found in session.scalars(sets):
        yield "dangling", found, "how this sample set was made is not in the catalog"
    parent = aliased(SoundRow)
    views = (
        select(SoundRow.id, SoundRow.name)
        .outerjoin(parent, parent.id == SoundRow.parent_id)
        .where(SoundRow.start.is_not(None), (parent.id.is_(None)) | (SoundRow.stop > parent.frames))
    )
    for sound_id, name in session.execute(views):
        yield "dangling", sound_id, f"the sample {shorten(name)!r} lies outside the sound that it was cut from"
    homeless = select(SoundRow.id, SoundRow.name).where(SoundRow.media.is_(None), SoundRow.start.is_(None))
    for sound_id, name in session.execute(homeless):
        yield "dangling", sound_id, f"{shorten(name)!r} has neither a file nor a place in another sound"
    unset = select(SoundRow.id, SoundRow.name).where(
        SoundRow.start.is_not(None),
        ~exists().where(SetItemRow.sound_id == SoundRow.id),
        ~exists().where(DocumentRow.sound_id == SoundRow.id, DocumentRow.kind == BY_HAND),
    )
    for sound_id, name in session.execute(unset):
        yield "dangling", sound_id, f"the sample {shorten(name)!r} is in no sample set, and nobody cut it by hand"


def _places(session: Session) -> Iterator[tuple[str, str, str]]:
    """Look at the order of sets and collections."""
    count, last = func.count(), func.max(SetItemRow.position)
    gaps = select(SetItemRow.set_id, count, last).group_by(SetItemRow.set_id).having(count != last + 1)
    for found, number, highest in session.execute(gaps):
        yield "gap", found, f"{highest + 1 - number} samples of this set are not in the catalog"
    twice = (
        select(CollectionRow.name)
        .join(CollectionItemRow)
        .group_by(CollectionRow.id, CollectionRow.name)
        .having(func.count() != func.count(CollectionItemRow.position.distinct()))
    )
    for name in session.scalars(twice):
        yield "order", name, "several sounds have one place in this collection"
