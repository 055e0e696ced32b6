"""`Render`: small changes to a sound that are kept as JSON and applied when it is read or exported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiolab.audio.core import Audio
from audiolab.audio.units import Decibels, Seconds, db_to_amplitude, to_frames
from audiolab.errors import ParameterError

__all__ = ["Render", "apply_render"]


@dataclass(frozen=True, slots=True)
class Render:
    """What to do to a sound: reverse it first, then fade (half-cosine) and change its gain.

    Parameters
    ----------
    gain_db : float
        At most 60 dB up; nothing clips until it is written.
    fade_in_s, fade_out_s : float
        Lengths in seconds; a fade longer than the sound covers all of it.
    reverse : bool
        Play backwards.
    """

    gain_db: Decibels = 0.0
    fade_in_s: Seconds = 0.0
    fade_out_s: Seconds = 0.0
    reverse: bool = False

    def __post_init__(self) -> None:
        numbers = (self.gain_db, self.fade_in_s, self.fade_out_s)
        if any(isinstance(n, bool) or not isinstance(n, (int, float)) or not math.isfinite(n) for n in numbers):
            raise ParameterError(f"render takes finite numbers for gain and fades, not {self}")
        if self.gain_db > 60 or self.fade_in_s < 0 or self.fade_out_s < 0:
            raise ParameterError(f"render: gain at most 60 dB, fades not below 0 s, not {self}")
        if not isinstance(self.reverse, bool):
            raise ParameterError(f"render: reverse is true or false, not {self.reverse!r}")

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
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != getattr(plain, name)}

    def __bool__(self) -> bool:
        return self != Render()


def apply_render(audio: Audio, render: Render | Mapping[str, Any] | None) -> Audio:
    """Apply a render to a sound; nothing to do gives the same object back."""
    if not isinstance(render, Render):
        render = Render.from_dict(render)
    if not render:
        return audio
    samples = audio.samples[:, ::-1] if render.reverse else audio.samples
    envelope = np.full(audio.frames, db_to_amplitude(render.gain_db))
    if n := min(to_frames(render.fade_in_s, audio.sample_rate), audio.frames):
        envelope[:n] *= _fade(n)
    if n := min(to_frames(render.fade_out_s, audio.sample_rate), audio.frames):
        envelope[-n:] *= _fade(n)[::-1]
    return audio.with_((samples * envelope).astype(np.float32))


def _fade(frames: int) -> np.ndarray:
    """Give a rise from 0 (first frame) towards 1 (the frame after the last): smooth at both ends, no click."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / frames))
