"""Running a Demucs network over a stream, with the arithmetic of upstream's `apply_model(split=True)`.

Segments of the network's own length start every `(1 - overlap) * segment`; each is padded with what lies around it,
run, weighted with a triangle and added; a frame is finished once no later segment reaches it. Only two segments are
ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from audiolab.audio import Block, Frames
from audiolab.stages.separation.placing import Placed

__all__ = ["Segments", "rechunk"]


class Segments:
    """The plan of one network's segments over a stream of known length.

    Parameters
    ----------
    placed : Placed
        A Demucs network on its device, settled.
    frames : int
        Length of the stream at the network's rate.
    overlap : float
        Share of a segment that the next one overlaps.
    lead : int
        Frames of silence put before the stream, and taken away again: the "shift trick" of Demucs.
    """

    def __init__(self, placed: Placed, frames: Frames, *, overlap: float, lead: Frames = 0) -> None:
        self.placed, self.network, self.lead = placed, placed.network, lead
        self.frames = frames + lead
        self.length = placed.length
        self.stride = max(1, int((1 - overlap) * self.length))

    @property
    def count(self) -> int:
        """Number of segments."""
        return len(range(0, self.frames, self.stride))

    def run(self, mix: Iterable[Block], *, tick: Callable[[], None]) -> Iterator[Block]:
        """Yield finished frames.

        Parameters
        ----------
        mix : iterable of ndarray [float32, shape=(channels, n)]
            The normalized mix with the network's number of channels.
        tick : callable
            Called after every segment.

        Yields
        ------
        ndarray [float32, shape=(stems, channels, m)]
            Of at most `stride` frames, as many in all as the stream without the lead.
        """
        import torch

        held = _Held(mix, self.network.audio_channels, silent=self.lead)
        skip = self.lead
        weight = self._weight()
        stems, channels = len(self.network.sources), self.network.audio_channels
        total = torch.zeros(stems, channels, self.length)
        weights = torch.zeros(self.length)
        for offset in range(0, self.frames, self.stride):
            n = min(self.length, self.frames - offset)
            out = self._forward(held, offset, n)
            total[..., :n] += weight[:n] * out
            weights[:n] += weight[:n]
            tick()
            done = min(self.stride, self.frames - offset)
            if skip < done:
                yield (total[..., skip:done] / weights[skip:done]).numpy()
            skip = max(0, skip - done)
            total = torch.cat([total[..., done:], torch.zeros(stems, channels, done)], dim=-1)
            weights = torch.cat([weights[done:], torch.zeros(done)])

    def _weight(self) -> Any:
        import torch

        half = self.length // 2
        weight = torch.cat([torch.arange(1, half + 1), torch.arange(self.length - half, 0, -1)])
        return weight / weight.max()

    def _forward(self, held: _Held, offset: Frames, n: Frames) -> Any:
        import torch

        valid = self.network.valid_length(n) if hasattr(self.network, "valid_length") else n
        start = offset - (valid - n) // 2
        stop = start + valid
        left, right = max(0, start), min(self.frames, stop)
        chunk = torch.from_numpy(held.read(left, right))
        chunk = torch.nn.functional.pad(chunk, (left - start, stop - right))
        out = self.placed(chunk)
        extra = out.shape[-1] - n
        return out[..., extra // 2 : extra // 2 + n]


class _Held:
    """The stretch of a stream that segments still need."""

    def __init__(self, blocks: Iterable[Block], channels: int, *, silent: Frames = 0) -> None:
        self._blocks = iter(blocks)
        self._data = np.zeros((channels, silent), np.float32)
        self._start = 0

    def read(self, left: Frames, right: Frames) -> Block:
        """Give frames `left` to `right`; neither may move back by more than a read's length."""
        parts, stop = [self._data], self._start + self._data.shape[1]
        while stop < right and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            stop += block.shape[1]
        self._data = np.concatenate(parts, axis=1)
        wanted = np.ascontiguousarray(self._data[:, left - self._start : right - self._start])
        # The last, shorter segments reach back by up to half a segment for their padding.
        keep = max(self._start, left - (right - left))
        self._data = self._data[:, keep - self._start :].copy()
        self._start = keep
        return wanted


def rechunk(blocks: Iterable[Block], size: Frames) -> Iterator[Block]:
    """Cut a stream anew into blocks of `size` frames (the last axis), the last one shorter."""
    parts: list[Block] = []
    have = 0
    for block in blocks:
        parts.append(block)
        have += block.shape[-1]
        if have >= size:
            joined = np.concatenate(parts, axis=-1)
            whole = have - have % size
            for at in range(0, whole, size):
                yield joined[..., at : at + size]
            parts, have = [joined[..., whole:]], have - whole
    if have:
        yield np.concatenate(parts, axis=-1)
