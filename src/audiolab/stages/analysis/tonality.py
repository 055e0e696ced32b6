"""What tells a key: pitch classes, bass, chords, beginnings and endings, written down as seen from each tonic.

Conventions: everything is relative to a tonic, so that a rule learned in C holds in all keys; chords are the
24 triads, 12 major ones (by root, upwards from the tonic), then 12 minor.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.chroma import fold_to_semitones, tuning_of
from audiolab.stages.analysis.features import PITCH_RATE, Features

__all__ = ["PROFILES", "VIEW_SIZE", "Tonality", "key_fits", "tonality"]

FloatArray = NDArray[np.float32]
Array = NDArray[np.float64]
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
"""Major and minor profile, from the tonic up: Krumhansl and Kessler 1982 (listeners' ratings), Temperley 2007
(Kostka-Payne corpus), Faraldo et al. 2016 (electronic dance music)."""
TRIAD = (1.0, 0.6, 0.7)
"""Root, third and fifth of a chord as it sounds, its root being doubled by the bass."""
CHORD_SECONDS = 0.5
"""Chords are heard over so long; shorter ones are passing notes."""
CERTAINTY = 10.0
"""How fast a chord's share follows its correlation."""
EDGE_SECONDS = 2.0
VIEW_SIZE = 4 * 12 + 4 * 24
"""Numbers that describe a sound as seen from one tonic."""


class Tonality:
    """What a sound's harmony looks like, tuned and folded to semitones.

    Parameters
    ----------
    pitch, bass : ndarray [shape=(12, m)]
        Pitch classes by frame; row 0 is C.
    """

    def __init__(self, pitch: FloatArray, bass: FloatArray) -> None:
        self.pitch, self.bass = pitch, bass
        both = pitch + 0.5 * bass
        sums = both.sum(axis=0)
        heard = np.flatnonzero(sums > 0.05 * sums.max(initial=0.0))
        self.first, self.last = (int(heard[0]), int(heard[-1]) + 1) if len(heard) else (0, 0)
        edge = round(EDGE_SECONDS * PITCH_RATE)
        self.start = slice(self.first, min(self.last, self.first + edge))
        self.end = slice(max(self.first, self.last - edge), self.last)
        self.classes = _mean_classes(pitch)
        self.low = _mean_classes(bass)
        self.opening, self.closing = _share(both[:, self.start]), _share(both[:, self.end])
        self.chords = _chords(both[:, self.first : self.last])
        """Share of each chord by frame, from the first to the last frame that sounds [shape=(24, n)]."""

    @property
    def clarity(self) -> float:
        """Mean share of the likeliest chord: how much the sound consists of triads."""
        return float(self.chords.max(axis=0).mean()) if self.chords.shape[1] else 0.0

    def view(self, tonic: int) -> Array:
        """Describe the sound from a tonic.

        Returns
        -------
        ndarray [shape=(VIEW_SIZE,)]
            Pitch classes, bass, opening, closing (12 each, as shares); then chords: how long each sounds, the
            first, the last, and which come before a tonic chord (24 each).
        """
        notes = [self.classes, self.low, self.opening, self.closing]
        turned = [np.roll(np.zeros(12) if part is None else part, -tonic) for part in notes]
        chords = np.concatenate((np.roll(self.chords[:12], -tonic, axis=0), np.roll(self.chords[12:], -tonic, axis=0)))
        size = max(1, round(CHORD_SECONDS * 2 * PITCH_RATE))
        means = [chords, chords[:, :size], chords[:, -size:]]
        found = [part.mean(axis=1) if part.shape[1] else np.zeros(24) for part in means]
        return np.concatenate((*turned, *found, _before_tonic(chords)))


def tonality(features: Features) -> Tonality:
    """Fold features to tuned semitones."""
    tuning = tuning_of(features.deviation)
    return Tonality(fold_to_semitones(features.pitch, tuning), fold_to_semitones(features.bass, tuning))


def key_fits(classes: Array) -> Array:
    """Give the mean correlation of 12 pitch classes with each key's profiles: 12 major keys, then 12 minor."""
    fits = np.zeros(24)
    for pair in PROFILES:
        for mode, profile in enumerate(pair):
            for tonic in range(12):
                fits[12 * mode + tonic] += float(np.corrcoef(classes, np.roll(profile, tonic))[0, 1])
    return fits / len(PROFILES)


def _mean_classes(classes: FloatArray) -> Array | None:
    """Mean of frames scaled to the same sum, the faintest left out; None if nothing varies."""
    sums = classes.sum(axis=0)
    heard = sums > 0.02 * sums.max(initial=0.0)
    if not heard.any() or sums.max() <= 0:
        return None
    mean = (classes[:, heard] / sums[heard]).mean(axis=1).astype(np.float64)
    return mean if mean.std() > 1e-6 else None


def _share(classes: FloatArray) -> Array:
    mean = classes.sum(axis=1).astype(np.float64)
    return np.asarray(mean / max(1e-9, float(mean.sum())))


def _chords(classes: FloatArray) -> Array:
    """Give each triad's share in every frame: a softmax of its correlation with half a second of sound."""
    from scipy.ndimage import uniform_filter1d

    if not classes.shape[1]:
        return np.zeros((24, 0))
    smooth = uniform_filter1d(classes.astype(np.float64), max(1, round(CHORD_SECONDS * PITCH_RATE)), axis=1)
    templates = np.zeros((24, 12))
    for mode, third in enumerate((4, 3)):
        for root in range(12):
            templates[12 * mode + root, [root, (root + third) % 12, (root + 7) % 12]] = TRIAD
    templates -= templates.mean(axis=1, keepdims=True)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    smooth -= smooth.mean(axis=0)
    fits = templates @ (smooth / (np.linalg.norm(smooth, axis=0) + 1e-9))
    share = np.exp(CERTAINTY * (fits - fits.max(axis=0)))
    return np.asarray(share / share.sum(axis=0))


def _before_tonic(chords: Array) -> Array:
    """Give which chords come before a tonic chord (major or minor), as shares of all changes."""
    from scipy.ndimage import median_filter

    if not chords.shape[1]:
        return np.zeros(24)
    path = median_filter(chords.argmax(axis=0), max(1, round(CHORD_SECONDS * PITCH_RATE)) | 1, mode="nearest")
    at = np.flatnonzero(np.diff(path)) + 1
    runs = path[np.concatenate(([0], at))]
    counts = np.zeros(24)
    for before, after in pairwise(runs):
        counts[before] += after in {0, 12}
    return counts / max(1, len(runs) - 1)
