"""Whether an uncompressed file holds the samples that its header promises; libsndfile shortens such files silently."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from audiolab.errors import AudioError

__all__ = ["refuse_cut_off"]

# 0, all ones, and the half-filled values of tools that stream mean "to the end of the file".
_UNKNOWN_FROM = 0x7FFFF000
_MAX_CHUNKS = 4096
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def refuse_cut_off(path: Path) -> None:
    """Compare the promised number of bytes of WAV, RF64, AIFF, CAF, W64 and AU files with those that are there.

    Raises
    ------
    AudioError
        If there are fewer.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(32)
        find = next((finder for sign, finder in _FINDERS.items() if head.startswith(sign)), None)
        found = find(file, head, end) if find else None
    if found is None:
        return
    offset, promised = found
    there = max(end - offset, 0)
    if promised > there + 1:  # the pad byte after an odd size is often missing
        raise AudioError(
            f"{path.name!r} is cut off: its header promises {promised} bytes of audio and {there} are there. "
            "An incomplete copy or download; fetch it again."
        )


_Found = tuple[int, int] | None


def _chunks(file: BinaryIO, end: int, start: int, order: str, wanted: bytes) -> _Found:
    """Find a chunk by its name: offset and size of its payload."""
    position = start
    for _ in range(_MAX_CHUNKS):
        if position + 8 > end:
            return None
        file.seek(position)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        if name == wanted:
            return position + 8, size
        position += 8 + size + (size & 1)
    return None


def _riff(file: BinaryIO, head: bytes, end: int) -> _Found:
    found = _chunks(file, end, 12, ">" if head.startswith(b"RIFX") else "<", b"data")
    return found if found and found[1] < _UNKNOWN_FROM else None


def _rf64(file: BinaryIO, head: bytes, end: int) -> _Found:
    if head[12:16] != b"ds64":
        return None
    found = _chunks(file, end, 12, "<", b"data")
    (size,) = struct.unpack_from("<Q", _read(file, 28, 8))
    return (found[0], size) if found and 0 < size < 1 << 62 else None


def _aiff(file: BinaryIO, head: bytes, end: int) -> _Found:
    found = _chunks(file, end, 12, ">", b"SSND") if head[8:12] in {b"AIFF", b"AIFC"} else None
    return found if found and found[1] < _UNKNOWN_FROM else None


def _au(file: BinaryIO, head: bytes, end: int) -> _Found:
    offset, size = struct.unpack_from(">II", head.ljust(12, b"\0"), 4)
    return (offset, size) if size < _UNKNOWN_FROM else None


def _caf(file: BinaryIO, head: bytes, end: int) -> _Found:
    position = 8
    for _ in range(_MAX_CHUNKS):
        if position + 12 > end:
            return None
        name, size = struct.unpack(">4sq", _read(file, position, 12))
        if name == b"data" or size < 0:
            return (position + 12, size) if size > 0 else None
        position += 12 + size
    return None


def _w64(file: BinaryIO, head: bytes, end: int) -> _Found:
    position = 40
    for _ in range(_MAX_CHUNKS):
        if position + 24 > end:
            return None
        name, size = struct.unpack("<16sQ", _read(file, position, 24))
        if name == _W64_DATA:
            return (position + 24, size - 24) if 24 < size < 1 << 62 else None
        position += max(24, size + (-size % 8))
    return None


def _read(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size).ljust(size, b"\0")


_FINDERS: dict[bytes, Callable[[BinaryIO, bytes, int], _Found]] = {
    b"RIFF": _riff,
    b"RIFX": _riff,
    b"RF64": _rf64,
    b"BW64": _rf64,
    b"FORM": _aiff,
    b".snd": _au,
    b"caff": _caf,
    b"riff": _w64,
}
