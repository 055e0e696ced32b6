"""A PostgreSQL server of our own for the tests: Debian's programs, a temporary folder, a free port, gone afterwards.

`server()` gives the URL of a running server, `database(url)` a new, empty database on it. In tests use the fixtures
`postgres_url` (one server a session; skips with the reason where there is none) and `postgres_database`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

__all__ = ["NoPostgres", "database", "postgres_database", "postgres_url", "server"]

_SECONDS = 60.0
_SETTINGS = {"max_connections": "60", "shared_buffers": "256MB", "autovacuum": "on", "lc_messages": "C"}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class NoPostgres(Exception):
    """There is no PostgreSQL here, or it does not start."""


def programs() -> Path:
    """The folder of the newest PostgreSQL's programs: on Debian /usr/lib/postgresql/*/bin."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    if found:
        return found[-1].parent
    if initdb := shutil.which("initdb"):
        return Path(initdb).parent
    raise NoPostgres("PostgreSQL is not installed (Debian: apt-get install postgresql)")


@contextmanager
def server(*, careful: bool = False) -> Iterator[str]:
    """Start a server and give its URL as SQLAlchemy takes it; stop and remove it afterwards.

    Parameters
    ----------
    careful : bool
        Write through to the disk, as a server of one's own does; tests need not wait for that.

    Raises
    ------
    NoPostgres
        If there is none.
    """
    programs_ = programs()
    # Not under pytest's folder: that is closed to the server's user.
    root = Path(tempfile.mkdtemp(prefix="audiolab-pg-"))
    try:
        user = _server_user()
        if user is not None:
            os.chown(root, user, -1)
        password = _initdb(programs_, root, user)
        process, port = _start(programs_, root, user, careful)
        try:
            yield f"postgresql+psycopg://postgres:{password}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # "fast": clients are sent away
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def database(url: str, *, template: str | None = None) -> Iterator[str]:
    """Make a new database on the server of `url` and give its URL; it is dropped afterwards.

    Parameters
    ----------
    template : str, optional
        URL of a database to copy; nobody may be connected to it.
    """
    name = f"t_{secrets.token_hex(6)}"
    copied = f' TEMPLATE "{urlsplit(template).path[1:]}"' if template else ""
    _do(url, f'CREATE DATABASE "{name}"{copied}')
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        _do(url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _do(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute(statement.encode())


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _server_user() -> int | None:
    """PostgreSQL refuses to run as root: give the id of another user then."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise NoPostgres("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")


def _as_user(user: int | None) -> dict[str, Any]:
    return {} if user is None else {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": []}


def _initdb(programs_: Path, root: Path, user: int | None) -> str:
    password = secrets.token_urlsafe(16)
    (root / "password").write_text(password)
    if user is not None:
        os.chown(root / "password", user, -1)
    done = subprocess.run(
        [programs_ / "initdb", "-D", root / "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync",
         "-A", "scram-sha-256", "--pwfile", root / "password"],
        cwd=root, **_as_user(user), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stdout[-500:]}")
    return password


def _start(programs_: Path, root: Path, user: int | None, careful: bool) -> tuple[subprocess.Popen[bytes], int]:
    settings = _SETTINGS if careful else {**_SETTINGS, **_CARELESS}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    log = root / "log"
    for _ in range(3):  # somebody else may take the port in between
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with log.open("wb") as file:
            process = subprocess.Popen(
                [programs_ / "postgres", "-D", root / "data", "-p", str(port), "-h", "127.0.0.1", "-k", root, *options],
                cwd=root, **_as_user(user), stdout=file, stderr=file,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no locks
            )  # fmt: skip
        if _ready(process, programs_, port):
            return process, port
        process.kill()
        process.wait()
    raise NoPostgres(f"PostgreSQL does not start: {log.read_text(errors='replace')[-500:]}")


def _die_with_parent() -> None:
    """Stop when the tests are killed (Linux only; elsewhere such a server stays until someone ends it)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _ready(process: subprocess.Popen[bytes], programs_: Path, port: int) -> bool:
    until = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < until:
        asked = subprocess.run([programs_ / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False)
        if asked.returncode == 0:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a server for this session; the test is skipped where there is none."""
    pytest.importorskip("psycopg", reason="needs psycopg (pip install 'audiolab[postgres]')")
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(server())
        except NoPostgres as error:
            pytest.skip(str(error))
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """URL of an empty database of its own."""
    with database(postgres_url) as url:
        yield url
