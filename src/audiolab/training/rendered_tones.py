"""Rendered tones and voices: subtractive, additive, frequency-modulated and plucked-string synthesis.

Method: textbook models with every knob drawn at random: Karplus and Strong's plucked string (1983), Chowning's
FM (1973), a pulse train through vowel formants, detuned saws through a moving filter.
"""

from __future__ import annotations

import numpy as np

from audiolab.stages.classification.preparing import RATE
from audiolab.training.rendering import (
    Sound,
    additive,
    band,
    between,
    chance,
    clock,
    decay,
    drive,
    log_between,
    noise,
    phase,
    saw,
    square,
    swell,
)

__all__ = ["TONES", "moving_lowpass"]

Rng = np.random.Generator
_VOWELS = (  # centres of the first three formants in hertz, after Peterson and Barney (1952)
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
    (660, 1720, 2410),
)


def _note(rng: Rng, low: float, high: float) -> float:
    """Draw a frequency and put it on the tempered scale."""
    midi = round(69 + 12 * np.log2(log_between(rng, low, high) / 440))
    return float(440 * 2 ** ((midi - 69) / 12))


def _chord(rng: Rng, f0: float, share: float) -> list[float]:
    if not chance(rng, share):
        return [f0]
    steps = [(0, 4, 7), (0, 3, 7), (0, 7), (0, 7, 12), (0, 3, 7, 10), (0, 4, 7, 11), (0, 5, 7)][int(rng.integers(7))]
    return [f0 * 2 ** (s / 12) for s in steps]


def moving_lowpass(x: Sound, start: float, end: float, seconds: float) -> Sound:
    """Move a lowpass: a few fixed ones faded into each other."""
    t = np.arange(x.size) / RATE
    place = 1 - np.exp(-t / max(seconds, 1e-3))
    stops = np.geomspace(start, end, 4)
    out = np.zeros_like(x)
    for number, edge in enumerate(stops):
        out += band(x, high=float(edge)) * np.clip(1 - np.abs(place * 3 - number), 0, 1)
    return out


def _pluck(rng: Rng, f0: float, seconds: float, damping: float, bright: float) -> Sound:
    """Karplus-Strong string, run as one recursive filter."""
    from scipy.signal import lfilter

    n = int(seconds * RATE)
    period = max(4, round(RATE / f0))
    burst = band(rng.uniform(-1, 1, period), high=bright, order=1)
    place = max(1, int(between(rng, 0.08, 0.45) * period))
    burst = burst - np.roll(burst, place)  # where the string is plucked
    x = np.zeros(n)
    x[: min(period, n)] = burst[:n]
    loss = 10 ** (-3 * period / RATE / damping)
    feedback = np.zeros(period + 2)
    feedback[0] = 1.0
    mix = between(rng, 0.3, 0.5)
    feedback[period] = -loss * (1 - mix)
    feedback[period + 1] = -loss * mix
    return np.asarray(lfilter([1.0], feedback, x))


def bass(rng: Rng) -> Sound:
    """Synth, sub, FM or plucked bass."""
    seconds = log_between(rng, 0.3, 2.0)
    t = clock(seconds)
    ring = log_between(rng, 0.8, 8)  # how far past its end the tone would ring
    f0 = _note(rng, 32, 160)
    kind = int(rng.integers(5))
    if kind == 0:
        out = _pluck(rng, f0, seconds, log_between(rng, 0.6, 12), log_between(rng, 400, 9000))
        body = band(out, 60, 250, order=1) * between(rng, 0, 2)
        return body + band(out, high=log_between(rng, 500, 8000), order=1)
    if kind == 1:
        out = np.sin(2 * np.pi * f0 * t) + between(rng, 0, 0.3) * np.sin(4 * np.pi * f0 * t)
        out = drive(out * decay(t, seconds * ring, 0.003), log_between(rng, 0.5, 8))
    elif kind == 2:
        index = between(rng, 0.5, 5) * decay(t, log_between(rng, 0.1, 0.9))
        out = np.sin(2 * np.pi * f0 * t + index * np.sin(2 * np.pi * f0 * float(rng.integers(1, 4)) * t))
        out = out * decay(t, seconds * ring)
    else:
        spread = between(rng, 0, 0.006)
        wave = saw if chance(rng, 0.6) else square
        out = wave(phase(f0, t)) + wave(phase(f0 * (1 + spread), t)) + between(rng, 0, 1) * square(phase(f0 / 2, t))
        out = moving_lowpass(out, log_between(rng, 500, 6000), log_between(rng, 120, 800), log_between(rng, 0.03, 0.4))
        out = out * (swell(t, 0.004, 0.03) if chance(rng, 0.4) else decay(t, seconds * ring, 0.002))
    return out


def synth(rng: Rng) -> Sound:
    """Leads, stabs, pads, plucks and bells."""
    seconds = log_between(rng, 0.15, 2.0)
    t = clock(seconds)
    out = np.zeros_like(t)
    kind = int(rng.integers(4))
    lowest = _note(rng, 100, 900)
    for f0 in _chord(rng, lowest, 0.35):
        if kind == 0:
            for _ in range(int(rng.integers(2, 7))):
                out += saw(phase(f0 * float(rng.uniform(0.988, 1.012)), t) + rng.random())
        elif kind == 1:
            width = 0.5 + between(rng, 0, 0.4) * np.sin(2 * np.pi * log_between(rng, 0.2, 6) * t)
            out += np.where((f0 * t) % 1 < width, 1.0, -1.0)
        elif kind == 2:
            ratio = float(rng.choice([1, 1.41, 2, 3.5, 5, 7]))
            index = log_between(rng, 0.5, 8) * decay(t, log_between(rng, 0.1, 2))
            out += np.sin(2 * np.pi * f0 * t + index * np.sin(2 * np.pi * ratio * f0 * t))
        else:
            sweep = f0 * (1 + between(rng, -0.3, 0.5) * np.exp(-t / log_between(rng, 0.02, 0.3)))
            out += square(phase(sweep, t), between(rng, 0.1, 0.5)) + saw(phase(sweep * 1.004, t))
    if kind != 2 or chance(rng, 0.3):
        edges = log_between(rng, 600, 14000), log_between(rng, 400, 9000)
        out = moving_lowpass(out, *edges, log_between(rng, 0.03, 0.6))
    shape = swell(t, log_between(rng, 0.002, 0.4), 0.05) if chance(rng, 0.5) else decay(t, seconds * 1.2, 0.002)
    return drive(out * shape, log_between(rng, 0.3, 3))


def keys(rng: Rng) -> Sound:
    """Electric piano, piano-like additive tones, organ, clavinet-like plucks."""
    seconds = between(rng, 0.6, 2.0)
    t = clock(seconds)
    out = np.zeros_like(t)
    kind = int(rng.integers(4))
    organ = [float(g) for g in rng.uniform(0, 1, 9)]
    for f0 in _chord(rng, _note(rng, 60, 1000), 0.3):
        if kind == 0:
            index = between(rng, 0.3, 2.2) * decay(t, log_between(rng, 0.3, 2))
            tine = np.sin(2 * np.pi * f0 * t + index * np.sin(2 * np.pi * f0 * t))
            bell = np.sin(2 * np.pi * f0 * 14 * t) * decay(t, 0.25) if f0 * 14 < 15000 else 0.0
            out += (tine + between(rng, 0, 0.12) * bell) * decay(t, between(rng, 2, 6), 0.002)
        elif kind == 1:
            count = 24
            number = np.arange(1, count + 1)
            gains = number ** -between(rng, 0.9, 1.8) * (1 - 0.6 * (number % int(rng.integers(6, 9)) == 0))
            times = between(rng, 2.5, 7) * (220 / f0) ** 0.4 / (1 + between(rng, 0.05, 0.25) * number)
            for detune in (1.0, float(rng.uniform(1.0002, 1.0015))):
                out += additive(t, f0 * detune, gains, times, log_between(rng, 5e-5, 8e-4))
            out += 0.15 * band(noise(rng, t.size), 200, 2500) * decay(t, 0.05)
        elif kind == 2:
            for gain, ratio in zip(organ, (0.5, 1.5, 1, 2, 3, 4, 5, 6, 8), strict=True):
                if f0 * ratio < 14000:
                    out += gain * np.sin(2 * np.pi * f0 * ratio * t + ratio)
        else:
            out += band(_pluck(rng, f0, seconds, log_between(rng, 0.8, 3), 12000)[: t.size], f0 * 1.5, None, order=1)
    if kind == 2:
        out *= swell(t, 0.008, 0.03) * (1 + between(rng, 0, 0.2) * np.sin(2 * np.pi * between(rng, 5, 7) * t))
    return drive(out, log_between(rng, 0.2, 2)) if chance(rng, 0.3) else out


def guitar(rng: Rng) -> Sound:
    """Plucked strings: one note, a strum, with or without distortion, sometimes muted."""
    seconds = log_between(rng, 0.6, 2.0)
    t = clock(seconds)
    out = np.zeros_like(t)
    muted = chance(rng, 0.2)
    damping = log_between(rng, 0.1, 0.3) if muted else log_between(rng, 1.2, 20)
    bright = log_between(rng, 1500, 12000)
    f0 = _note(rng, 82, 660)
    voices = _chord(rng, min(f0, 250), 1.0) if chance(rng, 0.3) else [f0]
    start = 0
    for voice in voices:
        string = _pluck(rng, voice, seconds, damping, bright)
        out[start:] += string[: out.size - start]
        start = min(out.size - 1, start + int(between(rng, 0.002, 0.03) * RATE))
    body = band(out, 90, 230, order=1) * between(rng, 0, 1.2) + band(out, 380, 520, order=1) * between(rng, 0, 0.6)
    out = out + body
    if chance(rng, 0.35):
        out = band(drive(out, log_between(rng, 3, 60)), 80, log_between(rng, 2500, 6000))
    return out


def strings(rng: Rng) -> Sound:
    """Bowed section or solo, and pizzicato."""
    seconds = between(rng, 0.6, 2.0)
    t = clock(seconds)
    if chance(rng, 0.25):
        f0 = _note(rng, 60, 900)
        out = band(_pluck(rng, f0, seconds, log_between(rng, 0.15, 0.8), log_between(rng, 1000, 4000)), 60, 5000)
        return out[: t.size]
    out = np.zeros_like(t)
    players = int(rng.integers(1, 8))
    for f0 in _chord(rng, _note(rng, 60, 1000), 0.25):
        for _ in range(players):
            vibrato = between(rng, 0, 0.008) * np.sin(2 * np.pi * (between(rng, 4.5, 6.5) * t + rng.random()))
            vibrato *= np.minimum(1, t / 0.3)
            out += saw(phase(f0 * float(rng.uniform(0.997, 1.003)) * (1 + vibrato), t) + rng.random())
    out += between(rng, 0, 0.3) * players**0.5 * band(noise(rng, t.size), 1500, 8000, order=1)  # the bow
    resonances = [log_between(rng, 250, 600), log_between(rng, 700, 1500), log_between(rng, 2000, 3500)]
    out = band(out, high=log_between(rng, 2000, 7000), order=1) + sum(
        band(out, f * 0.9, f * 1.1, order=1) for f in resonances
    )
    return out * swell(t, log_between(rng, 0.03, 0.4), between(rng, 0.05, 0.3))


def brass(rng: Rng) -> Sound:
    """Harmonics that brighten with loudness; solo or section; long notes and stabs."""
    seconds = log_between(rng, 0.25, 1.8)
    t = clock(seconds)
    attack = log_between(rng, 0.02, 0.12)
    force = swell(t, attack, between(rng, 0.04, 0.2)) * (
        1 - between(rng, 0, 0.4) * np.exp(-(((t - 1.5 * attack) / 0.08) ** 2))
    )
    out = np.zeros_like(t)
    players = int(rng.integers(1, 5))
    slope = between(rng, 0.6, 2.2)
    for base in _chord(rng, _note(rng, 55, 900), 0.2):
        for _ in range(players):
            scoop = 1 - between(rng, 0, 0.05) * np.exp(-t / 0.03)
            vibrato = 1 + between(rng, 0, 0.006) * np.sin(2 * np.pi * between(rng, 4, 6.5) * t)
            turns = phase(base * float(rng.uniform(0.997, 1.003)) * scoop * vibrato, t)
            for number in range(1, 25):
                if number * base > 14000:
                    break
                peak = np.exp(-((((number * base) - 700) / 900) ** 2)) + 0.35
                out += peak * force ** (1 + slope * number / 6) * number**-0.6 * np.sin(2 * np.pi * number * turns)
    out += between(rng, 0, 0.1) * players * band(noise(rng, t.size), 500, 6000) * force
    return drive(out, log_between(rng, 0.3, 2.5)) if chance(rng, 0.5) else out


def vocal(rng: Rng) -> Sound:
    """Pulse train through formants that glide from vowel to vowel, with breath and consonants."""
    seconds = log_between(rng, 0.2, 1.8)
    t = clock(seconds)
    base = log_between(rng, 85, 620)
    knots = base * 2 ** (rng.normal(0, 2.5 if chance(rng, 0.5) else 0.4, 4) / 12)  # spoken or sung
    f0 = np.interp(t, np.linspace(0, seconds, 4), knots)
    f0 = f0 * (1 + between(rng, 0, 0.012) * np.sin(2 * np.pi * between(rng, 4.5, 6.5) * t))
    f0 = f0 * (1 + between(rng, 0, 0.004) * band(noise(rng, t.size), high=30))
    source = band(np.diff(saw(phase(f0, t)), prepend=0.0), high=log_between(rng, 2500, 7000), order=1)
    source = source + log_between(rng, 0.001, 0.12) * band(noise(rng, t.size), 500, None, order=1)
    whisper = chance(rng, 0.08)
    if whisper:
        source = noise(rng, t.size)
    voiced = np.zeros_like(t)
    size, width = between(rng, 0.88, 1.25), log_between(rng, 0.03, 0.1)
    syllables = int(rng.integers(1, 5))
    edges = np.linspace(0, seconds, syllables + 1)
    for number in range(syllables):
        vowel = _VOWELS[int(rng.integers(len(_VOWELS)))]
        gate = np.clip((t - edges[number]) / 0.04, 0, 1) * np.clip((edges[number + 1] - t) / 0.05, 0, 1)
        for centre, gain in zip(vowel, (1, between(rng, 0.3, 0.9), between(rng, 0.1, 0.5)), strict=True):
            voiced += gain * gate * band(source, centre * size * (1 - width), centre * size * (1 + width), order=1)
        if chance(rng, 0.5):
            at = edges[number] + between(rng, 0, 0.03)
            burst = band(noise(rng, t.size), log_between(rng, 1500, 5000), None) * np.exp(-(((t - at) / 0.03) ** 2))
            voiced += between(rng, 0.01, 0.15) * burst
    return voiced + log_between(rng, 0.005, 0.1) * source * swell(t, 0.02, 0.05)


TONES = {
    "bass": (bass,),
    "synth": (synth,),
    "keys": (keys,),
    "guitar": (guitar,),
    "strings": (strings,),
    "brass": (brass,),
    "vocal": (vocal,),
}
"""Makers by label; one of them is drawn for each sound."""
