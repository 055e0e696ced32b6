"""Looking at many cuts in one pass over their sound; cuts may overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block, BlockSource, Frames

__all__ = ["Measured", "measure", "sounding_parts", "sweep"]

Spans = Sequence[tuple[Frames, Frames]]


def sweep(source: BlockSource, spans: Spans) -> Iterator[tuple[int, Frames, Block]]:
    """Read a sound once and hand out what lies in each span.

    Parameters
    ----------
    source : BlockSource
        The sound.
    spans : sequence of tuple (start, stop)
        By increasing start, inside the sound; they may overlap.

    Yields
    ------
    index : int
        Which span.
    offset : int
        Frames from the span's start to the part's first.
    part : ndarray [float32, shape=(channels, n)]
        The next part of it.
    """
    if not spans:
        return
    position = spans[0][0]
    last = max(stop for _, stop in spans)
    waiting = 0
    active: list[int] = []
    for block in source.blocks(start=position, stop=last):
        end = position + block.shape[1]
        while waiting < len(spans) and spans[waiting][0] < end:
            active.append(waiting)
            waiting += 1
        for index in active:
            start, stop = spans[index]
            left = max(start, position)
            yield index, left - start, block[:, left - position : min(stop, end) - position]
        active = [index for index in active if spans[index][1] > end]
        position = end


@dataclass(frozen=True, slots=True)
class Measured:
    """Levels of spans, each an array of one value a span, and of the sound between the first and the last."""

    peaks: NDArray[np.float64]
    """Largest absolute sample of all channels."""
    rms: NDArray[np.float64]
    """Over all channels."""
    equal: NDArray[np.bool_]
    """Stereo whose channels differ by less than -60 dB of their energy."""


_EQUAL = 1e-6
"""Share of the energy: -60 dB."""


def measure(source: BlockSource, spans: Spans) -> Measured:
    """Measure peak, RMS and whether the channels are equal of every span, in one pass."""
    count = len(spans)
    peaks, powers, sides = np.zeros(count), np.zeros(count), np.zeros(count)
    for index, _, block in sweep(source, spans):
        part = block.astype(np.float64)
        peaks[index] = max(peaks[index], np.abs(part).max(initial=0.0))
        powers[index] += (part**2).sum()
        if source.channels == 2:
            sides[index] += ((part[0] - part[1]) ** 2).sum()
    lengths = np.array([(stop - start) * source.channels for start, stop in spans], float)
    equal = (sides <= _EQUAL * powers) & (source.channels == 2)
    return Measured(peaks, np.sqrt(powers / np.maximum(lengths, 1)), equal)


def sounding_parts(source: BlockSource, spans: Spans, thresholds: NDArray[np.float64]) -> list[tuple[Frames, Frames]]:
    """Give each span without the frames at its head and tail that stay below its threshold in all channels.

    A span with nothing above stays as it is.
    """
    first = [-1] * len(spans)
    last = [-1] * len(spans)
    for index, offset, part in sweep(source, spans):
        loud = np.flatnonzero(np.abs(part).max(axis=0) > thresholds[index])
        if len(loud):
            if first[index] < 0:
                first[index] = offset + int(loud[0])
            last[index] = offset + int(loud[-1]) + 1
    return [
        (start + a, start + b) if a >= 0 else (start, stop)
        for (start, stop), a, b in zip(spans, first, last, strict=True)
    ]


_LEAST_OFFSET = 1e-3
"""Of the peak: less is the music's own, not a converter's."""


def constant_offsets(source: BlockSource) -> tuple[float, ...]:
    """Give the mean of every channel of the whole sound, or nothing if all are below -60 dB of the peak.

    Of the whole sound, not of a cut: a few periods of a bass note have a mean of their own that is music.
    """
    sums, peak = np.zeros(source.channels), 0.0
    for block in source.blocks():
        sums += block.sum(axis=1, dtype=np.float64)
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
    means = sums / max(1, source.frames)
    if not (np.abs(means) > _LEAST_OFFSET * peak).any():
        return ()
    return tuple(round(float(mean), 9) for mean in means)
