"""The part of `Library` with which people find sounds and keep what they found together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import select

from audiolab.library.collections import Collection, Collections
from audiolab.library.lists import SoundList
from audiolab.library.models import SoundRow
from audiolab.library.paging import PagedRows
from audiolab.library.query import Query
from audiolab.library.search import search
from audiolab.library.store import Store
from audiolab.library.synonyms import own_synonyms, set_synonym

if TYPE_CHECKING:
    import pandas as pd

    from audiolab.library.library import Library

__all__ = ["Asking"]


class Asking:
    """Queries, collections, saved searches and synonyms."""

    store: Store
    actor: str

    @property
    def _whole(self) -> Library:
        return cast("Library", self)

    def query(self, text: str | Query = "", *, limit: int | None = None) -> SoundList:
        """Find sounds: `kind:sample label:kick bpm:120..130 ^tag:reject added:2026..` (see docs/query.md).

        Raises
        ------
        QueryError
            If the query cannot be understood; the message says where.
        """
        with self.store.transaction(write=False) as session:
            numbers = search(session, text, limit)
        return SoundList(self._whole, PagedRows(self.store, numbers))

    @property
    def songs(self) -> SoundList:
        """All songs."""
        return self.query("kind:song")

    @property
    def trash(self) -> SoundList:
        """What was deleted and can be restored."""
        with self.store.transaction(write=False) as session:
            rows = session.scalars(select(SoundRow).where(SoundRow.deleted_at.is_not(None)).order_by(SoundRow.added_at))
            return SoundList(self._whole, rows, "sounds in the trash")

    def to_frame(self, query: str | Query = "", *, vectors: str | bool = False) -> pd.DataFrame:
        """Give a pandas table of all sounds, or of those that a query finds; see `SoundList.to_frame`."""
        return self.query(query).to_frame(vectors=vectors)

    def collection(self, name: str, query: str | None = None) -> Collection:
        """Give the collection of that name; it comes into being with its first sound.

        With a query it is a saved search: its sounds are always those that the query finds.
        """
        found = Collection(self._whole, name)
        return found if query is None else found.save(query)

    @property
    def synonyms(self) -> dict[str, str]:
        """Words that the user has added, and what each finds besides: `{"bd": "kick"}`."""
        with self.store.transaction(write=False) as session:
            return own_synonyms(session)

    def set_synonym(self, word: str, means: str | None) -> None:
        """Let `word` also find `means` in queries; None takes that back."""
        with self.store.transaction() as session:
            set_synonym(session, self.actor, word, means)

    @property
    def collections(self) -> Collections:
        """All collections by name."""
        return Collections(self._whole)
