"""Scratch folders inside a library, and clearing away those of processes that were killed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiolab.errors import CatalogError

__all__ = ["clear_abandoned", "scratch_folder"]


@contextmanager
def scratch_folder(tmp: Path, what: str) -> Iterator[Path]:
    """Give a new folder in a library's `tmp`; it is removed afterwards.

    Raises
    ------
    CatalogError
        If it cannot be made.
    """
    folder = tmp / f"{what}-{_host()}-{os.getpid()}-{secrets.token_hex(6)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise CatalogError(
            f"cannot work in {str(tmp)!r}: {error.strerror or error}; is the disk full or read-only?"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_abandoned(tmp: Path, what: str) -> int:
    """Remove scratch folders of this host's processes that are gone; give their number."""
    pattern = re.compile(rf"{re.escape(what)}-{re.escape(_host())}-(\d+)-[0-9a-f]+")
    removed = 0
    for folder in tmp.iterdir() if tmp.is_dir() else ():
        found = pattern.fullmatch(folder.name)
        if found and not _alive(int(found[1])):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
