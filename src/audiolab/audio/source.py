"""Block sources: audio that can be read piece by piece, again and again.

Conventions: blocks are float32 of shape (channels, frames); positions are frames from the start;
`stop` is exclusive; a source is re-openable, so every call of `blocks` starts anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from audiolab.audio._cutoff import refuse_cut_off
from audiolab.audio._libav import AvSource
from audiolab.audio._soundfile import SoundFileSource
from audiolab.audio._spans import check_span
from audiolab.audio.core import Audio
from audiolab.audio.units import Block, Frames
from audiolab.errors import AudioError

__all__ = [
    "BlockSource",
    "Downmix",
    "Mono",
    "View",
    "as_source",
    "check_span",
    "open_source",
    "require_stereo",
]

BLOCK = 1 << 16


@runtime_checkable
class BlockSource(Protocol):
    """Audio that can be read in blocks, from any frame, as often as wanted."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def sample_rate(self) -> int:
        """Frames a second."""

    @property
    def channels(self) -> int:
        """Number of channels."""

    @property
    def frames(self) -> Frames:
        """Exact length in frames."""

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield frames `start` to `stop` in blocks of `size` (the last may be shorter).

        Raises
        ------
        ParameterError
            If the span does not lie inside the source.
        AudioError
            If the file turns out to be damaged, or holds NaN or infinite samples.
        """


@dataclass(frozen=True, slots=True)
class View:
    """Frames `start` to `stop` of another source, as a source of its own."""

    parent: BlockSource
    start: Frames
    stop: Frames

    def __post_init__(self) -> None:
        check_span(self.parent.name, self.start, self.stop, self.parent.frames)

    @property
    def name(self) -> str:
        """The parent's name."""
        return self.parent.name

    @property
    def sample_rate(self) -> int:
        """Frames a second."""
        return self.parent.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.parent.channels

    @property
    def frames(self) -> Frames:
        """Length of the view in frames."""
        return self.stop - self.start

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of the view; see `BlockSource`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        yield from self.parent.blocks(size, start=self.start + start, stop=self.start + stop)


@dataclass(frozen=True, slots=True)
class Mono:
    """The mean of all channels of another source."""

    parent: BlockSource

    @property
    def name(self) -> str:
        """The parent's name."""
        return self.parent.name

    @property
    def sample_rate(self) -> int:
        """Frames a second."""
        return self.parent.sample_rate

    @property
    def channels(self) -> int:
        """Always 1."""
        return 1

    @property
    def frames(self) -> Frames:
        """Length in frames."""
        return self.parent.frames

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of one channel; see `BlockSource`."""
        for block in self.parent.blocks(size, start=start, stop=stop):
            yield block if block.shape[0] == 1 else block.mean(axis=0, keepdims=True, dtype=np.float64).astype("f4")


# Order of channels in WAVE_FORMAT_EXTENSIBLE and ITU-R BS.775-3: L R C LFE Ls Rs (then Lb Rb).
_HALF = 0.5**0.5
_TO_STEREO: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    3: ((1, 0, _HALF), (0, 1, _HALF)),
    4: ((1, 0, _HALF, 0), (0, 1, 0, _HALF)),
    5: ((1, 0, _HALF, _HALF, 0), (0, 1, _HALF, 0, _HALF)),
    6: ((1, 0, _HALF, 0, _HALF, 0), (0, 1, _HALF, 0, 0, _HALF)),
    8: ((1, 0, _HALF, 0, _HALF, 0, _HALF, 0), (0, 1, _HALF, 0, 0, _HALF, 0, _HALF)),
}


@dataclass(frozen=True, slots=True)
class Downmix:
    """Stereo from more than two channels (ITU-R BS.775-3 weights, scaled so that nothing can clip anew).

    Unknown layouts put odd channels left and even ones right.
    """

    parent: BlockSource

    @property
    def name(self) -> str:
        """The parent's name."""
        return self.parent.name

    @property
    def sample_rate(self) -> int:
        """Frames a second."""
        return self.parent.sample_rate

    @property
    def channels(self) -> int:
        """Always 2."""
        return 2

    @property
    def frames(self) -> Frames:
        """Length in frames."""
        return self.parent.frames

    @property
    def matrix(self) -> Block:
        """Weights, shape (2, channels of the parent)."""
        n = self.parent.channels
        rows = _TO_STEREO.get(n) or tuple(tuple(float(i % 2 == side) for i in range(n)) for side in (0, 1))
        matrix = np.array(rows, np.float32)
        return np.asarray(matrix / matrix.sum(axis=1, keepdims=True), np.float32)

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield stereo blocks; see `BlockSource`."""
        matrix = self.matrix
        for block in self.parent.blocks(size, start=start, stop=stop):
            yield matrix @ block


def open_source(path: str | Path) -> BlockSource:
    """Open an audio file as a block source: libsndfile first, then FFmpeg's decoders through PyAV.

    Parameters
    ----------
    path : path-like
        WAV, RF64, FLAC, AIFF, MP3, Ogg Vorbis or Opus, M4A/MP4 (its first audio stream), AAC and
        whatever else the two libraries decode.

    Raises
    ------
    AudioError
        If the file is missing, empty, a folder, cut off, or not audio; the message says which.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise AudioError(f"{path.name!r} is a folder, not an audio file; `audiolab add` takes folders")
        size = path.stat().st_size
        if size:
            refuse_cut_off(path)
    except FileNotFoundError:
        raise AudioError(f"{str(path)!r} does not exist; check the spelling and the current folder") from None
    except PermissionError:
        raise AudioError(f"{str(path)!r} cannot be opened: you have no permission to read it") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{str(path)!r} cannot be opened: {error}") from None
    if size == 0:
        raise AudioError(f"{path.name!r} is empty (0 bytes): was a copy or download cut off?")
    native = SoundFileSource.open(path)
    if native is not None:
        return native
    return AvSource.open(path)


def as_source(sound: BlockSource | str | Path | tuple[Block, int]) -> BlockSource:
    """Turn a path, an `Audio`, an `(array, sample_rate)` pair or a source into a block source."""
    if isinstance(sound, (str, Path)):
        return open_source(sound)
    if isinstance(sound, tuple):
        return Audio(sound[0], sound[1])
    return sound


def require_stereo(source: BlockSource, *, downmix: bool = False) -> BlockSource:
    """Let mono and stereo pass; more channels are mixed down if `downmix`, else refused.

    Raises
    ------
    AudioError
        If there are more than two channels and `downmix` is off.
    """
    if source.channels <= 2:
        return source
    if downmix:
        return Downmix(source)
    raise AudioError(
        f"{source.name!r} has {source.channels} channels; stages take mono and stereo. "
        "Pass --downmix (downmix=True) to mix them to stereo first."
    )
