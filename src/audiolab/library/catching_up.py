"""Folding what workers left while nobody was there: records whose results the catalog does not know yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.derived import chunks
from audiolab.library.folding import fold
from audiolab.library.media import MediaStore
from audiolab.library.models import MetaRow, ResultRow
from audiolab.library.purging import purged_records
from audiolab.library.records import Record
from audiolab.library.store import Store

__all__ = ["fold_new_records", "record_files"]

_META = "folded"
_COARSE_NS = 3_000_000_000


def record_files(folder: Path) -> Iterator[Path]:
    """List the records below a library's folder, in order."""
    records = folder / "records"
    if records.is_dir():
        for part in sorted(records.iterdir()):
            if part.is_dir():
                yield from _records_in(part)


def _records_in(part: Path) -> list[Path]:
    return sorted(path for path in part.glob("*.json") if not path.name.startswith("."))


@dataclass(slots=True)
class _Scan:
    """What lay in the folders of records that changed since they were last looked through."""

    found: list[Record] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    """When each of them was changed last, before it was read; in nanoseconds."""
    open: set[str] = field(default_factory=set)
    """Names of those in which something is left to do."""


def _scan(store: Store, folder: Path) -> _Scan:
    with store.transaction(write=False) as session:
        marks = _marks(session)
        purged = purged_records(session)
    scan, paths = _Scan(), list[Path]()
    records = folder / "records"
    for part in sorted(records.iterdir()) if records.is_dir() else ():
        changed = part.stat().st_mtime_ns
        if part.is_dir() and marks.get(part.name) != changed:
            scan.times[part.name] = changed
            paths += _records_in(part)
    known: set[str] = set()
    with store.transaction(write=False) as session:
        for keys in chunks(path.stem for path in paths):
            known.update(session.scalars(select(ResultRow.key).where(ResultRow.key.in_(keys))))
    for path in paths:
        if path.stem in known or path.stem in purged:
            continue
        try:
            scan.found.append(Record.read(path))
        except CatalogError as error:
            scan.torn.append(str(error))
            scan.open.add(path.parent.name)
    scan.found.sort(key=lambda record: (record.made_at, record.key))
    return scan


def fold_new_records(store: Store, media: MediaStore, folder: Path) -> tuple[int, list[str]]:
    """Fold what is new; give the number of records folded, and what could not be and why.

    Clocks of several machines differ, so a record may seem older than the sound it is of: it is tried again
    as long as others succeed. A folder of records in which nothing is left to do is not looked into again before
    something in it changes: opening a library with many results takes no longer than one with few.
    """
    scan = _scan(store, folder)
    waiting, failed = scan.found, list[tuple[Record, str]]()
    folded = 0
    while waiting:
        failed = []
        for record in waiting:
            try:
                folded += fold(store, media, record, catching_up=True)
            except CatalogError as error:
                failed.append((record, str(error)))
        if len(failed) == len(waiting):
            break
        waiting = [record for record, _ in failed]
    scan.open.update(record.key[:2] for record, _ in failed)
    _mark(store, scan)
    return folded, [*scan.torn, *(why for _, why in failed)]


def _marks(session: Session) -> dict[str, int]:
    row = session.get(MetaRow, _META)
    return {} if row is None else dict(row.value)


def _mark(store: Store, scan: _Scan) -> None:
    """Note which folders need no second look; not those that changed just now, for clocks of files are coarse."""
    ripe = time.time_ns() - _COARSE_NS
    done = {name: at for name, at in scan.times.items() if name not in scan.open and at < ripe}
    if done:
        with store.transaction() as session:
            session.merge(MetaRow(key=_META, value={**_marks(session), **done}))
