"""The chunks of a WAV file besides its samples: tempo, root note, loops, cue points, texts.

Files come from anywhere, so the reader believes no size: every chunk is cut to the file, metadata
chunks are read up to a limit, and lists are one level deep. `riff_writing` puts chunks into files.

References
----------
.. [1] IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (RIFF, LIST INFO, cue, adtl)
.. [2] MMA/Microsoft, New Multimedia Data Types and Data Techniques (smpl, inst)
.. [3] EBU Tech 3285 (bext) and Tech 3306 (RF64)
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from audiolab.audio.units import Bpm, Frames
from audiolab.errors import AudioError

__all__ = [
    "Acid",
    "Bext",
    "Chunk",
    "Cue",
    "Instrument",
    "Loop",
    "RiffInfo",
    "read_riff",
    "walk_chunks",
]

_MAX_CHUNKS = 4096
_MAX_PAYLOAD = 1 << 20
_MAX_ITEMS = 4096
_RIFF_FORMS = (b"RIFF", b"RF64", b"BW64")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where a chunk's payload lies in the file; `size` never reaches beyond the file's end."""

    id: bytes
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Acid:
    """Loop data of the `acid` chunk."""

    one_shot: bool
    root_note: int | None
    beats: int
    meter: tuple[int, int]
    """Upper and lower number."""
    bpm: Bpm


@dataclass(frozen=True, slots=True)
class Loop:
    """A sampler loop: frames `start` (inclusive) to `stop` (exclusive)."""

    start: Frames
    stop: Frames
    kind: str = "forward"


@dataclass(frozen=True, slots=True)
class Cue:
    """A marked frame with its label."""

    position: Frames
    label: str = ""
    length: Frames = 0


@dataclass(frozen=True, slots=True)
class Instrument:
    """The `inst` chunk: note, fine tuning in cents, gain in decibels, and the ranges it answers to."""

    note: int
    cents: int
    gain_db: int
    notes: tuple[int, int]
    velocities: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Bext:
    """The broadcast extension: who made it, when, and where it lies on the session's clock."""

    description: str = ""
    originator: str = ""
    originator_reference: str = ""
    date: str = ""
    time: str = ""
    time_reference: Frames = 0
    coding_history: str = ""


@dataclass(frozen=True, slots=True)
class RiffInfo:
    """What a WAV file says about itself."""

    acid: Acid | None = None
    root_note: int | None = None
    """MIDI number from the `smpl` chunk."""
    root_cents: float = 0.0
    loops: tuple[Loop, ...] = ()
    cues: tuple[Cue, ...] = ()
    info: Mapping[str, str] = field(default_factory=dict)
    """Texts of LIST INFO by their four-letter code."""
    bext: Bext | None = None
    instrument: Instrument | None = None
    chunk_ids: tuple[str, ...] = ()


# ---- reading -------------------------------------------------------------------------------------


def walk_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a WAV, RF64 or BW64 file; nothing for any other file.

    Parameters
    ----------
    file : binary file
        Open for reading and seekable; its position is changed.
    """
    file.seek(0, 2)
    end = file.tell()
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] not in _RIFF_FORMS or head[8:] != b"WAVE":
        return
    position, data_size = 12, None
    for _ in range(_MAX_CHUNKS):
        if position + 8 > end:
            return
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        offset = position + 8
        if name == b"ds64":
            body = file.read(16)
            if len(body) == 16:
                data_size = struct.unpack("<8xQ", body)[0]
        elif name == b"data" and size == 0xFFFFFFFF and data_size is not None:
            size = data_size
        size = min(size, end - offset)
        yield Chunk(name, offset, size)
        position = offset + size + (size & 1)


def read_riff(path: str | Path) -> RiffInfo:
    """Read the metadata chunks of a WAV file.

    Damaged or hostile chunks are left out; the rest is read.

    Raises
    ------
    AudioError
        If the file cannot be opened.
    """
    found: dict[bytes, bytes] = {}
    texts: dict[str, str] = {}
    labels: dict[int, str] = {}
    lengths: dict[int, int] = {}
    ids: list[str] = []
    try:
        with Path(path).open("rb") as file:
            for chunk in walk_chunks(file):
                ids.append(chunk.id.decode("latin-1"))
                if chunk.id not in _PARSED:
                    continue
                file.seek(chunk.offset)
                body = file.read(min(chunk.size, _MAX_PAYLOAD))
                if chunk.id == b"LIST":
                    _read_list(body, texts, labels, lengths)
                else:
                    found.setdefault(chunk.id, body)
    except OSError as error:
        raise AudioError(f"{str(path)!r} cannot be opened: {error}") from None
    root, cents, loops = _parse_smpl(found.get(b"smpl", b""))
    return RiffInfo(
        acid=_parse_acid(found.get(b"acid", b"")),
        root_note=root,
        root_cents=cents,
        loops=loops,
        cues=_parse_cue(found.get(b"cue ", b""), labels, lengths),
        info=texts,
        bext=_parse_bext(found.get(b"bext", b"")),
        instrument=_parse_inst(found.get(b"inst", b"")),
        chunk_ids=tuple(ids),
    )


_PARSED = frozenset({b"acid", b"smpl", b"cue ", b"bext", b"inst", b"LIST"})


def _text(raw: bytes) -> str:
    """Decode a text that ends at its first zero byte: UTF-8 if it is, else Windows' Western code page."""
    raw = raw.split(b"\0", 1)[0]
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace").strip()


def _sub_chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    for _ in range(_MAX_ITEMS):
        if position + 8 > len(body):
            return
        name, size = struct.unpack_from("<4sI", body, position)
        yield name, body[position + 8 : position + 8 + size]
        position += 8 + size + (size & 1)


def _read_list(body: bytes, texts: dict[str, str], labels: dict[int, str], lengths: dict[int, int]) -> None:
    kind = body[:4]
    if kind == b"INFO":
        for name, raw in _sub_chunks(body[4:]):
            if text := _text(raw):
                texts.setdefault(name.decode("latin-1"), text)
    elif kind == b"adtl":
        for name, raw in _sub_chunks(body[4:]):
            if name == b"labl" and len(raw) >= 4:
                labels[int.from_bytes(raw[:4], "little")] = _text(raw[4:])
            elif name == b"note" and len(raw) >= 4:
                labels.setdefault(int.from_bytes(raw[:4], "little"), _text(raw[4:]))
            elif name == b"ltxt" and len(raw) >= 8:
                mark, length = struct.unpack_from("<II", raw)
                lengths[mark] = length


def _parse_acid(body: bytes) -> Acid | None:
    if len(body) < 24:
        return None
    flags, root, _, _, beats, lower, upper, bpm = struct.unpack_from("<IHHfIHHf", body)
    if not (math.isfinite(bpm) and 0 <= bpm <= 1000):
        bpm = 0.0
    return Acid(
        one_shot=bool(flags & 1),
        root_note=root if flags & 2 and root < 128 else None,
        beats=beats if beats < 1 << 20 else 0,
        meter=(upper or 4, lower or 4),
        bpm=round(bpm, 4),
    )


def _parse_smpl(body: bytes) -> tuple[int | None, float, tuple[Loop, ...]]:
    if len(body) < 36:
        return None, 0.0, ()
    note, fraction, count = struct.unpack_from("<12xII8xI", body)
    kinds = {0: "forward", 1: "ping-pong", 2: "backward"}
    loops = []
    for at in range(36, min(36 + 24 * min(count, _MAX_ITEMS), len(body) - 23), 24):
        kind, start, last = struct.unpack_from("<4xIII", body, at)
        if last >= start:
            loops.append(Loop(start, last + 1, kinds.get(kind, "other")))
    if note > 127:
        return None, 0.0, tuple(loops)
    return note, round(fraction / (1 << 32) * 100, 3), tuple(loops)


def _parse_cue(body: bytes, labels: Mapping[int, str], lengths: Mapping[int, int]) -> tuple[Cue, ...]:
    if len(body) < 4:
        return ()
    count = min(int.from_bytes(body[:4], "little"), _MAX_ITEMS)
    cues = []
    for at in range(4, min(4 + 24 * count, len(body) - 23), 24):
        # dwSampleOffset is the frame; dwPosition (play order) is wrong in files of some tools.
        mark, offset = struct.unpack_from("<I16xI", body, at)
        cues.append(Cue(offset, labels.get(mark, ""), lengths.get(mark, 0)))
    return tuple(sorted(cues, key=lambda cue: cue.position))


def _parse_bext(body: bytes) -> Bext | None:
    if len(body) < 346:
        return None
    return Bext(
        description=_text(body[:256]),
        originator=_text(body[256:288]),
        originator_reference=_text(body[288:320]),
        date=_text(body[320:330]),
        time=_text(body[330:338]),
        time_reference=int.from_bytes(body[338:346], "little"),
        coding_history=_text(body[602:]),
    )


def _parse_inst(body: bytes) -> Instrument | None:
    if len(body) < 7:
        return None
    note, cents, gain, low, high, soft, loud = struct.unpack_from("<BbbBBBB", body)
    return Instrument(note, cents, gain, (low, high), (soft, loud)) if note < 128 else None
