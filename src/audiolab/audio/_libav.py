"""Files that FFmpeg's libraries read, through PyAV: M4A, MP4, AAC, WMA and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from audiolab.audio._soundfile import finite
from audiolab.audio._spans import check_span, reblock
from audiolab.audio.units import Block, Frames, Seconds
from audiolab.errors import AudioError

if TYPE_CHECKING:
    import av.container

__all__ = ["AvSource", "guess_what", "open_container"]

_LOSSLESS = frozenset({"alac", "flac", "wavpack", "tta", "ape", "mlp", "truehd", "tak", "als"})
_WIDE_FORMATS = frozenset({"s32", "s64", "dbl"})
# Containers of sound only. FFmpeg's others include play lists (hls, concat, dash), which would let a file that
# calls itself .m4a read other files of this machine or of the network.
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "ogg,rm,shn,tak,truehd,tta,voc,w64,wav,wv"
)
_SLACK: Seconds = 0.5
_LAST_PACKETS = 4096


@contextmanager
def open_container(file: BinaryIO) -> Iterator[av.container.InputContainer]:
    """Open a container from a file object, never by name: FFmpeg takes names such as `http:x.wav` as addresses."""
    import av

    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"}
    with av.open(file, "r", container_options=options, metadata_errors="replace") as container:
        yield container


@dataclass(frozen=True, slots=True)
class AvSource:
    """The first audio stream of a file, decoded by FFmpeg block by block."""

    path: Path
    sample_rate: int
    channels: int
    frames: Frames
    format: str
    subtype: str
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def lossless(self) -> bool:
        """True unless the codec throws information away."""
        return self.subtype in _LOSSLESS or self.subtype.startswith("pcm_")

    @classmethod
    def open(cls, path: Path) -> AvSource:
        """Open `path` and count its frames by decoding once (containers only estimate them).

        Raises
        ------
        AudioError
            If there is no audio in it, or clearly less than its header promises.
        """
        import av

        try:
            with path.open("rb") as file, open_container(file) as container:
                if not container.streams.audio:
                    raise AudioError(f"{path.name!r} has no audio stream{guess_what(path)}")
                stream = container.streams.audio[0]
                if stream.codec_context is None:
                    raise AudioError(f"{path.name!r} is coded in a way that FFmpeg does not know, or damaged")
                count = len(container.streams.audio)
                rate, channels = stream.rate or 0, stream.channels
                format_, codec = container.format.name, stream.codec_context.name
                promised, exact = _promised(container), _exact_frames(container)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise AudioError(f"{path.name!r} cannot be read as audio{guess_what(path)} ({error})") from error
        if rate <= 0 or channels <= 0:
            raise AudioError(f"{path.name!r} has an audio stream without rate or channels; it is damaged.")
        notes = (f"first of {count} audio streams used",) if count > 1 else ()
        stat = path.stat()
        frames = _count(path, rate, channels, (stat.st_size, stat.st_mtime_ns))
        if frames == 0:
            raise AudioError(f"{path.name!r} holds no audio that can be decoded; it is damaged or cut off.")
        if frames / rate < promised - _SLACK:
            raise AudioError(
                f"{path.name!r} is cut off: its header promises {promised:.2f} s of audio and {frames / rate:.2f} s "
                "are there. An incomplete copy or download; fetch it again."
            )
        if 0 < exact < frames < exact + _LAST_PACKETS:
            frames = exact
        return cls(path, rate, channels, frames, format_, codec, notes)

    def blocks(self, size: Frames = 1 << 16, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks; see `BlockSource`. Frames before `start` are decoded and dropped: exact, not fast."""
        start, stop = check_span(self.name, start, stop, self.frames)
        yield from self._span(size, start, stop, exact=False)

    def exact_blocks(self, size: Frames = 1 << 16) -> Iterator[np.ndarray]:
        """Yield blocks without any loss: float64 where float32 cannot hold the codec's samples."""
        yield from self._span(size, 0, self.frames, exact=True)

    def _span(self, size: Frames, start: Frames, stop: Frames, *, exact: bool) -> Iterator[np.ndarray]:
        if start == stop:
            return
        position = start
        decoded = _decode(self.path, self.sample_rate, self.channels, exact=exact)
        for block in reblock(decoded, 0, start, stop, size):
            yield finite(block, self.name, position)
            position += block.shape[1]
        if position < stop:
            raise AudioError(f"{self.name!r} ended early at {position / self.sample_rate:.2f} s; has it changed?")


def _decode(path: Path, rate: int, channels: int, *, exact: bool = False) -> Iterator[np.ndarray]:
    import av

    try:
        with path.open("rb") as file, open_container(file) as container:
            stream = container.streams.audio[0]
            format_ = stream.codec_context.format
            wide = exact and format_ is not None and format_.name.rstrip("p") in _WIDE_FORMATS
            wanted, dtype = ("dblp", np.float64) if wide else ("fltp", np.float32)
            resampler = av.AudioResampler(format=wanted, layout=stream.layout, rate=rate)
            for frame in chain(container.decode(stream), (None,)):
                for part in resampler.resample(frame):
                    yield np.array(part.to_ndarray(), dtype).reshape(channels, -1)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise AudioError(f"{path.name!r} is damaged: {error}. Copy or export it again.") from error


@lru_cache(maxsize=256)
def _count(path: Path, rate: int, channels: int, _version: tuple[int, int]) -> Frames:
    """Count frames by decoding; size and time of the file's last change make sure that it is still the same."""
    return sum(block.shape[1] for block in _decode(path, rate, channels))


def _exact_frames(container: av.container.InputContainer) -> Frames:
    """Give the length in frames that an MP4's table of packets names, or 0; moves the container to its end.

    The last packet decodes to more than that: encoders fill it up. (The stream's own duration will not do:
    edit lists round it to milliseconds.)
    """
    stream = container.streams.audio[0]
    if not container.format.name.startswith("mov") or stream.time_base != Fraction(1, stream.rate or 1):
        return 0
    ends = (packet.pts + (packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None)
    return max(ends, default=0)


def _promised(container: av.container.InputContainer) -> Seconds:
    """Give the length that the header names, or 0 where there is none or only an estimate."""
    stream = container.streams.audio[0]
    if container.format.name.startswith("mov") and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.format.name in {"asf", "ape", "caf", "mpc8", "tta", "wv"} and container.duration:
        return container.duration / 1e6
    return 0.0


def guess_what(path: Path) -> str:
    """Guess from the first bytes what a file that is not audio might be, for error messages."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return ""
    signs = {
        b"PK\x03\x04": "a zip file: `audiolab add` takes zips",
        b"\x89PNG": "a picture",
        b"\xff\xd8\xff": "a picture",
        b"%PDF": "a PDF",
        b"\x1f\x8b": "a gzip file",
        b"MThd": "a MIDI file",
    }
    for sign, what in signs.items():
        if head.startswith(sign):
            return f": it looks like {what}"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return ": it looks like a web page; the download was a page, not the file"
    if head and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return ": it looks like a text file"
    return ": not an audio format that libsndfile or FFmpeg knows, or damaged"
