"""Pitch classes from spectral peaks, finely divided so that the tuning can be corrected afterwards.

Harmonic pitch class profile (Gómez, "Tonal description of polyphonic audio", 2006): the peaks of whitened
spectra, each counted for the notes of which it may be a harmonic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.framing import magnitudes

__all__ = ["FINE_BINS", "FinePitchClasses", "fold_to_semitones", "tuning_of"]

FloatArray = NDArray[np.float32]
FINE_BINS = 120
"""Bins an octave: 10 cents each."""
LOW, HIGH = 55.0, 3500.0
BASS_HIGH = 220.0
HARMONICS = 4
DECAY = 0.6
"""Weight of each further harmonic."""
_FLOOR_DB = 60.0


class FinePitchClasses:
    """Collects pitch classes frame by frame.

    Parameters
    ----------
    sample_rate, n_fft : int
        Of the frames that `add` takes.
    level : float
        The sound's usual level; peaks 60 dB below it are noise.
    """

    def __init__(self, sample_rate: int, n_fft: int, level: float) -> None:
        self.scale = sample_rate / n_fft
        self.first, self.last = int(LOW / self.scale), int(HIGH / self.scale) + 1
        self.window = np.blackman(n_fft + 1)[:-1].astype(np.float32)
        self.floor = level * 10 ** (-_FLOOR_DB / 20)
        self._deviation, self._strength = 0j, 0.0
        self.frames = 0
        self.pitch: list[FloatArray] = []
        self.low: list[FloatArray] = []

    def add(self, frames: FloatArray) -> None:
        """Take the next frames, shape (m, n_fft)."""
        for at in range(0, len(frames), 64):
            self._add(frames[at : at + 64])

    def _add(self, frames: FloatArray) -> None:
        spectra = magnitudes(frames, self.window)[:, self.first - 1 : self.last + 1]
        middle = spectra[:, 1:-1]
        peaks = (middle > spectra[:, :-2]) & (middle >= spectra[:, 2:]) & (middle > self.floor)
        peaks &= middle > 1e-3 * middle.max(axis=1, keepdims=True)
        row, bin_ = np.nonzero(peaks)
        a, b, c = (np.log(np.maximum(spectra[row, bin_ + k], 1e-12)) for k in range(3))
        shift = np.clip(0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9), -0.5, 0.5)
        frequency = (bin_ + self.first + shift) * self.scale
        strength = np.sqrt(np.exp(b - 0.25 * (a - c) * shift) / _envelope(middle)[row, bin_])
        semitones = 12 * np.log2(frequency / 440.0) + 69
        self._deviation += complex(np.sum(strength * np.exp(2j * np.pi * semitones)))
        self._strength += float(strength.sum())
        self.pitch.append(self._histogram(row, semitones, strength, len(frames)))
        bass = frequency < BASS_HIGH
        self.low.append(self._histogram(row[bass], semitones[bass], strength[bass], len(frames), harmonics=2))
        self.frames += len(frames)

    def _histogram(
        self,
        row: NDArray[np.intp],
        semitones: FloatArray,
        strength: FloatArray,
        frames: int,
        harmonics: int = HARMONICS,
    ) -> FloatArray:
        out = np.zeros((FINE_BINS, frames), np.float32)
        for number in range(1, harmonics + 1):
            note = semitones - 12 * np.log2(number)
            bins = np.floor(note / 12 * FINE_BINS + 0.5).astype(int) % FINE_BINS
            np.add.at(out, (bins, row), (strength * DECAY ** (number - 1)).astype(np.float32))
        return out

    @property
    def deviation(self) -> complex:
        """Mean of exp(2 pi i semitones) over all peaks: angle for the tuning, length for how tuned the sound is."""
        return self._deviation / self._strength if self._strength else 0j

    def arrays(self) -> tuple[FloatArray, FloatArray]:
        """Give all pitch classes and those of the bass, shape (FINE_BINS, frames); bin 0 is C at 440 Hz tuning."""
        empty = np.zeros((FINE_BINS, 0), np.float32)
        return (np.concatenate(parts, axis=1) if parts else empty for parts in (self.pitch, self.low))  # type: ignore[return-value]


def _envelope(spectra: FloatArray, width: int = 41) -> FloatArray:
    """Smooth each spectrum (some 110 Hz wide), as the reference that whitens it."""
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(spectra, width, axis=1, mode="nearest")
    return np.asarray(np.maximum(smooth, 0.05 * smooth.max(axis=1, keepdims=True) + 1e-12), np.float32)


def tuning_of(deviation: complex) -> float:
    """Give the tuning in semitones from 440 Hz, -0.5 to 0.5."""
    return float(np.angle(deviation) / (2 * np.pi)) if abs(deviation) > 0 else 0.0


def fold_to_semitones(fine: FloatArray, tuning: float) -> FloatArray:
    """Sum fine pitch classes around each tuned semitone with a raised-cosine weight.

    Parameters
    ----------
    fine : ndarray [shape=(FINE_BINS, m)]
        From `FinePitchClasses`.
    tuning : float
        In semitones.

    Returns
    -------
    ndarray [float32, shape=(12, m)]
        Row 0 is C.
    """
    per = FINE_BINS // 12
    centres = (np.arange(12) + tuning) * per
    distance = (np.arange(FINE_BINS)[None, :] - centres[:, None] + FINE_BINS / 2) % FINE_BINS - FINE_BINS / 2
    weights = np.where(np.abs(distance) < per / 2, np.cos(np.pi * distance / per) ** 2, 0.0).astype(np.float32)
    return np.asarray(weights @ fine, np.float32)
