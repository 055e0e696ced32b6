"""Files that FFmpeg's libraries read, through PyAV: M4A, MP4, AAC, WMA and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiolab.audio._soundfile import finite
from audiolab.audio.units import Block, Frames
from audiolab.errors import AudioError

__all__ = ["AvSource", "guess_what"]

_LOSSLESS = frozenset({"alac", "flac", "wavpack", "tta", "ape", "mlp", "truehd", "tak", "als"})
_WIDE_FORMATS = frozenset({"s32", "s64", "dbl"})


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
            If there is no audio in it.
        """
        import av

        try:
            with av.open(str(path), metadata_errors="replace") as container:
                if not container.streams.audio:
                    raise AudioError(f"{path.name!r} has no audio stream{guess_what(path)}")
                stream = container.streams.audio[0]
                count = len(container.streams.audio)
                rate, channels = stream.rate or 0, stream.channels
                format_, codec = container.format.name, stream.codec_context.name
        except (av.FFmpegError, ValueError, OSError) as error:
            raise AudioError(f"{path.name!r} cannot be read as audio{guess_what(path)} ({error})") from error
        if rate <= 0 or channels <= 0:
            raise AudioError(f"{path.name!r} has an audio stream without rate or channels; it is damaged.")
        notes = (f"first of {count} audio streams used",) if count > 1 else ()
        probe = cls(path, rate, channels, 0, format_, codec, notes)
        frames = sum(block.shape[1] for block in probe._decode())
        if frames == 0:
            raise AudioError(f"{path.name!r} holds no audio that can be decoded; it is damaged or cut off.")
        return cls(path, rate, channels, frames, format_, codec, notes)

    def blocks(self, size: Frames = 1 << 16, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks; see `BlockSource`. Frames before `start` are decoded and dropped: exact, not fast."""
        from audiolab.audio.source import check_span

        start, stop = check_span(self.name, start, stop, self.frames)
        if start == stop:
            return
        pending: list[Block] = []
        held, position = 0, 0
        for block in self._decode():
            left, right = max(start - position, 0), min(stop - position, block.shape[1])
            position += block.shape[1]
            if right > left:
                pending.append(block[:, left:right])
                held += right - left
            while held >= size:
                joined = np.concatenate(pending, axis=1)
                yield finite(joined[:, :size], self.name, position - held)
                pending, held = [joined[:, size:]], held - size
            if position >= stop:
                break
        if held:
            yield finite(np.concatenate(pending, axis=1), self.name, position - held)
        if position < stop:
            raise AudioError(f"{self.name!r} ended early at {position / self.sample_rate:.2f} s; has it changed?")

    def exact_blocks(self) -> Iterator[np.ndarray]:
        """Yield blocks without any loss: float64 where float32 cannot hold the codec's samples."""
        position = 0
        for block in self._decode(exact=True):
            yield finite(block, self.name, position)
            position += block.shape[1]

    def _decode(self, *, exact: bool = False) -> Iterator[np.ndarray]:
        import av

        try:
            with av.open(str(self.path), metadata_errors="replace") as container:
                stream = container.streams.audio[0]
                wide = exact and stream.format is not None and stream.format.name.rstrip("p") in _WIDE_FORMATS
                format_, dtype = ("dblp", np.float64) if wide else ("fltp", np.float32)
                resampler = av.AudioResampler(format=format_, layout=stream.layout, rate=self.sample_rate)
                for frame in container.decode(stream):
                    for part in resampler.resample(frame):
                        yield np.array(part.to_ndarray(), dtype).reshape(self.channels, -1)
                for part in resampler.resample(None):
                    yield np.array(part.to_ndarray(), dtype).reshape(self.channels, -1)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise AudioError(f"{self.name!r} is damaged: {error}. Copy or export it again.") from error


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
