"""Spans of frames: checking them, and cutting them out of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from audiolab.audio.units import Block, Frames
from audiolab.errors import ParameterError

__all__ = ["check_span", "reblock"]


def check_span(name: str, start: Frames, stop: Frames | None, frames: Frames) -> tuple[Frames, Frames]:
    """Return the span with `stop` filled in, or raise `ParameterError` if it leaves the source."""
    end = frames if stop is None else stop
    if not 0 <= start <= end <= frames:
        raise ParameterError(
            f"{name}: frames {start} to {end} are outside 0 to {frames}: did you pass seconds for frames?"
        )
    return start, end


def reblock(blocks: Iterable[Block], position: Frames, start: Frames, stop: Frames, size: Frames) -> Iterator[Block]:
    """Cut frames `start` to `stop` out of a stream that begins at `position`, in blocks of `size`.

    A stream that ends early gives fewer frames; one that goes on is not read further.
    """
    if size < 1:
        raise ParameterError(f"blocks have at least one frame, not {size}")
    pending: list[Block] = []
    held = 0
    for block in blocks:
        left, right = max(start - position, 0), min(stop - position, block.shape[1])
        position += block.shape[1]
        if right > left:
            pending.append(block[:, left:right])
            held += right - left
        if held >= size:
            joined = np.concatenate(pending, axis=1) if len(pending) > 1 else pending[0]
            whole = held - held % size
            for at in range(0, whole, size):
                yield joined[:, at : at + size]
            pending, held = ([joined[:, whole:]] if held > whole else []), held - whole
        if position >= stop:
            break
    if held:
        yield np.concatenate(pending, axis=1)
