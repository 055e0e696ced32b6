"""What is around the frames of an MP3 file: tags in front and behind, and the header that names the length."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

__all__ = ["names_its_length", "without_tags"]

_ID3V1, _APE_FOOTER = 128, 32
_MOST_TAGS = 16


def names_its_length(path: Path) -> bool:
    """Say whether the first MPEG frame holds a Xing or Info header with the number of frames of the whole file.

    Where two files were simply joined the first one's header speaks of its own part only.
    """
    with path.open("rb") as file:
        start, stop = without_tags(file)
        file.seek(start)
        head = file.read(4096)
    at = next((i for i in range(len(head) - 1) if head[i] == 0xFF and head[i + 1] & 0xE0 == 0xE0), -1)
    # The header follows the frame's own and its side information: 4 + 9, 17 or 32 bytes, with checksum 2 more.
    place = max(head.find(sign, at + 13, at + 42) for sign in (b"Xing", b"Info")) if at >= 0 else -1
    if place < 0 or len(head) < place + 16:
        return False
    flags, _, size = (int.from_bytes(head[place + i : place + i + 4], "big") for i in (4, 8, 12))
    return bool(flags & 1) and not (flags & 2 and stop - start > 1.02 * size + 16_384)


def without_tags(file: BinaryIO) -> tuple[int, int]:
    """Give where the frames of an MP3 or AAC stream begin and end: without ID3v1, ID3v2, APE and Lyrics3 tags."""
    file.seek(0, os.SEEK_END)
    stop = file.tell()
    start = _after_id3v2(file, 0, stop)
    for _ in range(_MOST_TAGS):
        size = _trailing_tag(file, start, stop)
        if size <= 0 or stop - size < start:
            break
        stop -= size
    return start, stop


def _after_id3v2(file: BinaryIO, start: int, stop: int) -> int:
    for _ in range(_MOST_TAGS):
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or start + _id3_size(head) > stop:
            break
        start += _id3_size(head)
    return start


def _id3_size(head: bytes) -> int:
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _trailing_tag(file: BinaryIO, start: int, stop: int) -> int:
    """Give the size of the tag that ends at `stop`, or 0."""

    def at(back: int, count: int) -> bytes:
        if stop - back < start:
            return b""
        file.seek(stop - back)
        return file.read(count)

    if at(_ID3V1, 3) == b"TAG":
        return _ID3V1
    footer = at(_APE_FOOTER, _APE_FOOTER)
    if footer[:8] == b"APETAGEX":
        has_header = int.from_bytes(footer[20:24], "little") & 0x80000000
        return int.from_bytes(footer[12:16], "little") + (_APE_FOOTER if has_header else 0)
    if at(9, 9) == b"LYRICS200" and (digits := at(15, 6)).isdigit():
        return int(digits) + 15
    footer = at(10, 10)
    return _id3_size(footer) if footer[:3] == b"3DI" else 0
