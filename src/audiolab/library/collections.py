"""Collections: named, ordered choices of sounds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks
from audiolab.library.lists import SoundList
from audiolab.library.models import CollectionItemRow, CollectionRow, SoundRow
from audiolab.library.ops import note
from audiolab.library.search import check_query, search
from audiolab.library.sounds import Sound, Sounds, ids_of
from audiolab.library.tables import html_table
from audiolab.library.text import clean_text, shorten

if TYPE_CHECKING:
    import pandas as pd

    from audiolab.library.library import Library

__all__ = ["Collection", "Collections"]


class Collection:
    """A named, ordered choice of sounds; it comes into being with the first sound added.

    Or a saved search: then its sounds are always those that its query finds.

    Parameters
    ----------
    library : Library
        Where it is.
    name : str
        Its name, 1 to 255 signs.
    """

    def __init__(self, library: Library, name: str) -> None:
        self.library, self.name = library, _checked(name)

    # ---- reading -------------------------------------------------------------------------------

    @property
    def sounds(self) -> SoundList:
        """Its sounds, in its order."""
        title = f"sounds in {shorten(self.name)!r}"
        if (query := self.query) is not None:
            found = self.library.query(query)
            found.title = title
            return found
        statement = (
            select(SoundRow)
            .join(CollectionItemRow, CollectionItemRow.sound_id == SoundRow.id)
            .join(CollectionRow, CollectionRow.id == CollectionItemRow.collection_id)
            .where(CollectionRow.name == self.name, SoundRow.deleted_at.is_(None))
            .order_by(CollectionItemRow.position)
        )
        with self.library.store.transaction(write=False) as session:
            rows = session.scalars(statement).all()
        return SoundList(self.library, rows, title)

    @property
    def query(self) -> str | None:
        """What it finds, if it is a saved search."""
        with self.library.store.transaction(write=False) as session:
            return session.scalar(select(CollectionRow.query).where(CollectionRow.name == self.name))

    def __iter__(self) -> Iterator[Sound]:
        return iter(self.sounds)

    def __len__(self) -> int:
        return len(self.sounds)

    def __contains__(self, sound: object) -> bool:
        return sound in self.sounds

    def __getitem__(self, index: int) -> Sound:
        return self.sounds[index]

    def to_frame(self) -> pd.DataFrame:
        """Give a pandas table; see `SoundList.to_frame`."""
        return self.sounds.to_frame()

    # ---- changing ------------------------------------------------------------------------------

    def save(self, query: str) -> Collection:
        """Make it a saved search, or change what it finds.

        Raises
        ------
        QueryError
            If the query cannot be understood.
        CatalogError
            If it has sounds of its own.
        """
        with self.library.store.transaction() as session:
            query = str(check_query(session, query, self.name))
            row = self._row(session, create=True)
            assert row is not None
            if row.query is None and session.scalar(select(func.count()).select_from(_items(row).subquery())):
                raise CatalogError(f"the collection {shorten(self.name)!r} has sounds of its own; take another name")
            before, row.query = row.query, query
            if before != query:
                note(
                    session,
                    self.library.actor,
                    "save",
                    self._target,
                    before=None if before is None else {"query": before},
                    after={"query": query},
                )
        return self

    def add(self, sounds: Sounds) -> Collection:
        """Append sounds; those that are in it already stay where they are."""
        ids = ids_of(sounds)
        with self.library.store.transaction() as session:
            row = self._own_row(session, create=True)
            assert row is not None
            held = set(session.scalars(_items(row).with_only_columns(CollectionItemRow.sound_id)))
            last = session.scalar(select(func.max(CollectionItemRow.position)).where(_of(row)))
            new = [sound_id for sound_id in ids if sound_id not in held]
            _require(session, new)
            at = 0 if last is None else last + 1
            session.add_all(
                CollectionItemRow(collection_id=row.id, sound_id=sound_id, position=at + index)
                for index, sound_id in enumerate(new)
            )
            if new:
                note(session, self.library.actor, "collect", self._target, after={"sounds": new, "position": at})
        return self

    def remove(self, sounds: Sounds) -> Collection:
        """Take sounds out; they stay in the library."""
        ids = set(ids_of(sounds))
        with self.library.store.transaction() as session:
            row = self._own_row(session)
            gone = [item for item in session.scalars(_items(row)) if item.sound_id in ids] if row else []
            for item in gone:
                session.delete(item)
            if gone:
                before = {"sounds": [item.sound_id for item in gone], "positions": [item.position for item in gone]}
                note(session, self.library.actor, "uncollect", self._target, before=before)
        return self

    def rename(self, name: str) -> Collection:
        """Give it another name.

        Raises
        ------
        CatalogError
            If there is a collection of that name.
        """
        name = _checked(name)
        with self.library.store.transaction() as session:
            row = self._row(session)
            taken = session.scalar(select(CollectionRow.id).where(CollectionRow.name == name))
            if taken is not None and name != self.name:
                raise CatalogError(f"there is a collection {shorten(name)!r} already")
            if row is not None and name != self.name:
                row.name = name
                note(
                    session,
                    self.library.actor,
                    "rename",
                    self._target,
                    before={"name": self.name},
                    after={"name": name},
                )
        self.name = name
        return self

    def delete(self) -> None:
        """Remove the collection; its sounds stay in the library."""
        with self.library.store.transaction() as session:
            row = self._row(session)
            if row is None:
                return
            items = session.scalars(_items(row)).all()
            before = {"sounds": [item.sound_id for item in items], "query": row.query}
            for item in items:
                session.delete(item)
            session.flush()
            session.delete(row)
            note(session, self.library.actor, "delete", self._target, before=before)

    # ---- inside --------------------------------------------------------------------------------

    @property
    def _target(self) -> str:
        return f"collection:{self.name}"

    def _row(self, session: Session, *, create: bool = False) -> CollectionRow | None:
        row = session.scalars(select(CollectionRow).where(CollectionRow.name == self.name)).first()
        if row is None and create:
            row = CollectionRow(name=self.name, created_at=utc_now())
            session.add(row)
            session.flush()
        return row

    def _own_row(self, session: Session, *, create: bool = False) -> CollectionRow | None:
        row = self._row(session, create=create)
        if row is not None and row.query is not None:
            raise CatalogError(f"{shorten(self.name)!r} is a saved search ({shorten(row.query)}); change its query")
        return row

    def __repr__(self) -> str:
        return f"Collection({shorten(self.name)!r}, {len(self)} sounds)"

    def _repr_html_(self) -> str:
        return self.sounds._repr_html_()


class Collections(Mapping[str, Collection]):
    """All collections of a library by name, in order: `lib.collections["kit"]`."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def _counts(self) -> dict[str, int]:
        statement = (
            select(CollectionRow.name, CollectionRow.query, func.count(CollectionItemRow.sound_id))
            .outerjoin(CollectionItemRow)
            .group_by(CollectionRow.id, CollectionRow.name, CollectionRow.query)
            .order_by(CollectionRow.name)
        )
        with self.library.store.transaction(write=False) as session:
            rows = session.execute(statement).all()
            return {name: count if query is None else len(search(session, query)) for name, query, count in rows}

    def __getitem__(self, name: str) -> Collection:
        counts = self._counts()
        if name not in counts:
            near = difflib.get_close_matches(name, counts, 1)
            raise KeyError(f"there is no collection {shorten(name)!r}" + (f"; {near[0]!r}?" if near else ""))
        return Collection(self.library, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts())

    def __len__(self) -> int:
        return len(self._counts())

    def __repr__(self) -> str:
        return f"<{len(self)} collections: {', '.join(shorten(name, 30) for name in self)}>"

    def _repr_html_(self) -> str:
        counts = self._counts()
        return html_table(f"{len(counts)} collections", ("name", "sounds"), counts.items())


def _checked(name: str) -> str:
    name = clean_text(name).strip()
    if not name or len(name) > 255:
        raise ParameterError(f"a collection's name must have 1 to 255 signs, not {len(name)}")
    return name


def _of(row: CollectionRow) -> ColumnElement[bool]:
    return CollectionItemRow.collection_id == row.id


def _items(row: CollectionRow) -> Select[CollectionItemRow]:
    return select(CollectionItemRow).where(_of(row)).order_by(CollectionItemRow.position)


def _require(session: Session, ids: list[str]) -> None:
    found: set[str] = set()
    for part in chunks(ids):
        found.update(session.scalars(select(SoundRow.id).where(SoundRow.id.in_(part))))
    missing = next((sound_id for sound_id in ids if sound_id not in found), None)
    if missing is not None:
        raise CatalogError(f"the library has no sound {shorten(missing, 16)!r}")
