"""Fetching weights over the network: resumable, checked, impatient, and never when offline."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias
from urllib.parse import urlsplit

from audiolab.config import get_settings
from audiolab.errors import ModelError, ParameterError
from audiolab.weights.registry import MODELS, File, Member, Model, official_name
from audiolab.weights.store import Weights, find, hash_file, models_folder, two_ways

__all__ = ["ensure", "pull"]

CONNECT_SECONDS = 3.0
"""A closed network must not hold a song up for longer."""
READ_SECONDS = 30.0
"""A connection that is silent for so long counts as cut."""
_CHUNK = 1 << 20

ProgressHook: TypeAlias = Callable[[float, float], None]

_unreachable: dict[str, str] = {}
"""Servers that could not be reached by this process, and why: they are not tried again."""


class _Unreachable(ModelError):
    """The server cannot be reached, or does not have the file."""


def ensure(name: str, progress: ProgressHook | None = None) -> Weights:
    """Find weights, or fetch them: what engines call on first use when the user named them.

    Raises
    ------
    ModelError
        If they are not here and cannot be fetched; the message tells the two ways to get them.
    """
    return find(name) or pull(name, progress)


def pull(name: str, progress: ProgressHook | None = None, *, again: bool = False) -> Weights:
    """Fetch official weights, unless they are here.

    Parameters
    ----------
    name : str
        An official name; see `MODELS`.
    progress : callable, optional
        Called with bytes done and bytes in all. It may raise; what has come so far is kept and resumed.
    again : bool
        Try servers that this process could not reach before.

    Returns
    -------
    Weights
        The checked files.

    Raises
    ------
    ModelError
        If the name is unknown, AUDIOLAB_OFFLINE is set, no server can be reached within 3 seconds, the
        connection is cut (what came is kept), or the content is wrong (it is deleted).
    """
    model = MODELS.get(official_name(name))
    if model is None:
        raise ModelError(f"audiolab knows no weights {name!r} to fetch; there are: {', '.join(MODELS)}")
    if again:
        _unreachable.clear()
    done, total = 0, model.size or 0
    for member in model.members:
        before = done

        def hook(part: int, before: int = before) -> None:
            if progress is not None:
                progress(before + part, max(total, before + part))

        path = _pull_member(model, member, hook)
        done += path.stat().st_size
        if progress is not None:
            progress(done, done if member is model.members[-1] else max(total, done))
    weights = find(model.name)
    if weights is None:
        raise ModelError(f"{model.name} was fetched, but a file of it is gone; is something cleaning the folder?")
    return weights


def _pull_member(model: Model, member: Member, hook: Callable[[int], None]) -> Path:
    """Fetch one network in the first format that can be had."""
    for form in member.forms:
        path = models_folder(model.kind, form.name)
        if path.is_file():
            if not form.matches(hash_file(path)):
                raise ModelError(f"{str(path)!r} has the wrong content; delete it, then {two_ways(model.name)}")
            return path
    elsewhere = f"The file is {member.forms[0].url}"
    if get_settings().offline:
        raise ModelError(
            f"the weights {model.name} are not here and AUDIOLAB_OFFLINE is set: unset it and "
            + f"{two_ways(model.name)} {elsewhere}"
        )
    failure: _Unreachable | None = None
    for form in member.forms:
        try:
            return _fetch(form, models_folder(model.kind, form.name), hook)
        except _Unreachable as error:
            failure = error
    raise ModelError(f"cannot fetch {model.name}: {failure}. With a network, {two_ways(model.name)} {elsewhere}")


def _fetch(file: File, target: Path, hook: Callable[[int], None]) -> Path:
    """Download one file, resuming what an earlier try left, and give it its name once its hash is right."""
    part = target.with_name(f"{target.name}.part")
    url = _url(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(part) as out:
            digest = _download(url, out, file, hook)
            if not file.matches(digest):
                part.unlink()
                raise ModelError(
                    f"{url} gave the wrong content (sha256 {digest[:12]}…, not {file.sha256[:12]}…): deleted. "
                    "A proxy's page, or a file that changed: try again, or use `audiolab models import FILE`."
                )
            os.replace(part, target)
    except OSError as error:
        raise ModelError(f"cannot write {str(part)!r}: {error}; is the disk full?") from error
    return target


def _url(file: File) -> str:
    """Give the file's address; `settings.models_url` (a mirror, or a test server) holds all files by name."""
    mirror = get_settings().models_url
    if mirror is None:
        return file.url
    if urlsplit(mirror).scheme not in {"http", "https"}:
        raise ParameterError(f"AUDIOLAB_MODELS_URL must begin with http:// or https://, not {mirror!r}")
    return f"{mirror.rstrip('/')}/{file.name}"


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Open the unfinished file for appending; only one process may."""
    with part.open("a+b") as out:
        try:
            import fcntl
        except ImportError:  # not on Windows: two writers would meet a wrong hash, and no harm
            yield out
            return
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ModelError(f"another process is fetching {part.stem!r} right now; wait for it") from None
        yield out


def _download(url: str, out: IO[bytes], file: File, hook: Callable[[int], None]) -> str:
    """Append what is missing of `url` to `out`; give the sha256 of the whole."""
    out.seek(0)
    sha = hashlib.sha256()
    have = 0
    while chunk := out.read(_CHUNK):
        sha.update(chunk)
        have += len(chunk)
    if have and file.matches(sha.hexdigest()):  # an earlier try ended just before the renaming
        return sha.hexdigest()
    with _open(url, have) as response:
        if have and response.status != 206:  # the server starts over, so do we
            out.seek(0)
            out.truncate()
            sha, have = hashlib.sha256(), 0
        elif have and not _continues(response, have):
            raise ModelError(f"{url}: the server resumes at another place than asked for; try again")
        length = response.headers.get("Content-Length")
        expected = have + int(length) if length and length.isdigit() else None
        hook(have)
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _cut(url, have, expected, error) from error
            if not chunk:
                break
            out.write(chunk)
            sha.update(chunk)
            have += len(chunk)
            hook(have)
    out.flush()
    os.fsync(out.fileno())
    if expected is not None and have < expected:
        raise _cut(url, have, expected, None)
    return sha.hexdigest()


def _continues(response: http.client.HTTPResponse, have: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _cut(url: str, have: int, expected: int | None, error: Exception | None) -> ModelError:
    of = f" of {expected / 1e6:.1f}" if expected else ""
    why = f" ({error})" if error else ""
    return ModelError(
        f"{url}: the connection was cut after {have / 1e6:.1f}{of} MB{why}; do it again to go on from there"
    )


def _open(url: str, have: int) -> http.client.HTTPResponse:
    host = urlsplit(url).netloc
    if host in _unreachable:
        raise _Unreachable(f"{host} could not be reached before ({_unreachable[host]})")
    request = urllib.request.Request(url, headers={"User-Agent": "audiolab"})  # noqa: S310 - see _url
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        _resolve(url)
        response: http.client.HTTPResponse = _OPENER.open(request, timeout=CONNECT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # what came is no beginning of this file: start over
            return _open(url, 0)
        raise _Unreachable(f"{host} answers {error.code} {error.reason} for {urlsplit(url).path}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", None) or error) or type(error).__name__
        _unreachable[host] = reason
        raise _Unreachable(f"{host} cannot be reached ({reason})") from error
    return response


def _resolve(url: str) -> None:
    """Look the server's name up, for no longer than a connection may take: resolvers wait much longer."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    failure: list[OSError] = []

    def look_up() -> None:
        try:
            socket.getaddrinfo(parts.hostname, None)
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if failure:
        raise failure[0]
    if thread.is_alive():
        raise TimeoutError("its name was not found in time")


class _Http(http.client.HTTPConnection):
    """A connection that is impatient while connecting and patient afterwards."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _Https(http.client.HTTPSConnection):
    """The same, encrypted."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Http, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        connection: Any = _Https
        return self.do_open(connection, req)


_OPENER = urllib.request.build_opener(_HttpHandler, _HttpsHandler)
