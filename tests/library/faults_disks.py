"""Disks for tests: one that is small enough to fill, one that cannot be written. They need root's right to mount."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["fill", "grow", "read_only", "small_disk"]


@contextmanager
def small_disk(folder: Path, megabytes: float) -> Iterator[Path]:
    """Mount a disk of that size in `folder`; the test is skipped where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "none", folder)
    try:
        yield folder
    finally:
        _unmount(folder)


def grow(disk: Path, megabytes: float) -> None:
    """Make a small disk larger."""
    _mount("-o", f"remount,size={int(megabytes * 1024)}k", disk)


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Write a file until the disk has just `leave` bytes left; removing it frees the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 4096):
            with contextlib.suppress(OSError):
                while _free(disk) > leave:
                    file.write(bytes(size))
    return filler


@contextmanager
def read_only(folder: Path, at: Path) -> Iterator[Path]:
    """Show a folder at another place where nobody, not even root, can write; skipped where that is not allowed."""
    at.mkdir(parents=True, exist_ok=True)
    _mount("--bind", folder, at)
    try:
        _mount("-o", "remount,ro,bind", at)
        yield at
    finally:
        _unmount(at)


def _free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def _mount(*arguments: str | Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a disk of our own needs root")
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no program 'mount' here")
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


def _unmount(folder: Path) -> None:
    done = subprocess.run(["umount", folder], capture_output=True, text=True, check=False)
    if done.returncode:  # still in use by something that was killed; it goes when that goes
        subprocess.run(["umount", "-l", folder], check=True)
