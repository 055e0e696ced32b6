"""Small instruments: drums by noise and swept sines, a bass, a pad, and a voice made of formants.

Each gives mono float64 samples that begin with the attack at frame 0, so that onsets are known to
the frame. The voice follows the source-filter model (Fant 1960; resonators after Klatt 1980).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

__all__ = ["bass", "clap", "closed_hat", "crash", "kick", "open_hat", "pad", "snare", "tom", "voice"]

Wave = NDArray[np.float64]


def _time(seconds: float, rate: int) -> Wave:
    return np.arange(round(seconds * rate)) / rate


def _fade_out(wave: Wave, rate: int, seconds: float = 0.005) -> Wave:
    n = min(len(wave), round(seconds * rate))
    if n:
        wave[-n:] *= np.linspace(1, 0, n)
    return wave


def _band(wave: Wave, low: float, high: float, rate: int, order: int = 2) -> Wave:
    nyquist = rate / 2
    low, high = max(low, 10.0), min(high, nyquist * 0.95)
    sos = signal.butter(order, [low / nyquist, high / nyquist], "band", output="sos")
    return np.asarray(signal.sosfilt(sos, wave))


def kick(rate: int, rng: np.random.Generator, seconds: float = 0.32, pitch: float = 48.0) -> Wave:
    """Render a sine that falls from about 190 Hz to `pitch`, with a click in front."""
    time = _time(seconds, rate)
    frequency = pitch + 140 * np.exp(-time / 0.022)
    body = np.sin(2 * np.pi * np.cumsum(frequency) / rate + 0.6) * np.exp(-time / 0.11)
    click = rng.standard_normal(len(time)) * np.exp(-time / 0.0022) * 0.35
    return _fade_out(0.95 * body + click, rate)


def snare(rate: int, rng: np.random.Generator, seconds: float = 0.26, pitch: float = 186.0) -> Wave:
    """Render two drum-head modes and a rattle of band-passed noise."""
    time = _time(seconds, rate)
    head = np.sin(2 * np.pi * pitch * time + 0.8) + 0.6 * np.sin(2 * np.pi * pitch * 1.79 * time + 0.8)
    rattle = _band(rng.standard_normal(len(time)), 1200, 9500, rate)
    return _fade_out(0.4 * head * np.exp(-time / 0.055) + 0.55 * rattle * np.exp(-time / 0.085), rate)


def clap(rate: int, rng: np.random.Generator, seconds: float = 0.25) -> Wave:
    """Render four bursts of noise around 1.2 kHz, the last one ringing."""
    time = _time(seconds, rate)
    envelope = sum(np.where(time >= d, np.exp(-(time - d) / 0.005), 0.0) for d in (0.0, 0.011, 0.021))
    envelope = envelope + np.where(time >= 0.031, np.exp(-(time - 0.031) / 0.06), 0.0)
    return _fade_out(0.8 * _band(rng.standard_normal(len(time)), 700, 3800, rate) * envelope, rate)


def _metal(rate: int, rng: np.random.Generator, seconds: float, decay: float, low: float) -> Wave:
    time = _time(seconds, rate)
    ratios = (2.0, 3.0, 4.16, 5.43, 6.79, 8.21)
    squares = sum(signal.square(2 * np.pi * 317 * r * time + rng.uniform(0, 6)) for r in ratios)
    mixed = 0.16 * squares + 0.6 * rng.standard_normal(len(time))
    return _fade_out(_band(mixed, low, 16000, rate) * np.exp(-time / decay), rate)


def closed_hat(rate: int, rng: np.random.Generator) -> Wave:
    """Render six square waves and noise, high-passed, short (after the well-known analogue circuit)."""
    return 0.45 * _metal(rate, rng, 0.09, 0.018, 6500)


def open_hat(rate: int, rng: np.random.Generator) -> Wave:
    """Render a closed hat that rings."""
    return 0.4 * _metal(rate, rng, 0.42, 0.13, 6000)


def crash(rate: int, rng: np.random.Generator) -> Wave:
    """Render the same metal, longer and lower."""
    return 0.4 * _metal(rate, rng, 1.8, 0.55, 2800)


def tom(rate: int, rng: np.random.Generator, pitch: float = 110.0) -> Wave:
    """Render a sine that falls a little, with some skin."""
    time = _time(0.35, rate)
    body = np.sin(2 * np.pi * np.cumsum(pitch * (1 + 0.35 * np.exp(-time / 0.04))) / rate + 0.7)
    skin = _band(rng.standard_normal(len(time)), 300, 2500, rate) * np.exp(-time / 0.015)
    return _fade_out(0.8 * body * np.exp(-time / 0.12) + 0.25 * skin, rate)


def _hertz(pitch: float) -> float:
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def _saw(frequency: Wave, rate: int, brightness: float, partials: int = 40, phase: float = 0.0) -> Wave:
    """Add harmonics below the Nyquist frequency; their level falls with `brightness`."""
    angle = 2 * np.pi * np.cumsum(frequency) / rate + phase
    top = float(frequency.max())
    count = max(1, min(partials, int(rate * 0.45 / top)))
    total = np.zeros_like(frequency)
    for n in range(1, count + 1):
        total += np.sin(n * angle) / n**brightness
    return total


def bass(rate: int, pitch: float, seconds: float) -> Wave:
    """Render a plucked synthetic bass whose upper harmonics die first."""
    time = _time(seconds, rate)
    frequency = np.full_like(time, _hertz(pitch))
    angle = 2 * np.pi * np.cumsum(frequency) / rate
    total = sum(np.sin(n * angle) / n * np.exp(-time * n / 0.7) for n in range(1, 9))
    attack = np.minimum(1, time / 0.004)
    release = np.clip((seconds - time) / 0.03, 0, 1)
    return np.asarray(0.55 * total * attack * release)


def pad(rate: int, pitches: Sequence[float], seconds: float, detune: float = 0.0) -> Wave:
    """Render a chord of soft electric-piano-like tones; `detune` (cents) makes the other side of a pair."""
    time = _time(seconds, rate)
    total = np.zeros_like(time)
    for index, pitch in enumerate(pitches):
        frequency = np.full_like(time, _hertz(pitch + detune / 100 * (1 if index % 2 else -1)))
        bell = np.sin(2 * np.pi * np.cumsum(frequency * 4) / rate) * np.exp(-time / 0.25) * 0.12
        total += _saw(frequency, rate, 1.9, 10, phase=0.5 * index) * np.exp(-time / 1.6) + bell
    attack = np.minimum(1, time / 0.006)
    release = np.clip((seconds - time) / 0.05, 0, 1)
    return np.asarray(0.2 * total * attack * release)


_VOWELS: dict[str, tuple[tuple[float, float, float], ...]] = {
    # formant frequency in hertz, bandwidth in hertz, level (after Peterson & Barney 1952, women)
    "a": ((850, 90, 1.0), (1220, 110, 0.55), (2810, 170, 0.22), (3900, 250, 0.12)),
    "e": ((610, 80, 1.0), (2330, 120, 0.4), (2990, 180, 0.26), (3900, 250, 0.12)),
    "i": ((310, 60, 1.0), (2790, 140, 0.3), (3310, 200, 0.26), (4100, 260, 0.12)),
    "o": ((590, 80, 1.0), (920, 100, 0.5), (2710, 170, 0.14), (3700, 250, 0.08)),
    "u": ((370, 60, 1.0), (950, 100, 0.3), (2670, 170, 0.1), (3600, 250, 0.05)),
}


def voice(
    rate: int, pitch: float, seconds: float, vowel: str, rng: np.random.Generator, *, consonant: bool = True
) -> Wave:
    """Render a sung syllable: a glottal source with vibrato and breath through four formants.

    With `consonant`, a short burst of noise comes first and the tone begins softly under it.
    """
    time = _time(seconds, rate)
    depth = 0.35 * np.clip((time - 0.18) / 0.25, 0, 1)
    glide = -0.6 * np.exp(-time / 0.03)
    cents = glide + depth * np.sin(2 * np.pi * 5.4 * time + rng.uniform(0, 1))
    source = _saw(_hertz(pitch) * 2 ** (cents / 12), rate, 1.25, 60)
    source += 0.25 * rng.standard_normal(len(time))
    total = np.zeros_like(time)
    for frequency, width, level in _VOWELS[vowel]:
        if frequency < rate * 0.45:
            radius = np.exp(-np.pi * width / rate)
            poles = (1.0, -2 * radius * np.cos(2 * np.pi * frequency / rate), radius**2)
            total += level * signal.lfilter([1 - radius], poles, source)
    envelope = np.minimum(1, time / 0.025) * np.clip((seconds - time) / 0.06, 0, 1)
    total *= envelope * (0.85 + 0.15 * np.exp(-time / 0.3))
    if consonant:
        burst = _band(rng.standard_normal(len(time)), 2500, 8000, rate) * np.exp(-time / 0.02)
        total = total / max(1e-9, np.abs(total).max()) + 0.3 * burst
    return np.asarray(0.5 * total / max(1e-9, np.abs(total).max()))
