"""`Render`: small changes to a sound that are kept as JSON and applied when it is read or exported."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio.core import Audio
from audiolab.audio.derived import DerivedSource
from audiolab.audio.source import BLOCK, BlockSource, check_span
from audiolab.audio.units import Block, Decibels, Frames, Seconds, db_to_amplitude, to_frames
from audiolab.errors import ParameterError

__all__ = ["Render", "Rendered", "apply_render"]


@dataclass(frozen=True, slots=True)
class Render:
    """What to do to a sound, in this order: take the offset away, mix to mono, reverse, fade (half-cosine), gain.

    Parameters
    ----------
    gain_db : float
        At most 60 dB up; nothing clips until it is written.
    fade_in_s, fade_out_s : float
        Lengths in seconds; a fade longer than the sound covers all of it.
    reverse : bool
        Play backwards.
    dc : sequence of float
        Constant offset of every channel (or one for all) in units of full scale, which is taken away.
    mono : bool
        Take the mean of the channels.
    """

    gain_db: Decibels = 0.0
    fade_in_s: Seconds = 0.0
    fade_out_s: Seconds = 0.0
    reverse: bool = False
    dc: tuple[float, ...] = ()
    mono: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.dc, (tuple, list)):
            raise ParameterError(f"render: dc is a list with the offset of every channel, not {self.dc!r}")
        object.__setattr__(self, "dc", tuple(self.dc))
        numbers = (self.gain_db, self.fade_in_s, self.fade_out_s, *self.dc)
        if any(isinstance(n, bool) or not isinstance(n, (int, float)) or not math.isfinite(n) for n in numbers):
            raise ParameterError(f"render takes finite numbers for gain, fades and offsets, not {self}")
        if self.gain_db > 60 or self.fade_in_s < 0 or self.fade_out_s < 0:
            raise ParameterError(f"render: gain at most 60 dB, fades not below 0 s, not {self}")
        if not isinstance(self.reverse, bool) or not isinstance(self.mono, bool):
            raise ParameterError(f"render: reverse and mono are true or false, not {self.reverse!r} and {self.mono!r}")

    @classmethod
    def from_dict(cls, document: Mapping[str, Any] | None) -> Render:
        """Read the JSON form; None and {} change nothing.

        Raises
        ------
        ParameterError
            If there are unknown keys or senseless values.
        """
        document = document or {}
        if unknown := set(document) - set(cls.__slots__):
            raise ParameterError(f"render has no {', '.join(sorted(unknown))}; it has {', '.join(cls.__slots__)}")
        return cls(**document)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form: only what differs from doing nothing."""
        plain = Render()
        values = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != getattr(plain, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def __bool__(self) -> bool:
        return self != Render()


@dataclass(frozen=True, slots=True)
class Rendered(DerivedSource):
    """Another source with a render applied as it is read; memory does not grow with its length.

    Raises
    ------
    ParameterError
        If there are offsets for another number of channels.
    """

    parent: BlockSource
    render: Render

    def __post_init__(self) -> None:
        if len(self.render.dc) not in {0, 1, self.parent.channels}:
            raise ParameterError(
                f"{self.parent.name}: the render takes {len(self.render.dc)} offsets away "
                f"from {self.parent.channels} channels"
            )

    @property
    def channels(self) -> int:
        """One if mixed to mono, else the parent's."""
        return 1 if self.render.mono else self.parent.channels

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield rendered blocks; see `BlockSource`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        position = start
        for block in self._plain(size, start, stop):
            yield self._shaped(block, position)
            position += block.shape[1]

    def _plain(self, size: Frames, start: Frames, stop: Frames) -> Iterator[Block]:
        if not self.render.reverse:
            yield from self.parent.blocks(size, start=start, stop=stop)
            return
        for left in range(start, stop, size):
            right = min(left + size, stop)
            parts = list(self.parent.blocks(size, start=self.frames - right, stop=self.frames - left))
            yield np.concatenate(parts, axis=1)[:, ::-1]

    def _shaped(self, block: Block, position: Frames) -> Block:
        samples = block.astype(np.float64)
        if self.render.dc:
            samples = samples - np.array(self.render.dc)[:, None]
        if self.render.mono:
            samples = samples.mean(axis=0, keepdims=True)
        return np.asarray(samples * self._envelope(position, block.shape[1]), np.float32)

    def _envelope(self, position: Frames, count: Frames) -> NDArray[np.float64]:
        """Give gain and fades for `count` frames: both fades are 0 at the very edge, smooth at both ends, no click."""
        index = np.arange(position, position + count)
        envelope = np.full(count, db_to_amplitude(self.render.gain_db))
        for seconds, distance in ((self.render.fade_in_s, index), (self.render.fade_out_s, self.frames - 1 - index)):
            length = min(to_frames(seconds, self.sample_rate), self.frames)
            inside = distance < length
            envelope[inside] *= 0.5 - 0.5 * np.cos(np.pi * distance[inside] / max(1, length))
        return envelope


def apply_render(audio: Audio, render: Render | Mapping[str, Any] | None) -> Audio:
    """Apply a render to a sound; nothing to do gives the same object back."""
    if not isinstance(render, Render):
        render = Render.from_dict(render)
    if not render:
        return audio
    return Audio.from_source(Rendered(audio, render))
