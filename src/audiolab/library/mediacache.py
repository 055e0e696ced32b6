"""Copies of remote media on this host: found by hash, bounded in size, the least recently used go first."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from audiolab.config import get_settings
from audiolab.errors import CatalogError
from audiolab.library.media import hash_file

__all__ = ["MediaCache"]

_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z0-9]{1,8})?")
_IN_USE_SECONDS = 600.0
_ABANDONED_SECONDS = 3600.0


class MediaCache:
    """A folder of copies, shared by all processes of this host and by all libraries: a hash names the same bytes.

    Parameters
    ----------
    folder : Path, optional
        Default: the setting `media_cache`.
    limit : int, optional
        Bytes to keep at most; default: the setting `media_cache_gb`. What was used within `in_use` seconds stays even
        beyond that, for somebody may be about to open it.
    """

    def __init__(
        self, folder: Path | None = None, limit: int | None = None, *, in_use: float = _IN_USE_SECONDS
    ) -> None:
        settings = get_settings()
        self.folder = folder if folder is not None else settings.path(settings.media_cache)
        self.limit = limit if limit is not None else int(settings.media_cache_gb * 1e9)
        self._in_use = in_use

    def find(self, media: str) -> Path | None:
        """Give the copy of a media, which counts as used now; None if there is none."""
        for path in (self.folder / media[:2]).glob(f"{media}*"):
            try:
                os.utime(path)
            except FileNotFoundError:
                continue  # another process made room just now
            return path
        return None

    def fetch(self, media: str, suffix: str, download: Callable[[Path], bool], where: str) -> Path | None:
        """Download, compare with the hash, keep; None if the server has it not.

        Raises
        ------
        CatalogError
            If the bytes are others than those that were stored, or there is no room for them here.
        """
        try:
            temporary = self._temporary()
            found = ""
            for _ in range(2):  # a transfer may be torn; what lies there damaged stays so
                if not download(temporary):
                    return None
                found = hash_file(temporary)
                if found == media:
                    return self._keep(temporary, media, suffix)
                temporary.unlink()
        except OSError as error:
            raise CatalogError(
                f"a copy of media {media[:12]}… cannot be kept in {str(self.folder)!r}: {error.strerror or error}; is "
                "the disk full? (AUDIOLAB_MEDIA_CACHE, AUDIOLAB_MEDIA_CACHE_GB)"
            ) from error
        raise CatalogError(
            f"the file {where} is damaged: its bytes have the hash {found[:12]}…, not {media[:12]}… that it is stored "
            "under; `audiolab fsck --deep` finds all such files, and --repair --backup brings them back"
        )

    def adopt(self, path: Path, media: str, suffix: str) -> None:
        """Move a file here whose hash is known; it is likely to be wanted soon. Without room it is only removed."""
        try:
            temporary = self._temporary()
            shutil.move(path, temporary)
            self._keep(temporary, media, suffix)
        except OSError:
            path.unlink(missing_ok=True)

    def drop(self, media: str) -> None:
        """Forget a media."""
        for path in (self.folder / media[:2]).glob(f"{media}*"):
            path.unlink(missing_ok=True)

    def size(self) -> int:
        """Give the bytes that are kept."""
        return sum(size for _, size, _ in self._files())

    def _temporary(self) -> Path:
        folder = self.folder / "part"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / secrets.token_hex(12)

    def _keep(self, temporary: Path, media: str, suffix: str) -> Path:
        path = self.folder / media[:2] / f"{media}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.utime(temporary)
        os.replace(temporary, path)
        self._make_room(path)
        return path

    def _make_room(self, wanted: Path) -> None:
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for used, size, path in files:
            if total <= self.limit or used > time.time() - self._in_use:
                break
            if path != wanted:
                path.unlink(missing_ok=True)
                total -= size
        for path in (self.folder / "part").iterdir():
            try:
                if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for part in self.folder.glob("[0-9a-f][0-9a-f]"):
            for path in part.iterdir():
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                if _NAME.fullmatch(path.name):
                    yield status.st_mtime, status.st_size, path
