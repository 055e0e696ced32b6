"""The only module that opens catalogs: one `transaction()`, and which sounds a transaction has touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.engines import WRITE, postgres_engine, postgres_url, sqlite_engine, translated
from audiolab.library.migrating import HEAD, upgrade
from audiolab.library.models import CollectionItemRow, DocumentRow, ResultRow, SetRow, SoundRow, TagRow, VectorRow

__all__ = ["HEAD", "CatalogSession", "Store", "touch", "touched"]

_TOUCHED = "touched"


class CatalogSession(Session):
    """A session that remembers which sounds it changed."""


def touch(session: Session, sound_ids: Iterable[str]) -> None:
    """Say that sounds changed; needed after statements that change rows without loading them."""
    session.info.setdefault(_TOUCHED, set()).update(sound_ids)


def touched(session: Session) -> set[str]:
    """Give the sounds that changed since this was last asked."""
    ids: set[str] = session.info.pop(_TOUCHED, set())
    return ids


@event.listens_for(CatalogSession, "before_flush")
def _remember(session: Session, *_: Any) -> None:
    ids: set[str] = session.info.setdefault(_TOUCHED, set())
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, SoundRow):
            ids.add(row.id)
            if row.kind == "stem" and row.parent_id:
                ids.add(row.parent_id)
        elif isinstance(row, (TagRow, DocumentRow, CollectionItemRow, VectorRow, ResultRow)):
            ids.add(row.sound_id)
        elif isinstance(row, SetRow):
            ids.add(row.parent_id)


class Store:
    """A catalog database.

    Parameters
    ----------
    place : path-like or str
        SQLite file (made if missing), or the URL of a PostgreSQL database. Older schemas are upgraded.
    before_commit : callable, optional
        Called with the session at the end of each writing transaction.

    Attributes
    ----------
    path : Path or None
        The SQLite file.
    where : str
        What to call it in messages; holds no password.

    Raises
    ------
    CatalogError
        If it is no audiolab catalog, is newer than this code, damaged, locked, read-only or not reachable.
    """

    def __init__(self, place: str | Path, *, before_commit: Callable[[Session], None] | None = None) -> None:
        self.closed = False
        self._before_commit = before_commit
        self.path: Path | None = None
        if isinstance(place, str) and "://" in place:
            url = postgres_url(place)
            self.where, self.engine = url.render_as_string(hide_password=True), postgres_engine(url)
        else:
            self.path = Path(place)
            self.where, self.engine = str(self.path), sqlite_engine(self.path)
        try:
            upgrade(self.engine, self.where, self.path)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, *, write: bool = True, keys: bool = True) -> Iterator[Session]:
        """Give a session; its changes are durable when the block ends, or undone if it raises.

        Parameters
        ----------
        write : bool
            Take the write lock at once, so that what was read cannot change before it is written.
        keys : bool
            Let the database watch foreign keys. A repair switches that off: SQLite does not let go of a row that
            points nowhere.
        """
        if self.closed:
            raise CatalogError(f"the library {self.where!r} is closed; open it again")
        with translated(self.where):
            connection = self.engine.connect().execution_options(**{WRITE: write})
            try:
                if not keys:
                    self._watch_keys(connection, on=False)
                with connection.begin(), CatalogSession(connection, expire_on_commit=False) as session:
                    yield session
                    session.flush()
                    if write and self._before_commit is not None:
                        self._before_commit(session)
            finally:
                if not keys:
                    self._watch_keys(connection, on=True)
                connection.close()

    def _watch_keys(self, connection: Connection, *, on: bool) -> None:
        driver = connection.connection.dbapi_connection
        if self.path is not None and driver is not None:
            driver.cursor().execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")

    def close(self) -> None:
        """Close all connections; SQLite then folds its log into the one file."""
        self.closed = True
        self.engine.dispose()

    def analyze(self) -> None:
        """Let the database count what lies where, so that it finds the best way to an answer."""
        with self.transaction() as session:
            session.execute(text("ANALYZE"))

    def problems(self) -> list[str]:
        """Let the database check itself: pages, indexes and foreign keys."""
        if self.path is None:
            return self._dangling_keys()
        found = []
        with translated(self.where), self.engine.connect() as connection:
            try:
                rows = connection.execute(text("PRAGMA integrity_check(20)")).scalars().all()
                found += [f"database: {row}" for row in rows if row != "ok"]
                for table, row, parent, _ in connection.execute(text("PRAGMA foreign_key_check")).all():
                    found.append(f"row {row} of {table} points to a missing {parent}")
            except DatabaseError as error:
                found.append(f"database: {error.orig}")
        return found

    def _dangling_keys(self) -> list[str]:
        """PostgreSQL checks pages and keys itself; a key that is not valid was switched off by somebody."""
        with translated(self.where), self.engine.connect() as connection:
            constraints = connection.execute(
                text(
                    "SELECT conname FROM pg_constraint WHERE NOT convalidated "
                    "AND connamespace = current_schema()::regnamespace"
                )
            )
            return [f"the constraint {name} does not hold" for name in constraints.scalars()]

    def sizes(self) -> dict[str, int]:
        """Give the bytes of each table with its indexes, if the database can tell."""
        if self.path is None:
            with translated(self.where), self.engine.connect() as connection:
                names = inspect(connection).get_table_names()
                sizes = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
                return {name: int(connection.execute(sizes, {"name": name}).scalar() or 0) for name in names}
        return {"library.db": self.path.stat().st_size}
