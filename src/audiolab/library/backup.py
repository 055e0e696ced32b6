"""Backups while the library is in use.

A backup in a folder is laid out as a library: `library.db`, `media/`, `records/`, and `backups/manifest-*.json` with
sizes and hashes. First a snapshot of the catalog is taken, then the records and files that it names are copied (what
is there already stays), then the manifest is written; the catalog takes its place last, in one step. Until then the
backup that was there before is whole, or there is none. A backup in a zip holds the same; it appears as a whole.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from audiolab.errors import CatalogError
from audiolab.library.backupwriting import FolderWriter, Manifest, ZipWriter
from audiolab.library.clock import utc_now
from audiolab.library.copying import copy_catalog
from audiolab.library.media import FileMediaStore, clean_suffix, hash_file
from audiolab.library.models import FileRow, ResultRow, SoundRow
from audiolab.library.places import DATABASE
from audiolab.library.scratch import scratch_folder
from audiolab.library.store import Store
from audiolab.library.tables import seconds_text

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["BackupReport", "backup"]

_PAGES = 1000
Progress = Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds and what was copied for it.

    Attributes
    ----------
    copied, bytes : int
        Number and size of the files that were not there already.
    missing : mapping
        What could not be copied, as the library has not got it, and why.
    referred : int
        Files outside of the library that were left out; `with_files` takes them in.
    """

    path: Path
    sounds: int
    media: int
    records: int
    copied: int
    bytes: int
    seconds: float
    missing: Mapping[str, str] = field(default_factory=dict)
    referred: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.path}: {self.sounds} sounds, {self.media} files, {self.records} records; "
            f"{self.copied} copied ({self.bytes / 1e6:.1f} MB, {seconds_text(self.seconds)})"
        )
        if self.referred:
            text += f"; {self.referred} files outside of the library are not in it (with_files takes them in)"
        return "\n".join([text, *(f"  not in it: {what}: {why}" for what, why in self.missing.items())])


def backup(
    library: Library, target: str | Path, *, with_files: bool = False, progress: Progress | None = None
) -> BackupReport:
    """Copy a library, also while others write to it.

    Parameters
    ----------
    target : path-like
        A folder, new or with an earlier backup of this library; or a name ending in .zip.
    with_files : bool
        Also take in the files outside to which a library refers.
    progress : callable, optional
        Gets (part done, 1.0).

    Raises
    ------
    CatalogError
        If the target is something else, or the disk is full; an earlier backup there stays whole.
    """
    target = Path(target).expanduser().absolute()
    inside = target.resolve()
    if inside == library.path.resolve() or library.path.resolve() in inside.parents:
        raise CatalogError(f"a backup must not lie inside the library ({str(target)!r}); it would be lost with it")
    try:
        with scratch_folder(library.tmp_dir, "backup") as scratch:
            snapshot = _snapshot(library, scratch, lambda part: _tell(progress, 0.2 * part))
            plan = _plan(library, snapshot, with_files)
            writer = ZipWriter(target) if target.suffix.lower() == ".zip" else FolderWriter(target, library.id)
            with writer:
                return _write(library, snapshot, plan, writer, progress)
    except OSError as error:
        raise CatalogError(f"cannot make a backup in {str(target)!r}: {error.strerror or error}") from error


# ---- what is to be copied --------------------------------------------------------------------------


def _snapshot(library: Library, scratch: Path, tell: Callable[[float], None]) -> Path:
    """Copy the catalog as it is at one moment to a file of its own."""
    path = scratch / DATABASE
    if library.store.path is None:
        copy = Store(path)
        try:
            copy_catalog(library.store, copy, progress=lambda done, total: tell(done / max(total, 1)))
        finally:
            copy.close()
    else:
        source, target = sqlite3.connect(str(library.store.path), isolation_level=None), sqlite3.connect(str(path))
        try:
            # An open reading transaction holds the moment: writers go on, and the copy need not begin anew.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(target, pages=_PAGES, progress=lambda _, left, total: tell(1 - left / max(total, 1)))
        except sqlite3.Error as error:
            raise CatalogError(f"{library.store.where!r} cannot be copied: {error}; run `audiolab fsck`") from error
        finally:
            source.close()
            target.close()
    with sqlite3.connect(str(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    connection.close()
    return path


@dataclass(slots=True)
class _Plan:
    sounds: int
    media: dict[str, Path | None]
    """Where each file lies; None: to be fetched."""
    keys: list[str]
    missing: dict[str, str]
    referred: int = 0


def _plan(library: Library, snapshot: Path, with_files: bool) -> _Plan:
    store = Store(_working_copy(snapshot))
    try:
        with store.transaction(write=False) as session:
            rows = session.execute(select(SoundRow.id, SoundRow.media)).all()
            wanted = {row.media for row in rows if row.media is not None}
            for hashes in session.scalars(select(ResultRow.media)):
                wanted.update(map(str, hashes))
            keys = list(session.scalars(select(ResultRow.key).order_by(ResultRow.key)))
            outside = set(session.scalars(select(FileRow.media).where(FileRow.media.is_not(None)).distinct()))
    finally:
        store.close()
    plan = _Plan(len(rows), {}, keys, {})
    stored = _stored(library)
    for media in sorted(wanted):
        if media in stored:
            plan.media[media] = stored[media]
        elif not library.media.exists(media):
            plan.missing[media] = "its file is missing from the library"
        elif with_files or media not in outside:
            plan.media[media] = library.media.local(media) if library.remote is None else None
        else:
            plan.referred += 1
    return plan


def _working_copy(snapshot: Path) -> Path:
    """Give a copy that may be opened as a catalog, which changes the file."""
    return Path(shutil.copyfile(snapshot, snapshot.with_name("reading.db")))


def _stored(library: Library) -> dict[str, Path]:
    if not isinstance(library.media, FileMediaStore):
        return {}
    root = library.media.root
    return {file.hash: root / file.hash[:2] / f"{file.hash}{file.suffix}" for file in library.media.files()}


def _tell(progress: Progress | None, part: float) -> None:
    if progress is not None:
        progress(min(part, 1.0), 1.0)


# ---- writing it ------------------------------------------------------------------------------------


def _write(
    library: Library, snapshot: Path, plan: _Plan, writer: FolderWriter | ZipWriter, progress: Progress | None
) -> BackupReport:
    started = time.perf_counter()
    steps = len(plan.media) + len(plan.keys) + 1
    copied = size = 0
    media: dict[str, tuple[str, int]] = {}
    records: dict[str, tuple[str, int]] = {}
    for index, (name, source) in enumerate(plan.media.items()):
        try:
            source = source or library.media.local(name)
            suffix = clean_suffix(source.suffix)
            added = writer.put_media(source, name, suffix)
        except FileNotFoundError:
            plan.missing[name] = "its file went away while the backup was made"
        except CatalogError as error:
            plan.missing[name] = str(error)
        else:
            media[name] = (suffix, source.stat().st_size if added is None else added)
            copied, size = copied + (added is not None), size + (added or 0)
        _tell(progress, 0.2 + 0.8 * (index + 1) / steps)
    for index, key in enumerate(plan.keys):
        try:
            data = library.record_path(key).read_bytes()
        except FileNotFoundError:
            plan.missing[key] = "its record is missing from the library"
            continue
        records[key] = (_hash_bytes(data), len(data))
        if writer.put_record(key, data):
            copied, size = copied + 1, size + len(data)
        _tell(progress, 0.2 + 0.8 * (len(plan.media) + index + 1) / steps)
    places = library.path / "places.json"
    writer.put_places(places.read_bytes() if places.exists() else None)
    catalog = hash_file(snapshot)
    made_at = utc_now().isoformat()
    manifest = Manifest(catalog, made_at, library.id, plan.sounds, media, records, plan.missing)
    writer.finish(snapshot, manifest)
    _tell(progress, 1.0)
    seconds = time.perf_counter() - started
    return BackupReport(
        writer.target, plan.sounds, len(media), len(records), copied, size, seconds, plan.missing, plan.referred
    )


def _hash_bytes(data: bytes) -> str:
    """Give the hash of some bytes, as of a file that holds them."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()
