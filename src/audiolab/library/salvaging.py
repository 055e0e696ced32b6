"""Saving a library whose `library.db` is damaged: a new one from what SQLite can still read, records and files.

The damaged file is kept in `lost+found/`, and only then does the new one take its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Table, delete

from audiolab.errors import AudiolabError, CatalogError
from audiolab.library.cardrows import CardRow, CardWordRow
from audiolab.library.catching_up import record_files
from audiolab.library.fsck import FsckReport
from audiolab.library.library import Library
from audiolab.library.loosening import take_out_rows
from audiolab.library.lostfound import LostAndFound
from audiolab.library.models import Base, MetaRow
from audiolab.library.places import DATABASE
from audiolab.library.records import Record
from audiolab.library.scratch import scratch_folder
from audiolab.library.store import Store

__all__ = ["SalvageReport", "salvage"]

_DERIVED = {CardRow.__tablename__, CardWordRow.__tablename__}
_MOST_ROWS = 10_000_000
"""Numbers of rows that are tried one by one behind a damaged place."""


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What was saved.

    Attributes
    ----------
    rows : mapping
        Rows read of each table.
    damaged : tuple of str
        Tables that could not be read to their end.
    folded : int
        Results written again from records.
    adopted : tuple of str
        Ids of sounds that were made again from their files; their names, tags and times are lost.
    kept : Path
        The damaged file.
    """

    rows: Mapping[str, int]
    damaged: tuple[str, ...]
    folded: int
    adopted: tuple[str, ...]
    kept: Path
    after: FsckReport = field(repr=False)

    def __str__(self) -> str:
        saved = ", ".join(f"{table} {count}" for table, count in self.rows.items() if count)
        lines = [f"saved rows: {saved or 'none'}"]
        if self.damaged:
            lines.append(f"lost rows in: {', '.join(self.damaged)}")
        lines.append(f"{self.folded} results folded from records, {len(self.adopted)} sounds made again from files")
        return "\n".join([*lines, f"the damaged file is kept: {self.kept}", f"now: {self.after}"])


def salvage(folder: str | Path, *, actor: str | None = None) -> SalvageReport:
    """Make a new `library.db` in a library's folder that nobody has open.

    Raises
    ------
    CatalogError
        If there is no such file, or somebody is writing to it.
    """
    folder = Path(folder).expanduser().absolute()
    old = folder / DATABASE
    if not old.is_file():
        raise CatalogError(f"{str(folder)!r} has no {DATABASE}; is it a library with its catalog inside?")
    (folder / "tmp").mkdir(exist_ok=True)
    lost = LostAndFound(folder)
    with scratch_folder(folder / "tmp", "salvage") as scratch:
        rows, damaged = _save_rows(old, scratch, lost)
        parts = [path for path in (old, *(folder / f"{DATABASE}{end}" for end in ("-wal", "-shm"))) if path.exists()]
        why = "damaged; a new one was made of what could be read"
        copies = [lost.copy(path, "database", why) for path in parts]
        for path in parts[1:]:
            path.unlink()  # a log beside the new file would be played into it
        os.replace(scratch / DATABASE, old)
    with Library(folder, actor=actor) as library:
        adopted = _adopt(library)
        library.fold_new()
        folded = library.stats()["results"] - rows.get("result", 0)
        library.rebuild_derived()
        report = library.fsck()
    return SalvageReport(rows, damaged, folded, adopted, copies[0], report)


def _save_rows(old: Path, scratch: Path, lost: LostAndFound) -> tuple[dict[str, int], tuple[str, ...]]:
    copy = scratch / "damaged.db"  # reading a damaged file with its log changes it; not the only one
    for end in ("", "-wal"):
        if Path(f"{old}{end}").exists():
            shutil.copyfile(f"{old}{end}", f"{copy}{end}")
    store = Store(scratch / DATABASE)
    counts: dict[str, int] = {}
    damaged: list[str] = []
    try:
        target = sqlite3.connect(str(scratch / DATABASE), isolation_level=None)
        source = sqlite3.connect(str(copy), isolation_level=None)
        source.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            target.execute("BEGIN")
            for table in Base.metadata.sorted_tables:
                if table.name not in _DERIVED:
                    counts[table.name], whole = _copy_table(source, target, table)
                    damaged += [] if whole else [table.name]
            target.execute("COMMIT")
        finally:
            source.close()
            target.close()
        with store.transaction(keys=False) as session:
            session.execute(delete(MetaRow).where(MetaRow.key == "cards"))
            take_out_rows(session, lost)
    finally:
        store.close()
    with sqlite3.connect(str(scratch / DATABASE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return counts, tuple(damaged)


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: Table) -> tuple[int, bool]:
    names = [column.name for column in table.columns]
    try:
        known = {row[1] for row in source.execute(f'PRAGMA table_info("{table.name}")')}
    except sqlite3.DatabaseError:
        return 0, False
    names = [name for name in names if name in known]
    if not names:
        return 0, False
    columns = ", ".join(f'"{name}"' for name in names)
    # Names of tables and columns are the models' own.
    insert = f'INSERT OR IGNORE INTO "{table.name}" ({columns}) VALUES ({", ".join("?" * len(names))})'  # noqa: S608
    reader = _Reader(source, table, columns)
    jsons = [at for at, name in enumerate(names) if isinstance(table.columns[name].type, JSON)]
    count, whole = 0, True
    for row in reader.rows():
        if any(row[at] is not None and not _is_json(row[at]) for at in jsons):
            whole = False
            continue
        try:
            count += target.execute(insert, row).rowcount
        except sqlite3.IntegrityError:
            whole = False
    return count, whole and reader.whole


def _is_json(text: Any) -> bool:
    try:
        json.loads(text)
    except (ValueError, TypeError):
        return False
    return True


class _Reader:
    """Reads what can be read of a table: from the front, from the back, and row by row in between."""

    def __init__(self, source: sqlite3.Connection, table: Table, columns: str) -> None:
        self._source, self._table, self._columns = source, table, columns
        self._keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        self.whole = True

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Give the rows; some perhaps twice."""
        yield from self._run(f'SELECT {self._columns} FROM "{self._table.name}"')  # noqa: S608
        if self.whole:
            return
        for order in ("ASC", "DESC"):
            keys = self._keys.replace(",", f" {order},")
            yield from self._run(f'SELECT {self._columns} FROM "{self._table.name}" ORDER BY {keys} {order}')  # noqa: S608
        with contextlib.suppress(sqlite3.DatabaseError):
            yield from self._one_by_one()

    def _run(self, statement: str) -> Iterator[tuple[Any, ...]]:
        try:
            cursor = self._source.execute(statement)
            while (row := cursor.fetchone()) is not None:
                yield row
        except sqlite3.DatabaseError:
            self.whole = False

    def _one_by_one(self) -> Iterator[tuple[Any, ...]]:
        last = self._end("DESC")
        number = min(self._end("ASC"), 1)
        for rowid in range(number, min(last, _MOST_ROWS) + 1):
            statement = f'SELECT {self._columns} FROM "{self._table.name}" WHERE rowid = ?'  # noqa: S608
            with contextlib.suppress(sqlite3.DatabaseError):
                row = self._source.execute(statement, (rowid,)).fetchone()
                if row is not None:
                    yield row

    def _end(self, order: str) -> int:
        statement = f'SELECT rowid FROM "{self._table.name}" ORDER BY rowid {order} LIMIT 1'  # noqa: S608
        found = self._source.execute(statement).fetchone()
        return int(found[0]) if found else 0


def _adopt(library: Library) -> tuple[str, ...]:
    """Add the files that no row and no record names: what was added and is no longer in the catalog."""
    known: set[str] = set()
    for path in record_files(library.path):
        with contextlib.suppress(CatalogError):  # torn ones are named by fsck
            known.update(Record.read(path).media)
    orphans = [problem.what for problem in library.fsck().of_kind("orphaned") if problem.what not in known]
    adopted = []
    for media in orphans:
        with contextlib.suppress(AudiolabError):  # no sound: stays an orphan, which fsck names
            adopted.append(library.add(library.media.local(media)).id)
    return tuple(adopted)
