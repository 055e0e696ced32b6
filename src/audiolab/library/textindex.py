"""Text search behind one interface: FTS5 on SQLite, tsvector on PostgreSQL.

Both get the same words (`words.py`) in four columns: names, tags, notes, lyrics. A match is a phrase whose last
word may go on, in any of the columns or in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, get_args

from sqlalchemy import BindParameter, ColumnElement, bindparam, column, select, table, text
from sqlalchemy.orm import Session

from audiolab.library.cardrows import CardRow
from audiolab.library.words import GAP, alternatives

__all__ = ["COLUMNS", "Column", "TextIndex", "text_index"]

Column: TypeAlias = Literal["names", "tags", "notes", "lyrics"]
COLUMNS: tuple[Column, ...] = get_args(Column)
_MOST_POSITIONS = 16_000
"""Words that tsvector keeps places of."""


class TextIndex(Protocol):
    """Which sounds have which words."""

    def put(self, session: Session, words: Mapping[int, Mapping[Column, str]]) -> None:
        """Keep the words of some cards, by number; what was there before is replaced."""

    def differ(self, session: Session, words: Mapping[int, Mapping[Column, str]]) -> list[int]:
        """Give the numbers of the cards whose words are not those."""

    def strays(self, session: Session) -> int:
        """Count the entries that belong to no card."""

    def clear(self, session: Session) -> None:
        """Forget all."""

    def match(self, text: str, where: Column | None = None) -> ColumnElement[bool] | None:
        """Give a condition on `CardRow`; None if there is no word in `text`."""


def text_index(dialect: str) -> TextIndex:
    """Give the index of a kind of database, `sqlite` or `postgresql`."""
    return _Fts5() if dialect == "sqlite" else _TsVector()


def _rows(words: Mapping[int, Mapping[Column, str]]) -> list[dict[str, int | str]]:
    return [{"number": number, **{name: found.get(name, "") for name in COLUMNS}} for number, found in words.items()]


class _Fts5:
    """SQLite's full-text index; its row numbers are the cards'."""

    def put(self, session: Session, words: Mapping[int, Mapping[Column, str]]) -> None:
        rows = _rows(words)
        if rows:
            session.execute(text("DELETE FROM card_text WHERE rowid = :number"), rows)
            session.execute(
                text(
                    "INSERT INTO card_text (rowid, names, tags, notes, lyrics) "
                    "VALUES (:number, :names, :tags, :notes, :lyrics)"
                ),
                rows,
            )

    def differ(self, session: Session, words: Mapping[int, Mapping[Column, str]]) -> list[int]:
        wanted = {number: tuple(found.get(name, "") for name in COLUMNS) for number, found in words.items()}
        if not wanted:
            return []
        statement = text("SELECT rowid, names, tags, notes, lyrics FROM card_text WHERE rowid IN :numbers").bindparams(
            bindparam("numbers", expanding=True)
        )
        known = {row[0]: tuple(row[1:]) for row in session.execute(statement, {"numbers": list(wanted)})}
        return [number for number, found in wanted.items() if known.get(number) != found]

    def strays(self, session: Session) -> int:
        # The table of contents is a plain one; the index itself would be read whole.
        statement = "SELECT count(*) FROM card_text_content WHERE id NOT IN (SELECT number FROM card)"
        return int(session.execute(text(statement)).scalar() or 0)

    def clear(self, session: Session) -> None:
        session.execute(text("DELETE FROM card_text"))

    def match(self, text_: str, where: Column | None = None) -> ColumnElement[bool] | None:
        phrases = [f'"{" ".join(words)}" *' for words in alternatives(text_)]
        if not phrases:
            return None
        query = " OR ".join(f"{where} : {phrase}" if where else phrase for phrase in phrases)
        found = table("card_text", column("rowid"))
        matching = select(found.c.rowid).where(text("card_text MATCH :words").bindparams(_unique("words", query)))
        return CardRow.number.in_(matching)


def _unique(name: str, value: str) -> BindParameter[str]:
    return bindparam(name, value, unique=True)


class _TsVector:
    """PostgreSQL's; the four columns are its four weights."""

    _weights: Mapping[str, str] = dict(zip(COLUMNS, "ABCD", strict=True))

    def put(self, session: Session, words: Mapping[int, Mapping[Column, str]]) -> None:
        rows = [{"number": number, "words": self._vector(found)} for number, found in words.items()]
        if rows:
            session.execute(
                text(
                    "INSERT INTO card_text (number, words) VALUES (:number, CAST(:words AS tsvector)) "
                    "ON CONFLICT (number) DO UPDATE SET words = EXCLUDED.words"
                ),
                rows,
            )

    def _vector(self, words: Mapping[Column, str]) -> str:
        entries: list[str] = []
        place = 0
        for name in COLUMNS:
            for word in words.get(name, "").split():
                place += 1
                if word != GAP and place < _MOST_POSITIONS:
                    entries.append(f"{word}:{place}{self._weights[name]}")
            place += 1
        return " ".join(entries)

    def differ(self, session: Session, words: Mapping[int, Mapping[Column, str]]) -> list[int]:
        wanted = [{"number": number, "words": self._vector(found)} for number, found in words.items()]
        statement = text("SELECT 1 FROM card_text WHERE number = :number AND words = CAST(:words AS tsvector)")
        same = (session.execute(statement, row).first() is not None for row in wanted)
        return [number for number, found in zip(words, same, strict=True) if not found]

    def strays(self, session: Session) -> int:
        return 0  # a foreign key holds them

    def clear(self, session: Session) -> None:
        session.execute(text("DELETE FROM card_text"))

    def match(self, text_: str, where: Column | None = None) -> ColumnElement[bool] | None:
        weight = self._weights[where] if where else ""
        phrases = [self._phrase(words, weight) for words in alternatives(text_)]
        if not phrases:
            return None
        found = table("card_text", column("number"), column("words"))
        matching = select(found.c.number).where(
            text("card_text.words @@ CAST(:asked AS tsquery)").bindparams(_unique("asked", " | ".join(phrases)))
        )
        return CardRow.number.in_(matching)

    def _phrase(self, words: Sequence[str], weight: str) -> str:
        marks = [f":{weight}" if weight else ""] * (len(words) - 1) + [f":*{weight}"]
        return "(" + " <-> ".join(f"{word}{mark}" for word, mark in zip(words, marks, strict=True)) + ")"
