"""Backups while the library is in use.

A backup in a folder is laid out as a library: `library.db`, `media/`, `records/`, and `backups/manifest-*.json` with
sizes and hashes. First a snapshot of the catalog is taken, then the records and files that it names are copied (what
is there already stays), then the manifest is written; the catalog takes its place last, in one step. Until then the
backup that was there before is whole, or there is none. A backup in a zip holds the same; it appears as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sqlalchemy import select

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError
from audiolab.library.archives import is_zip
from audiolab.library.clock import utc_now
from audiolab.library.copying import copy_catalog
from audiolab.library.media import FileMediaStore, clean_suffix, copy_and_hash, hash_file
from audiolab.library.models import FileRow, ResultRow, SoundRow
from audiolab.library.places import DATABASE
from audiolab.library.records import record_path
from audiolab.library.scratch import scratch_folder
from audiolab.library.store import Store
from audiolab.library.tables import seconds_text

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["FORMAT", "BackupReport", "Manifest", "backup", "hash_bytes", "manifest_name", "new_name"]

FORMAT = 1
UNFINISHED = "unfinished backup"
"""Lies in a folder while a backup is being made there; with it alone the folder is no library."""
_PAGES = 1000
Progress = Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes
    ----------
    catalog : str
        Hash of the catalog's file.
    media : mapping
        Hash of each file, which is its name: suffix and size.
    records : mapping
        Key of each record: hash and size.
    missing : mapping
        What the library itself did not have, or not whole, when the backup was made, and why.
    """

    catalog: str
    made_at: str
    library: str
    sounds: int
    media: Mapping[str, tuple[str, int]]
    records: Mapping[str, tuple[str, int]]
    missing: Mapping[str, str]
    format: int = FORMAT


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
            writer = _Zip(target) if target.suffix.lower() == ".zip" else _Folder(target, library.id)
            with writer:
                return _write(library, snapshot, plan, writer, progress)
    except OSError as error:
        raise CatalogError(f"cannot make a backup in {str(target)!r}: {error.strerror or error}") from error


def manifest_name(catalog: str) -> str:
    """Give the place of the manifest that belongs to a catalog's file, by its hash."""
    return f"backups/manifest-{catalog[:32]}.json"


def new_name(key: str) -> str:
    """Give the name under which a record waits that takes the place of an older one."""
    return f"records/{key[:2]}/{key}.json.new"


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
    media: dict[str, Path]
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
            plan.media[media] = library.media.local(media)
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
    library: Library, snapshot: Path, plan: _Plan, writer: _Folder | _Zip, progress: Progress | None
) -> BackupReport:
    started = time.perf_counter()
    steps = len(plan.media) + len(plan.keys) + 1
    copied = size = 0
    media: dict[str, tuple[str, int]] = {}
    records: dict[str, tuple[str, int]] = {}
    for index, (name, source) in enumerate(plan.media.items()):
        suffix = clean_suffix(source.suffix)
        try:
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
            data = record_path(library.path, key).read_bytes()
        except FileNotFoundError:
            plan.missing[key] = "its record is missing from the library"
            continue
        records[key] = (hash_bytes(data), len(data))
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


def hash_bytes(data: bytes) -> str:
    """Give the hash of some bytes, as of a file that holds them."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def _json(manifest: Manifest) -> bytes:
    return json.dumps(asdict(manifest), ensure_ascii=False).encode()


class _Folder:
    """A backup as files; what is there already is not copied again."""

    def __init__(self, target: Path, library_id: str) -> None:
        self.target = target
        if target.exists() and not target.is_dir():
            raise CatalogError(f"{str(target)!r} is a file; give a folder, or a name ending in .zip")
        names = {path.name for path in target.iterdir()} if target.is_dir() else set()
        if names and DATABASE not in names and UNFINISHED not in names:
            raise CatalogError(f"{str(target)!r} is no backup and not empty; give a new folder")
        if DATABASE in names:
            self._refuse_other(library_id)
        self._there: dict[str, int] = {}

    def _refuse_other(self, library_id: str) -> None:
        known = None
        for path in (self.target / "backups").glob("manifest-*.json"):
            try:
                known = json.loads(path.read_text("utf-8"))["library"]
            except (ValueError, KeyError, TypeError):
                continue
        if known != library_id:
            what = "of another library" if known else "a library and no backup"
            raise CatalogError(f"{str(self.target)!r} is {what}; give a new folder")

    def __enter__(self) -> Self:
        (self.target / "backups").mkdir(parents=True, exist_ok=True)
        (self.target / UNFINISHED).write_text(f"begun at {utc_now().isoformat()}\n", encoding="utf-8")
        for path in self.target.rglob(".*.part*"):
            path.unlink()  # of a backup that was killed
        self._there = {file.hash: file.size for file in FileMediaStore(self.target / "media").files()}
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the mark of a backup that failed."""

    def put_media(self, source: Path, media: str, suffix: str) -> int | None:
        """Copy a file and check it on the way; gives its size, None if it is there."""
        size = source.stat().st_size
        if self._there.get(media) == size:
            return None
        place = self.target / "media" / media[:2] / f"{media}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(place, sync=False) as temporary:
            if copy_and_hash(source, temporary) != media:
                raise CatalogError("its bytes are not those that were stored")
        return size

    def put_record(self, key: str, data: bytes) -> bool:
        """Write a record; a newer one waits beside the older, which belongs to the backup that is there."""
        place = record_path(self.target, key)
        if place.exists() and place.read_bytes() == data:
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place = self.target / new_name(key)
        with atomic_path(place, sync=False) as temporary:
            temporary.write_bytes(data)
        return True

    def put_places(self, data: bytes | None) -> None:
        """Write where folders lay on this machine."""
        if data is not None:
            with atomic_path(self.target / "places.json", sync=False) as temporary:
                temporary.write_bytes(data)

    def finish(self, snapshot: Path, manifest: Manifest) -> None:
        """Write the manifest, then let the catalog take its place; then tidy up."""
        os.sync()  # all files at once, before the catalog that names them
        mine = self.target / manifest_name(manifest.catalog)
        with atomic_path(mine) as temporary:
            temporary.write_bytes(_json(manifest))
        for name in (f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (self.target / name).unlink(missing_ok=True)  # of somebody who had opened the backup
        with atomic_path(self.target / DATABASE) as temporary:
            shutil.copyfile(snapshot, temporary)
        for path in (self.target / "records").rglob("*.json.new"):
            os.replace(path, path.with_suffix(""))
        for path in (self.target / "backups").glob("manifest-*.json"):
            if path != mine:
                path.unlink()
        (self.target / UNFINISHED).unlink(missing_ok=True)


class _Zip:
    """A backup in one file; sounds do not get smaller, so nothing is packed."""

    def __init__(self, target: Path) -> None:
        self.target = target
        if target.is_dir():
            raise CatalogError(f"{str(target)!r} is a folder; give another name")
        if target.exists() and not _is_backup(target):
            raise CatalogError(f"{str(target)!r} is something else; give a new name")
        self._part = target.with_name(f".{secrets.token_hex(8)}.part")
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Self:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._zip = zipfile.ZipFile(self._part, "x", zipfile.ZIP_STORED)
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()
        self._part.unlink(missing_ok=True)

    def put_media(self, source: Path, media: str, suffix: str) -> int | None:
        """Copy a file and check it before."""
        if hash_file(source) != media:
            raise CatalogError("its bytes are not those that were stored")
        assert self._zip is not None
        self._zip.write(source, f"media/{media[:2]}/{media}{suffix}")
        return source.stat().st_size

    def put_record(self, key: str, data: bytes) -> bool:
        """Write a record."""
        assert self._zip is not None
        self._zip.writestr(f"records/{key[:2]}/{key}.json", data)
        return True

    def put_places(self, data: bytes | None) -> None:
        """Write where folders lay on this machine."""
        assert self._zip is not None
        if data is not None:
            self._zip.writestr("places.json", data)

    def finish(self, snapshot: Path, manifest: Manifest) -> None:
        """Write catalog and manifest, then let the file take its place."""
        assert self._zip is not None
        self._zip.write(snapshot, DATABASE)
        self._zip.writestr(manifest_name(manifest.catalog), _json(manifest))
        self._zip.close()
        self._zip = None
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._part, self.target)


def _is_backup(path: Path) -> bool:
    if not is_zip(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.startswith("backups/manifest-") for name in archive.namelist())
