"""Where a backup is written: a folder, in which what is there already stays, or one zip."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError
from audiolab.library.archives import is_zip
from audiolab.library.clock import utc_now
from audiolab.library.media import FileMediaStore, copy_and_hash, hash_file
from audiolab.library.places import DATABASE
from audiolab.library.records import record_path

__all__ = ["FORMAT", "FolderWriter", "Manifest", "ZipWriter", "manifest_name", "new_name"]

FORMAT = 1
UNFINISHED = "unfinished backup"
"""Lies in a folder while a backup is being made there; with it alone the folder is no library."""


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


def manifest_name(catalog: str) -> str:
    """Give the place of the manifest that belongs to a catalog's file, by its hash."""
    return f"backups/manifest-{catalog[:32]}.json"


def new_name(key: str) -> str:
    """Give the name under which a record waits that takes the place of an older one."""
    return f"records/{key[:2]}/{key}.json.new"


def _json(manifest: Manifest) -> bytes:
    return json.dumps(asdict(manifest), ensure_ascii=False).encode()


class FolderWriter:
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
        # The mark first: a folder with anything else and without it is taken for somebody's own.
        self.target.mkdir(parents=True, exist_ok=True)
        (self.target / UNFINISHED).write_text(f"begun at {utc_now().isoformat()}\n", encoding="utf-8")
        (self.target / "backups").mkdir(exist_ok=True)
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


class ZipWriter:
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
