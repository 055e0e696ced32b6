"""Sources seen through another: a part, one channel, a downmix, another name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from audiolab.audio.source import BLOCK, BlockSource, check_span
from audiolab.audio.units import Block, Frames
from audiolab.errors import AudioError

__all__ = ["DerivedSource", "Downmix", "Mono", "Named", "View", "require_stereo"]


class DerivedSource:
    """What a source over a `parent` says unless it says otherwise: the parent's own facts."""

    __slots__ = ()
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
        """Number of channels."""
        return self.parent.channels

    @property
    def frames(self) -> Frames:
        """Length in frames."""
        return self.parent.frames


@dataclass(frozen=True, slots=True)
class Named(DerivedSource):
    """A source under another name: the media store, for one, knows files by their hash only."""

    parent: BlockSource
    name: str = field()

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield the parent's blocks; see `BlockSource`."""
        yield from self.parent.blocks(size, start=start, stop=stop)


@dataclass(frozen=True, slots=True)
class View(DerivedSource):
    """Frames `start` to `stop` of another source, as a source of its own."""

    parent: BlockSource
    start: Frames
    stop: Frames

    def __post_init__(self) -> None:
        check_span(self.parent.name, self.start, self.stop, self.parent.frames)

    @property
    def frames(self) -> Frames:
        """Length of the view in frames."""
        return self.stop - self.start

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of the view; see `BlockSource`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        yield from self.parent.blocks(size, start=self.start + start, stop=self.start + stop)


@dataclass(frozen=True, slots=True)
class Mono(DerivedSource):
    """The mean of all channels of another source."""

    parent: BlockSource

    @property
    def channels(self) -> int:
        """Always 1."""
        return 1

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
class Downmix(DerivedSource):
    """Stereo from more than two channels (ITU-R BS.775-3 weights, scaled so that nothing can clip anew).

    Unknown layouts put odd channels left and even ones right.
    """

    parent: BlockSource

    @property
    def channels(self) -> int:
        """Always 2."""
        return 2

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
