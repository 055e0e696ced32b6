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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audiolab.errors import CatalogError

__all__ = ["FileMediaStore", "MediaFile", "MediaStore", "clean_suffix", "copy_and_hash", "hash_file"]

_HASH = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


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

    def local(self, media: str) -> Path:
        """Give a local path to read from; raises `CatalogError` if there is no such media."""

    def exists(self, media: str) -> bool:
        """Say whether the media is there."""

    def url(self, media: str) -> str:
        """Give a URL that other machines of a cluster can read."""

    def files(self) -> Iterator[MediaFile]:
        """List everything that is stored."""


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
            with tmp_path.open("rb") as file:
                os.fsync(file.fileno())
            media = hash_file(tmp_path)
            size = tmp_path.stat().st_size
            there = self._find(media)
            if there is not None and there.stat().st_size == size:
                tmp_path.unlink()
                return media
            target = there or self.root / media[:2] / f"{media}{clean_suffix(suffix)}"
            target.parent.mkdir(parents=True, exist_ok=True)
            _move(tmp_path, target)
        except OSError as error:
            raise CatalogError(f"cannot store {tmp_path.name!r}: {error}; is the disk full or read-only?") from error
        return media

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
        try:
            with os.scandir(self.root / media[:2]) as entries:
                for entry in entries:
                    if entry.name.startswith(media) and entry.name[len(media) : len(media) + 1] in {"", "."}:
                        return Path(entry.path)
        except FileNotFoundError:
            pass
        return None


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
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
