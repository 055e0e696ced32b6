"""Alembic's entry: runs on the connection that the store hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from audiolab.library.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
