"""Rendering a mix to a file and into the library: block by block, with progress, and stopped when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from audiolab.audio import AudioWriter, Block, BlockSource, View, open_source, to_frames, write_blocks
from audiolab.errors import Cancelled, ParameterError

__all__ = ["part_of", "rendered_to"]

_FULL = 1.0 - 2.0**-23
"""Above this a sample does not fit into 24 bits."""


def part_of(source: BlockSource, start: float | None, stop: float | None) -> BlockSource:
    """Give the part between two times in seconds, or all of it.

    Raises
    ------
    ParameterError
        If it lies outside the source or is empty.
    """
    if start is None and stop is None:
        return source
    rate = source.sample_rate
    first = 0 if start is None else to_frames(start, rate)
    last = source.frames if stop is None else to_frames(stop, rate)
    if not 0 <= first < last <= source.frames:
        raise ParameterError(
            f"a part of {source.name!r} lies between 0 and {source.frames / rate:.3f} s, start before stop, "
            f"not {start} to {stop}"
        )
    return View(source, first, last)


def rendered_to(
    folder: Path, source: BlockSource, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> Path:
    """Write a source: 24-bit FLAC, or float WAV if it goes beyond full scale.

    Parameters
    ----------
    progress : callable
        Gets the share that is done, 0 to 1.
    cancelled : callable
        Asked before each block.

    Raises
    ------
    Cancelled
        If `cancelled` said so; nothing is left then.
    """
    wave = folder / "mix.wav"
    peak, done = 0.0, 0
    with AudioWriter(wave, source.sample_rate, source.channels, subtype="FLOAT", frames=source.frames) as writer:
        for block in source.blocks():
            if cancelled():
                raise Cancelled("the bounce was stopped; nothing was added")
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            writer.write(block)
            done += block.shape[1]
            progress(0.9 * done / source.frames)
    if peak > _FULL:
        return wave
    flat = write_blocks(
        folder / "mix.flac", _until(open_source(wave), cancelled), source.sample_rate, source.channels, subtype="PCM_24"
    )
    wave.unlink()
    return flat


def _until(source: BlockSource, cancelled: Callable[[], bool]) -> Iterator[Block]:
    for block in source.blocks():
        if cancelled():
            raise Cancelled("the bounce was stopped; nothing was added")
        yield block
