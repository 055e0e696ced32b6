"""Opening databases: SQLite files and PostgreSQL, with what each of them needs to keep the same promises."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool

from audiolab.errors import CatalogError, CatalogFullError, MissingDependency

__all__ = ["BUSY_SECONDS", "WRITE", "postgres_engine", "postgres_url", "sqlite_engine", "translated"]

BUSY_SECONDS = 60.0
"""How long a writer waits for another."""
WRITE = "audiolab_write"
"""Execution option of a connection: take the write lock when the transaction begins."""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('audiolab ' || current_schema()))"


def sqlite_engine(path: Path) -> Engine:
    """Open a SQLite file; it is made if it is missing."""
    # A creator keeps hostile signs in the path (`?`, `%`, `#`) out of a URL.
    engine = create_engine("sqlite://", creator=_connector(path), poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get(WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _connector(path: Path) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(str(path), timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
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


def postgres_url(text: str) -> URL:
    """Read a database URL: `postgresql://user:password@host/name` (driver psycopg).

    Raises
    ------
    CatalogError
        If it is no such URL.
    """
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise CatalogError(f"a catalog's URL is like postgresql://user@host/name ({error})") from error
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "postgresql":
        raise CatalogError(
            f"a catalog is a SQLite file in the library's folder or on PostgreSQL, not {url.get_backend_name()!r}"
        )
    return url


def postgres_engine(url: URL) -> Engine:
    """Open a PostgreSQL database; each library needs a database, or a schema (`?options=-csearch_path=NAME`)."""
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise MissingDependency(
            "a catalog on PostgreSQL needs its driver. Install: pip install 'audiolab[postgres]'"
        ) from error

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITE, False):
            # One writer at a time, as with SQLite: what it has read cannot change before it writes.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS:.0f}s'")
            connection.exec_driver_sql(_LOCK)
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    return engine


_FULL = ("disk is full", "No space left")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what the driver says into a `CatalogError` with advice."""
    try:
        yield
    except IntegrityError as error:
        raise CatalogError(f"the catalog refused a change: {_first_line(error)}") from error
    except (OperationalError, DatabaseError) as error:
        said = _first_line(error)
        advice = next((text for sign, text in _advice().items() if sign in said), "")
        full = any(sign in said for sign in _FULL)
        raise (CatalogFullError if full else CatalogError)(f"{where!r}: {said}{advice}") from error


def _first_line(error: DatabaseError) -> str:
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]


def _advice() -> dict[str, str]:
    waited = f": another process held it for more than {BUSY_SECONDS:.0f} s; wait for it or end it"
    return {
        "locked": waited,
        "lock timeout": waited,
        "disk is full": ": free some space; nothing was changed",
        "disk I/O error": ": the disk is full or failing; nothing was changed",
        "No space left": ": free some space on the server; nothing was changed",
        "readonly": ": the folder or file is read-only for you; copy the library to where you may write",
        "unable to open": ": is the folder there and writable?",
        "malformed": ": the file is damaged; `audiolab fsck --repair` saves what can be read, or load a backup",
        "not a database": ": the file is damaged or something else; load a backup",
        "onnection refused": ": is the PostgreSQL server running, and is the address right?",
        "authentication failed": ": check user and password in the URL",
        "does not exist": ": make the database first (createdb NAME)",
    }
