"""The key: a conditional logit over all 24, on what `tonality` tells as seen from each of them.

Published profiles are correlated with the pitch classes; pitch classes, bass, chords, beginning and ending are
weighed as well, because relative keys share their notes and differ in where the music rests. The weights were
fitted to rendered songs over many progressions (benchmarks/fit_key.py), never to recorded ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.chroma import tuning_of
from audiolab.stages.analysis.features import Features
from audiolab.stages.analysis.tonality import Tonality, key_fits, tonality

__all__ = ["TONICS", "Key", "KeyJudge", "camelot_of", "find_key", "key_fits", "shipped_judge"]

Array = NDArray[np.float64]
TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MODES = ("major", "minor")
BASS_WEIGHT = 0.2
"""Share of the bass, which plays tonics more often than other notes."""
PLAIN, TONAL = 0.35, 0.65
"""Correlation below which a sound has no key, and from which on it clearly has one."""

CHORDLESS, CHORDAL = 0.42, 0.54
"""Mean share of the likeliest triad: drums and speech reach 0.5, music begins there, rendered songs have 0.6 to 0.9."""
UNTUNED, TUNED = 0.015, 0.04
"""How much peaks keep to a tuning: speech, drums and noise reach 0.03, music begins there."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key; all None where there is none to find."""

    tonic: str | None = None
    mode: str | None = None
    confidence: float = 0.0
    tuning: float = 0.0
    """Cents from 440 Hz."""

    @property
    def camelot(self) -> str | None:
        """Its code on the Camelot wheel, on which neighbours mix well."""
        return camelot_of(self.tonic, self.mode) if self.tonic and self.mode else None

    @property
    def name(self) -> str | None:
        """Tonic and mode, e.g. "A minor"."""
        return f"{self.tonic} {self.mode}" if self.tonic else None

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {"tonic": self.tonic, "mode": self.mode, "camelot": self.camelot, "confidence": self.confidence}


def camelot_of(tonic: str, mode: str) -> str:
    """Give the Camelot code: 8B is C major, 8A is A minor, a fifth up is one more.

    Examples
    --------
    >>> camelot_of("C", "major"), camelot_of("A", "minor"), camelot_of("F#", "minor")
    ('8B', '8A', '11A')
    """
    pitch_class = TONICS.index(tonic) + (3 if mode == "minor" else 0)
    return f"{(7 + 7 * pitch_class) % 12 + 1}{'A' if mode == 'minor' else 'B'}"


def find_key(features: Features) -> Key:
    """Find the key of a sound.

    Parameters
    ----------
    features : Features
        Pitch classes of all frames count equally where there is anything to hear, however loud.

    Returns
    -------
    Key
        Confidence is the probability of the best key among all, calibrated on progressions that were not
        fitted to, less where the pitch classes look like no key at all.
    """
    found = tonality(features)
    classes = profile_classes(found)
    if classes is None:
        return Key()
    fits = key_fits(classes)
    scores = shipped_judge().score(found, fits)
    best = int(scores.argmax())
    share = 1.0 / float(np.exp(scores - scores[best]).sum())
    tonal = float(np.clip((fits.max() - PLAIN) / (TONAL - PLAIN), 0.0, 1.0))
    voices = float(classes.sum() ** 2 / (classes**2).sum())  # how many pitch classes share the sound
    tonal *= float(np.clip((voices - 2.5) / 1.5, 0.0, 1.0))
    tonal *= float(np.clip((abs(features.deviation) - UNTUNED) / (TUNED - UNTUNED), 0.0, 1.0))
    tonal *= float(np.clip((found.clarity - CHORDLESS) / (CHORDAL - CHORDLESS), 0.0, 1.0))
    tuning = round(100 * tuning_of(features.deviation), 2)
    return Key(TONICS[best % 12], MODES[best // 12], round(share * tonal, 4), tuning)


def profile_classes(found: Tonality) -> Array | None:
    """Give the pitch classes that profiles are compared with: a little bass among all; None if nothing varies."""
    if found.classes is None or found.low is None:
        return found.classes
    return (1 - BASS_WEIGHT) * found.classes + BASS_WEIGHT * found.low


@dataclass(frozen=True, slots=True)
class KeyJudge:
    """Weights of the logit, for views as they are (scaling and temperature are folded in)."""

    views: Array
    """Of a view, for major and for minor [shape=(2, VIEW_SIZE)]."""
    minor: float
    """What a minor key is worth before anything is heard."""
    profiles: float
    """Of the correlation with published profiles."""

    def score(self, found: Tonality, fits: Array) -> Array:
        """Score 12 major keys, then 12 minor; differences are logarithms of odds."""
        views = np.array([found.view(tonic) for tonic in range(12)])
        scores = np.concatenate((views @ self.views[0], views @ self.views[1] + self.minor))
        return np.asarray(scores + self.profiles * fits)


@cache
def shipped_judge() -> KeyJudge:
    """Read the shipped weights."""
    document = json.loads(files(__package__).joinpath("key_weights.json").read_text(encoding="utf-8"))
    return KeyJudge(np.array(document["views"]), float(document["minor"]), float(document["profiles"]))
