"""Rows of sounds, read in pages when they are looked at: a query over many sounds costs little until then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from sqlalchemy import func, select

from audiolab.errors import CatalogError
from audiolab.library.cardrows import CardRow
from audiolab.library.derived import chunks
from audiolab.library.models import SoundRow
from audiolab.library.store import Store

__all__ = ["PagedRows"]

_PAGE = 200
_DENSE = 0.9
"""A list that holds more than this share of a span is read as the whole span."""


class PagedRows(Sequence[SoundRow]):
    """Rows by the numbers of their cards.

    Parameters
    ----------
    store : Store
        The catalog.
    numbers : sequence of int
        Which cards, in order.
    """

    def __init__(self, store: Store, numbers: Sequence[int]) -> None:
        self._store, self._numbers = store, numbers
        self._page: tuple[int, list[SoundRow]] = (-1, [])

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> SoundRow: ...
    @overload
    def __getitem__(self, index: slice) -> PagedRows: ...
    def __getitem__(self, index: int | slice) -> SoundRow | PagedRows:
        if isinstance(index, slice):
            return PagedRows(self._store, self._numbers[index])
        at = range(len(self._numbers))[index]
        return self._read(at // _PAGE)[at % _PAGE]

    def __iter__(self) -> Iterator[SoundRow]:
        for page in range(-(-len(self._numbers) // _PAGE)):
            yield from self._read(page)

    def _read(self, page: int) -> list[SoundRow]:
        if self._page[0] == page:
            return self._page[1]
        wanted = self._numbers[page * _PAGE : (page + 1) * _PAGE]
        statement = select(CardRow.number, SoundRow).join(SoundRow, SoundRow.id == CardRow.sound_id)
        with self._store.transaction(write=False) as session:
            found = session.execute(statement.where(CardRow.number.in_(wanted))).all()
        rows = dict(found)
        if len(rows) < len(wanted):
            raise CatalogError("some of these sounds have been removed for good meanwhile; ask again")
        self._page = page, [rows[number] for number in wanted]
        return self._page[1]

    def ids(self) -> list[str]:
        """Give the ids of all."""
        pairs: dict[int, str] = {}
        with self._store.transaction(write=False) as session:
            columns = select(CardRow.number, CardRow.sound_id)
            low, high = min(self._numbers, default=0), max(self._numbers, default=0)
            if len(self._numbers) > _DENSE * (high - low):
                span = CardRow.number.between(low, high)
                pairs.update(session.execute(columns.where(span)).all())
            else:
                for part in chunks(self._numbers):
                    pairs.update(session.execute(columns.where(CardRow.number.in_(part))).all())
        return [pairs[number] for number in self._numbers if number in pairs]

    def seconds(self) -> float:
        """Give their length together."""
        total = 0.0
        with self._store.transaction(write=False) as session:
            for part in chunks(self._numbers):
                total += session.scalar(select(func.sum(CardRow.duration)).where(CardRow.number.in_(part))) or 0.0
        return total
