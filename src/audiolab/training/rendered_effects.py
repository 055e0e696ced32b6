"""Rendered effects: sweeps, impacts, machines, nature, things that break, and other sounds backwards."""

from __future__ import annotations

import numpy as np

from audiolab.stages.classification.preparing import RATE
from audiolab.training.rendered_drums import DRUMS
from audiolab.training.rendered_tones import TONES, moving_lowpass
from audiolab.training.rendering import (
    Sound,
    band,
    between,
    chance,
    clock,
    decay,
    drive,
    log_between,
    modes,
    noise,
    phase,
    saw,
    square,
    swell,
)

__all__ = ["EFFECTS"]

Rng = np.random.Generator


def zap(rng: Rng) -> Sound:
    """Laser, blip or drop: a tone that falls or rises fast."""
    t = clock(log_between(rng, 0.08, 1.5))
    start, end = log_between(rng, 60, 8000), log_between(rng, 60, 8000)
    f = end + (start - end) * np.exp(-t / log_between(rng, 0.01, 0.5))
    turns = phase(f, t)
    kind = int(rng.integers(3))
    wave = np.sin(2 * np.pi * turns) if kind == 0 else square(turns) if kind == 1 else saw(turns)
    out = wave * decay(t, log_between(rng, 0.1, 2))
    echoes = int(rng.integers(0, 5))
    gap = int(between(rng, 0.05, 0.25) * RATE)
    total = np.zeros(out.size + echoes * gap)
    for number in range(echoes + 1):
        total[number * gap : number * gap + out.size] += out * 0.6**number
    return total[: 2 * RATE]


def sweep(rng: Rng) -> Sound:
    """Riser, faller or wind: noise, or noise and a tone, through a moving filter."""
    seconds = log_between(rng, 0.4, 2.0)
    t = clock(seconds)
    start, end = log_between(rng, 200, 8000), log_between(rng, 200, 8000)
    out = moving_lowpass(noise(rng, t.size), start, end, seconds / 2)
    if chance(rng, 0.4):
        f = np.geomspace(start / 4, end / 4, t.size)
        out = out + between(rng, 0.2, 2) * saw(phase(f, t))
    return out * swell(t, seconds * between(rng, 0.05, 0.95), 0.1)


def impact(rng: Rng) -> Sound:
    """Explosion, boom, door: a low thud and debris."""
    seconds = log_between(rng, 0.25, 2.0)
    t = clock(seconds)
    boom = np.sin(2 * np.pi * phase(between(rng, 28, 70) + 90 * np.exp(-t / log_between(rng, 0.02, 0.2)), t))
    debris = band(noise(rng, t.size), 100, log_between(rng, 700, 9000)) * decay(t, seconds, between(rng, 0, 0.02))
    crackle = noise(rng, t.size) * (rng.random(t.size) < 0.02 * np.exp(-t / 0.4))
    return boom * decay(t, seconds * 1.5) + log_between(rng, 0.1, 2) * debris + between(rng, 0, 1) * crackle


def bleeps(rng: Rng) -> Sound:
    """Give a run of short tones: computers, games, glitches, telephones."""
    t = clock(log_between(rng, 0.15, 2.0))
    step = max(200, int(log_between(rng, 0.008, 0.2) * RATE))
    count = t.size // step + 1
    f = np.repeat(np.exp(rng.uniform(np.log(80), np.log(7000), count)), step)[: t.size]
    gate = np.repeat(rng.random(count) > between(rng, 0, 0.5), step)[: t.size]
    turns = phase(f, t)
    wave = np.sin(2 * np.pi * turns) if chance(rng, 0.4) else square(turns, between(rng, 0.1, 0.5))
    return wave * gate


def drone(rng: Rng) -> Sound:
    """Ring modulation, engines and hums."""
    t = clock(log_between(rng, 0.4, 2.0))
    start, end = log_between(rng, 40, 2000), log_between(rng, 20, 6000)
    wobble = np.sin(2 * np.pi * between(rng, 0.5, 12) * t)
    out = saw(phase(start, t)) * np.sin(2 * np.pi * phase(np.abs(end * (1 + 0.4 * wobble)), t))
    return out * swell(t, log_between(rng, 0.005, 0.4), 0.1)


def weather(rng: Rng) -> Sound:
    """Wind, sea, scratches, vinyl, rain, radio between two stations."""
    t = clock(log_between(rng, 0.3, 2.0))
    centre, rate = log_between(rng, 60, 8000), log_between(rng, 0.5, 25)
    out = band(noise(rng, t.size), centre * 0.6, centre * 1.7, order=1) * (
        1 + between(rng, 0, 1) * np.sin(2 * np.pi * rate * t + rng.random())
    )
    out += (rng.random(t.size) < log_between(rng, 1e-4, 0.02)) * noise(rng, t.size) * between(rng, 0, 5)
    if chance(rng, 0.3):
        out += np.sin(2 * np.pi * phase(np.abs(centre * (1 + 0.5 * np.sin(2 * np.pi * between(rng, 0.3, 3) * t))), t))
    return out * swell(t, log_between(rng, 0.002, 0.3), 0.05)


def breakage(rng: Rng) -> Sound:
    """Glass, coins, keys, chains: many small struck things, one after another."""
    t = clock(log_between(rng, 0.3, 2.0))
    out = np.zeros_like(t)
    for _ in range(int(rng.integers(3, 25))):
        at = int(rng.beta(1, 2.5) * t.size * 0.8)
        part = t[: min(t.size - at, RATE // 2)]
        f = np.exp(rng.uniform(np.log(800), np.log(12_000), 5))
        hit = modes(part, f, rng.uniform(0.2, 1, 5), log_between(rng, 0.03, 0.5) * rng.uniform(0.4, 1.2, 5))
        out[at : at + part.size] += rng.uniform(0.1, 1) * hit
    return out + between(rng, 0, 1) * band(noise(rng, t.size), 1000, None) * decay(t, log_between(rng, 0.02, 0.3))


def scratch(rng: Rng) -> Sound:
    """Move some other sound to and fro under the needle."""
    source = _some(rng)
    t = clock(log_between(rng, 0.15, 1.0))
    speed = np.sin(2 * np.pi * (between(rng, 1.5, 9) * t + rng.random())) * between(rng, 0.7, 2.5)
    place = np.clip(0.3 * source.size + np.cumsum(speed), 0, source.size - 1)
    return np.asarray(np.interp(place, np.arange(source.size), source) * np.minimum(1, np.abs(speed) * 4))


def backwards(rng: Rng) -> Sound:
    """Turn some other sound round."""
    return _some(rng)[::-1].copy()


def stretched(rng: Rng) -> Sound:
    """Slow some other sound down or speed it up beyond recognition, sometimes with few bits."""
    source = _some(rng)
    ratio = log_between(rng, 2, 6) if chance(rng, 0.7) else log_between(rng, 0.2, 0.5)
    out = np.interp(np.arange(0, source.size, 1 / ratio)[: 2 * RATE], np.arange(source.size), source)
    if chance(rng, 0.4):
        steps = 2 ** between(rng, 2, 5)
        out = np.round(out / (np.abs(out).max() + 1e-9) * steps) / steps
    return np.asarray(out)


def _some(rng: Rng) -> Sound:
    makers = [maker for group in (DRUMS, TONES) for some in group.values() for maker in some]
    out = np.asarray(makers[int(rng.integers(len(makers)))](rng))
    return drive(out, log_between(rng, 0.3, 5)) if chance(rng, 0.3) else out


EFFECTS = {"fx": (zap, zap, sweep, sweep, impact, bleeps, drone, weather, breakage, scratch, backwards, stretched)}
"""Makers by label; one of them is drawn for each sound."""
