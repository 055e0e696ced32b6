"""Block sources: audio that can be read piece by piece, again and again.

Conventions: blocks are float32 of shape (channels, frames); positions are frames from the start;
`stop` is exclusive; a source is re-openable, so every call of `blocks` starts anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from audiolab.audio._cutoff import refuse_cut_off
from audiolab.audio._libav import AvSource
from audiolab.audio._soundfile import SoundFileSource
from audiolab.audio._spans import check_span
from audiolab.audio.core import Audio
from audiolab.audio.units import Block, Frames
from audiolab.errors import AudioError

__all__ = ["BLOCK", "BlockSource", "as_source", "check_span", "open_source"]

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
