"""What an engine of the stage `lyrics` must do, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Seconds

__all__ = ["ENGINE_RATE", "Aligner", "Heard", "HeardWord", "Transcriber"]

ENGINE_RATE = 16_000
"""Sample rate of what engines get."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word, times in seconds from the start of the window."""

    start: Seconds
    end: Seconds
    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A segment as the engine gives it, with what it knows about its own doubts."""

    start: Seconds
    end: Seconds
    text: str
    words: tuple[HeardWord, ...] = ()
    average_log_probability: float = 0.0
    compression_ratio: float = 1.0
    """Length of the text over its length when compressed: high for repetitions."""
    no_speech_probability: float = 0.0


@runtime_checkable
class Transcriber(Protocol):
    """An engine with its model loaded."""

    @property
    def name(self) -> str:
        """The engine's name."""

    def languages(self, audio: NDArray[np.float32]) -> Mapping[str, float]:
        """Give the probability of each language (codes) for up to 30 s of mono audio at 16 kHz."""

    def transcribe(self, audio: NDArray[np.float32], *, language: str, seed: int) -> Sequence[Heard]:
        """Transcribe up to 30 s of mono audio at 16 kHz; the same seed gives the same words."""


@runtime_checkable
class Aligner(Protocol):
    """An engine that can also find when a known text is sung."""

    def align(self, audio: NDArray[np.float32], text: str, *, language: str) -> Sequence[HeardWord] | None:
        """Time a text in up to 30 s of mono audio at 16 kHz.

        Returns
        -------
        sequence of HeardWord or None
            Pieces in order whose texts, joined, are `text`; None if the text is too long for one window.
        """
