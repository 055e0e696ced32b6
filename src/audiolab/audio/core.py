"""`Audio`: samples in memory with their rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiolab.audio._spans import check_span
from audiolab.audio.units import Block, Frames, Seconds, to_frames
from audiolab.errors import AudioError, ParameterError

if TYPE_CHECKING:
    from audiolab.audio.source import BlockSource

__all__ = ["Audio"]


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A whole sound in memory.

    `Audio` is itself a re-openable block source, so everything that takes a stream takes it too.

    Parameters
    ----------
    samples : ndarray [float32, shape=(channels, frames)]
        Full scale is 1.0; values beyond are kept. A one-dimensional array becomes one channel.
    sample_rate : int
        Frames a second.
    name : str
        Used in messages only.

    Raises
    ------
    ParameterError
        If the array has more than two dimensions or looks transposed, or the rate is not positive.
    AudioError
        If a sample is NaN or infinite.
    """

    samples: Block
    sample_rate: int
    name: str = "audio"

    def __post_init__(self) -> None:
        array = np.asarray(self.samples)
        if array.ndim == 1:
            array = array[None, :]
        if array.ndim != 2:
            raise ParameterError(f"{self.name}: samples must have the shape (channels, frames), not {array.shape}")
        if array.shape[0] > 64 and array.shape[1] <= 64:
            raise ParameterError(
                f"{self.name}: {array.shape[0]} channels of {array.shape[1]} frames: "
                "did you pass (frames, channels)? Transpose it."
            )
        if array.dtype.kind in "iu":
            raise ParameterError(f"{self.name}: samples are integers; divide by full scale to get floats in [-1, 1]")
        array = np.ascontiguousarray(array, dtype=np.float32)
        if self.sample_rate <= 0:
            raise ParameterError(f"{self.name}: sample_rate must be above 0, not {self.sample_rate}")
        if not np.isfinite(array).all():
            raise AudioError(f"{self.name}: holds NaN or infinite samples; was it scaled by zero somewhere?")
        object.__setattr__(self, "samples", array)

    @classmethod
    def from_file(cls, path: str | Path, *, start: Frames = 0, stop: Frames | None = None) -> Audio:
        """Decode a file (or frames `start` to `stop` of it) at its own rate."""
        from audiolab.audio.source import open_source

        return cls.from_source(open_source(path), start=start, stop=stop)

    @classmethod
    def from_source(cls, source: BlockSource, *, start: Frames = 0, stop: Frames | None = None) -> Audio:
        """Collect a block source (or frames `start` to `stop` of it) into memory."""
        blocks = list(source.blocks(start=start, stop=stop))
        samples = np.concatenate(blocks, axis=1) if blocks else np.zeros((source.channels, 0), np.float32)
        return cls(samples, source.sample_rate, source.name)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def frames(self) -> Frames:
        """Length in frames."""
        return int(self.samples.shape[1])

    @property
    def duration(self) -> Seconds:
        """Length in seconds."""
        return self.frames / self.sample_rate

    def blocks(self, size: Frames = 1 << 16, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield the samples in blocks of `size` frames; see `BlockSource`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        for left in range(start, stop, size):
            yield self.samples[:, left : min(left + size, stop)]

    def cut(self, start: Frames, stop: Frames) -> Audio:
        """Give frames `start` (inclusive) to `stop` (exclusive) as a new `Audio`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        return self.with_(self.samples[:, start:stop])

    def cut_seconds(self, start: Seconds, stop: Seconds) -> Audio:
        """Give the part between two times."""
        return self.cut(to_frames(start, self.sample_rate), to_frames(stop, self.sample_rate))

    def mono(self) -> Audio:
        """Give the mean of all channels as one channel."""
        if self.channels == 1:
            return self
        return self.with_(self.samples.mean(axis=0, dtype=np.float64).astype(np.float32)[None, :])

    def resample(self, sample_rate: int) -> Audio:
        """Give the sound at another rate (soxr, very high quality)."""
        from audiolab.audio.resampling import resample

        return resample(self, sample_rate)

    def with_(self, samples: Block, sample_rate: int | None = None) -> Audio:
        """Give a copy with other samples."""
        return Audio(samples, sample_rate or self.sample_rate, self.name)

    def write(self, path: str | Path, **kwargs: Any) -> Path:
        """Write to a file; see `audiolab.audio.write_audio` for the keywords."""
        from audiolab.audio.writing import write_audio

        return write_audio(path, self, **kwargs)

    def __repr__(self) -> str:
        return f"Audio({self.name!r}, {self.duration:.3f} s, {self.channels} ch, {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<b>{escape(self.name)}</b> {self.duration:.2f} s · {self.channels} ch · {self.sample_rate} Hz"
