"""Keeping the cards: what queries look at, one narrow row a sound, with its words and texts.

All of it follows from other rows. Every transaction refreshes the cards of the sounds that it touched; `stale`
finds cards that do not fit, and `rebuild` makes all of them anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from audiolab.library.cardmaking import VERSION, Card, make_cards
from audiolab.library.cardrows import CardRow, CardWordRow
from audiolab.library.derived import chunks
from audiolab.library.models import MetaRow, SoundRow
from audiolab.library.store import Store, touched
from audiolab.library.textindex import TextIndex, text_index

__all__ = ["count_anew", "ensure", "rebuild", "refresh", "refresh_touched", "stale"]

_META, _COUNTED = "cards", "counted"
_FEW = 1000
_REFS = ("song", "parent")


def ensure(store: Store) -> bool:
    """Make the cards if a catalog has none of this version; give whether they had to be made."""
    with store.transaction(write=False) as session:
        if _fresh(session):
            return False
    with store.transaction() as session:
        if _fresh(session):
            return False
        rebuild(session)
    return True


def count_anew(store: Store) -> bool:
    """Let the database count what lies where, once there is twice as much as when it last did.

    Without that it may look through all samples for the few kicks among them.
    """
    with store.transaction(write=False) as session:
        row = session.get(MetaRow, _COUNTED)
        newest = session.scalar(select(func.max(CardRow.number))) or 0
    if newest < 2 * (0 if row is None else row.value.get("cards", 0)) + _FEW:
        return False
    with store.transaction() as session:
        session.execute(text("ANALYZE"))
        session.merge(MetaRow(key=_COUNTED, value={"cards": newest}))
    return True


def _fresh(session: Session) -> bool:
    row = session.get(MetaRow, _META)
    return row is not None and row.value.get("version") == VERSION


def refresh_touched(session: Session) -> None:
    """Refresh the cards of the sounds that this transaction has changed."""
    if ids := touched(session):
        # A song shows what its stems have.
        for part in chunks(list(ids)):
            parents = select(SoundRow.parent_id).where(SoundRow.id.in_(part), SoundRow.kind == "stem")
            ids.update(parent for parent in session.scalars(parents) if parent is not None)
        refresh(session, ids)


def rebuild(session: Session) -> int:
    """Make all cards anew, in the order in which the sounds were added; give their number."""
    touched(session)
    _index(session).clear(session)
    for row in (CardWordRow, CardRow):
        session.execute(delete(row))
    order = select(SoundRow.id).order_by(
        SoundRow.added_at, SoundRow.parent_id, SoundRow.start, SoundRow.name, SoundRow.id
    )
    ids = session.scalars(order).all()
    for done, part in enumerate(chunks(ids)):
        _write(session, make_cards(session, part))
        if done in {1, 10, 100}:
            session.execute(text("ANALYZE"))  # PostgreSQL knows nothing of tables that fill within a transaction
    session.execute(text("ANALYZE"))
    for part in chunks(ids):
        _point(session, part)
    session.merge(MetaRow(key=_META, value={"version": VERSION}))
    session.flush()
    return len(ids)


def refresh(session: Session, sound_ids: Iterable[str]) -> None:
    """Make the cards of some sounds anew; those of a song's family follow if what they take from it has changed."""
    ids = _in_order(session, sound_ids)
    below: set[str] = set()
    for part in chunks(ids):
        below |= _write(session, make_cards(session, part))
    for part in chunks(ids):
        _point(session, part)
    family = list(below.difference(ids))
    for part in chunks(family):
        _write(session, make_cards(session, part))


def stale(session: Session) -> list[str]:
    """Give the ids of sounds whose card is missing or does not fit, and of cards without a sound."""
    found: list[str] = []
    ids = session.scalars(select(SoundRow.id).order_by(SoundRow.id)).all()
    for part in chunks(ids):
        cards = make_cards(session, part)
        rows = {row["sound_id"]: dict(row) for row in _rows(session, part)}
        numbers = {row["number"]: sound_id for sound_id, row in rows.items()}
        words = _words(session, list(numbers))
        texts = {rows[i]["number"]: card.texts for i, card in cards.items() if i in rows}
        wrong = {numbers[number] for number in _index(session).differ(session, texts)}
        wrong |= {numbers[number] for number, _, _ in _misplaced(session, part)}
        for sound_id, card in cards.items():
            row = rows.get(sound_id)
            if row is None or sound_id in wrong or card.words != words[row["number"]] or _differs(card.values, row):
                found.append(sound_id)
    known = select(SoundRow.id)
    found += session.scalars(select(CardRow.sound_id).where(CardRow.sound_id.not_in(known)))
    if strays := _index(session).strays(session):
        found.append(f"{strays} texts without a sound")
    return found


def _index(session: Session) -> TextIndex:
    return text_index(session.get_bind().dialect.name)


def _in_order(session: Session, sound_ids: Iterable[str]) -> list[str]:
    """Sort sounds as they were added: their numbers follow this order."""
    keys = []
    columns = (SoundRow.id, SoundRow.added_at, SoundRow.parent_id, SoundRow.start, SoundRow.name)
    for part in chunks(sound_ids):
        for row in session.execute(select(*columns).where(SoundRow.id.in_(part))):
            keys.append((row.added_at, row.parent_id or "", row.start or 0, row.name, row.id))
    return [key[-1] for key in sorted(keys)]


def _rows(session: Session, ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    columns = CardRow.__table__.columns
    found = session.execute(select(*columns).where(CardRow.sound_id.in_(ids))).mappings().all()
    return cast("Sequence[Mapping[str, Any]]", found)


def _words(session: Session, numbers: Sequence[int]) -> defaultdict[int, set[tuple[str, str]]]:
    found: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
    if numbers:
        rows = select(CardWordRow.number, CardWordRow.field, CardWordRow.value).where(CardWordRow.number.in_(numbers))
        for number, field, value in session.execute(rows):
            found[number].add((field, value))
    return found


def _differs(values: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return any(row[name] != value for name, value in values.items())


def _write(session: Session, cards: Mapping[str, Card]) -> set[str]:
    """Write cards that are new or changed; give the families of songs whose tempo or key has changed."""
    rows = {row["sound_id"]: row for row in _rows(session, list(cards))}
    new = [{"sound_id": i, **card.values} for i, card in cards.items() if i not in rows]
    changed = [
        {"number": rows[i]["number"], **card.values}
        for i, card in cards.items()
        if i in rows and _differs(card.values, rows[i])
    ]
    numbers = {row["sound_id"]: row["number"] for row in rows.values()}
    if new:
        table = cast("Table", CardRow.__table__)
        made = insert(table).returning(table.c.sound_id, table.c.number, sort_by_parameter_order=True)
        numbers.update(session.execute(made, new).all())
    if changed:
        session.execute(update(CardRow), changed)
    _write_words(
        session, {numbers[i]: card.words for i, card in cards.items()}, {row["number"] for row in rows.values()}
    )
    texts = {numbers[i]: card.texts for i, card in cards.items()}
    index = _index(session)
    old = {rows[i]["number"]: texts[rows[i]["number"]] for i in rows}
    fresh = {number: words for number, words in texts.items() if number not in old}
    index.put(session, fresh | {number: old[number] for number in index.differ(session, old)})
    return _families(session, cards, rows)


def _write_words(session: Session, words: Mapping[int, set[tuple[str, str]]], known: set[int]) -> None:
    before = _words(session, list(known))
    gone = [(number, pair) for number in known for pair in before[number] - words[number]]
    come = [(number, pair) for number, wanted in words.items() for pair in wanted - before[number]]
    table = cast("Table", CardWordRow.__table__)
    if gone:
        same = [table.c[name] == bindparam(f"old_{name}") for name in ("field", "value", "number")]
        rows = [{"old_number": number, "old_field": field, "old_value": value} for number, (field, value) in gone]
        session.execute(delete(table).where(*same), rows)
    if come:
        rows = [{"number": number, "field": field, "value": value} for number, (field, value) in come]
        session.execute(insert(table), rows)


def _families(session: Session, cards: Mapping[str, Card], rows: Mapping[str, Mapping[str, Any]]) -> set[str]:
    songs = [
        i
        for i, card in cards.items()
        if card.values["kind"] == "song" and i in rows and any(card.values[n] != rows[i][n] for n in ("bpm", "key"))
    ]
    if not songs:
        return set()
    return set(session.scalars(select(SoundRow.id).where(SoundRow.song_id.in_(songs))))


@cache
def _other_places() -> Any:
    """Select number, song, parent and kind where a card's song or parent is not yet the right one."""
    song, parent = aliased(CardRow), aliased(CardRow)
    right = func.coalesce(song.number, CardRow.number)
    return (
        select(CardRow.number, song.number, parent.number, SoundRow.kind)
        .join(SoundRow, SoundRow.id == CardRow.sound_id)
        .outerjoin(song, song.sound_id == SoundRow.song_id)
        .outerjoin(parent, parent.sound_id == SoundRow.parent_id)
        .where(
            CardRow.sound_id.in_(bindparam("ids", expanding=True)),
            or_(
                CardRow.parent.is_distinct_from(parent.number),
                (SoundRow.kind == "song") & CardRow.song.is_distinct_from(right),
                (SoundRow.kind != "song") & CardRow.song.is_distinct_from(song.number),
            ),
        )
    )


def _misplaced(session: Session, ids: Sequence[str]) -> list[tuple[int, int | None, int | None]]:
    """Give number, song and parent of the cards whose song or parent is not yet the right one."""
    return [
        (number, number if kind == "song" and of_song is None else of_song, of_parent)
        for number, of_song, of_parent, kind in session.execute(_other_places(), {"ids": ids})
    ]


def _point(session: Session, ids: Sequence[str]) -> None:
    wrong = _misplaced(session, ids)
    if wrong:
        rows = [{"number": number, "song": song, "parent": parent} for number, song, parent in wrong]
        session.execute(update(CardRow), rows)
