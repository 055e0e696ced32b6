"""Units and the one place where seconds become frames."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError

__all__ = [
    "Block",
    "Bpm",
    "Decibels",
    "Frames",
    "Lufs",
    "Seconds",
    "amplitude_to_db",
    "db_to_amplitude",
    "rescale_frames",
    "to_frames",
    "to_seconds",
]

Seconds: TypeAlias = float
Frames: TypeAlias = int
Bpm: TypeAlias = float
Decibels: TypeAlias = float
Lufs: TypeAlias = float
Block: TypeAlias = NDArray[np.float32]
"""A stretch of audio: float32, shape (channels, frames)."""


def to_frames(seconds: Seconds, sample_rate: int) -> Frames:
    """Round a time to the nearest frame (halves go up). Nothing else in audiolab rounds times.

    Parameters
    ----------
    seconds : float
        Time in seconds; finite, may be negative.
    sample_rate : int
        Frames a second, above zero.

    Returns
    -------
    int
        The frame.

    Raises
    ------
    ParameterError
        If the time is not finite or the rate is not positive.
    """
    if sample_rate <= 0:
        raise ParameterError(f"sample_rate must be above 0, not {sample_rate}")
    if not math.isfinite(seconds):
        raise ParameterError(f"a time must be finite, not {seconds}")
    return math.floor(seconds * sample_rate + 0.5)


def to_seconds(frames: Frames, sample_rate: int) -> Seconds:
    """Give the time in seconds at which a frame starts."""
    if sample_rate <= 0:
        raise ParameterError(f"sample_rate must be above 0, not {sample_rate}")
    return frames / sample_rate


def rescale_frames(frames: Frames, old_rate: int, new_rate: int) -> Frames:
    """Give the length of `frames` at another rate, exact integer arithmetic, halves up."""
    if old_rate <= 0 or new_rate <= 0:
        raise ParameterError(f"sample rates must be above 0, not {old_rate} and {new_rate}")
    return (2 * frames * new_rate + old_rate) // (2 * old_rate)


def amplitude_to_db(amplitude: float, *, floor: Decibels = -240.0) -> Decibels:
    """Convert a linear amplitude to decibels, not below `floor` (silence has no finite level)."""
    return max(floor, 20.0 * math.log10(amplitude)) if amplitude > 0 else floor


def db_to_amplitude(db: Decibels) -> float:
    """Convert decibels to a linear amplitude."""
    return float(10.0 ** (db / 20.0))
