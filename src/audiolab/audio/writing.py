"""Writing audio: streamed, atomic, and exact to the bit where the format allows it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile as sf

from audiolab.audio.source import BlockSource
from audiolab.audio.units import Block, Frames
from audiolab.errors import AudioError, ParameterError

__all__ = ["AudioWriter", "atomic_path", "quantize", "write_audio", "write_blocks"]

_FORMATS: dict[str, tuple[str, str]] = {
    ".wav": ("WAV", "PCM_24"),
    ".rf64": ("RF64", "PCM_24"),
    ".flac": ("FLAC", "PCM_24"),
    ".aif": ("AIFF", "PCM_24"),
    ".aiff": ("AIFF", "PCM_24"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}
_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_S8": 8}
_WAV_LIMIT = (1 << 32) - (1 << 20)
_SET_ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK of sndfile.h


@contextmanager
def atomic_path(path: str | Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it is flushed to disk and renamed, else removed.

    Without `sync` it is not flushed: for files of a folder that is flushed as a whole later.
    """
    path = Path(path)
    # A fixed short name: the final one may already be as long as the file system allows.
    temporary = path.parent / f".{secrets.token_hex(8)}.part{path.suffix[:8]}"
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if not sync:
            return
        with contextlib.suppress(OSError):  # some file systems cannot sync a folder
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def quantize(block: Block, bits: int) -> Block:
    """Round samples to the grid of `bits`-bit integers (clipped to full scale), still as floats.

    Up to 24 bits the result is exact in float32, so writing and reading it back changes nothing.
    """
    scale = float(1 << (bits - 1))
    steps = np.clip(np.rint(block.astype(np.float64) * scale), -scale, scale - 1)
    return np.asarray(steps / scale, np.float32)


class _Output(sf.SoundFile):  # type: ignore[misc]
    """A file that is flushed to the disk once, when it is complete (soundfile would do it at every close, too)."""

    def without_peaks(self) -> None:
        """Leave the chunk PEAK out, which libsndfile dates to the second: equal audio must give equal bytes."""
        sf._snd.sf_command(self._file, _SET_ADD_PEAK_CHUNK, sf._ffi.NULL, 0)

    def flush(self) -> None:
        """Do nothing: closing writes everything out, and `atomic_path` waits for the disk."""


class AudioWriter:
    """Write blocks to a file that appears under its name only when it is complete.

    Parameters
    ----------
    path : path-like
        Target; the suffix chooses the format (.wav .rf64 .flac .aif .aiff .mp3 .ogg .opus).
    sample_rate : int
        Frames a second.
    channels : int
        Number of channels of every block.
    subtype : str, optional
        libsndfile's name: PCM_16, PCM_24, FLOAT, VORBIS and so on. Default: 24 bit, or the codec.
    frames : int, optional
        Expected length; a WAV that would pass 4 GB becomes RF64 at once. Without it a WAV that grows
        beyond 4 GB is an error.
    chunks : sequence of (id, payload)
        RIFF chunks for a WAV file; see `audiolab.audio.riff_writing`.
    sync : bool
        Flush the file to the disk before it gets its name.

    Notes
    -----
    Integers are rounded here, not by libsndfile, whose float path scales by 2^n - 1 and so does
    not give a 24-bit file back as it was. Samples beyond full scale are clipped for integer formats and
    counted in `clipped`.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int,
        channels: int,
        *,
        subtype: str | None = None,
        frames: Frames | None = None,
        chunks: Sequence[tuple[bytes, bytes]] = (),
        sync: bool = True,
    ) -> None:
        self.path, self._chunks, self._sync = Path(path), tuple(chunks), sync
        suffix = self.path.suffix.lower()
        if suffix not in _FORMATS:
            raise ParameterError(f"cannot write {self.path.name!r}: choose one of {' '.join(_FORMATS)}")
        format_, default = _FORMATS[suffix]
        self.subtype = subtype or default
        self._width = channels * {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(self.subtype, 4)
        if format_ == "WAV" and frames is not None and frames * self._width > _WAV_LIMIT:
            format_ = "RF64"
        if not sf.check_format(format_, self.subtype):
            raise ParameterError(
                f"{format_} cannot hold {self.subtype}; it takes {', '.join(sf.available_subtypes(format_))}"
            )
        if self._chunks:
            from audiolab.audio.riff_writing import check_chunks

            check_chunks(self._chunks)
            if format_ not in {"WAV", "RF64"}:
                raise ParameterError(f"{self.path.name!r}: only WAV files take chunks")
        self.sample_rate, self.channels, self.format = sample_rate, channels, format_
        self.frames: Frames = 0
        self.clipped = 0

    def __enter__(self) -> Self:
        self._context = atomic_path(self.path, sync=self._sync)
        self._temporary = temporary = self._context.__enter__()
        try:
            self._file = _Output(
                str(temporary), "w", self.sample_rate, self.channels, subtype=self.subtype, format=self.format
            )
            self._file.without_peaks()
        except (sf.LibsndfileError, RuntimeError, OSError) as error:
            self._context.__exit__(type(error), error, error.__traceback__)
            raise AudioError(
                f"cannot write {self.path.name!r} ({self.format} {self.subtype}, {self.sample_rate} Hz, "
                f"{self.channels} channels): {error}"
            ) from error
        return self

    def write(self, block: Block) -> None:
        """Append a block of shape (channels, n)."""
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ParameterError(
                f"{self.path.name!r} takes {self.channels} channels, got a block of shape {block.shape}"
            )
        if block.shape[1] == 0:
            return
        if self.format == "WAV" and (self.frames + block.shape[1]) * self._width > _WAV_LIMIT:
            raise AudioError(f"{self.path.name!r} passes 4 GB: name its length (frames=...) so that it becomes RF64")
        bits = _BITS.get(self.subtype)
        try:
            if bits:
                self.clipped += int(np.count_nonzero(np.abs(block) > 1.0))
                steps = quantize(block, bits).astype(np.float64) * (1 << (bits - 1))
                self._file.write(np.ascontiguousarray(steps.T).astype(np.int32) << (32 - bits))
            else:
                # Encoders of lossy formats overflow on large chunks of one call; small ones are safe.
                for at in range(0, block.shape[1], 1 << 15):
                    self._file.write(np.ascontiguousarray(block[:, at : at + (1 << 15)].T))
        except (sf.LibsndfileError, RuntimeError, OSError) as error:
            raise AudioError(f"cannot write {self.path.name!r}: {error}; is the disk full?") from error
        self.frames += block.shape[1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure: BaseException | None = error
        try:
            self._file.close()
            if self._chunks and failure is None:
                from audiolab.audio.riff_writing import add_to_new_file

                add_to_new_file(self._temporary, self._chunks)
        except (sf.LibsndfileError, RuntimeError, OSError, AudioError) as trouble:
            failure = failure or trouble
        try:
            self._context.__exit__(type(failure) if failure else None, failure, trace)
        except (sf.LibsndfileError, RuntimeError, OSError) as trouble:
            if trouble is error:
                raise
            raise AudioError(f"cannot finish {self.path.name!r}: {trouble}; is the disk full?") from trouble


def write_blocks(
    path: str | Path,
    blocks: Iterable[Block],
    sample_rate: int,
    channels: int,
    *,
    subtype: str | None = None,
    frames: Frames | None = None,
    chunks: Sequence[tuple[bytes, bytes]] = (),
) -> Path:
    """Write a stream of blocks; see `AudioWriter`."""
    with AudioWriter(path, sample_rate, channels, subtype=subtype, frames=frames, chunks=chunks) as writer:
        for block in blocks:
            writer.write(block)
    return Path(path)


def write_audio(
    path: str | Path, source: BlockSource, *, subtype: str | None = None, chunks: Sequence[tuple[bytes, bytes]] = ()
) -> Path:
    """Write a whole source (an `Audio`, a file source, a view); see `AudioWriter`."""
    return write_blocks(
        path, source.blocks(), source.sample_rate, source.channels, subtype=subtype, frames=source.frames, chunks=chunks
    )
