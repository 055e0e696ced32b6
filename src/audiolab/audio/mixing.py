"""Sources of one rate and length heard together: gain and balance of each, added up block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audiolab.audio.source import BLOCK, BlockSource, check_span
from audiolab.audio.units import Block, Frames
from audiolab.errors import ParameterError

__all__ = ["MixTrack", "Mixed", "balance"]


def balance(pan: float) -> tuple[float, float]:
    """Give the factors of left and right for a pan of -1 (left) to 1: the far side fades, the near one stays."""
    return (1.0 if pan <= 0 else 1.0 - pan), (1.0 if pan >= 0 else 1.0 + pan)


@dataclass(frozen=True, slots=True)
class MixTrack:
    """One voice of a mix.

    Attributes
    ----------
    source : BlockSource
        What sounds; of more than two channels the first two are heard.
    gain : float
        Factor of its samples.
    pan : float
        -1 (left) to 1 (right), as a balance.
    """

    source: BlockSource
    gain: float = 1.0
    pan: float = 0.0


class Mixed:
    """Tracks added up, as a source; one channel if all are mono and none is panned, else two.

    Parameters
    ----------
    tracks : sequence of MixTrack
        Of one sample rate and length.
    name : str
        What messages call it.

    Raises
    ------
    ParameterError
        If there are none, or rates or lengths differ; the message names both.
    """

    def __init__(self, tracks: Sequence[MixTrack], name: str = "mix") -> None:
        if not tracks:
            raise ParameterError(f"{name!r}: there is nothing to mix")
        self.tracks, self.name = tuple(tracks), name
        first = tracks[0].source
        for track in tracks[1:]:
            other = track.source
            if (other.sample_rate, other.frames) != (first.sample_rate, first.frames):
                raise ParameterError(
                    f"{name!r}: {first.name!r} has {first.frames} frames at {first.sample_rate} Hz, {other.name!r} "
                    f"{other.frames} at {other.sample_rate} Hz; only equally long sounds of one rate can be mixed"
                )
        self.sample_rate, self.frames = first.sample_rate, first.frames
        self.channels = 1 if all(track.source.channels == 1 and track.pan == 0 for track in tracks) else 2

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of the sum; see `BlockSource`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        streams = [track.source.blocks(size, start=start, stop=stop) for track in self.tracks]
        factors = [np.array([[side * track.gain] for side in balance(track.pan)]) for track in self.tracks]
        for row in zip(*streams, strict=True):
            total = np.zeros((self.channels, row[0].shape[1]))
            for block, factor in zip(row, factors, strict=True):
                total += block[: self.channels] * factor[: self.channels]  # one channel is heard on both sides
            yield total.astype(np.float32)
