"""The tables that queries look at, derived from all others (`cards.py`); the text index is in `textindex.py`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from audiolab.library.models import Base, Big, Id

__all__ = ["CardRow", "CardWordRow"]


class CardRow(Base):
    """Derived: what queries look at, one narrow row a sound. All of it can be made anew; see `cards.py`."""

    __tablename__ = "card"

    number: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=True)
    """Short name of the sound within this catalog; sounds are listed in this order."""
    sound_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id", ondelete="CASCADE"), unique=True)
    shown: Mapped[bool] = mapped_column(Boolean)
    """Neither in the trash nor superseded, unless a person has held on to it."""
    trashed: Mapped[bool] = mapped_column(Boolean)
    current: Mapped[bool] = mapped_column(Boolean)
    kind: Mapped[str] = mapped_column(String(16))
    stem: Mapped[str | None] = mapped_column(String(64))
    song: Mapped[int | None] = mapped_column(Big)
    """Number of its song; a song's own."""
    parent: Mapped[int | None] = mapped_column(Big)
    start: Mapped[float | None] = mapped_column(Float)
    """Seconds in the parent."""
    label: Mapped[str | None] = mapped_column(String(255))
    label_source: Mapped[str | None] = mapped_column(String(16))
    confidence: Mapped[float | None] = mapped_column(Float)
    bpm: Mapped[float | None] = mapped_column(Float)
    """Its own or its song's, as is the key."""
    key: Mapped[str | None] = mapped_column(String(8))
    duration: Mapped[float] = mapped_column(Float)
    added_at: Mapped[datetime]
    rating: Mapped[int | None] = mapped_column(Integer)
    favourite: Mapped[bool | None] = mapped_column(Boolean)
    root_note: Mapped[float | None] = mapped_column(Float)
    shape: Mapped[str | None] = mapped_column(String(16))
    lufs: Mapped[float | None] = mapped_column(Float)
    brightness: Mapped[float | None] = mapped_column(Float)
    noisiness: Mapped[float | None] = mapped_column(Float)
    attack: Mapped[float | None] = mapped_column(Float)
    decay: Mapped[float | None] = mapped_column(Float)
    sample_rate: Mapped[int] = mapped_column(Integer)
    channels: Mapped[int] = mapped_column(Integer)
    name_key: Mapped[str]
    """The name in the form in which texts are compared."""

    __table_args__ = (
        Index("ix_card_kind_shown", "kind", "shown"),
        Index("ix_card_label_shown", "label", "shown"),
        Index("ix_card_song", "song"),
        Index("ix_card_bpm", "bpm"),
        Index("ix_card_key", "key"),
        Index("ix_card_duration", "duration"),
        Index("ix_card_added_at", "added_at"),
        {"sqlite_autoincrement": True},
    )


class CardWordRow(Base):
    """Derived: which sounds have a word in a field (tag, artist, album, genre, year, word, take, has)."""

    __tablename__ = "card_word"

    field: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(255), primary_key=True)
    number: Mapped[int] = mapped_column(
        Big, ForeignKey("card.number", ondelete="CASCADE"), primary_key=True, index=True
    )

    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012
