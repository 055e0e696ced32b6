"""A folder behind an fsspec URL, such as `s3://bucket/studio`: whole files only, patient with servers, no secrets.

Keys and addresses of servers come from the environment alone (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and so on, or
fsspec's own FSSPEC_* variables), so a URL can be written down, logged and shown.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from audiolab.config import get_settings
from audiolab.errors import CatalogError, MissingDependency, ParameterError

__all__ = ["RemoteFile", "RemoteFolder", "clean_url", "said"]

_OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss"})
"""Stores of objects: what is put appears whole or not at all, there are no folders to make."""
_LOCAL_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR})
"""Waiting does not help with these."""
_MAY_PASS = frozenset(
    {"HTTPClientError", "ConnectionError", "ClientConnectionError", "ClientPayloadError", "ResponseParserError",
     "IncompleteRead", "FSTimeoutError"}
)  # fmt: skip
"""Names of errors of network libraries that are no `OSError`: the server may be there again soon."""
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "FSSPEC_S3_SECRET", "FSSPEC_S3_KEY")
_FOLDERS = ("media", "records", "new", "flags")
_PART = re.compile(r"/\.[0-9a-f]{16}\.part$")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file: its name within the folder, bytes, and when it was written if the server tells."""

    name: str
    size: int
    written: datetime | None = None


def clean_url(url: str) -> str:
    """Give a media URL without a slash at its end.

    Raises
    ------
    ParameterError
        If it is no URL, or holds what should stay secret; the message does not repeat it.
    """
    url = url.strip().rstrip("/")
    protocol, _, rest = url.partition("://")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", protocol) or not rest:
        raise ParameterError("a media URL is like s3://bucket/folder, or file:///mnt/share/folder")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    secret = at and (protocol.lower() in _OBJECTS or ":" in user)
    if secret or any(sign in url for sign in "?#") or "::" in url:
        raise ParameterError(
            "a media URL holds neither keys nor options, for it is written down: set AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL, or fsspec's FSSPEC_* variables, in the environment"
        )
    return url


class RemoteFolder:
    """A folder behind an fsspec URL.

    Parameters
    ----------
    url : str
        Such as `s3://bucket/folder`; see `clean_url`.
    patience : float, optional
        How long to wait (seconds) for a server that does not answer; default: the setting `media_patience`.

    Raises
    ------
    ParameterError
        If the URL is none.
    MissingDependency
        If fsspec has no driver for it here.
    """

    def __init__(self, url: str, *, patience: float | None = None) -> None:
        import fsspec

        self.url = clean_url(url)
        self.patience = get_settings().media_patience if patience is None else patience
        protocol = urlsplit(self.url).scheme.lower()
        self.objects = protocol in _OBJECTS
        # Others write, too; and the environment may have changed since somebody opened the same URL.
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if protocol in {"s3", "s3a"}:
            # A host that was cut off says nothing at all; waiting is done here, where it can be bounded.
            options["config_kwargs"] = {"connect_timeout": 5, "read_timeout": 30, "retries": {"total_max_attempts": 1}}
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.url, **options)
        except ImportError as error:
            what = "'audiolab[s3]'" if protocol in {"s3", "s3a"} else f"fsspec's driver for {protocol}"
            raise MissingDependency(f"media at {self.url} need a driver. Install: pip install {what}") from error
        except ValueError as error:
            raise ParameterError(f"{self.url}: {error}") from error
        if protocol in {"s3", "s3a"}:
            self._fs.retries = 1
        self._root = str(self._root).rstrip("/")

    def __repr__(self) -> str:
        return f"RemoteFolder({self.url!r})"

    # ---- files -------------------------------------------------------------------------------------

    def put(self, path: Path, name: str) -> None:
        """Upload a file, whole or not at all; one of that name is replaced.

        Raises
        ------
        CatalogError
            If the server does not take it.
        """
        size = path.stat().st_size
        self._whole(name, lambda place: self._fs.put_file(str(path), place), size)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, whole or not at all; one of that name is replaced."""
        self._whole(name, lambda place: self._fs.pipe_file(place, data), len(data))

    def _whole(self, name: str, send: Callable[[str], Any], size: int) -> None:
        place = self._place(name)
        folder = place.rpartition("/")[0]

        def upload() -> None:
            if self.objects:
                send(place)
                return
            self._fs.makedirs(folder, exist_ok=True)
            temporary = f"{folder}/.{secrets.token_hex(8)}.part"
            try:
                send(temporary)
                if (sent := int(self._fs.size(temporary))) != size:
                    raise OSError(f"{sent} of {size} bytes arrived")
                self._fs.mv(temporary, place)
            except BaseException:
                with contextlib.suppress(Exception):  # the reason is on its way to the user
                    self._fs.rm_file(temporary)
                raise

        try:
            self._patiently(f"cannot store {name!r}", upload)
        except FileNotFoundError as error:
            raise CatalogError(f"cannot store {name!r} at {self.url}: {said(error)}; does the bucket exist?") from error

    def get(self, name: str, path: Path) -> bool:
        """Download a file to a new one; gives False, and leaves nothing, if there is none."""
        try:
            self._patiently(f"cannot read {name!r}", lambda: self._fs.get_file(self._place(name), str(path)))
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return False
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return True

    def read(self, name: str, *, patience: float | None = None) -> bytes | None:
        """Give the bytes of a small file; None if there is none."""
        try:
            data = self._patiently(f"cannot read {name!r}", lambda: self._fs.cat_file(self._place(name)), patience)
            return bytes(data)
        except FileNotFoundError:
            return None

    def exists(self, name: str, *, patience: float | None = None) -> bool:
        """Say whether there is a file of that name."""

        def look() -> bool:
            try:
                self._fs.info(self._place(name))
            except FileNotFoundError:
                return False
            return True

        return self._patiently(f"cannot look for {name!r}", look, patience)

    def remove(self, name: str) -> bool:
        """Remove a file; gives False if there was none."""
        if not self.exists(name):
            return False
        try:
            self._patiently(f"cannot remove {name!r}", lambda: self._fs.rm_file(self._place(name)))
        except FileNotFoundError:
            return False
        return True

    def find(self, folder: str, prefix: str = "") -> list[RemoteFile]:
        """List the files below a folder whose names begin with `prefix`, in order of their names."""
        place = self._place(folder)

        def look() -> dict[str, Any]:
            # Only stores of objects look for the beginning of a name themselves.
            more = {"prefix": prefix} if self.objects and prefix else {}
            try:
                found: dict[str, Any] = self._fs.find(place, detail=True, **more)
            except FileNotFoundError:
                return {}
            return found

        found = self._patiently(f"cannot list {folder!r}", look)
        files = []
        for path, info in found.items():
            inner = self._inner(path)
            if inner.startswith(f"{folder}/{prefix}") and info.get("type") != "directory":
                written = info.get("LastModified") or info.get("mtime") or info.get("created")
                files.append(RemoteFile(inner, int(info.get("size") or 0), _time(written)))
        return sorted(files, key=lambda file: file.name)

    def unfinished(self, seconds: float) -> list[str]:
        """List what uploads left that were killed longer ago than that; stores of objects show no such files."""
        if self.objects:
            return []
        files = [file for folder in _FOLDERS for file in self.find(folder)]
        old = datetime.now(UTC) - timedelta(seconds=seconds)
        return [file.name for file in files if _PART.search(file.name) and file.written and file.written < old]

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _inner(self, path: str) -> str:
        stripped = str(self._fs._strip_protocol(path))
        return stripped.removeprefix(self._root).lstrip("/")

    # ---- patience ----------------------------------------------------------------------------------

    def _patiently(self, what: str, work: Callable[[], T], patience: float | None = None) -> T:
        """Do something, again and again while the server does not answer; `FileNotFoundError` is for the caller."""
        patience = self.patience if patience is None else patience
        until = time.monotonic() + patience
        pause = 0.2
        while True:
            try:
                return work()
            except FileNotFoundError:
                raise
            except Exception as error:
                if isinstance(error, MemoryError):
                    raise
                if isinstance(error, PermissionError) or type(error).__name__ == "NoCredentialsError":
                    raise CatalogError(
                        f"{what} at {self.url}: refused ({said(error)}); are the keys in the environment right "
                        "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)?"
                    ) from None
                if not _may_pass(error):
                    raise CatalogError(f"{what} at {self.url}: {said(error)}") from None
                if time.monotonic() + pause > until:
                    raise CatalogError(
                        f"{what} at {self.url}: {said(error)}; the media server did not answer as it should for "
                        f"{patience:.0f} s"
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, 5.0)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno not in _LOCAL_FAULTS
    return any(kind.__name__ in _MAY_PASS for kind in type(error).__mro__)


def said(error: BaseException) -> str:
    """Give what an error says in one line, with nothing that should stay secret."""
    text = (str(error).strip().splitlines() or [""])[0][:300] or type(error).__name__
    text = re.sub(r"//[^/@\s]+@", "//", text)
    text = re.sub(r"\?[^\s\"']*", "", text)  # a signed address is as good as a key
    for name in _SECRETS:
        if len(value := os.environ.get(name, "")) >= 4:
            text = text.replace(value, "***")
    return text


def _time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.astimezone()
    return datetime.fromtimestamp(value).astimezone() if isinstance(value, (int, float)) else None
