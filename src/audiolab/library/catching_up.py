"""Folding what workers left while nobody was there: records whose results the catalog does not know yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from audiolab.errors import CatalogError
from audiolab.library.folding import fold
from audiolab.library.media import MediaStore
from audiolab.library.models import ResultRow
from audiolab.library.purging import purged_records
from audiolab.library.records import Record
from audiolab.library.store import Store

__all__ = ["fold_new_records", "new_records", "record_files"]


def record_files(folder: Path) -> Iterator[Path]:
    """List the records below a library's folder, in order."""
    records = folder / "records"
    if records.is_dir():
        for part in sorted(records.iterdir()):
            if part.is_dir():
                yield from sorted(path for path in part.glob("*.json") if not path.name.startswith("."))


def new_records(store: Store, folder: Path) -> tuple[list[Record], list[str]]:
    """Read the records that are not in the catalog, oldest first, and say which cannot be read."""
    with store.transaction(write=False) as session:
        known = set(session.scalars(select(ResultRow.key))) | purged_records(session)
    found, torn = [], []
    for path in record_files(folder):
        if path.stem in known:
            continue
        try:
            found.append(Record.read(path))
        except CatalogError as error:
            torn.append(str(error))
    return sorted(found, key=lambda record: (record.made_at, record.key)), torn


def fold_new_records(store: Store, media: MediaStore, folder: Path) -> tuple[int, list[str]]:
    """Fold what is new; give the number of records folded, and what could not be and why.

    Clocks of several machines differ, so a record may seem older than the sound it is of: it is tried again
    as long as others succeed.
    """
    waiting, warnings = new_records(store, folder)
    folded = 0
    while waiting:
        failed: list[tuple[Record, str]] = []
        for record in waiting:
            try:
                folded += fold(store, media, record, catching_up=True)
            except CatalogError as error:
                failed.append((record, str(error)))
        if len(failed) == len(waiting):
            return folded, [*warnings, *(why for _, why in failed)]
        waiting = [record for record, _ in failed]
    return folded, warnings
