"""The first schema: sounds, sets, tags, results, collections, runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "collection",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collection"),
        sa.UniqueConstraint("name", name="uq_collection_name"),
    )
    op.create_table(
        "ops",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("before", JSON, nullable=True),
        sa.Column("after", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ops"),
    )
    op.create_index("ix_ops_at", "ops", ["at"], unique=False)
    op.create_index("ix_ops_target", "ops", ["target"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recipe", JSON, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("sound_ids", JSON, nullable=False),
        sa.Column("report", JSON, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_created_at", "run", ["created_at"], unique=False)
    op.create_table(
        "sound",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("stem", sa.String(length=64), nullable=True),
        sa.Column("content_id", sa.String(length=128), nullable=True),
        sa.Column("media", sa.String(length=128), nullable=True),
        sa.Column("suffix", sa.String(length=16), nullable=False),
        sa.Column("size", BIG, nullable=True),
        sa.Column("format", sa.String(length=64), nullable=False),
        sa.Column("subtype", sa.String(length=64), nullable=False),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("frames", BIG, nullable=False),
        sa.Column("parent_id", sa.String(length=128), nullable=True),
        sa.Column("song_id", sa.String(length=128), nullable=True),
        sa.Column("start", BIG, nullable=True),
        sa.Column("stop", BIG, nullable=True),
        sa.Column("set_id", sa.String(length=128), nullable=True),
        sa.Column("made_facts", JSON, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("render", JSON, nullable=True),
        sa.Column("result_key", sa.String(length=128), nullable=True),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("original_name", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("embedded", JSON, nullable=True),
        sa.Column("deleted_at", sa.DateTime(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("bpm", sa.Float(), nullable=True),
        sa.Column("key", sa.String(length=8), nullable=True),
        sa.Column("label", sa.String(length=255), nullable=True),
        sa.Column("label_confidence", sa.Float(), nullable=True),
        sa.Column("label_source", sa.String(length=16), nullable=True),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["sound.id"], name="fk_sound_parent_id"),
        sa.ForeignKeyConstraint(["song_id"], ["sound.id"], name="fk_sound_song_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sound"),
    )
    op.create_index("ix_sound_added_at", "sound", ["added_at"], unique=False)
    op.create_index("ix_sound_bpm", "sound", ["bpm"], unique=False)
    op.create_index("ix_sound_content_id", "sound", ["content_id"], unique=False)
    op.create_index("ix_sound_duration", "sound", ["duration"], unique=False)
    op.create_index("ix_sound_key", "sound", ["key"], unique=False)
    op.create_index("ix_sound_kind", "sound", ["kind"], unique=False)
    op.create_index("ix_sound_label", "sound", ["label"], unique=False)
    op.create_index("ix_sound_media", "sound", ["media"], unique=False)
    op.create_index("ix_sound_parent_id", "sound", ["parent_id"], unique=False)
    op.create_index("ix_sound_result_key", "sound", ["result_key"], unique=False)
    op.create_index("ix_sound_size", "sound", ["size"], unique=False)
    op.create_index("ix_sound_song_id", "sound", ["song_id"], unique=False)
    op.create_table(
        "collection_item",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("sound_id", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_collection_item_collection_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_collection_item_sound_id"),
        sa.PrimaryKeyConstraint("collection_id", "sound_id", name="pk_collection_item"),
    )
    op.create_index("ix_collection_item_sound_id", "collection_item", ["sound_id"], unique=False)
    op.create_table(
        "document",
        sa.Column("sound_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_document_sound_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sound_id", "kind", name="pk_document"),
    )
    op.create_table(
        "job",
        sa.Column("run_id", sa.String(length=128), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("sound_id", sa.String(length=128), nullable=True),
        sa.Column("set_id", sa.String(length=128), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("result_key", sa.String(length=128), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("engine", sa.String(length=128), nullable=True),
        sa.Column("notes", JSON, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_job_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_job"),
    )
    op.create_table(
        "result",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("params", JSON, nullable=False),
        sa.Column("engine", sa.String(length=128), nullable=False),
        sa.Column("weights", sa.String(length=128), nullable=True),
        sa.Column("profile", JSON, nullable=False),
        sa.Column("notes", JSON, nullable=False),
        sa.Column("sound_id", sa.String(length=128), nullable=False),
        sa.Column("set_id", sa.String(length=128), nullable=True),
        sa.Column("document", JSON, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("needs", JSON, nullable=False),
        sa.Column("media", JSON, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_result_sound_id"),
        sa.PrimaryKeyConstraint("key", name="pk_result"),
    )
    op.create_index("ix_result_set_id_stage", "result", ["set_id", "stage"], unique=False)
    op.create_index("ix_result_sound_id_stage", "result", ["sound_id", "stage"], unique=False)
    op.create_table(
        "sample_set",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("parent_id", sa.String(length=128), nullable=False),
        sa.Column("result_key", sa.String(length=128), nullable=False),
        sa.Column("superseded_by", sa.String(length=128), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["sound.id"], name="fk_sample_set_parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sample_set"),
    )
    op.create_index("ix_sample_set_parent_id", "sample_set", ["parent_id"], unique=False)
    op.create_index("ix_sample_set_result_key", "sample_set", ["result_key"], unique=False)
    op.create_table(
        "tag",
        sa.Column("sound_id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("denied", sa.Boolean(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=True),
        sa.Column("top", JSON, nullable=True),
        sa.Column("result_key", sa.String(length=128), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_tag_sound_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sound_id", "source", "stage", "label", name="pk_tag"),
    )
    op.create_index("ix_tag_label_sound_id", "tag", ["label", "sound_id"], unique=False)
    op.create_table(
        "vector",
        sa.Column("sound_id", sa.String(length=128), nullable=False),
        sa.Column("encoder", sa.String(length=128), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_vector_sound_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sound_id", "encoder", name="pk_vector"),
    )
    op.create_index("ix_vector_encoder", "vector", ["encoder"], unique=False)
    op.create_table(
        "set_item",
        sa.Column("set_id", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sound_id", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["set_id"], ["sample_set.id"], name="fk_set_item_set_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sound_id"], ["sound.id"], name="fk_set_item_sound_id"),
        sa.PrimaryKeyConstraint("set_id", "position", name="pk_set_item"),
    )
    op.create_index("ix_set_item_sound_id", "set_item", ["sound_id"], unique=False)


def downgrade() -> None:
    """Drop all tables."""
    for table in (
        "set_item",
        "vector",
        "tag",
        "sample_set",
        "result",
        "job",
        "document",
        "collection_item",
        "sound",
        "run",
        "ops",
        "collection",
    ):
        op.drop_table(table)
