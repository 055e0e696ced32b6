"""Which tempos are in a sound: accents, their correlation over time, and the candidates that stand out.

Periods are in frames of `FRAME_RATE` (10 ms); `flux` has the shape (bands, frames).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.features import FRAME_RATE

__all__ = [
    "Correlogram",
    "accents",
    "candidate_periods",
    "correlogram",
    "event_count",
    "event_rate",
    "loop_cues",
    "near",
    "opening_accent",
    "tempo_cues",
    "to_bpm",
]

FloatArray = NDArray[np.float32]
Array = NDArray[np.float64]
SLOWEST, FASTEST = 36.0, 260.0
"""Range of tempos looked at, in bpm."""
WINDOW, STEP, MAX_LAG = 1200, 400, 1000
"""Frames: correlation is taken over windows of 12 s, so that a tempo may drift between them."""
EDGE = 6
"""Frames in which the very beginning of a sound shows."""
LOOP_SECONDS = 20.0
LOOP_BEATS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Shorter sounds are often loops, of so many beats."""
LOOP_MISFIT = 0.012
"""How far (logarithm) a measured period may be from the exact one of a loop."""
_RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3, 1.5, 2 / 3)
_APART = 0.035


def to_bpm(period: float) -> float:
    """Convert a period in frames to beats a minute (and back: the relation is its own inverse)."""
    return 60.0 * FRAME_RATE / period


def accents(flux: FloatArray) -> FloatArray:
    """Make onset functions of all bands comparable: above their moving mean of a second, in deviations.

    Returns
    -------
    ndarray [float32, shape=(bands, frames)]
        Not negative.
    """
    from scipy.ndimage import uniform_filter1d

    if flux.shape[1] > 2 * EDGE:  # a sound cut out of another begins with all that is in it, which is no accent
        flux = flux.copy()
        flux[:, :EDGE] = np.minimum(flux[:, :EDGE], flux[:, EDGE:].max(axis=1, keepdims=True))
    raised = np.maximum(flux - uniform_filter1d(flux, 100, axis=1, mode="nearest"), 0.0)
    return np.asarray(raised / (raised.std(axis=1, keepdims=True) + 1e-9), np.float32)


@dataclass(frozen=True, slots=True)
class Correlogram:
    """Correlation by lag [shape=(MAX_LAG,)] of accents with themselves and of kicks with brighter sounds."""

    curves: dict[str, Array]

    @property
    def total(self) -> Array:
        """Autocorrelation of all accents together."""
        return self.curves["total"]


def correlogram(accent: FloatArray) -> Correlogram:
    """Correlate accents over up to 10 s of lag, averaged over windows of 12 s.

    The cross-correlation of the kick band with the bright bands tells bass drum and snare taking turns
    (one beat apart) from both together.
    """
    from scipy.ndimage import gaussian_filter1d

    parts = {
        "kick": accent[0],
        "low": accent[1] + accent[2],
        "presence": accent[3],
        "air": accent[4],
        "total": accent.sum(axis=0),
    }
    smooth = {name: gaussian_filter1d(part.astype(np.float64), 1.0) for name, part in parts.items()}
    pairs = {name: (name, name) for name in parts} | {
        "kick_presence": ("kick", "presence"),
        "kick_air": ("kick", "air"),
    }
    return Correlogram({name: _correlate(smooth[a], smooth[b]) for name, (a, b) in pairs.items()})


def _correlate(x: Array, y: Array) -> Array:
    from scipy.fft import irfft, next_fast_len, rfft

    size = min(WINDOW, len(x))
    total, energy = np.zeros(MAX_LAG), 0.0
    if size < 2:
        return total
    length = next_fast_len(2 * size)
    lags = min(size, MAX_LAG)
    fade = size / np.maximum(size - np.arange(lags), size / 6)
    for start in range(0, len(x) - size + 1, STEP):
        a = x[start : start + size] - x[start : start + size].mean()
        b = a if y is x else y[start : start + size] - y[start : start + size].mean()
        product = np.conj(rfft(a, length)) * (rfft(b, length) if y is not x else rfft(a, length))
        # symmetric in time: the mean of "y follows x" and "x follows y"
        curve = irfft(product.real, length)[:lags]
        total[:lags] += curve * fade
        energy += float(np.sqrt((a**2).sum() * (b**2).sum()))
    return total / energy if energy > 0 else total


def candidate_periods(curve: Array, duration_frames: float, *, count: int = 5) -> list[float]:
    """Find periods that may be the beat: peaks of a comb over the autocorrelation, and their simple multiples.

    Short sounds are often loops: whole numbers of beats over their length are candidates too.

    Parameters
    ----------
    curve : ndarray [shape=(MAX_LAG,)]
        Autocorrelation of all accents.
    duration_frames : float
        Length of the sound.
    count : int
        Number of peaks of the comb to start from.

    Returns
    -------
    list of float
        Periods, the most salient family first; empty if nothing repeats.
    """
    periods = np.exp(np.linspace(np.log(to_bpm(300)), np.log(to_bpm(30)), 400))
    lags = np.arange(len(curve))
    comb = sum(
        weight * np.interp(periods * number, lags, curve, right=0.0)
        for number, weight in ((1, 1.0), (2, 1.0), (3, 0.6), (4, 1.0))
    )
    inner = comb[1:-1]
    peaks = np.flatnonzero((inner > comb[:-2]) & (inner >= comb[2:]) & (inner > 0)) + 1
    found: list[float] = []
    for peak in peaks[np.argsort(-comb[peaks], kind="stable")][:count]:
        for ratio in _RATIOS:
            _add(found, sharpen(curve, periods[peak] * ratio))
    if duration_frames < LOOP_SECONDS * FRAME_RATE:
        for beats in LOOP_BEATS:
            _add(found, duration_frames / beats)
    return found


def _add(found: list[float], period: float) -> None:
    if SLOWEST <= to_bpm(period) <= FASTEST and all(abs(np.log(period / other)) > _APART for other in found):
        found.append(float(period))


def sharpen(curve: Array, period: float) -> float:
    """Refine a period by the peaks at it and at 2, 4 and 8 times it, which tell it ever more exactly."""
    for number in (1, 2, 4, 8):
        lag = period * number
        reach = max(1.5, min(0.03 * lag, 0.3 * period))
        low, high = int(np.floor(lag - reach)), int(np.ceil(lag + reach))
        if low < 1 or high >= len(curve) - 1:
            break
        peak = low + int(np.argmax(curve[low : high + 1]))
        if low < peak < high and curve[peak] > 0:
            period = (peak + parabola(curve[peak - 1], curve[peak], curve[peak + 1])) / number
    return float(period)


def parabola(left: float, middle: float, right: float) -> float:
    """Give how far from the middle of three values their parabola peaks, in -0.5 to 0.5."""
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def event_count(accent: FloatArray) -> int:
    """Count accents: local maxima above a tenth of the highest."""
    total = np.pad(accent.sum(axis=0), 1)
    inner = total[1:-1]
    return int(((inner > total[:-2]) & (inner >= total[2:]) & (inner > 0.1 * total.max())).sum())


def event_rate(accent: FloatArray) -> float:
    """Give the number of accents a frame."""
    return event_count(accent) / max(1, len(accent[0]))


def near(curve: Array, lag: float, tolerance: float = 0.02) -> float:
    """Give the largest value within a few per cent of a lag, or 0 beyond the end."""
    low, high = int(max(1, lag * (1 - tolerance) - 0.5)), int(np.ceil(lag * (1 + tolerance) + 0.5))
    return float(curve[low : high + 1].max()) if high < len(curve) - 1 else 0.0


def loop_cues(duration_frames: float, period: float, opening: float) -> Sequence[float]:
    """Say how well a sound would be a loop of whole beats, bars of four, doubled bars, bars of three.

    Parameters
    ----------
    duration_frames, period : float
        In frames.
    opening : float
        Accent at the very start, relative to the highest (0 to 1): loops are cut on a beat.
    """
    count = max(1, round(duration_frames / period))
    misfit = math.log(duration_frames / (count * period)) / LOOP_MISFIT
    fit = math.exp(-0.5 * misfit**2) if duration_frames < LOOP_SECONDS * FRAME_RATE else 0.0
    kinds = (count >= 2, count % 4 == 0, count in {4, 8, 16, 32}, count % 3 == 0 and count % 4 != 0)
    return [*(fit * float(kind) for kind in kinds), fit * opening * float(count % 4 == 0), fit * opening]


def opening_accent(accent: FloatArray) -> float:
    """Give the highest accent of the first 50 ms relative to the highest of the sound."""
    total = accent.sum(axis=0)
    return float(total[:5].max(initial=0.0) / max(1e-9, float(total.max(initial=0.0))))


def tempo_cues(found: Correlogram, period: float, rate: float) -> Sequence[float]:
    """Describe a candidate by what repeats at simple ratios of it, band by band, and by its tempo.

    Returns
    -------
    list of float
        Autocorrelation of five bands at eleven ratios, kick against bright bands at seven, each relative
        to the band's highest; then tempo (octaves from 110 bpm, its square, its positive part) and accents
        a beat (octaves, square).
    """
    cues: list[float] = []
    for name in ("kick", "low", "presence", "air", "total"):
        curve = found.curves[name]
        scale = max(1e-6, float(curve[20:500].max()))
        cues += [float(np.clip(near(curve, period * ratio) / scale, -0.5, 1.0)) for ratio in LAG_RATIOS]
    for name in ("kick_presence", "kick_air"):
        curve = found.curves[name]
        scale = max(1e-6, float(np.abs(curve[:500]).max()))
        cues.append(float(np.clip(curve[0] / scale, -1.0, 1.0)))
        cues += [float(np.clip(near(curve, period * ratio) / scale, -0.5, 1.0)) for ratio in CROSS_RATIOS]
    octaves = float(np.log2(to_bpm(period) / 110.0))
    busy = float(np.log2(max(rate, 1e-3) * period))
    return [*cues, octaves, octaves**2, max(0.0, octaves), busy, busy**2]


LAG_RATIOS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 1.0, 3 / 2, 2.0, 3.0, 4.0, 6.0, 8.0)
CROSS_RATIOS = (1 / 2, 1.0, 3 / 2, 2.0, 3.0, 4.0)
CUES = 5 * len(LAG_RATIOS) + 2 * (len(CROSS_RATIOS) + 1) + 5 + 6
"""Number of tempo cues, those of loops among them."""
