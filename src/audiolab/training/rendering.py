"""Small parts that rendered training sounds are made of: noise, modes, filters, envelopes.

Conventions: mono float64 arrays at the encoder's rate; a `numpy.random.Generator` decides everything, so a
seed gives the same sounds again. The rendered sounds stand beside the recorded ones in training, never in a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.classification.preparing import RATE

__all__ = [
    "Sound",
    "additive",
    "band",
    "between",
    "chance",
    "clock",
    "decay",
    "drive",
    "log_between",
    "modes",
    "noise",
    "phase",
    "reverb",
    "saw",
    "square",
    "swell",
]

Sound = NDArray[np.float64]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly."""
    return float(rng.uniform(low, high))


def log_between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly on a logarithmic scale: right for frequencies and times."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: np.random.Generator, share: float) -> bool:
    """Be true with the given probability."""
    return bool(rng.random() < share)


def clock(seconds: float) -> Sound:
    """Give the times of frames in seconds."""
    return np.arange(max(16, int(seconds * RATE))) / RATE


def noise(rng: np.random.Generator, n: int) -> Sound:
    """White noise of unit deviation."""
    return rng.standard_normal(n)


def decay(t: Sound, seconds: float, attack: float = 0.0) -> Sound:
    """Fall by 60 dB in `seconds`, after a linear attack."""
    shape = np.exp(-6.91 * t / max(seconds, 1e-3))
    return shape * np.minimum(1.0, t / attack) if attack > 0 else shape


def swell(t: Sound, attack: float, release: float) -> Sound:
    """Rise, hold and fall at the end of the sound."""
    end = t[-1] if t.size else 0.0
    up = np.minimum(1.0, t / max(attack, 1e-4))
    return up * np.clip((end - t) / max(release, 1e-4), 0.0, 1.0)


def phase(frequency: Sound | float, t: Sound) -> Sound:
    """Integrate a frequency in hertz (a number, or one per frame) to a phase in turns."""
    if isinstance(frequency, float):
        return frequency * t
    return np.cumsum(frequency) / RATE


def saw(turns: Sound) -> Sound:
    """Sawtooth with its steps softened against aliasing (a 2-point average)."""
    raw = 2.0 * (turns % 1.0) - 1.0
    return 0.5 * (raw + np.concatenate((raw[:1], raw[:-1])))


def square(turns: Sound, width: float = 0.5) -> Sound:
    """Pulse wave."""
    return np.where(turns % 1.0 < width, 1.0, -1.0) - (2 * width - 1)


def modes(t: Sound, frequencies: Sequence[float] | Sound, gains: Sequence[float] | Sound, times: Sound) -> Sound:
    """Sum decaying sines, the voice of anything struck; `times` are 60 dB times in seconds."""
    out = np.zeros_like(t)
    for frequency, gain, seconds in zip(frequencies, gains, times, strict=True):
        if 20 < frequency < 0.47 * RATE:
            out += gain * np.exp(-6.91 * t / seconds) * np.sin(2 * np.pi * frequency * t)
    return out


def additive(t: Sound, f0: Sound | float, gains: Sound, times: Sound, stretch: float = 0.0) -> Sound:
    """Sum partials of a tone, stretched as stiff strings stretch them."""
    out = np.zeros_like(t)
    turns = phase(f0, t)
    highest = float(np.max(f0))
    for number, (gain, seconds) in enumerate(zip(gains, times, strict=True), start=1):
        ratio = number * np.sqrt(1 + stretch * number**2)
        if ratio * highest < 0.47 * RATE:
            out += gain * np.exp(-6.91 * t / seconds) * np.sin(2 * np.pi * ratio * turns)
    return out


@cache
def _filter(kind: str, low: int, high: int, order: int) -> NDArray[np.float64]:
    from scipy.signal import butter

    edges = {"lowpass": high, "highpass": low, "bandpass": (low, high)}[kind]
    return np.asarray(butter(order, edges, kind, fs=RATE, output="sos"))


def band(x: Sound, low: float | None = None, high: float | None = None, order: int = 2) -> Sound:
    """Filter to between `low` and `high` hertz (Butterworth)."""
    from scipy.signal import sosfilt

    top = 0.48 * RATE
    low_edge = None if low is None or low < 15 else round(min(low, 0.9 * top), -1) or 10
    high_edge = None if high is None or high >= top else round(max(high, (low_edge or 20) * 1.15), -1)
    if low_edge is None and high_edge is None:
        return x
    kind = "highpass" if high_edge is None else "lowpass" if low_edge is None else "bandpass"
    return np.asarray(sosfilt(_filter(kind, int(low_edge or 0), int(high_edge or 0), order), x))


def drive(x: Sound, amount: float) -> Sound:
    """Saturate: a soft clipper driven by `amount` times the peak."""
    peak = np.abs(x).max(initial=1e-9)
    return np.asarray(np.tanh(amount * x / peak) / np.tanh(amount))


def reverb(rng: np.random.Generator, x: Sound, seconds: float, wet: float) -> Sound:
    """Add a room: noise that decays by 60 dB in `seconds`, darker than the source, `wet` relative to it."""
    from scipy.signal import fftconvolve

    t = clock(seconds)
    impulse = band(noise(rng, t.size) * decay(t, seconds), high=log_between(rng, 2500, 12000), order=1)
    impulse[: int(between(rng, 0, 0.02) * RATE)] = 0
    impulse /= np.sqrt(np.square(impulse).sum()) + 1e-9
    tail = fftconvolve(x, impulse)
    out = np.zeros_like(tail)
    out[: x.size] = x
    scale = np.sqrt(np.square(x).sum() / (np.square(tail).sum() + 1e-12))
    return np.asarray(out + wet * scale * tail)
