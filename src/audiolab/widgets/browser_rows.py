"""What the sample browser lists: which sounds, in which order, and their rows, page by page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audiolab.errors import ParameterError
from audiolab.library import Library
from audiolab.library.cardrows import CardRow
from audiolab.library.derived import chunks
from audiolab.library.models import SoundRow, TagRow
from audiolab.library.query import Clause, Query, Term, Text, parse_query
from audiolab.library.search import search
from audiolab.stages.classification.taxonomy import load_taxonomy

__all__ = ["PAGE", "Listing", "known_labels", "query_listing", "rows_of_ids"]

PAGE = 200
"""Most rows of one answer."""
_COLUMNS = (
    SoundRow.id, SoundRow.name, SoundRow.kind, SoundRow.stem, SoundRow.song_id, SoundRow.label,
    SoundRow.label_confidence, SoundRow.label_source, SoundRow.rating, SoundRow.favourite, SoundRow.note,
    SoundRow.frames, SoundRow.sample_rate, SoundRow.channels, CardRow.bpm, CardRow.key, CardRow.shape, CardRow.start,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Listing:
    """Some sounds in an order: the numbers of their cards, or their ids where the order is not the catalog's.

    Attributes
    ----------
    scores : mapping of str to float
        How near each is, by id, if they are neighbours of another sound.
    """

    library: Library
    keys: Sequence[int] | Sequence[str]
    scores: Mapping[str, float] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def ids(self, start: int, stop: int) -> list[str]:
        """Give the ids of a part, in order; what has been removed for good meanwhile is left out."""
        part = self.keys[max(0, start) : max(0, stop)]
        if not part or isinstance(part[0], str):
            return [str(key) for key in part]
        found: dict[int, str] = {}
        with self.library.store.transaction(write=False) as session:
            for some in chunks([int(key) for key in part]):
                statement = select(CardRow.number, CardRow.sound_id).where(CardRow.number.in_(some))
                found.update(dict(session.execute(statement).all()))
        return [found[int(key)] for key in part if int(key) in found]

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Give the rows of a part as JSON; one that was removed for good meanwhile is `{"gone": true}`."""
        if stop - start > PAGE:
            raise ParameterError(f"at most {PAGE} rows at once, not {stop - start}")
        part = self.keys[max(0, start) : max(0, stop)]
        if not part:
            return []
        key = SoundRow.id if isinstance(part[0], str) else CardRow.number
        found = _read(self.library, key, part)
        rows = [found.get(each, {"gone": True}) for each in part]
        if self.scores is not None:
            rows = [{**row, "score": self.scores.get(str(row.get("id")))} for row in rows]
        return rows

    def place(self, sound_id: str) -> int | None:
        """Give the place of a sound in the list."""
        if self.keys and isinstance(self.keys[0], str):
            return next((at for at, key in enumerate(self.keys) if key == sound_id), None)
        with self.library.store.transaction(write=False) as session:
            number = session.scalar(select(CardRow.number).where(CardRow.sound_id == sound_id))
        return next((at for at, key in enumerate(self.keys) if key == number), None)


def query_listing(library: Library, text: str, sort: str = "", *, within: Sequence[str] | None = None) -> Listing:
    """Find sounds; `sort` is a field of the query language, with a minus before it for descending order.

    With `within` only sounds with these ids are listed; in their order if nothing else is asked for.

    Raises
    ------
    QueryError
        If the query, or the field to sort by, cannot be understood.
    """
    query = parse_query(text)
    if sort:
        # A clause of its own that holds nothing else: it orders the whole, and comes before the query's own order.
        order = Clause((Term("sort", (Text(sort),)),))
        query = Query((order, *query.clauses), query.text)
    if within is not None and not query.clauses:
        return Listing(library, list(within))
    with library.store.transaction(write=False) as session:
        numbers = search(session, query)
        if within is not None:
            inside: set[int] = set()
            for part in chunks(within):
                inside.update(session.scalars(select(CardRow.number).where(CardRow.sound_id.in_(part))))
            numbers = [number for number in numbers if number in inside]
    return Listing(library, numbers)


def rows_of_ids(library: Library, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Give the rows of some sounds as they are now, without those that are gone."""
    found: dict[Any, dict[str, Any]] = {}
    for part in chunks(ids):
        found |= _read(library, SoundRow.id, part)
    return [found[sound_id] for sound_id in ids if sound_id in found]


def known_labels(library: Library) -> list[str]:
    """Give the labels to choose from: those in use, the commonest first, then the rest of the taxonomy."""
    with library.store.transaction(write=False) as session:
        used = session.execute(
            select(SoundRow.label, func.count())
            .join(CardRow, CardRow.sound_id == SoundRow.id)
            .where(CardRow.shown, SoundRow.label.is_not(None))
            .group_by(SoundRow.label)
            .order_by(func.count().desc(), SoundRow.label)
        )
        labels = [str(label) for label, _ in used]
    return list(dict.fromkeys([*labels, *load_taxonomy().labels]))


def _read(library: Library, key: Any, keys: Sequence[Any]) -> dict[Any, dict[str, Any]]:
    """Read rows by ids or numbers, with few statements."""
    with library.store.transaction(write=False) as session:
        statement = select(key.label("asked"), *_COLUMNS).join(CardRow, CardRow.sound_id == SoundRow.id)
        rows = session.execute(statement.where(key.in_(list(keys)))).all()
        words = _words(session, [row.id for row in rows])
    names = library.names({row.song_id for row in rows if row.song_id})
    taxonomy = load_taxonomy()
    return {
        row.asked: {
            "id": row.id,
            "name": row.name,
            "kind": row.kind,
            "stem": row.stem,
            "song": names.get(row.song_id or ""),
            "label": row.label,
            "family": taxonomy.family(row.label) if row.label else None,
            "confidence": None if row.label_confidence is None else round(row.label_confidence, 4),
            "source": row.label_source,
            "tags": words[row.id],
            "rating": row.rating,
            "favourite": bool(row.favourite),
            "note": row.note,
            "bpm": None if row.bpm is None else round(row.bpm, 2),
            "key": row.key,
            "shape": row.shape,
            "start": None if row.start is None else round(row.start, 3),
            "frames": row.frames,
            "sample_rate": row.sample_rate,
            "channels": row.channels,
        }
        for row in rows
    }


def _words(session: Session, ids: Sequence[str]) -> dict[str, list[str]]:
    """Give the free words on sounds that nobody has denied, in the order of the alphabet."""
    said: dict[str, set[str]] = defaultdict(set)
    denied: dict[str, set[str]] = defaultdict(set)
    for part in chunks(ids):
        statement = select(TagRow.sound_id, TagRow.label, TagRow.role, TagRow.denied)
        for sound_id, label, role, no in session.execute(statement.where(TagRow.sound_id.in_(part))):
            if no:
                denied[sound_id].add(label)
            elif role == "tag":
                said[sound_id].add(label)
    return {sound_id: sorted(said[sound_id] - denied[sound_id]) for sound_id in ids}
