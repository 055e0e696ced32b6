"""`content_id`: the same sound gives the same id, whatever it is called and however it is tagged.

Lossless files: a hash of the decoded samples, so the same audio as WAV, FLAC or AIFF is one sound.
Lossy files: a hash of the encoded packets, because decoders differ in the last bits; tags are no part of it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from audiolab.audio._libav import AvSource, open_container
from audiolab.audio._mpeg import without_tags
from audiolab.audio._soundfile import SoundFileSource
from audiolab.audio.core import Audio
from audiolab.audio.source import BlockSource, as_source
from audiolab.errors import AudioError

__all__ = ["content_id", "content_id_of_audio"]


def content_id(sound: BlockSource | str | Path) -> str:
    """Hash what a file sounds like. The whole file is decoded on the way, so a damaged one is found.

    Parameters
    ----------
    sound : path or BlockSource
        A file, or any source; sources that are not files count as lossless.

    Returns
    -------
    str
        64 hexadecimal digits (BLAKE2b, 256 bits).

    Raises
    ------
    AudioError
        If the file is damaged, cut off, not audio, or holds NaN or infinite samples.

    Notes
    -----
    Lossless: rate, channels, and the samples as little-endian float32, interleaved, -0.0 as 0.0. Only
    where float32 cannot hold them (32-bit integers and doubles that need it) float64 is hashed instead.
    Lossy: codec, rate, channels and the first audio stream's packets.
    """
    source = as_source(sound)
    if isinstance(source, (SoundFileSource, AvSource)):
        if not source.lossless:
            return _packets_id(source)
        return _samples_id(source.exact_blocks(), source.sample_rate, source.channels)
    return _samples_id(source.blocks(), source.sample_rate, source.channels)


def content_id_of_audio(audio: Audio) -> str:
    """Hash samples in memory: the id that they would have as a lossless file."""
    return _samples_id(audio.blocks(), audio.sample_rate, audio.channels)


def _samples_id(blocks: Iterable[np.ndarray], sample_rate: int, channels: int) -> str:
    head = f"audiolab pcm {sample_rate} {channels}\n".encode()
    narrow, wide = blake2b(head, digest_size=32), blake2b(b"wide " + head, digest_size=32)
    needs_wide = False
    for block in blocks:
        if block.dtype == np.float64:
            rounded = block.astype(np.float32)
            needs_wide = needs_wide or not np.array_equal(rounded, block)
            wide.update(_interleaved(block, "<f8"))
            block = rounded
        if not needs_wide:
            narrow.update(_interleaved(block, "<f4"))
    return (wide if needs_wide else narrow).hexdigest()


def _interleaved(block: np.ndarray, dtype: str) -> bytes:
    # Adding zero turns -0.0, which sounds the same, into 0.0.
    return np.ascontiguousarray(block.T + block.dtype.type(0), dtype).tobytes()


def _packets_id(source: SoundFileSource | AvSource) -> str:
    import av

    if isinstance(source, SoundFileSource):  # an AvSource was decoded when it was opened
        for _ in source.blocks():
            pass
    digest = blake2b(digest_size=32)
    count = 0
    try:
        with source.path.open("rb") as file, open_container(_payload(file)) as container:
            stream = container.streams.audio[0]
            head = f"audiolab {stream.codec_context.name} {source.sample_rate} {source.channels}\n"
            digest.update(head.encode())
            for packet in container.demux(stream):
                if packet.size:
                    digest.update(packet.size.to_bytes(8, "little"))
                    digest.update(bytes(packet))
                    count += 1
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise AudioError(f"{source.name!r} is damaged: its packets cannot be read ({error})") from error
    if count == 0:
        raise AudioError(f"{source.name!r} holds no audio packets; it is damaged.")
    return digest.hexdigest()


class _Span(io.RawIOBase):
    """A read-only window on a file."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file, self._start, self._stop, self._at = file, start, stop, start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._stop}[whence]
        self._at = max(self._start, base + offset)
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        left = max(self._stop - self._at, 0)
        self._file.seek(self._at)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(data)
        return data


def _payload(file: BinaryIO) -> BinaryIO:
    """Give the part of the file that its demuxer shall see: MP3 and AAC streams lose their tags."""
    head = file.read(12)
    if head[:4] in {b"RIFF", b"RF64", b"OggS", b"fLaC", b"FORM", b"caff"} or head[4:8] == b"ftyp":
        file.seek(0)
        return file
    start, stop = without_tags(file)
    return cast("BinaryIO", _Span(file, start, stop))
