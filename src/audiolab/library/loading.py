"""Loading a backup into a new library. Everything is compared with the manifest on the way.

What lies in a backup is only ever found under names that follow from its manifest's hashes and keys; a path that
somebody else has written into an archive is never followed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from audiolab.errors import CatalogError
from audiolab.library.archives import is_zip
from audiolab.library.backupwriting import FORMAT, Manifest, manifest_name, new_name
from audiolab.library.copying import copy_catalog
from audiolab.library.fsck import FsckReport
from audiolab.library.library import Library
from audiolab.library.media import clean_suffix
from audiolab.library.mediaplace import mark_media, note_media
from audiolab.library.places import DATABASE, refuse_bad_place
from audiolab.library.records import Record, record_path
from audiolab.library.remote import RemoteFolder
from audiolab.library.remote_media import RemoteMediaStore
from audiolab.library.remote_records import RemoteRecords
from audiolab.library.store import Store
from audiolab.library.tables import seconds_text
from audiolab.library.text import shorten

__all__ = ["LoadReport", "Source", "load_backup", "open_backup"]

_CHUNK = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[0-9a-f]{8,128}")
_MAX_MANIFEST = 1 << 30
_FILES = 64


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded.

    Attributes
    ----------
    missing : mapping
        What the library itself had lost when the backup was made, and why.
    fsck : FsckReport
        The check of the new library.
    """

    path: Path
    sounds: int
    media: int
    records: int
    made_at: str
    seconds: float
    missing: Mapping[str, str]
    fsck: FsckReport

    def __str__(self) -> str:
        text = (
            f"{self.path}: {self.sounds} sounds, {self.media} files, {self.records} records of {self.made_at[:19]} UTC "
            f"({seconds_text(self.seconds)})"
        )
        lost = [f"  was not in the backup: {what}: {why}" for what, why in self.missing.items()]
        return "\n".join([text, *lost, f"fsck: {self.fsck}"])


def load_backup(
    backup: str | Path,
    to: str | Path,
    *,
    database: str | None = None,
    media: str | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> LoadReport:
    """Make a library of a backup.

    Parameters
    ----------
    backup : path-like
        A backup's folder or zip.
    to : path-like
        The new library's folder; it must not be there, or be empty.
    database : str, optional
        URL of an empty PostgreSQL database for the catalog: so a library moves there. Default: SQLite in the folder.
    media : str, optional
        fsspec URL for the files, such as `s3://bucket/folder`: so they move there. Default: in the folder.
    progress : callable, optional
        Gets (part done, 1.0).

    Raises
    ------
    CatalogError
        If the backup is unfinished, damaged or no backup, or `to` is not empty; nothing is left behind then.
    """
    started = time.perf_counter()
    to = Path(to).expanduser().absolute()
    refuse_bad_place(to, catalog_inside=database is None)
    if to.is_dir() and any(to.iterdir()):
        raise CatalogError(f"{str(to)!r} is not empty; give a new folder")
    part = to.with_name(f".{secrets.token_hex(8)}.loading")
    try:
        with open_backup(backup) as source:
            part.mkdir(parents=True)
            _load(source, part, progress)
            manifest = source.manifest
        if media is not None:
            _move_media(part, media, manifest)
        if database is not None:
            _move_catalog(part / DATABASE, database, media)
        os.sync()
        if to.is_dir():
            to.rmdir()
        os.replace(part, to)
    except OSError as error:
        raise CatalogError(f"{str(backup)!r} cannot be loaded: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    with Library(to, database=database, media=media) as library:
        report = library.fsck()
    seconds = time.perf_counter() - started
    return LoadReport(
        to, manifest.sounds, len(manifest.media), len(manifest.records), manifest.made_at, seconds,
        manifest.missing, report,
    )  # fmt: skip


class Source:
    """An opened backup; use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = ExitStack()
        self._zip: zipfile.ZipFile | None = None
        self._manifest: Manifest | None = None

    def __enter__(self) -> Self:
        try:
            if self.path.is_dir():
                pass
            elif is_zip(self.path):
                self._zip = self._stack.enter_context(zipfile.ZipFile(self.path))
            else:
                raise CatalogError(f"{str(self.path)!r} is no backup: neither a folder nor a zip; is it there?")
            self._manifest = self._read_manifest()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def manifest(self) -> Manifest:
        """What it holds."""
        assert self._manifest is not None
        return self._manifest

    def media(self, media: str, target: Path) -> bool:
        """Copy a file to a new one; gives False if the backup has not got it whole."""
        if media not in self.manifest.media:
            return False
        suffix, size = self.manifest.media[media]
        return self.copy(f"media/{media[:2]}/{media}{suffix}", target, media, size)

    def record(self, key: str, target: Path) -> bool:
        """Copy a record to a new file; gives False if the backup has not got it whole."""
        if key not in self.manifest.records:
            return False
        digest, size = self.manifest.records[key]
        names = (f"records/{key[:2]}/{key}.json", new_name(key))
        return any(self.copy(name, target, digest, size) for name in names)

    def copy(self, name: str, target: Path, digest: str | None, size: int | None) -> bool:
        """Copy a file of the backup; gives False, and leaves nothing, if it is missing or not the one meant."""
        found, read = hashlib.blake2b(digest_size=32), 0
        try:
            with self._open(name) as file, target.open("xb") as out:
                while (size is None or read <= size) and (chunk := file.read(_CHUNK)):
                    found.update(chunk)
                    out.write(chunk)
                    read += len(chunk)
        except (FileNotFoundError, KeyError, zipfile.BadZipFile, EOFError):
            target.unlink(missing_ok=True)
            return False
        if digest is not None and (found.hexdigest() != digest or (size is not None and read != size)):
            target.unlink()
            return False
        return True

    def _open(self, name: str) -> IO[bytes]:
        return self._zip.open(name) if self._zip is not None else (self.path / name).open("rb")

    def _read_manifest(self) -> Manifest:
        digest = hashlib.blake2b(digest_size=32)
        try:
            with self._open(DATABASE) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except (FileNotFoundError, KeyError) as error:
            raise CatalogError(
                f"{str(self.path)!r} is no backup, or one that was never finished: it has no {DATABASE}"
            ) from error
        except zipfile.BadZipFile as error:
            raise CatalogError(f"the backup {str(self.path)!r} is damaged: {error}") from error
        try:
            with self._open(manifest_name(digest.hexdigest())) as file:
                return _checked(json.loads(file.read(_MAX_MANIFEST)), digest.hexdigest())
        except (FileNotFoundError, KeyError) as error:
            raise CatalogError(
                f"the backup {str(self.path)!r} is damaged or was changed: its catalog is not the one that was saved"
                + ("" if self._zip else "; if it was opened as a library, use it as one, or make a new backup")
            ) from error
        except (ValueError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
            raise CatalogError(f"the manifest of the backup {str(self.path)!r} is damaged: {error}") from error


def open_backup(path: str | Path) -> Source:
    """Open a backup to read from; see `Source`."""
    return Source(Path(path).expanduser().absolute())


def _checked(document: Any, catalog: str) -> Manifest:
    """Make sure of every name before it is used as a part of a path."""
    if document["format"] != FORMAT:
        raise ValueError(f"format {shorten(str(document['format']))}, this audiolab knows {FORMAT}; update audiolab")
    if document["catalog"] != catalog:
        raise ValueError("it is of another catalog")
    media, records = {}, {}
    for name, (suffix, size) in document["media"].items():
        if not _HASH.fullmatch(name) or clean_suffix(suffix) != suffix or not isinstance(size, int):
            raise ValueError(f"{shorten(name)!r} is no name of a file in a library")
        media[name] = (suffix, size)
    for key, (digest, size) in document["records"].items():
        if not _KEY.fullmatch(key) or not _HASH.fullmatch(digest) or not isinstance(size, int):
            raise ValueError(f"{shorten(key)!r} is no name of a record")
        records[key] = (digest, size)
    missing = {str(what): str(why) for what, why in document["missing"].items()}
    return Manifest(
        catalog, str(document["made_at"]), str(document["library"]), int(document["sounds"]), media, records, missing
    )


def _load(source: Source, part: Path, progress: Callable[[float, float], None] | None) -> None:
    manifest = source.manifest
    steps = len(manifest.media) + len(manifest.records) + 1
    lost: list[str] = []
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done / steps, 1.0)

    if not source.copy(DATABASE, part / DATABASE, manifest.catalog, None):
        raise CatalogError(f"the catalog of the backup {str(source.path)!r} changed while it was read")
    source.copy("places.json", part / "places.json", None, _MAX_MANIFEST)
    tell()
    for media, (suffix, _) in manifest.media.items():
        place = part / "media" / media[:2] / f"{media}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not source.media(media, place):
            lost.append(f"the file {media[:12]}…")
        tell()
    for key in manifest.records:
        place = part / "records" / key[:2] / f"{key}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not source.record(key, place):
            lost.append(f"the record {key[:12]}…")
        tell()
    if lost:
        some = ", ".join(lost[:5]) + (" and more" if len(lost) > 5 else "")
        raise CatalogError(
            f"the backup {str(source.path)!r} is damaged: {len(lost)} of its files are missing or changed ({some}); "
            "what is whole can be used by `audiolab fsck --repair --backup`"
        )


def _move_media(part: Path, url: str, manifest: Manifest) -> None:
    """Upload media and records; what is there already stays."""
    folder = RemoteFolder(url)
    remote = RemoteRecords(folder)
    remote.identify(manifest.library)
    store = RemoteMediaStore(folder)
    files = [(path, path.suffix, path.stem) for path in sorted((part / "media").glob("??/*"))]
    for at in range(0, len(files), _FILES):
        store.put_all(files[at : at + _FILES])
    for key in manifest.records:
        remote.write(Record.read(record_path(part, key)))
    mark_media(part, folder.url)


def _move_catalog(file: Path, database: str, media: str | None) -> None:
    source = Store(file)
    try:
        note_media(source, media)
        target = Store(database)
        try:
            copy_catalog(source, target)
        finally:
            target.close()
    finally:
        source.close()
    for path in file.parent.glob(f"{DATABASE}*"):
        path.unlink()
