"""The key: pitch classes against the profiles of all 24 keys.

Sources of the profiles: Krumhansl and Kessler 1982 (listeners' ratings); Temperley 2007 (Kostka-Payne
corpus); Faraldo et al. 2016 (electronic dance music). Their correlations are averaged, so that one kind
of music does not decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.chroma import fold_to_semitones, tuning_of
from audiolab.stages.analysis.features import PITCH_RATE, Features

__all__ = ["TONICS", "Key", "camelot_of", "find_key"]

Array = NDArray[np.float64]
TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MODES = ("major", "minor")
PROFILES: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
    (
        (1.00, 0.29, 0.50, 0.40, 0.60, 0.56, 0.32, 0.80, 0.31, 0.45, 0.42, 0.39),
        (1.00, 0.31, 0.44, 0.58, 0.33, 0.49, 0.29, 0.78, 0.43, 0.29, 0.53, 0.32),
    ),
)
"""Major and minor profile of each source, from the tonic up."""
BASS_WEIGHT = 0.2
"""Share of the bass, which plays tonics more often than other notes."""
OPENING_SECONDS, OPENING_WEIGHT = 2.0, 0.6
"""Music tends to begin on its tonic: what its share of the first two seconds adds to a key's fit."""
SHARPNESS = 10.0
"""How fast confidence follows the lead over the other keys."""
PLAIN, TONAL = 0.35, 0.65
"""Correlation below which a sound has no key, and from which on it clearly has one."""

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
        Confidence is the share of the best key among all (a softmax of correlations), less where the
        pitch classes look like no key at all.
    """
    tuning = tuning_of(features.deviation)
    whole = _mean_classes(fold_to_semitones(features.pitch, tuning))
    bass = _mean_classes(fold_to_semitones(features.bass, tuning))
    if whole is None:
        return Key()
    classes = whole if bass is None else (1 - BASS_WEIGHT) * whole + BASS_WEIGHT * bass
    fits = key_fits(classes)
    tonal = float(np.clip((fits.max() - PLAIN) / (TONAL - PLAIN), 0.0, 1.0))
    fits += OPENING_WEIGHT * np.tile(_opening(features, tuning), 2)
    best = int(fits.argmax())
    weight = np.exp(SHARPNESS * (fits - fits.max()))
    voices = float(classes.sum() ** 2 / (classes**2).sum())  # how many pitch classes share the sound
    tonal *= float(np.clip((voices - 2.0) / 2.0, 0.0, 1.0))
    tonal *= float(np.clip((abs(features.deviation) - UNTUNED) / (TUNED - UNTUNED), 0.0, 1.0))
    confidence = round(float(weight[best] / weight.sum()) * tonal, 4)
    return Key(TONICS[best % 12], MODES[best // 12], confidence, round(100 * tuning, 2))


def key_fits(classes: Array) -> Array:
    """Give the mean correlation of 12 pitch classes with each key's profiles: 12 major keys, then 12 minor."""
    fits = np.zeros(24)
    for pair in PROFILES:
        for mode, profile in enumerate(pair):
            for tonic in range(12):
                fits[12 * mode + tonic] += float(np.corrcoef(classes, np.roll(profile, tonic))[0, 1])
    return fits / len(PROFILES)


def _opening(features: Features, tuning: float) -> Array:
    """Give the share of each pitch class in the first seconds that sound, the bass above all."""
    classes = fold_to_semitones(features.bass, tuning) + 0.3 * fold_to_semitones(features.pitch, tuning)
    sums = classes.sum(axis=0)
    heard = np.flatnonzero(sums > 0.05 * sums.max(initial=0.0))
    if not len(heard):
        return np.zeros(12)
    mean = classes[:, heard[0] : heard[0] + round(OPENING_SECONDS * PITCH_RATE)].mean(axis=1)
    return np.asarray(mean / mean.sum(), np.float64)


def _mean_classes(classes: NDArray[np.float32]) -> Array | None:
    """Mean of frames scaled to the same sum, the faintest left out; None if nothing varies."""
    sums = classes.sum(axis=0)
    heard = sums > 0.02 * sums.max(initial=0.0)
    if not heard.any() or sums.max() <= 0:
        return None
    mean = (classes[:, heard] / sums[heard]).mean(axis=1).astype(np.float64)
    return mean if mean.std() > 1e-6 else None
