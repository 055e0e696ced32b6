"""Files that libsndfile reads: WAV, RF64, FLAC, AIFF, CAF, MP3, Ogg Vorbis and Opus, and more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from audiolab.audio._mpeg import names_its_length
from audiolab.audio._ogg import one_stream, safe_to_seek
from audiolab.audio._spans import check_span, reblock
from audiolab.audio.units import Block, Frames
from audiolab.errors import AudioError

__all__ = ["SoundFileSource", "finite", "native_path"]

LOSSY_SUBTYPES = frozenset({"MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "VORBIS", "OPUS", "GSM610"})
_UNKNOWN_LENGTH = 1 << 48
_CHUNK = 1 << 16
_PREROLL = 1 << 16
"""Frames decoded and dropped before a seek's target in lossy files: longer than any bit reservoir."""
_WIDE_SUBTYPES = frozenset({"PCM_32", "DOUBLE"})


class _Stream(sf.SoundFile):  # type: ignore[misc]
    """A file read from front to back.

    Soundfile seeks to where it already is after every read of a seekable file. MP3 and Opus decoders
    lose their state by that: at low bit rates the start of every block came out wrong.
    """

    def seekable(self) -> bool:
        """Say no, so that soundfile leaves the position alone; `seek` itself still works."""
        return False


@dataclass(frozen=True, slots=True)
class SoundFileSource:
    """A file decoded by libsndfile, read block by block."""

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
        return self.subtype not in LOSSY_SUBTYPES

    @classmethod
    def open(cls, path: Path) -> SoundFileSource | None:
        """Open `path`, or give None if libsndfile does not know what it is.

        Raises
        ------
        AudioError
            If the file is known but has no frames.
        """
        try:
            with sf.SoundFile(native_path(path)) as file:
                rate, channels, frames = file.samplerate, file.channels, file.frames
                format_, subtype = file.format, file.subtype
        except (sf.LibsndfileError, RuntimeError, TypeError):  # TypeError: named like a headerless format
            return None
        if format_ == "RAW" or rate <= 0 or channels <= 0:
            return None
        if subtype.startswith("MPEG") and not names_its_length(path):
            return None  # libsndfile would guess the length and read no further
        if format_ == "OGG" and not one_stream(path):
            return None  # libsndfile reads the first of chained streams only
        if frames < 0 or frames >= _UNKNOWN_LENGTH:
            frames = _count(path)
        if frames == 0:
            raise AudioError(f"{path.name!r} holds no audio (0 frames): an export that was cut off, perhaps?")
        return cls(path, rate, channels, frames, format_, subtype)

    def blocks(self, size: Frames = 1 << 16, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks; see `BlockSource`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        yield from self._span(size, start, stop, "float32")

    def exact_blocks(self, size: Frames = 1 << 16) -> Iterator[np.ndarray]:
        """Yield blocks without any loss: float64 where float32 cannot hold the file's samples."""
        yield from self._span(size, 0, self.frames, "float64" if self.subtype in _WIDE_SUBTYPES else "float32")

    def _span(self, size: Frames, start: Frames, stop: Frames, dtype: str) -> Iterator[np.ndarray]:
        begin = start if self.lossless else self._seek_point(start)
        position = start
        for block in reblock(self._decode(begin, stop, dtype), begin, start, stop, size):
            yield finite(block, self.name, position)
            position += block.shape[1]
        if position < stop:
            raise AudioError(
                f"{self.name!r} ends at {position / self.sample_rate:.2f} s although its header promises "
                f"{self.frames / self.sample_rate:.2f} s: an incomplete copy or download; fetch it again."
            )

    def _seek_point(self, start: Frames) -> Frames:
        """Give a frame before `start` from which the decoder arrives there in the state of a whole read."""
        point = start - _PREROLL
        if point > 0 and self.subtype == "VORBIS":
            point = min(point, safe_to_seek(self.path))
        return max(0, point)

    def _decode(self, start: Frames, stop: Frames, dtype: str) -> Iterator[np.ndarray]:
        position = start
        try:
            with _Stream(native_path(self.path)) as file:
                if start:
                    file.seek(start)
                while position < stop:
                    count = min(_CHUNK, stop - position)
                    data = file.read(count, dtype=dtype, always_2d=True)
                    if len(data) == 0:
                        break
                    yield np.ascontiguousarray(data.T)
                    position += len(data)
        except (sf.LibsndfileError, RuntimeError) as error:
            raise AudioError(
                f"{self.name!r} is damaged near {position / self.sample_rate:.1f} s: {error}. Copy or export it again."
            ) from error


def native_path(path: Path) -> str | bytes:
    """Give a name that libsndfile opens: any bytes on POSIX; absolute, because it takes "-" for standard input."""
    absolute = str(path.absolute())
    return absolute if os.name == "nt" else os.fsencode(absolute)


def finite(block: np.ndarray, name: str, position: Frames) -> np.ndarray:
    """Return the block, or raise `AudioError` with the place of the first NaN or infinity."""
    if not np.isfinite(block).all():
        bad = position + int(np.argmax(~np.isfinite(block).all(axis=0)))
        raise AudioError(f"{name!r} holds NaN or infinite samples (first at frame {bad}); export it again.")
    return block


def _count(path: Path) -> Frames:
    """Count frames by decoding, for headers that do not say (streamed FLAC and the like)."""
    total = 0
    try:
        with _Stream(native_path(path)) as file:
            while got := len(file.read(1 << 18, dtype="float32", always_2d=True)):
                total += got
    except (sf.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path.name!r} is damaged: {error}") from error
    return total
