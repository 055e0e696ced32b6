"""The media store: bytes under the hash of their content.

Files appear whole or not at all (temporary name, fsync, rename), are never changed afterwards, and the same
content is stored once. The rest of the library sees the `MediaStore` protocol only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audiolab.errors import CatalogError

__all__ = ["FileMediaStore", "MediaFile", "MediaStore", "clean_suffix", "copy_and_hash", "hash_bytes", "hash_file"]

_HASH = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_SURE_NS = 2_000_000_000
"""A folder's time of change says that nothing is new only if it was this old when the folder was listed."""
_SYNC_THREADS = 8


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file in the store."""

    hash: str
    suffix: str
    size: int


class MediaStore(Protocol):
    """Bytes under the hash of their content."""

    def put(self, tmp_path: str | Path, suffix: str) -> str:
        """Take a finished file over (it is moved away) and give its hash."""

    def put_all(self, files: Sequence[tuple[Path, str, str]]) -> None:
        """Take finished files over, each with its suffix and its hash."""

    def local(self, media: str) -> Path:
        """Give a local path to read from; raises `CatalogError` if there is no such media."""

    def exists(self, media: str) -> bool:
        """Say whether the media is there."""

    def size(self, media: str) -> int:
        """Give its number of bytes; raises `CatalogError` if there is no such media."""

    def digest(self, media: str) -> str:
        """Read the bytes again and give their hash: another one than `media` if they were damaged."""

    def stored(self, media: str) -> Path | None:
        """Give the path of the store's own file on this host, if there is one; others are only referred to."""

    def remove(self, media: str) -> bool:
        """Remove the store's own file for good; files that are only referred to are never touched."""

    def url(self, media: str) -> str:
        """Give a URL that other machines of a cluster can read."""

    def files(self) -> Iterator[MediaFile]:
        """List everything that is stored."""


def hash_bytes(data: bytes) -> str:
    """Give the blake2b hash (256 bits, hex) of some bytes."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def hash_file(path: str | Path) -> str:
    """Give the blake2b hash (256 bits, hex) of a file's bytes."""
    digest = hashlib.blake2b(digest_size=32)
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def copy_and_hash(source: str | Path, target: str | Path) -> str:
    """Copy bytes to a new file and give the hash of what was copied."""
    digest = hashlib.blake2b(digest_size=32)
    with Path(source).open("rb") as read, Path(target).open("xb") as write:
        while chunk := read.read(_CHUNK):
            digest.update(chunk)
            write.write(chunk)
    return digest.hexdigest()


def clean_suffix(suffix: str) -> str:
    """Give a harmless file suffix: a dot and at most eight letters or digits, else `.bin`."""
    suffix = suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ".bin"


class FileMediaStore:
    """Media as files: `<root>/<first two digits>/<hash><suffix>`.

    Parameters
    ----------
    root : path-like
        Folder of the store; made on the first put.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._listed: dict[str, _Listing] = {}

    def put(self, tmp_path: str | Path, suffix: str) -> str:
        """Move a finished file into the store.

        Parameters
        ----------
        tmp_path : path-like
            A file that nobody else uses; it is gone afterwards. On another file system it is copied first.
        suffix : str
            Such as `.flac`.

        Returns
        -------
        str
            blake2b hash of the bytes (256 bits, hex).

        Raises
        ------
        CatalogError
            If the file is missing, or the disk is full or read-only.
        """
        tmp_path = Path(tmp_path)
        try:
            media = hash_file(tmp_path)
        except OSError as error:
            raise _refused(tmp_path, error) from error
        self.put_all([(tmp_path, suffix, media)])
        return media

    def put_all(self, files: Sequence[tuple[Path, str, str]]) -> None:
        """Move finished files into the store with one durable write for all; see `put`.

        Parameters
        ----------
        files : sequence of (path, suffix, hash)
            The hash must be that of the bytes: whoever made the file hashed it while writing.
        """
        moves: list[tuple[Path, Path]] = []
        seen: set[str] = set()
        for path, suffix, media in files:
            try:
                there = self._find(media)
                same = there is not None and (not path.exists() or there.stat().st_size == path.stat().st_size)
                if media in seen or same:
                    path.unlink(missing_ok=True)
                    continue
            except OSError as error:
                raise _refused(path, error) from error
            seen.add(media)
            moves.append((path, there or self.root / media[:2] / f"{media}{clean_suffix(suffix)}"))
        _in_threads(_sync, [path for path, _ in moves])
        folders = {target.parent for _, target in moves}
        for path, target in moves:
            try:
                if not target.parent.is_dir():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    folders.add(self.root)
                _move(path, target)
            except OSError as error:
                raise _refused(path, error) from error
        _in_threads(_sync_folder, sorted(folders))

    def local(self, media: str) -> Path:
        """Give the file's path.

        Raises
        ------
        CatalogError
            If there is no such media.
        """
        path = self._find(media)
        if path is None:
            raise CatalogError(
                f"the file of media {media[:12]}… is missing from the library; `audiolab fsck` says more"
            )
        return path

    def exists(self, media: str) -> bool:
        """Say whether the media is there."""
        return self._find(media) is not None

    def size(self, media: str) -> int:
        """Give a file's number of bytes."""
        return self.local(media).stat().st_size

    def digest(self, media: str) -> str:
        """Read a file and give its hash."""
        return hash_file(self.local(media))

    def stored(self, media: str) -> Path | None:
        """Give the path of a file in the store; None if there is none."""
        return self._find(media)

    def remove(self, media: str) -> bool:
        """Remove a file for good; gives False if the store has none of that hash."""
        path = self._find(media)
        if path is None:
            return False
        path.unlink(missing_ok=True)
        return True

    def url(self, media: str) -> str:
        """Give a file URL."""
        return self.local(media).resolve().as_uri()

    def files(self) -> Iterator[MediaFile]:
        """List everything that is stored, in order."""
        if not self.root.is_dir():
            return
        for folder in sorted(self.root.iterdir()):
            if not folder.is_dir():
                continue
            for path in sorted(folder.iterdir()):
                if _HASH.fullmatch(path.stem):
                    yield MediaFile(path.stem, path.suffix, path.stat().st_size)

    def strays(self) -> Iterator[Path]:
        """List files in the store's folders that are no media."""
        if self.root.is_dir():
            for path in sorted(self.root.rglob("*")):
                if path.is_file() and not (_HASH.fullmatch(path.stem) and path.parent.name == path.stem[:2]):
                    yield path

    def _find(self, media: str) -> Path | None:
        if not _HASH.fullmatch(media):
            raise CatalogError(f"{media[:80]!r} is no media hash")
        listing = self._listed.get(media[:2])
        if listing is not None and (name := listing.names.get(media)):
            path = self.root / media[:2] / name
            if path.exists():
                return path
        try:
            changed = (self.root / media[:2]).stat().st_mtime_ns
            if listing is None or not listing.sure or listing.changed != changed:
                listing = self._list(media[:2], changed)
        except FileNotFoundError:
            return None
        name = listing.names.get(media)
        path = self.root / media[:2] / (name or media)
        # A file can go without its folder's time saying so at once.
        return path if name and path.exists() else None

    def _list(self, part: str, changed: int) -> _Listing:
        names: dict[str, str] = {}
        with os.scandir(self.root / part) as entries:
            for entry in entries:
                if entry.name[64:65] in {"", "."}:
                    names[entry.name[:64]] = entry.name
        listing = _Listing(names, changed, sure=0 <= changed < time.time_ns() - _SURE_NS)
        self._listed[part] = listing
        return listing


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a folder of the store held when it was looked at."""

    names: dict[str, str]
    changed: int
    """Its time of change, nanoseconds."""
    sure: bool
    """While that time stays the same nothing was added; false if it was too fresh to say so."""


def _refused(path: Path, error: OSError) -> CatalogError:
    return CatalogError(f"cannot store {path.name!r}: {error}; is the disk full or read-only?")


def _in_threads(work: Callable[[Path], None], paths: Sequence[Path]) -> None:
    """Wait for a disk once for many files, not for one after the other."""
    if len(paths) < 4:
        for path in paths:
            work(path)
        return
    with ThreadPoolExecutor(_SYNC_THREADS, "audiolab-sync") as pool:
        for _ in pool.map(work, paths):
            pass


def _sync(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise _refused(path, error) from error


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _move(source: Path, target: Path) -> None:
    """Rename, or across file systems copy to a temporary name beside the target and rename."""
    try:
        os.replace(source, target)
    except OSError:
        temporary = target.parent / f".{secrets.token_hex(8)}.part"
        try:
            shutil.copyfile(source, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        source.unlink()
