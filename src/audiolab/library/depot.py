"""A worker's view of a library: where a job's sounds come from and where its results go. Never the catalog."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from audiolab.library.media import FileMediaStore, MediaStore
from audiolab.library.mediacache import MediaCache
from audiolab.library.records import Record, record_path
from audiolab.library.remote import RemoteFolder
from audiolab.library.remote_media import RemoteMediaStore
from audiolab.library.remote_records import RemoteRecords

__all__ = ["Depot", "FolderDepot", "RemoteDepot", "cancel_flag", "open_depot"]

_ASK_SECONDS = 2.0


class Depot(Protocol):
    """What a job needs of a library."""

    @property
    def folder(self) -> Path:
        """Where this host may work; scratch goes to `tmp` in it."""

    def media(self, scratch: Path) -> MediaStore:
        """Give the media store; what it gives stays readable as long as the scratch folder of the job is there."""

    def leave(self, record: Record) -> None:
        """Leave a job's record, once all its media are stored."""

    def cancelled(self, run: str) -> bool:
        """Say whether a run was asked to stop (cheap enough to ask a few times a second)."""


def cancel_flag(library: str | Path, run: str) -> Path:
    """Name the file whose presence asks all workers of a run to stop."""
    return Path(library) / "tmp" / f"cancel-{run}"


class FolderDepot:
    """A library's folder that this host sees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The library's: renames into the store must not cross file systems."""
        return self._folder

    def media(self, scratch: Path) -> MediaStore:
        """Give the store in the folder."""
        return FileMediaStore(self._folder / "media")

    def leave(self, record: Record) -> None:
        """Write the record to its place."""
        record.write(record_path(self._folder, record.key))

    def cancelled(self, run: str) -> bool:
        """Look for the flag's file."""
        return cancel_flag(self._folder, run).exists()


class RemoteDepot:
    """A media URL; the library's folder is not seen from here."""

    def __init__(self, url: str) -> None:
        self._remote = RemoteFolder(url)
        self._records = RemoteRecords(self._remote)
        self._cache = MediaCache()
        self._asked: dict[str, tuple[float, bool]] = {}

    @property
    def folder(self) -> Path:
        """The folder of copies: what a job makes becomes one."""
        return self._cache.folder

    def media(self, scratch: Path) -> MediaStore:
        """Give the store; copies are held in the job's folder, so that nobody removes them meanwhile."""
        hold = scratch / "held"
        hold.mkdir(exist_ok=True)
        return RemoteMediaStore(self._remote, self._cache, hold=hold)

    def leave(self, record: Record) -> None:
        """Upload the record."""
        self._records.leave(record)

    def cancelled(self, run: str) -> bool:
        """Ask the server for the flag, at most every two seconds."""
        at, answer = self._asked.get(run, (0.0, False))
        if time.monotonic() - at >= _ASK_SECONDS:
            answer = self._records.has_flag(f"cancel-{run}")
            self._asked = {run: (time.monotonic(), answer)}
        return answer


@lru_cache(maxsize=4)
def _remote_depot(url: str) -> RemoteDepot:
    return RemoteDepot(url)


def open_depot(library: str | Path, media: str | None) -> Depot:
    """Open a library as workers see it.

    Parameters
    ----------
    library : path-like
        Its folder.
    media : str or None
        Its media URL; the folder is not looked at then.
    """
    return FolderDepot(Path(library)) if media is None else _remote_depot(media)
