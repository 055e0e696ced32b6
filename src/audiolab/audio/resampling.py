"""Resampling with exact lengths, whole or in a stream (soxr, linear phase, no delay)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import soxr

from audiolab.audio.core import Audio
from audiolab.audio.derived import DerivedSource
from audiolab.audio.source import BLOCK, BlockSource, check_span
from audiolab.audio.units import Block, Frames, rescale_frames
from audiolab.errors import ParameterError

__all__ = ["Resampled", "resample", "resample_blocks"]


def resample_blocks(
    blocks: Iterable[Block], channels: int, old_rate: int, new_rate: int, frames: Frames, *, quality: str = "VHQ"
) -> Iterator[Block]:
    """Resample a stream of blocks to exactly `frames` frames.

    Parameters
    ----------
    blocks : iterable of ndarray [float32, shape=(channels, n)]
        The stream, from its first frame on.
    channels : int
        Number of channels.
    old_rate, new_rate : int
        Rates in hertz.
    frames : int
        Length of the result; the stream is cut or padded with silence by the odd frame.
    quality : str
        soxr's name of the quality: QQ, LQ, MQ, HQ or VHQ.

    Yields
    ------
    ndarray [float32, shape=(channels, m)]
        Blocks aligned with the input: frame `i` is at time `i / new_rate`.
    """
    if old_rate == new_rate:
        yield from _fit(blocks, channels, frames)
        return
    stream = soxr.ResampleStream(old_rate, new_rate, channels, dtype="float32", quality=quality)

    def converted() -> Iterator[Block]:
        for block in blocks:
            yield _rows(stream.resample_chunk(_columns(block)), channels)
        yield _rows(
            stream.resample_chunk(np.zeros((0, channels) if channels > 1 else 0, np.float32), last=True), channels
        )

    yield from _fit(converted(), channels, frames)


def _columns(block: Block) -> Block:
    return np.ascontiguousarray(block.T) if block.shape[0] > 1 else np.ascontiguousarray(block[0])


def _rows(data: Block, channels: int) -> Block:
    return np.ascontiguousarray(data.reshape(-1, channels).T)


def _fit(blocks: Iterable[Block], channels: int, frames: Frames) -> Iterator[Block]:
    done = 0
    for block in blocks:
        part = block[:, : frames - done]
        if part.shape[1]:
            done += part.shape[1]
            yield part
    if done < frames:
        yield np.zeros((channels, frames - done), np.float32)


def resample(audio: Audio, sample_rate: int, *, quality: str = "VHQ") -> Audio:
    """Resample a whole sound; its length becomes `rescale_frames(frames, old, new)`."""
    if sample_rate <= 0:
        raise ParameterError(f"sample_rate must be above 0, not {sample_rate}")
    if sample_rate == audio.sample_rate:
        return audio
    return Audio.from_source(Resampled(audio, sample_rate, quality))


@dataclass(frozen=True, slots=True)
class Resampled(DerivedSource):
    """A source seen at another rate; positions and length are at the new rate."""

    parent: BlockSource
    sample_rate: int = field()
    quality: str = "VHQ"

    @property
    def frames(self) -> Frames:
        """Length at the new rate."""
        return rescale_frames(self.parent.frames, self.parent.sample_rate, self.sample_rate)

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of up to `size` frames at the new rate. A later `start` still reads from the beginning."""
        start, stop = check_span(self.name, start, stop, self.frames)
        stream = resample_blocks(
            self.parent.blocks(),
            self.channels,
            self.parent.sample_rate,
            self.sample_rate,
            self.frames,
            quality=self.quality,
        )
        position = 0
        for block in stream:
            left, right = max(start - position, 0), min(stop - position, block.shape[1])
            position += block.shape[1]
            for at in range(left, right, size):
                yield block[:, at : min(at + size, right)]
            if position >= stop:
                return
