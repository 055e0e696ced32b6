"""Are two files one recording? Told from the waveforms, not from what they sound like.

Two hits of one drum are alike in timbre, but their phases agree at most in the lowest octave; a copy follows its
original in every band, whatever its level, codec, sample rate or ends. So the two are laid over each other where they
fit best, and in each octave band the share of the sound that follows the other is measured (a normalised
cross-correlation). The bands count alike, so that one loud low tone, which all hits of a kick share, does not decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPARE_RATE", "SAME", "Prepared", "Verdict", "compare_recordings", "prepare_recording"]

COMPARE_RATE = 16_000
"""Both are compared at this rate: what lies above 8 kHz is the first that codecs and sample rates change."""
SAME = 0.9
"""From this agreement on, two files are one recording; chosen by benchmarks/bench_similar.py, no encoder in it."""
_BANDS = np.array([30.0, 60.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 7200.0])
_BAND_FLOOR_DB = 40.0
"""A band that lies further below the loudest one, in either sound, says nothing: there is noise of codecs."""
_OVERLAP = 0.8
"""Share of the energy of at least one of the two that must lie where they overlap."""
_UP, _NEAR = 16, 12
_FADE = 0.003
_SECONDS = 4.0
_SILENT = 1e-5
Mono = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sound at the rate at which it is compared."""

    mono: NDArray[np.float64]
    """At most the first four seconds, at `COMPARE_RATE`."""

    @property
    def silent(self) -> bool:
        """Whether there is nothing to compare."""
        return len(self.mono) < COMPARE_RATE // 200 or float(np.abs(self.mono).max(initial=0.0)) < _SILENT


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found."""

    agreement: float
    """0: nothing in common, 1: the same waveform in every band."""
    offset: float = 0.0
    """Seconds into the first sound at which the second begins (negative: the first begins later)."""
    gain_db: float = 0.0
    """How much louder the second one is."""
    overlap: float = 0.0
    """Share of the energy within the overlap, of the sound of which more is there."""
    inverted: bool = False
    """Whether the second has the opposite polarity."""
    highest: float = 0.0
    """Agreement in the highest band that both have; low for codecs of low rate."""

    @property
    def same(self) -> bool:
        """Whether the two are one recording."""
        return self.agreement >= SAME


def prepare_recording(mono: Mono, sample_rate: int) -> Prepared:
    """Bring the beginning of a sound to the rate at which sounds are compared."""
    import soxr

    part = mono[: round(_SECONDS * sample_rate)]
    if sample_rate != COMPARE_RATE and len(part):
        part = soxr.resample(part, sample_rate, COMPARE_RATE, quality="HQ")
    return Prepared(np.asarray(part, np.float64))


def compare_recordings(first: Prepared, second: Prepared) -> Verdict:
    """Say whether two sounds are one recording.

    Returns
    -------
    Verdict
        Of agreement 0 for silence and where the best overlap holds too little of both.
    """
    if first.silent or second.silent:
        return Verdict(0.0)
    best = Verdict(0.0)
    for lag in _lags(first.mono, second.mono):
        found = _at(first.mono, second.mono, lag)
        if found.agreement > best.agreement:
            best = found
    return best


def _lags(a: NDArray[np.float64], b: NDArray[np.float64]) -> list[float]:
    """Give the frames by which `b` may lie later than `a`: where whitened, and where plain correlation is highest."""
    size = 1 << math.ceil(math.log2(len(a) + len(b)))
    cross = np.fft.rfft(a, size) * np.fft.rfft(b, size).conj()
    frequencies = np.fft.rfftfreq(size, 1 / COMPARE_RATE)
    edges = np.searchsorted(frequencies, _BANDS)
    energy = np.add.reduceat(np.abs(cross), edges[:-1])[: len(edges) - 1]
    weight = np.zeros(len(cross))
    for low, high, band in zip(edges[:-1], edges[1:], energy, strict=True):
        if band > 10 ** (-_BAND_FLOOR_DB / 10) * energy.max():
            weight[low:high] = 1.0 / band
    found = []
    for spectrum in (cross * weight, cross):
        correlation = np.fft.irfft(spectrum, size)
        at = int(np.argmax(np.abs(correlation)))
        lag = at + _between(np.take(correlation, np.arange(at - _NEAR, at + _NEAR + 1), mode="wrap"))
        found.append(lag if at < size // 2 else lag - size)
    return list(dict.fromkeys(round(lag, 3) for lag in found))


def _between(around: NDArray[np.float64]) -> float:
    """Give how far from the middle of some values of a correlation its peak lies, by interpolation."""
    steps = np.arange(-_UP, _UP + 1) / _UP
    apart = steps[:, None] - np.arange(-_NEAR, _NEAR + 1)
    kernel = np.sinc(apart) * np.cos(np.pi * apart / (2 * _NEAR + 4)) ** 2
    return float(steps[int(np.argmax(np.abs(kernel @ around)))])


def _at(a: NDArray[np.float64], b: NDArray[np.float64], lag: float) -> Verdict:
    whole = math.floor(lag)
    start, stop = max(0, whole), min(len(a), whole + len(b))
    if stop - start < COMPARE_RATE // 200:
        return Verdict(0.0)
    x, y = a[start:stop], b[start - whole : stop - whole]
    share = max(_energy(x) / _energy(a), _energy(y) / _energy(b))
    if share < _OVERLAP:
        return Verdict(0.0)
    # A cut edge rings in one and not in the other.
    x, y = (_faded(part, start=abs(lag) > 1, end=len(a) - whole != len(b)) for part in (x, y))
    size = 1 << math.ceil(math.log2(2 * len(x)))
    frequencies = np.fft.rfftfreq(size, 1 / COMPARE_RATE)
    X = np.fft.rfft(x, size)
    Y = np.fft.rfft(y, size) * np.exp(-2j * np.pi * frequencies / COMPARE_RATE * (lag - whole))
    edges = np.searchsorted(frequencies, _BANDS)
    xx, yy = (np.add.reduceat(np.square(np.abs(s)), edges)[:-1] for s in (X, Y))
    xy = np.add.reduceat((X * Y.conj()).real, edges)[:-1]
    heard = np.minimum(xx / max(xx.max(), 1e-300), yy / max(yy.max(), 1e-300)) > 10 ** (-_BAND_FLOOR_DB / 10)
    if not heard.any():
        return Verdict(0.0)
    bands = xy[heard] / np.sqrt(xx[heard] * yy[heard])
    sign = 1.0 if xy[heard].sum() >= 0 else -1.0
    agreement = float(np.clip((sign * bands).mean(), 0.0, 1.0))
    gain = 10 * math.log10(max(float(yy[heard].sum() / xx[heard].sum()), 1e-30))
    return Verdict(
        agreement, lag / COMPARE_RATE, gain, float(share), sign < 0, float(np.clip(sign * bands[-1], 0.0, 1.0))
    )


def _faded(x: NDArray[np.float64], *, start: bool, end: bool) -> NDArray[np.float64]:
    fade = min(round(_FADE * COMPARE_RATE), len(x) // 4)
    ramp = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / max(fade, 1)) ** 2
    out = x.copy()
    if start:
        out[:fade] *= ramp
    if end and fade:
        out[-fade:] *= ramp[::-1]
    return out


def _energy(x: NDArray[np.float64]) -> float:
    return float(x @ x) or 1e-300
