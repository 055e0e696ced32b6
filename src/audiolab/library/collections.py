"""Collections: named, ordered choices of sounds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.collecting import (
    collection_row,
    collection_state,
    items_of,
    put_collection,
    target_of,
    whole_state,
)
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

__all__ = ["Collection", "Collections", "rename_collection"]


class Collection:
    """A named, ordered choice of sounds; it comes into being with the first sound added.

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
        """Its sounds, in its order; of a saved search, what that finds now."""
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
            .order_by(CollectionItemRow.position, CollectionItemRow.sound_id)
        )
        with self.library.store.transaction(write=False) as session:
            rows = session.scalars(statement).all()
        return SoundList(self.library, rows, title)

    @property
    def query(self) -> str | None:
        """What it looks for, if it is a saved search."""
        with self.library.store.transaction(write=False) as session:
            row = collection_row(session, self.name)
        return None if row is None else row.query

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

    def add(self, sounds: Sounds) -> Collection:
        """Append sounds; those that are in it already stay where they are.

        Raises
        ------
        CatalogError
            If there is no such sound, or this is a saved search.
        """
        ids = ids_of(sounds)
        with self.library.store.transaction() as session:
            row = collection_row(session, self.name)
            self._refuse_search(row)
            held = {item.sound_id: item.position for item in session.scalars(items_of(row))} if row else {}
            new = [sound_id for sound_id in ids if sound_id not in held]
            _require(session, new)
            if new or row is None:
                at = max(held.values(), default=-1) + 1
                self._change(session, "collect", new, list(range(at, at + len(new))))
        return self

    def remove(self, sounds: Sounds) -> Collection:
        """Take sounds out; they stay in the library."""
        ids = set(ids_of(sounds))
        with self.library.store.transaction() as session:
            row = collection_row(session, self.name)
            self._refuse_search(row)
            items = session.scalars(items_of(row)).all() if row else []
            gone = [item.sound_id for item in items if item.sound_id in ids]
            if gone:
                self._change(session, "uncollect", gone, [None] * len(gone))
        return self

    def order(self, sounds: Sounds) -> Collection:
        """Put sounds of it into this order, first of all; the others follow as they were."""
        first = ids_of(sounds)
        with self.library.store.transaction() as session:
            row = collection_row(session, self.name)
            held = [item.sound_id for item in session.scalars(items_of(row))] if row else []
            if missing := next((sound_id for sound_id in first if sound_id not in held), None):
                raise CatalogError(f"{shorten(missing, 16)!r} is not in the collection {shorten(self.name)!r}")
            wanted = [*first, *(sound_id for sound_id in held if sound_id not in set(first))]
            if wanted != held:
                self._change(session, "order", wanted, list(range(len(wanted))))
        return self

    def save(self, query: str) -> Collection:
        """Make it a saved search, or change what that looks for: its sounds are what the query finds, at any time.

        Raises
        ------
        QueryError
            If the query cannot be understood.
        CatalogError
            If the collection holds sounds that were chosen one by one.
        """
        with self.library.store.transaction() as session:
            text = str(check_query(session, query, self.name))
            row = collection_row(session, self.name)
            if row is not None and row.query is None and session.scalars(items_of(row)).first() is not None:
                raise CatalogError(f"{shorten(self.name)!r} holds chosen sounds; save the search under another name")
            if row is None or row.query != text:
                self._change(session, "save", [], [], query=text)
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
            row = collection_row(session, self.name)
            if name != self.name and collection_row(session, name) is not None:
                raise CatalogError(f"there is a collection {shorten(name)!r} already")
            if row is not None and name != self.name:
                rename_collection(session, self.library.actor, self.name, name)
        self.name = name
        return self

    def delete(self) -> None:
        """Remove the collection; its sounds stay in the library."""
        with self.library.store.transaction() as session:
            before = whole_state(session, self.name)
            if before["exists"]:
                after = {"exists": False, "sounds": before["sounds"], "positions": [None] * len(before["sounds"])}
                put_collection(session, self.name, after)
                note(session, self.library.actor, "delete", target_of(self.name), before=before, after=after)

    # ---- inside --------------------------------------------------------------------------------

    def _change(
        self, session: Session, what: str, sounds: list[str], positions: Sequence[int | None], **more: Any
    ) -> None:
        before = collection_state(session, self.name, sounds)
        after = {**before, "exists": True, "positions": list(positions), **more}
        put_collection(session, self.name, after)
        after = {**after, "made": collection_state(session, self.name)["made"]}
        note(session, self.library.actor, what, target_of(self.name), before=before, after=after)

    def _refuse_search(self, row: CollectionRow | None) -> None:
        if row is not None and row.query is not None:
            raise CatalogError(
                f"{shorten(self.name)!r} is a saved search: it holds what {shorten(row.query)!r} finds; "
                "choose sounds one by one in a collection of another name"
            )

    def __repr__(self) -> str:
        return f"Collection({shorten(self.name)!r}, {len(self)} sounds)"

    def _repr_html_(self) -> str:
        return self.sounds._repr_html_()


class Collections(Mapping[str, Collection]):
    """All collections of a library by name, in order: `lib.collections["kit"]`."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def counts(self) -> dict[str, int]:
        """Count the sounds of each."""
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
        counts = self.counts()
        if name not in counts:
            near = difflib.get_close_matches(name, counts, 1)
            raise KeyError(f"there is no collection {shorten(name)!r}" + (f"; {near[0]!r}?" if near else ""))
        return Collection(self.library, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.counts())

    def __len__(self) -> int:
        return len(self.counts())

    def __repr__(self) -> str:
        return f"<{len(self)} collections: {', '.join(shorten(name, 30) for name in self)}>"

    def _repr_html_(self) -> str:
        counts = self.counts()
        return html_table(f"{len(counts)} collections", ("name", "sounds"), counts.items())


def _checked(name: str) -> str:
    name = clean_text(name).strip()
    if not name or len(name) > 255:
        raise ParameterError(f"a collection's name must have 1 to 255 signs, not {len(name)}")
    return name


def rename_collection(session: Session, actor: str, name: str, new: str) -> None:
    """Give a collection another name, which must be free."""
    row = collection_row(session, name)
    if row is None:
        raise CatalogError(f"there is no collection {shorten(name)!r}")
    row.name = new
    note(session, actor, "rename", target_of(name), before={"name": name}, after={"name": new})
    session.flush()


def _require(session: Session, ids: list[str]) -> None:
    found: set[str] = set()
    for part in chunks(ids):
        found.update(session.scalars(select(SoundRow.id).where(SoundRow.id.in_(part))))
    missing = next((sound_id for sound_id in ids if sound_id not in found), None)
    if missing is not None:
        raise CatalogError(f"the library has no sound {shorten(missing, 16)!r}")
