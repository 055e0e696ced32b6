"""Bringing a catalog to the schema of this code; the file is copied before each change of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError
from audiolab.library.clock import utc_now
from audiolab.library.engines import WRITE, translated

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["HEAD", "upgrade"]

HEAD = "0002"
"""Schema version of this code; equals the newest migration (a test holds it)."""
COPIES = "backups"
"""Folder, beside the database, of the copies that are made before each upgrade."""


def upgrade(engine: Engine, where: str, path: Path | None) -> None:
    """Make or upgrade the tables.

    Parameters
    ----------
    where : str
        What to call the catalog in messages.
    path : Path or None
        The SQLite file.

    Raises
    ------
    CatalogError
        If it is no audiolab catalog or newer than this code; nothing is changed then.
    """
    with translated(where), engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with translated(where), engine.execution_options(**{WRITE: True}).begin() as connection:
        # Look again under the write lock: another process may have been faster.
        version = _version(connection)
        if version == HEAD:
            return
        if version is not None:
            _refuse_newer(version, where)
            if path is not None:
                copy_before(path, version)
        _migrate(connection)


def _version(connection: Connection) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if tables:
        raise CatalogError(f"the database is no audiolab catalog (it has the table {min(tables)!r})")
    return None


def _refuse_newer(version: str, where: str) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if version not in known:
        raise CatalogError(
            f"{where!r} was written by a newer audiolab (schema {version}; this one knows up to {HEAD}): "
            "update audiolab"
        )


def copy_before(path: Path, version: str) -> Path:
    """Copy a SQLite file as it is now; called under the write lock, so nobody changes it meanwhile.

    Raises
    ------
    CatalogError
        If there is no room for the copy; the upgrade does not begin then.
    """
    target = path.parent / COPIES / f"{path.stem}-{version}-{utc_now():%Y%m%dT%H%M%S}{path.suffix}"
    try:
        target.parent.mkdir(exist_ok=True)
        for torn in target.parent.glob(".*.part*"):  # of an upgrade that was killed
            torn.unlink(missing_ok=True)
        with atomic_path(target) as temporary:
            source, copy = sqlite3.connect(str(path)), sqlite3.connect(str(temporary))
            try:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
            finally:
                source.close()
                copy.close()
    except (OSError, sqlite3.Error) as error:
        raise CatalogError(
            f"{str(path)!r} needs an upgrade, and cannot be copied before: {error}; is the disk full or read-only?"
        ) from error
    return target


def _migrate(connection: Connection) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
