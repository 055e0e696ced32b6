"""The catalog's tables, typed. `store.py` opens them; `migrations/` makes them; nothing here knows SQLite.

Times are stored in UTC. Columns marked *derived* follow from other rows; `derived.py` keeps them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "Base",
    "Big",
    "CollectionItemRow",
    "CollectionRow",
    "DocumentRow",
    "FileRow",
    "FolderRow",
    "Id",
    "JobRow",
    "MetaRow",
    "OpRow",
    "ResultRow",
    "RunRow",
    "SetItemRow",
    "SetRow",
    "SoundRow",
    "SynonymRow",
    "TagRow",
    "Utc",
    "VectorRow",
]


class Utc(TypeDecorator[datetime]):
    """A moment: aware datetimes in and out, stored as plain UTC on every database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to plain UTC; a value without zone is taken as UTC."""
        if value is None or value.tzinfo is None:
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


Id = String(128)
Json = JSON(none_as_null=True)
Big = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text, datetime: Utc, dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012


class SoundRow(Base):
    """A song, stem or sample."""

    __tablename__ = "sound"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str]
    stem: Mapped[str | None] = mapped_column(String(64))
    content_id: Mapped[str | None] = mapped_column(Id, index=True)
    media: Mapped[str | None] = mapped_column(Id, index=True)
    """Hash in the media store; null for views."""
    suffix: Mapped[str] = mapped_column(String(16), default="")
    size: Mapped[int | None] = mapped_column(Big, index=True)
    """Bytes of the media file."""
    format: Mapped[str] = mapped_column(String(64), default="")
    subtype: Mapped[str] = mapped_column(String(64), default="")
    sample_rate: Mapped[int] = mapped_column(Integer)
    channels: Mapped[int] = mapped_column(Integer)
    frames: Mapped[int] = mapped_column(Big)
    parent_id: Mapped[str | None] = mapped_column(Id, ForeignKey("sound.id"), index=True)
    song_id: Mapped[str | None] = mapped_column(Id, ForeignKey("sound.id"), index=True)
    start: Mapped[int | None] = mapped_column(Big)
    """First frame in the parent; null unless this is a view."""
    stop: Mapped[int | None] = mapped_column(Big)
    set_id: Mapped[str | None] = mapped_column(Id)
    """The newest sample set that holds it."""
    made_facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What whoever made or imported it said about it."""
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Derived: `made_facts` and the facts of all results on it."""
    render: Mapped[dict[str, Any] | None]
    """What is done to it when it is read or exported; see `audiolab.audio.Render`."""
    result_key: Mapped[str | None] = mapped_column(Id, index=True)
    """How it was made; null for what was added."""
    added_at: Mapped[datetime]
    original_name: Mapped[str | None]
    origin: Mapped[str | None]
    """Path within the folder or zip that was added; never absolute."""
    embedded: Mapped[dict[str, Any] | None]
    """Tags found in the file."""
    deleted_at: Mapped[datetime | None]
    current: Mapped[bool] = mapped_column(Boolean, default=True)
    """Derived: false once a newer result took the place of the one that made it."""
    duration: Mapped[float] = mapped_column(Float)
    """Derived: seconds."""
    bpm: Mapped[float | None] = mapped_column(Float)
    """Derived: tempo, with the user's correction."""
    key: Mapped[str | None] = mapped_column(String(8))
    """Derived: musical key, canonical (`Am`, `F#`)."""
    label: Mapped[str | None] = mapped_column(String(255))
    """Derived: the label that counts, a person's before a model's."""
    label_confidence: Mapped[float | None] = mapped_column(Float)
    label_source: Mapped[str | None] = mapped_column(String(16))
    rating: Mapped[int | None] = mapped_column(Integer)
    """Derived: 1 to 5, from the overlay `fields`, as are the next two."""
    favourite: Mapped[bool | None] = mapped_column(Boolean)
    note: Mapped[str | None]


class SetRow(Base):
    """A sample set: what one slice job cut from one sound."""

    __tablename__ = "sample_set"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    parent_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id"), index=True)
    result_key: Mapped[str] = mapped_column(Id, index=True)
    superseded_by: Mapped[str | None] = mapped_column(Id)
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    used_at: Mapped[datetime]


class SetItemRow(Base):
    """A sample's place in a set; equal cuts of two sets are one sound."""

    __tablename__ = "set_item"

    set_id: Mapped[str] = mapped_column(Id, ForeignKey("sample_set.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    sound_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id"), index=True)


class TagRow(Base):
    """A label on a sound."""

    __tablename__ = "tag"

    sound_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    """human, model or import."""
    stage: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    """The stage that gave a model's tag; empty for people and imports."""
    label: Mapped[str] = mapped_column(String(255), primary_key=True)
    role: Mapped[str] = mapped_column(String(8), default="label")
    """`label`: says what the sound is, and competes with the classifier. `tag`: a free word such as `reject`."""
    denied: Mapped[bool] = mapped_column(Boolean, default=False)
    """A person said that this label is wrong."""
    confidence: Mapped[float] = mapped_column(Float, default=1.0)
    model: Mapped[str | None] = mapped_column(String(255))
    """Version of the model."""
    top: Mapped[list[Any] | None]
    result_key: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime]

    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012


class DocumentRow(Base):
    """A human edit that lies over a stage's result (an overlay), or a stage's facts of one sound of a set."""

    __tablename__ = "document"

    sound_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Name of the stage whose document it changes, `name` for a rename, `facts:` and a stage for its facts."""
    body: Mapped[dict[str, Any]]
    source: Mapped[str] = mapped_column(String(16), default="human")
    updated_at: Mapped[datetime]


class OpRow(Base):
    """One user-facing change; rows are only ever appended."""

    __tablename__ = "ops"

    id: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    what: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(Text, index=True)
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    group: Mapped[str | None] = mapped_column(String(32), index=True)
    """What was done at once shares it, and is undone at once."""
    undoes: Mapped[str | None] = mapped_column(String(32))
    """The group that this one takes back."""


class ResultRow(Base):
    """What one job gave."""

    __tablename__ = "result"

    key: Mapped[str] = mapped_column(Id, primary_key=True)
    stage: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    engine: Mapped[str] = mapped_column(String(128), default="builtin")
    weights: Mapped[str | None] = mapped_column(Id)
    profile: Mapped[dict[str, Any]] = mapped_column(default=dict)
    notes: Mapped[list[Any]] = mapped_column(default=list)
    sound_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id"))
    set_id: Mapped[str | None] = mapped_column(Id)
    document: Mapped[dict[str, Any]] = mapped_column(default=dict)
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    needs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    media: Mapped[list[Any]] = mapped_column(default=list)
    """Hashes of all files that the job left."""
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime]
    """When it was made or, later, chosen again; the newest of a stage counts."""
    run_id: Mapped[str | None] = mapped_column(Id)

    __table_args__ = (
        Index("ix_result_sound_id_stage", "sound_id", "stage"),
        Index("ix_result_set_id_stage", "set_id", "stage"),
    )


class VectorRow(Base):
    """A sound's embedding: float32, little endian."""

    __tablename__ = "vector"

    sound_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id", ondelete="CASCADE"), primary_key=True)
    encoder: Mapped[str] = mapped_column(Id, primary_key=True, index=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class CollectionRow(Base):
    """A named, ordered choice of sounds."""

    __tablename__ = "collection"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    query: Mapped[str | None]
    """Of a saved search; its sounds are what this finds."""
    created_at: Mapped[datetime]


class CollectionItemRow(Base):
    """A sound's place in a collection."""

    __tablename__ = "collection_item"

    collection_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("collection.id", ondelete="CASCADE"), primary_key=True
    )
    sound_id: Mapped[str] = mapped_column(Id, ForeignKey("sound.id"), primary_key=True, index=True)
    position: Mapped[int] = mapped_column(Integer)


class RunRow(Base):
    """A recipe over some sounds."""

    __tablename__ = "run"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    recipe: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[str] = mapped_column(String(16), default="queued")
    created_at: Mapped[datetime] = mapped_column(index=True)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    sound_ids: Mapped[list[Any]] = mapped_column(default=list)
    report: Mapped[dict[str, Any] | None]
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)


class JobRow(Base):
    """One stage on one unit, within a run."""

    __tablename__ = "job"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, default=0)
    stage: Mapped[str] = mapped_column(String(64))
    unit: Mapped[str] = mapped_column(String(16), default="")
    sound_id: Mapped[str | None] = mapped_column(Id)
    set_id: Mapped[str | None] = mapped_column(Id)
    status: Mapped[str] = mapped_column(String(16), default="waiting")
    progress: Mapped[float | None] = mapped_column(Float)
    result_key: Mapped[str | None] = mapped_column(Id)
    why: Mapped[str | None]
    seconds: Mapped[float | None] = mapped_column(Float)
    engine: Mapped[str | None] = mapped_column(String(128))
    notes: Mapped[list[Any]] = mapped_column(default=list)


class MetaRow(Base):
    """What holds for the whole library."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[dict[str, Any]]


class SynonymRow(Base):
    """A word of the user that finds another: `bd` finds kick."""

    __tablename__ = "synonym"

    word: Mapped[str] = mapped_column(String(255), primary_key=True)
    means: Mapped[str] = mapped_column(String(255))


class FolderRow(Base):
    """A folder on the user's disk; where it lies on this machine is in `places.json`, never here."""

    __tablename__ = "folder"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    mode: Mapped[str] = mapped_column(String(16), default="copy")
    """copy: its files were copied into the store. reference: they are used where they lie."""
    kind: Mapped[str] = mapped_column(String(16), default="auto")
    rule: Mapped[str | None]
    """How tags are read from names in it."""
    watched: Mapped[bool] = mapped_column(Boolean, default=False)
    added_at: Mapped[datetime]


class FileRow(Base):
    """A file in such a folder, as it was last seen."""

    __tablename__ = "file"

    folder: Mapped[str] = mapped_column(String(255), ForeignKey("folder.name", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    """Relative to the folder, with forward slashes."""
    size: Mapped[int] = mapped_column(Big)
    mtime_ns: Mapped[int] = mapped_column(Big)
    media: Mapped[str | None] = mapped_column(Id, index=True)
    sound_id: Mapped[str | None] = mapped_column(Id, index=True)
    status: Mapped[str] = mapped_column(String(16), default="")
    why: Mapped[str] = mapped_column(Text, default="")
    seen_at: Mapped[datetime]
