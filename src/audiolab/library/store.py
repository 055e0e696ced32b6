"""The only module that opens a database: engine, pragmas, one `transaction()`, schema versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError

__all__ = ["HEAD", "Store"]

HEAD = "0001"
"""Schema version of this code; equals the newest migration (a test holds it)."""
_BUSY_SECONDS = 60.0


class Store:
    """A catalog database.

    Parameters
    ----------
    path : path-like
        SQLite file; made if missing, upgraded if older than the code.

    Raises
    ------
    CatalogError
        If it is no audiolab catalog, is newer than this code, damaged, locked or read-only.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.engine = _sqlite_engine(self.path)
        self.closed = False
        try:
            self._upgrade()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Session]:
        """Give a session; its changes are durable when the block ends, or undone if it raises.

        Parameters
        ----------
        write : bool
            Take the write lock at once, so that what was read cannot change before it is written.
        """
        if self.closed:
            raise CatalogError(f"the library {str(self.path.parent)!r} is closed; open it again")
        with _translated(self.path):
            connection = self.engine.connect().execution_options(audiolab_write=write)
            try:
                with connection.begin(), Session(connection, expire_on_commit=False) as session:
                    yield session
                    session.flush()
            finally:
                connection.close()

    def close(self) -> None:
        """Close all connections; SQLite then folds its log into the one file."""
        self.closed = True
        self.engine.dispose()

    def problems(self) -> list[str]:
        """Let the database check itself: pages, indexes and foreign keys."""
        found = []
        with _translated(self.path), self.engine.connect() as connection:
            try:
                rows = connection.execute(text("PRAGMA integrity_check(20)")).scalars().all()
                found += [f"database: {row}" for row in rows if row != "ok"]
                for table, row, parent, _ in connection.execute(text("PRAGMA foreign_key_check")).all():
                    found.append(f"row {row} of {table} points to a missing {parent}")
            except DatabaseError as error:
                found.append(f"database: {error.orig}")
        return found

    def _upgrade(self) -> None:
        with _translated(self.path), self.engine.connect() as connection:
            if _version(connection) == HEAD:
                return
        writing = self.engine.execution_options(audiolab_write=True)
        with _translated(self.path), writing.begin() as connection:
            # Look again under the write lock: another process may have been faster.
            version = _version(connection)
            if version != HEAD:
                _migrate(connection, version, self.path)


def _version(connection: Connection) -> str | None:
    tables = set(connection.dialect.get_table_names(connection))
    if "alembic_version" in tables:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if tables:
        raise CatalogError(f"the database is no audiolab catalog (it has the table {min(tables)!r})")
    return None


def _migrate(connection: Connection, version: str | None, path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise CatalogError(
            f"{str(path)!r} was written by a newer audiolab (schema {version}; this one knows up to {HEAD}): "
            "update audiolab"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the driver says into a `CatalogError` with advice."""
    try:
        yield
    except IntegrityError as error:
        raise CatalogError(f"the catalog refused a change: {error.orig}") from error
    except (OperationalError, DatabaseError) as error:
        said = str(error.orig)
        advice = next((text_ for sign, text_ in _ADVICE.items() if sign in said), "")
        raise CatalogError(f"{str(path)!r}: {said}{advice}") from error


_ADVICE = {
    "locked": f": another process held it for more than {_BUSY_SECONDS:.0f} s; wait for it or end it",
    "disk is full": ": free some space; nothing was changed",
    "readonly": ": the folder or file is read-only for you",
    "unable to open": ": is the folder there and writable?",
    "malformed": ": the file is damaged; load a backup, or rebuild it from records in a new library",
    "not a database": ": the file is damaged or something else",
}


def _sqlite_engine(path: Path) -> Engine:
    # A creator keeps hostile signs in the path (`?`, `%`, `#`) out of a URL.
    engine = create_engine("sqlite://", creator=_connector(path), poolclass=_pool())

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("audiolab_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _pool() -> Any:
    from sqlalchemy.pool import QueuePool

    return QueuePool


def _connector(path: Path) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(str(path), timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",  # what was acknowledged survives a power cut
            "foreign_keys = ON",
            "cache_size = -65536",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return connect
