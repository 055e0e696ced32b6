"""Zip files from anywhere: no member's name is ever used as a path, and bombs are refused before they go off."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from audiolab.errors import AudioError
from audiolab.library.text import clean_text

__all__ = ["ArchiveLimits", "Member", "extract", "is_zip", "list_members"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may unpack to.

    Attributes
    ----------
    max_members : int
        Files in it.
    max_bytes : int
        Bytes of all files together.
    max_ratio : float
        Unpacked over packed size; silence packs well, so it counts only beyond `free_bytes`.
    free_bytes : int
        Unpacked size up to which the ratio is not looked at.
    """

    max_members: int = 50_000
    max_bytes: int = 32 << 30
    max_ratio: float = 200.0
    free_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive, and why it is refused, if it is."""

    info: zipfile.ZipInfo
    name: str
    """Its path inside the archive, cleaned: for people to read, not for the file system."""
    refused: str | None


def is_zip(path: Path) -> bool:
    """Say whether a file is a zip archive, by its content."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            if file.read(4) not in {b"PK\x03\x04", b"PK\x05\x06"}:
                return False
        return zipfile.is_zipfile(path)
    except (OSError, ValueError):
        return False


def list_members(archive: zipfile.ZipFile, *, name: str, limits: ArchiveLimits | None = None) -> list[Member]:
    """List the files of an archive in order of their names, each with the reason why it is refused, if any.

    Parameters
    ----------
    archive : ZipFile
        Open for reading.
    name : str
        The archive's name, for messages.

    Raises
    ------
    AudioError
        If the archive as a whole goes beyond the limits.
    """
    limits = limits or ArchiveLimits()
    infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    if len(infos) > limits.max_members:
        raise AudioError(f"{name!r} holds {len(infos)} files, more than the limit of {limits.max_members}")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > limits.max_bytes:
        raise AudioError(
            f"{name!r} would unpack to {unpacked / 1e9:.1f} GB, more than the limit of "
            f"{limits.max_bytes / 1e9:.1f} GB; unpack it yourself if that is right"
        )
    # The size of the archive itself, not the sum of its entries: those may lie over each other.
    packed = Path(archive.filename).stat().st_size if archive.filename else sum(info.compress_size for info in infos)
    if unpacked > limits.free_bytes and unpacked > limits.max_ratio * max(packed, 1):
        raise AudioError(
            f"{name!r} would unpack to {unpacked / max(packed, 1):.0f} times its size, which looks like a zip bomb; "
            "unpack it yourself if that is right"
        )
    return sorted((Member(info, _shown(info), _refused(info)) for info in infos), key=lambda member: member.name)


def extract(archive: zipfile.ZipFile, member: Member, target: Path) -> None:
    """Unpack one member to a path of our own choice.

    Raises
    ------
    AudioError
        If it is damaged, encrypted, or larger than it says.
    """
    left = member.info.file_size
    try:
        with archive.open(member.info) as read, target.open("xb") as write:
            while chunk := read.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise AudioError(f"{member.name!r} is larger than the archive says: a zip bomb")
                write.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise AudioError(f"{member.name!r} cannot be unpacked: {error}") from error


def _shown(info: zipfile.ZipInfo) -> str:
    return clean_text(info.filename)


def _refused(info: zipfile.ZipInfo) -> str | None:
    name = info.orig_filename
    windows, posix = PureWindowsPath(name), PurePosixPath(name.replace("\\", "/"))
    if posix.is_absolute() or windows.drive or windows.root or ".." in posix.parts or "\0" in name:
        return "its path leads out of the archive"
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return "it is a link or device, not a file"
    if info.flag_bits & 0x1:
        return "it is encrypted; unpack it yourself and add the folder"
    return None
