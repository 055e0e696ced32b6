"""Pages of an Ogg file, as far as exact seeking needs them."""

from __future__ import annotations

import struct
from pathlib import Path

from audiolab.audio.units import Frames

__all__ = ["one_stream", "safe_to_seek"]

_PAGE = struct.Struct("<4sBBqIIIB")
_BEGINS = 2
_TAIL = 1 << 18
_LONGEST_BLOCK = 8192


def one_stream(path: Path) -> bool:
    """Say whether an Ogg file ends with the stream that it begins with: neither chained nor multiplexed."""
    return bool(_last_granules(path))


def safe_to_seek(path: Path) -> Frames:
    """Give the last frame of an Ogg Vorbis file to which libvorbis seeks exactly; 0 if that is unknown.

    Its last page is usually cut to the length that the page names. libvorbis seeks wrongly into such a
    page (it counts back from the page's end as if nothing had been cut), so the safe part ends
    where the last page begins, less the overlap of its first block.
    """
    granules = _last_granules(path)
    before_last = [granule for granule in granules if granule < granules[-1]]
    return max(0, before_last[-1] - 2 * _LONGEST_BLOCK) if before_last else 0


def _last_granules(path: Path) -> list[int]:
    """Give the positions of the last pages; nothing if they belong to more than one stream."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(_PAGE.size)
        if len(first) < _PAGE.size or not first.startswith(b"OggS"):
            return []
        serial = _PAGE.unpack(first)[4]
        start = max(0, size - _TAIL)
        file.seek(start)
        tail = file.read(_TAIL)
    granules: list[int] = []
    at = tail.find(b"OggS")
    while at >= 0 and at + _PAGE.size <= len(tail):
        _, version, flags, granule, its_serial, _, _, segments = _PAGE.unpack_from(tail, at)
        if version == 0:
            if its_serial != serial or (flags & _BEGINS and start + at > 0):
                return []
            if granule >= 0:
                granules.append(granule)
        lacing = tail[at + _PAGE.size : at + _PAGE.size + segments]
        after = at + _PAGE.size + segments + sum(lacing)
        at = tail.find(b"OggS", after if version == 0 else at + 4)
    return granules
