"""The pitch of a single sound: one fundamental for a whole one-shot, with how sure it is.

Two views of the loud part of the sound are added. The first compares its spectrum with combs that have lobes
at the first and the prime harmonics and valleys between them, on an ERB scale, each comb on the window that
suits its period (SWIPE', Camacho and Harris 2008), which tells octaves apart. The second is the normalised
square difference function (McLeod and Wyvill 2005), the autocorrelation that is 1 for what repeats exactly: it settles
doubts, gives the exact period and says how much of the sound repeats at all.

References
----------
.. [1] A. Camacho, J. G. Harris, "A sawtooth waveform inspired pitch estimator for speech and music", JASA 124 (2008).
.. [2] P. McLeod, G. Wyvill, "A smarter way to find pitch", ICMC 2005.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["HIGHEST", "LOWEST", "NO_PITCH", "Pitch", "find_pitch", "note_name"]

Array = NDArray[np.float64]
RATE = 22_050
LOWEST, HIGHEST = 24.0, 5000.0
"""Hertz: the range that is looked at, G0 to D#8."""
_STEPS = 120
"""Candidates an octave: 10 cents apart."""
_SIZES = (16384, 8192, 4096, 2048, 1024, 512, 256, 128)
"""Windows of the spectra; each candidate looks at those next to eight of its periods."""
_FRAME = 4096
"""Window of the autocorrelation: 186 ms, four periods of the lowest candidate."""
_OVERSAMPLED = 4
_REPEATS = 0.25
"""Weight of the autocorrelation beside the comb; 0 and 0.5 give one or two more mistakes in 500 notes."""
_HARMONICS = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True, slots=True)
class Pitch:
    """A fundamental frequency and how sure it is."""

    hz: float | None
    """None if nothing repeats."""
    confidence: float
    """Share of the sound that repeats with this period, 0 to 1."""

    @property
    def note(self) -> int | None:
        """The nearest MIDI note, 69 for 440 Hz."""
        return None if self.hz is None else round(69 + 12 * math.log2(self.hz / 440))

    @property
    def cents(self) -> float | None:
        """How far above that note it is, -50 to 50."""
        return None if self.hz is None or self.note is None else 100 * (69 + 12 * math.log2(self.hz / 440) - self.note)

    @property
    def name(self) -> str | None:
        """The note's name; A4 is 440 Hz."""
        return None if self.note is None else note_name(self.note)


NO_PITCH = Pitch(None, 0.0)


def note_name(note: int) -> str:
    """Name a MIDI note as in the scientific notation: 60 is C4."""
    return f"{_NAMES[note % 12]}{note // 12 - 1}"


def find_pitch(mono: NDArray[np.float32], sample_rate: int) -> Pitch:
    """Find the pitch of a one-shot.

    Parameters
    ----------
    mono : ndarray [float32, shape=(n,)]
        A few seconds at most, from its start on.
    sample_rate : int
        Its rate.

    Returns
    -------
    Pitch
        `NO_PITCH` for silence and sounds shorter than 10 ms.
    """
    import soxr

    x = np.asarray(soxr.resample(mono, sample_rate, RATE) if sample_rate != RATE else mono, np.float64)
    x = x - x.mean() if len(x) else x
    if len(x) < RATE // 100 or not np.abs(x).max() > 0:
        return NO_PITCH
    x = x / np.abs(x).max()
    repeats = _repetition(x)
    candidates = _candidates()
    comb = _comb_scores(x)
    if not comb.max() > 0:
        return NO_PITCH
    at_candidates = np.interp(RATE / candidates, np.arange(len(repeats)) / _OVERSAMPLED, repeats)
    best = int(np.argmax(comb / comb.max() + _REPEATS * np.clip(at_candidates, 0.0, 1.0)))
    hz, strength = _exact(repeats, float(candidates[best]))
    return Pitch(hz, round(float(np.clip(strength, 0.0, 1.0)), 4))


def _frames(x: Array, size: int, quietest: float) -> Array:
    """Give overlapping frames whose energy comes within `quietest` of the loudest; a short sound is one frame."""
    if len(x) < size:
        x = np.pad(x, (0, size - len(x)))
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 4]
    energy = np.einsum("ij,ij->i", frames, frames)
    return np.asarray(frames[energy >= quietest * energy.max()])


def _repetition(x: Array) -> Array:
    """Give the normalised square difference function at lags of a quarter of a sample, summed over the sound."""
    size, lags = _FRAME, _FRAME // 2
    frames = _frames(x, size, 1e-3)
    power = np.square(np.abs(np.fft.rfft(frames, 2 * size, axis=1))).sum(axis=0)
    padded = np.pad(power, (0, (_OVERSAMPLED - 1) * size))
    correlation = np.fft.irfft(padded)[: lags * _OVERSAMPLED] * _OVERSAMPLED
    running = np.concatenate(([0.0], np.cumsum(np.square(frames).sum(axis=0))))
    lag = np.arange(lags + 1)
    energy = running[size - lag] + running[size] - running[lag]
    fine = np.interp(np.arange(lags * _OVERSAMPLED) / _OVERSAMPLED, lag, energy)
    return np.asarray(2 * correlation / np.maximum(fine, 1e-20))


def _exact(repeats: Array, hz: float) -> tuple[float, float]:
    """Move a candidate to the top of the autocorrelation within 40 cents; give the frequency and the height."""
    lag = RATE * _OVERSAMPLED / hz
    low, high = max(1, math.floor(lag / 1.0234)), min(len(repeats) - 2, math.ceil(lag * 1.0234))
    top = low + int(np.argmax(repeats[low : high + 1]))
    before, here, after = repeats[top - 1], repeats[top], repeats[top + 1]
    if not (here >= before and here > after):
        return hz, float(np.interp(lag, np.arange(len(repeats)), repeats))
    shift = (before - after) / (2 * (before - 2 * here + after))
    return float(RATE * _OVERSAMPLED / (top + shift)), float(here - (before - after) * shift / 4)


@cache
def _candidates() -> Array:
    return np.geomspace(LOWEST, HIGHEST, round(_STEPS * math.log2(HIGHEST / LOWEST)))


@cache
def _axis() -> Array:
    """Frequencies a tenth of an ERB apart, 10 Hz to 9.5 kHz (Glasberg and Moore 1990)."""
    low, high = (21.4 * math.log10(1 + hz / 229) for hz in (10.0, 9500.0))
    return np.asarray(229 * (10 ** (np.arange(low, high, 0.1) / 21.4) - 1))


@cache
def _combs() -> Array:
    """Give the comb of every candidate [shape=(candidates, axis)]: lobes at harmonics, valleys half between them."""
    axis, combs = _axis(), []
    for hz in _candidates():
        ratio = axis / hz
        comb = np.zeros(len(axis))
        for harmonic in _HARMONICS:
            if harmonic > max(1, math.floor(axis[-1] / hz - 0.75)):
                break
            distance = np.abs(ratio - harmonic)
            lobe, valley = distance < 0.25, (distance > 0.25) & (distance < 0.75)
            comb[lobe] = np.cos(2 * np.pi * ratio[lobe])
            comb[valley] += np.cos(2 * np.pi * ratio[valley]) / 2
        comb /= np.sqrt(axis)
        combs.append(comb / np.linalg.norm(comb[comb > 0]))
    return np.array(combs)


def _comb_scores(x: Array) -> Array:
    """Give how well every candidate's comb fits the square root of the loud part's spectrum."""
    sizes = [size for size in _SIZES if size <= max(_SIZES[-1], 2 * len(x))]
    ideal = np.log2(8 * RATE / _candidates())
    total = np.zeros(len(ideal))
    for index, size in enumerate(sizes):
        window = np.hanning(size)
        magnitude = np.abs(np.fft.rfft(_frames(x, size, 1e-2) * window, axis=1))
        spectrum = np.interp(_axis(), np.fft.rfftfreq(size, 1 / RATE), np.sqrt(magnitude).mean(axis=0))
        distance = ideal - math.log2(size)
        weight = np.clip(1 - np.abs(distance), 0.0, 1.0)
        if index == 0:
            weight[distance > 0] = 1.0
        if index == len(sizes) - 1:
            weight[distance < 0] = 1.0
        total += weight * (_combs() @ (spectrum / max(float(np.linalg.norm(spectrum)), 1e-20)))
    return total
