"""The media store behind an fsspec URL: uploaded whole or not at all, compared with its hash when it comes back."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from audiolab.errors import CatalogError
from audiolab.library.media import MediaFile, clean_suffix, hash_file
from audiolab.library.mediacache import MediaCache
from audiolab.library.remote import RemoteFolder

__all__ = ["RemoteMediaStore"]

_HASH = re.compile(r"[0-9a-f]{64}")
_THREADS = 8
_SURE_SECONDS = 5.0
"""How long it counts that a file was there: planning and folding ask for the same files again and again."""


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    size: int
    at: float


class RemoteMediaStore:
    """Media as files `media/<first two digits>/<hash><suffix>` below a URL, as in a library's folder.

    Parameters
    ----------
    remote : RemoteFolder
        The library's place.
    cache : MediaCache, optional
        Where copies are kept on this host.
    hold : Path, optional
        A folder of the caller's: what `local` gives lies there then, and stays until the caller removes it.
    """

    def __init__(self, remote: RemoteFolder, cache: MediaCache | None = None, *, hold: Path | None = None) -> None:
        self.remote = remote
        self.cache = cache or MediaCache()
        self._hold = hold
        self._known: dict[str, _Known] = {}

    def put(self, tmp_path: str | Path, suffix: str) -> str:
        """Upload a finished file; it is gone afterwards.

        Raises
        ------
        CatalogError
            If the file is missing, or the server does not take it.
        """
        path = Path(tmp_path)
        try:
            media = hash_file(path)
        except OSError as error:
            raise CatalogError(f"cannot store {path.name!r}: {error}") from error
        self.put_all([(path, suffix, media)])
        return media

    def put_all(self, files: Sequence[tuple[Path, str, str]]) -> None:
        """Upload finished files, several at once; see `put`."""
        first = {media: (path, suffix) for path, suffix, media in reversed(files)}
        with ThreadPoolExecutor(_THREADS, "audiolab-upload") as pool:
            jobs = [pool.submit(self._put, path, suffix, media) for media, (path, suffix) in first.items()]
            for job in jobs:
                job.result()
        for path, _, _ in files:
            path.unlink(missing_ok=True)

    def _put(self, path: Path, suffix: str, media: str) -> None:
        try:
            there = self._find(media, fresh=True)
            size = path.stat().st_size if path.exists() or there is None else there.size
            if there is None or there.size != size:
                # One that is torn is replaced under its own name.
                name = there.name if there is not None else f"media/{media[:2]}/{media}{clean_suffix(suffix)}"
                self.remote.put(path, name)
                self._known[media] = _Known(name, size, time.monotonic())
        except OSError as error:
            raise CatalogError(f"cannot store {path.name!r}: {error}") from error
        if path.exists():
            self.cache.adopt(path, media, clean_suffix(suffix))

    def local(self, media: str) -> Path:
        """Give a copy on this host.

        Raises
        ------
        CatalogError
            If there is no such media, its bytes are not those of its hash, or the server does not answer.
        """
        self._check(media)
        path = self.cache.find(media) or self._fetch(media)
        if self._hold is None:
            return path
        held = self._hold / path.name
        if not held.exists():
            try:
                os.link(path, held)
            except OSError:  # another file system, or gone just now
                shutil.copyfile(path if path.exists() else self._fetch(media), held)
        return held

    def _fetch(self, media: str) -> Path:
        there = self._find(media, fresh=True)
        if there is not None:
            where = f"{self.remote.url}/{there.name}"
            suffix = Path(there.name).suffix
            path = self.cache.fetch(media, suffix, lambda to: self.remote.get(there.name, to), where)
            if path is not None:
                return path
        raise CatalogError(
            f"the file of media {media[:12]}… is missing at {self.remote.url}; `audiolab fsck` says more"
        )

    def exists(self, media: str) -> bool:
        """Say whether the media is there."""
        return self._find(media) is not None

    def size(self, media: str) -> int:
        """Give its number of bytes."""
        there = self._find(media)
        if there is None:
            raise CatalogError(f"the file of media {media[:12]}… is missing at {self.remote.url}")
        return there.size

    def digest(self, media: str) -> str:
        """Read the store's own bytes and give their hash."""
        temporary = self.cache.folder / "part" / f"check-{os.getpid()}-{media}"
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            self.copy(media, temporary)
            return hash_file(temporary)
        except OSError as error:
            raise CatalogError(f"media {media[:12]}… cannot be read: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def copy(self, media: str, to: Path) -> None:
        """Copy the store's own bytes to a new file as they are, also damaged ones."""
        there = self._find(media, fresh=True)
        if there is None or not self.remote.get(there.name, to):
            raise CatalogError(f"the file of media {media[:12]}… is missing at {self.remote.url}")

    def stored(self, media: str) -> Path | None:
        """Give the copy on this host, if there is one."""
        return self.cache.find(media) if self.exists(media) else None

    def remove(self, media: str) -> bool:
        """Remove a file for good, here and there; gives False if the store has none of that hash."""
        self._check(media)
        self._known.pop(media, None)
        self.cache.drop(media)
        removed = [self.remote.remove(file.name) for file in self.remote.find(f"media/{media[:2]}", media)]
        return any(removed)

    def url(self, media: str) -> str:
        """Give the file's URL; reading it needs the keys that are in the environment."""
        there = self._find(media)
        if there is None:
            raise CatalogError(f"the file of media {media[:12]}… is missing at {self.remote.url}")
        return f"{self.remote.url}/{there.name}"

    def files(self) -> Iterator[MediaFile]:
        """List everything that is stored, in order."""
        seen = set()
        for file in self.remote.find("media"):
            path = Path(file.name)
            if _HASH.fullmatch(path.stem) and path.stem not in seen:
                seen.add(path.stem)  # two writers may have given one content two suffixes
                yield MediaFile(path.stem, path.suffix, file.size)

    def _check(self, media: str) -> None:
        if not _HASH.fullmatch(media):
            raise CatalogError(f"{media[:80]!r} is no media hash")

    def _find(self, media: str, *, fresh: bool = False) -> _Known | None:
        self._check(media)
        now = time.monotonic()
        known = self._known.get(media)
        if known is not None and not fresh and now - known.at < _SURE_SECONDS:
            return known
        found = self.remote.find(f"media/{media[:2]}", media)
        if not found:
            self._known.pop(media, None)
            return None
        self._known[media] = _Known(found[0].name, found[0].size, now)
        return self._known[media]
