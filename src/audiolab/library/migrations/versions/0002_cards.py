"""What queries look at moves to tables of its own; ratings, saved searches, synonyms, folders, groups of changes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.String(length=128)


def upgrade() -> None:
    """Change and make tables; the cards are filled when the library is opened."""
    _change_sounds()
    _change_tags()
    _change_history()
    op.add_column("collection", sa.Column("query", sa.Text(), nullable=True))
    _make_tables()
    _make_cards()


def _change_sounds() -> None:
    for column in ("added_at", "bpm", "duration", "key", "kind", "label"):
        op.drop_index(f"ix_sound_{column}", "sound")
    op.add_column("sound", sa.Column("rating", sa.Integer(), nullable=True))
    op.add_column("sound", sa.Column("favourite", sa.Boolean(), nullable=True))
    op.add_column("sound", sa.Column("note", sa.Text(), nullable=True))
    op.drop_column("sound", "name_key")
    op.drop_column("sound", "search")


def _change_tags() -> None:
    op.drop_index("ix_tag_label_sound_id", "tag")
    if op.get_bind().dialect.name != "sqlite":
        return
    # Without row numbers a tag takes half the room.
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("sound_id", ID, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("denied", sa.Boolean(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=True),
        sa.Column("top", JSON, nullable=True),
        sa.Column("result_key", ID, nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "tag_new",
        *columns,
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_tag_sound_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sound_id", "source", "stage", "label", name="pk_tag"),
        sqlite_with_rowid=False,
    )
    names = ", ".join(column.name for column in columns)
    op.execute(f"INSERT INTO tag_new ({names}) SELECT {names} FROM tag")  # noqa: S608 - names from above
    op.drop_table("tag")
    op.rename_table("tag_new", "tag")


def _change_history() -> None:
    op.add_column("ops", sa.Column("group", sa.String(length=32), nullable=True))
    op.add_column("ops", sa.Column("undoes", sa.String(length=32), nullable=True))
    op.create_index("ix_ops_group", "ops", ["group"], unique=False)


def _make_tables() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "synonym",
        sa.Column("word", sa.String(length=255), nullable=False),
        sa.Column("means", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("word", name="pk_synonym"),
    )
    op.create_table(
        "folder",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_folder"),
    )
    op.create_table(
        "file",
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("mtime_ns", BIG, nullable=False),
        sa.Column("media", ID, nullable=True),
        sa.Column("sound_id", ID, nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["folder"], ["folder.name"], name="fk_file_folder", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("folder", "path", name="pk_file"),
    )
    op.create_index("ix_file_media", "file", ["media"], unique=False)
    op.create_index("ix_file_sound_id", "file", ["sound_id"], unique=False)


def _make_cards() -> None:
    op.create_table(
        "card",
        sa.Column("number", BIG, autoincrement=True, nullable=False),
        sa.Column("sound_id", ID, nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("trashed", sa.Boolean(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("stem", sa.String(length=64), nullable=True),
        sa.Column("song", BIG, nullable=True),
        sa.Column("parent", BIG, nullable=True),
        sa.Column("start", sa.Float(), nullable=True),
        sa.Column("label", sa.String(length=255), nullable=True),
        sa.Column("label_source", sa.String(length=16), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("bpm", sa.Float(), nullable=True),
        sa.Column("key", sa.String(length=8), nullable=True),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("favourite", sa.Boolean(), nullable=True),
        sa.Column("root_note", sa.Float(), nullable=True),
        sa.Column("shape", sa.String(length=16), nullable=True),
        *(
            sa.Column(name, sa.Float(), nullable=True)
            for name in ("lufs", "brightness", "noisiness", "attack", "decay")
        ),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_card_sound_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_card"),
        sa.UniqueConstraint("sound_id", name="uq_card_sound_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_card_kind_shown", "card", ["kind", "shown"], unique=False)
    op.create_index("ix_card_label_shown", "card", ["label", "shown"], unique=False)
    for column in ("song", "bpm", "key", "duration", "added_at"):
        op.create_index(f"ix_card_{column}", "card", [column], unique=False)
    op.create_table(
        "card_word",
        sa.Column("field", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.ForeignKeyConstraint(["number"], ["card.number"], name="fk_card_word_number", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("field", "value", "number", name="pk_card_word"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_card_word_number", "card_word", ["number"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE card_text USING fts5 (names, tags, notes, lyrics, "
            "tokenize = \"ascii tokenchars '_'\", columnsize = 0)"
        )
        op.execute(
            "CREATE TRIGGER card_gone AFTER DELETE ON card BEGIN DELETE FROM card_text WHERE rowid = old.number; END"
        )
    else:
        op.execute(
            "CREATE TABLE card_text (number BIGINT PRIMARY KEY REFERENCES card ON DELETE CASCADE, "
            "words TSVECTOR NOT NULL)"
        )
        op.execute("CREATE INDEX ix_card_text_words ON card_text USING gin (words)")
