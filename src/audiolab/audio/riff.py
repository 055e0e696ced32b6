"""The chunks of a WAV file besides its samples: tempo, root note, loops, cue points, texts.

Files come from anywhere, so the reader believes no size: every chunk is cut to the file, metadata
chunks are read up to a limit, and lists are one level deep. The writer makes a new file beside the old
one and renames it, so a sound is never left half-written.

References
----------
.. [1] IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (RIFF, LIST INFO, cue, adtl)
.. [2] MMA/Microsoft, New Multimedia Data Types and Data Techniques (smpl, inst)
.. [3] EBU Tech 3285 (bext) and Tech 3306 (RF64)
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from audiolab.audio.units import Bpm, Frames
from audiolab.audio.writing import atomic_path
from audiolab.errors import AudioError, ParameterError

__all__ = [
    "Acid",
    "Bext",
    "Chunk",
    "Cue",
    "Instrument",
    "Loop",
    "RiffInfo",
    "acid_chunk",
    "append_chunks",
    "bext_chunk",
    "cue_chunks",
    "info_chunk",
    "read_riff",
    "smpl_chunk",
    "walk_chunks",
]

_MAX_CHUNKS = 4096
_MAX_PAYLOAD = 1 << 20
_MAX_ITEMS = 4096
_RIFF_FORMS = (b"RIFF", b"RF64", b"BW64")
_COPY = 1 << 20


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


# ---- writing -------------------------------------------------------------------------------------


def acid_chunk(
    *,
    bpm: Bpm = 0.0,
    beats: int = 0,
    root_note: int | None = None,
    one_shot: bool = False,
    meter: tuple[int, int] = (4, 4),
) -> tuple[bytes, bytes]:
    """Build an `acid` chunk: tempo, beats, root note, and whether the sound is a one-shot."""
    flags = (1 if one_shot else 0) | (2 if root_note is not None else 0) | (0 if one_shot else 4)
    note = 60 if root_note is None else root_note
    _check_note(note)
    return b"acid", struct.pack("<IHHfIHHf", flags, note, 0x8000, 0.0, beats, meter[1], meter[0], bpm)


def smpl_chunk(
    sample_rate: int, *, root_note: int | None = None, cents: float = 0.0, loops: Sequence[Loop] = ()
) -> tuple[bytes, bytes]:
    """Build a `smpl` chunk: root note (default 60) and sampler loops."""
    note = 60 if root_note is None else root_note
    _check_note(note)
    kinds = {"forward": 0, "ping-pong": 1, "backward": 2}
    period = round(1e9 / sample_rate)
    fraction = min(int(max(cents, 0.0) / 100 * (1 << 32)), (1 << 32) - 1)
    body = struct.pack("<9I", 0, 0, period, note, fraction, 0, 0, len(loops), 0)
    for number, loop in enumerate(loops):
        if loop.stop <= loop.start:
            raise ParameterError(f"a loop must not be empty: {loop}")
        body += struct.pack("<6I", number, kinds.get(loop.kind, 0), loop.start, loop.stop - 1, 0, 0)
    return b"smpl", body


def cue_chunks(cues: Sequence[Cue]) -> list[tuple[bytes, bytes]]:
    """Build a `cue ` chunk and the `LIST adtl` with its labels; nothing for no cues."""
    if not cues:
        return []
    body, texts = struct.pack("<I", len(cues)), b"adtl"
    for number, cue in enumerate(cues, 1):
        body += struct.pack("<II4sIII", number, cue.position, b"data", 0, 0, cue.position)
        if cue.label:
            texts += _sub(b"labl", struct.pack("<I", number) + _encode(cue.label))
        if cue.length:
            texts += _sub(b"ltxt", struct.pack("<II4sHHHH", number, cue.length, b"rgn ", 0, 0, 0, 0))
    return [(b"cue ", body), (b"LIST", texts)] if len(texts) > 4 else [(b"cue ", body)]


def info_chunk(texts: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Build a `LIST INFO` chunk from four-letter codes (INAM title, IART artist, ICMT comment, ISFT software ...)."""
    body = b"INFO"
    for code, text in texts.items():
        if len(code) != 4 or not code.isascii():
            raise ParameterError(f"an INFO code has four ASCII letters, not {code!r}")
        body += _sub(code.encode(), _encode(text))
    return b"LIST", body


def bext_chunk(bext: Bext) -> tuple[bytes, bytes]:
    """Build a `bext` chunk (version 1); texts that are too long are cut."""

    def fixed(text: str, size: int) -> bytes:
        # Cut between characters, not inside one.
        return _encode(text)[:-1][:size].decode(errors="ignore").encode().ljust(size, b"\0")

    body = fixed(bext.description, 256) + fixed(bext.originator, 32) + fixed(bext.originator_reference, 32)
    body += fixed(bext.date, 10) + fixed(bext.time, 8) + struct.pack("<QH", bext.time_reference, 1) + bytes(254)
    return b"bext", body + _encode(bext.coding_history)


def append_chunks(path: str | Path, chunks: Sequence[tuple[bytes, bytes]]) -> None:
    """Put chunks into a WAV or RF64 file; older chunks of the same kind are replaced, samples stay as they are.

    Parameters
    ----------
    path : path-like
        A finished WAV file; it is replaced atomically.
    chunks : sequence of (id, payload)
        As the `*_chunk` functions build them; a `LIST` replaces only the list of its own type.

    Raises
    ------
    AudioError
        If it is not a WAV file, or would grow beyond 4 GB.
    """
    path = Path(path)
    kinds = {_kind(name, body[:4]) for name, body in chunks}
    if len(kinds) < len(chunks) or kinds & {b"data", b"fmt ", b"ds64"}:
        raise ParameterError("each kind of chunk can be given once, and only metadata chunks")
    try:
        with path.open("rb") as file, atomic_path(path) as temporary, temporary.open("w+b") as out:
            _copy_with(file, out, kinds, chunks, path.name)
    except OSError as error:
        raise AudioError(f"cannot write chunks into {path.name!r}: {error}") from error


def _copy_with(
    file: BinaryIO, out: BinaryIO, kinds: set[bytes], chunks: Sequence[tuple[bytes, bytes]], name: str
) -> None:
    old = list(walk_chunks(file))
    if not any(chunk.id == b"data" for chunk in old):
        raise AudioError(f"{name!r} is not a WAV file with samples; chunks can be put into WAV and RF64 only")
    file.seek(0)
    form = file.read(4)
    out.write(form + b"\0\0\0\0WAVE")
    ds64 = None
    for chunk in old:
        file.seek(chunk.offset)
        if _kind(chunk.id, file.read(4)) in kinds:
            continue
        file.seek(chunk.offset - 8)
        header = file.read(8)
        if chunk.id == b"ds64":
            ds64 = out.tell() + 8
        out.write(header)
        _copy(file, out, chunk.size)
        out.write(b"\0" * (chunk.size & 1))
    for kind, body in chunks:
        out.write(_sub(kind, body))
    size = out.tell() - 8
    if form == b"RIFF":
        if size >= 1 << 32:
            raise AudioError(f"{name!r} would pass 4 GB with these chunks; write it as RF64")
        out.seek(4)
        out.write(struct.pack("<I", size))
    else:
        out.seek(4)
        out.write(b"\xff\xff\xff\xff")
        if ds64 is not None:
            out.seek(ds64)
            out.write(struct.pack("<Q", size))


def _copy(file: BinaryIO, out: BinaryIO, size: int) -> None:
    while size:
        block = file.read(min(size, _COPY))
        if not block:
            raise AudioError("the file became shorter while it was read")
        out.write(block)
        size -= len(block)


def _encode(text: str) -> bytes:
    return text.replace("\0", " ").encode("utf-8", "replace") + b"\0"


def _kind(name: bytes, head: bytes) -> bytes:
    return name + head if name == b"LIST" else name


def _sub(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def _check_note(note: int) -> None:
    if not 0 <= note <= 127:
        raise ParameterError(f"a MIDI note is 0 to 127, not {note}")
