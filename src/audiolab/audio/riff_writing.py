"""Putting RIFF chunks into WAV files: tempo, root note, loops, cue points, texts.

A finished file gets its chunks in a copy beside it that is then renamed, so a sound is never left
half-written. References: see `audiolab.audio.riff`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from audiolab.audio.riff import Bext, Cue, Loop, walk_chunks
from audiolab.audio.units import Bpm
from audiolab.audio.writing import atomic_path
from audiolab.errors import AudioError, ParameterError

__all__ = [
    "acid_chunk",
    "add_to_new_file",
    "append_chunks",
    "bext_chunk",
    "check_chunks",
    "cue_chunks",
    "info_chunk",
    "smpl_chunk",
]

_COPY = 1 << 20


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
    kinds = check_chunks(chunks)
    try:
        with path.open("rb") as file, atomic_path(path) as temporary, temporary.open("w+b") as out:
            _copy_with(file, out, kinds, chunks, path.name)
    except OSError as error:
        raise AudioError(f"cannot write chunks into {path.name!r}: {error}") from error


def check_chunks(chunks: Sequence[tuple[bytes, bytes]]) -> set[bytes]:
    """Give the kinds of some chunks, or raise `ParameterError` if one comes twice or is no metadata."""
    kinds = {_kind(name, body[:4]) for name, body in chunks}
    if len(kinds) < len(chunks) or kinds & {b"data", b"fmt ", b"ds64"}:
        raise ParameterError("each kind of chunk can be given once, and only metadata chunks")
    return kinds


def add_to_new_file(path: Path, chunks: Sequence[tuple[bytes, bytes]]) -> None:
    """Put chunks at the end of a WAV or RF64 file that was just written and has none of them; in place."""
    with path.open("r+b") as file:
        form = file.read(4)
        if file.seek(0, 2) & 1:
            file.write(b"\0")
        for kind, body in chunks:
            file.write(_sub(kind, body))
        _set_size(file, form, 20 if form != b"RIFF" else None, path.name)


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
    _set_size(out, form, ds64, name)


def _set_size(out: BinaryIO, form: bytes, ds64: int | None, name: str) -> None:
    """Write the file's size into its header (RF64: at `ds64`)."""
    size = out.tell() - 8
    if form == b"RIFF" and size >= 1 << 32:
        raise AudioError(f"{name!r} would pass 4 GB with these chunks; write it as RF64")
    out.seek(4)
    out.write(struct.pack("<I", size) if form == b"RIFF" else b"\xff\xff\xff\xff")
    if form != b"RIFF" and ds64 is not None:
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
