"""Rendered drums and percussion: analogue-style machines and simple physical models.

Method: the usual recipes of drum synthesis (swept sine kicks, tuned modes plus filtered noise for snares, six
detuned pulses for hats and cowbells, bursts of noise for claps), with every knob drawn at random.
"""

from __future__ import annotations

import numpy as np

from audiolab.stages.classification.preparing import RATE
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
    square,
)

__all__ = ["DRUMS"]

Rng = np.random.Generator
_METAL = np.array([1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523])  # the classic six, none a multiple of another


def _swept(t: Sound, low: float, ratio: float, seconds: float) -> Sound:
    return low * (1 + (ratio - 1) * np.exp(-t / seconds))


def kick(rng: Rng) -> Sound:
    """Swept sine, a click, sometimes a beater and a shell."""
    length = log_between(rng, 0.12, 0.9)
    t = clock(length)
    low = log_between(rng, 38, 75)
    f = _swept(t, low, log_between(rng, 1.3, 7), log_between(rng, 0.006, 0.07))
    body = np.sin(2 * np.pi * phase(f, t) + between(rng, 0, 1)) * decay(t, length * between(rng, 0.7, 1.2), 0.001)
    click = band(noise(rng, t.size), 800, log_between(rng, 2500, 12000)) * decay(t, log_between(rng, 0.008, 0.05))
    out = body + between(rng, 0, 0.35) * click
    if chance(rng, 0.4):  # an acoustic shell: a few damped modes and some air
        f0 = between(rng, 55, 110)
        out = out + 0.5 * modes(t, f0 * np.array([1, 1.6, 2.15, 2.9]), [1, 0.6, 0.3, 0.2], rng.uniform(0.06, 0.3, 4))
        out += between(rng, 0, 0.15) * band(noise(rng, t.size), 60, 3000) * decay(t, log_between(rng, 0.05, 0.25))
    return drive(out, log_between(rng, 0.3, 6)) if chance(rng, 0.6) else out


def snare(rng: Rng) -> Sound:
    """Two or more head modes and the rattle of the wires."""
    t = clock(log_between(rng, 0.15, 0.7))
    f0 = log_between(rng, 140, 330)
    ratios = np.array([1, between(rng, 1.4, 1.9), 2.1, 2.65, 3.1])
    head = modes(t, f0 * ratios, rng.uniform(0.2, 1, 5) * [1, 0.8, 0.4, 0.3, 0.2], rng.uniform(0.04, 0.3, 5))
    bend = np.sin(2 * np.pi * phase(_swept(t, f0, between(rng, 1, 1.7), 0.02), t)) * decay(t, between(rng, 0.06, 0.3))
    wires = band(noise(rng, t.size), log_between(rng, 250, 2800), log_between(rng, 6000, 15500), order=1)
    wires *= decay(t, log_between(rng, 0.1, 0.55), between(rng, 0, 0.004))
    crack = band(noise(rng, t.size), 1000, None) * decay(t, 0.02)
    out = 0.5 * head + between(rng, 0.1, 0.7) * bend + between(rng, 0.3, 1.1) * wires + between(rng, 0, 0.8) * crack
    return drive(out, log_between(rng, 0.3, 4)) if chance(rng, 0.5) else out


def clap(rng: Rng) -> Sound:
    """Several bursts of band noise, the last with a tail; or one or a few real-sounding palms."""
    t = clock(log_between(rng, 0.15, 0.7))
    centre = log_between(rng, 700, 2400)
    raw = band(noise(rng, t.size), centre * between(rng, 0.45, 0.8), centre * between(rng, 1.4, 4), order=1)
    shape = np.zeros_like(t)
    at = 0.0
    bursts = int(rng.integers(1, 6))
    for number in range(bursts):
        last = number == bursts - 1
        local = np.clip(t - at, 0, None)
        seconds = log_between(rng, 0.08, 0.5) if last else log_between(rng, 0.008, 0.03)
        shape = np.maximum(shape, np.where(t >= at, decay(local, seconds) * between(rng, 0.6, 1), 0))
        at += between(rng, 0.005, 0.016)
    out = raw * shape
    if chance(rng, 0.4):
        out = out + between(rng, 0.1, 0.4) * band(noise(rng, t.size), 3000, None) * shape**1.5
    return drive(out, log_between(rng, 0.5, 5)) if chance(rng, 0.4) else out


def rim(rng: Rng) -> Sound:
    """Stick on rim: two or three high, very short modes and a click."""
    t = clock(log_between(rng, 0.08, 0.4))
    f0 = log_between(rng, 350, 1900)
    ratios = np.array([1, between(rng, 1.3, 3.8), between(rng, 2, 5), between(rng, 4, 8)])
    out = modes(t, f0 * ratios, [1, between(rng, 0.3, 1), 0.4, 0.3], rng.uniform(0.015, 0.14, 4))
    out += between(rng, 0.05, 0.8) * band(noise(rng, t.size), 1200, None) * decay(t, log_between(rng, 0.006, 0.12))
    if chance(rng, 0.35):  # the drum below answers softly
        out += between(rng, 0.05, 0.25) * modes(t, [between(rng, 160, 330)], [1.0], np.array([0.12]))
    elif chance(rng, 0.5):  # a rimshot: loud and wide, head and wires with it
        out = out + log_between(rng, 0.2, 2) * _shell(rng, t, log_between(rng, 0.03, 0.2))
        wires = band(noise(rng, t.size), log_between(rng, 500, 3000), log_between(rng, 5000, 15000), order=1)
        out += log_between(rng, 0.05, 0.8) * wires * decay(t, log_between(rng, 0.04, 0.3))
    return drive(out, log_between(rng, 0.5, 6)) if chance(rng, 0.5) else out


def _shell(rng: Rng, t: Sound, seconds: float) -> Sound:
    """Sound the head of a snare or a tom with its first membrane modes."""
    f0 = log_between(rng, 130, 360)
    ratios = np.array([1, 1.59, 2.14, 2.3, 2.65, 2.92, 3.16, 3.5]) * rng.uniform(0.97, 1.03, 8)
    return modes(t, f0 * ratios, rng.uniform(0.1, 1, 8), seconds * rng.uniform(0.3, 1.5, 8))


def _metal(rng: Rng, t: Sound, low: float, edge: float) -> Sound:
    base = log_between(rng, low, low * 2.2)
    out = sum(square(phase(float(base * r * rng.uniform(0.97, 1.03)), t)) for r in _METAL)
    return band(np.asarray(out), edge, None, order=2) / 3


def _peaks(rng: Rng, x: Sound) -> Sound:
    """Give noise the ragged spectrum of a plate: hundreds of narrow bumps and holes."""
    spectrum = np.fft.rfft(x)
    knots = int(rng.integers(40, 300))
    ragged = np.interp(
        np.linspace(0, 1, spectrum.size), np.linspace(0, 1, knots), rng.normal(0, between(rng, 3, 9), knots)
    )
    return np.asarray(np.fft.irfft(spectrum * 10 ** (ragged / 20), x.size))


def _plate(rng: Rng, t: Sound, span: tuple[float, float], seconds: float, count: int) -> Sound:
    """Many inharmonic modes; higher ones die sooner."""
    f = np.sort(np.exp(rng.uniform(np.log(span[0]), np.log(span[1]), count)))
    times = seconds * (f / f[0]) ** (-between(rng, 0.1, 0.5)) * rng.uniform(0.4, 1.3, count)
    return modes(t, f, rng.uniform(0.2, 1, count) / np.sqrt(count), times)


def _hat(rng: Rng, seconds: float) -> Sound:
    t = clock(seconds * 1.15)
    edge = log_between(rng, 3500, 8500)
    share = between(rng, 0, 1)
    out = share * _metal(rng, t, 250, edge)
    air = band(noise(rng, t.size), edge, None if chance(rng, 0.5) else between(rng, 10000, 15000))
    out += (1.1 - share) * (_peaks(rng, air) if chance(rng, 0.6) else air)
    if chance(rng, 0.5):
        out += 1.5 * _plate(rng, t, (2500, 15000), seconds, 40)
    if chance(rng, 0.3):
        out += between(rng, 0.02, 0.1) * band(noise(rng, t.size), 300, 3000)
    return out * decay(t, seconds, between(rng, 0.0, 0.002))


def closed_hat(rng: Rng) -> Sound:
    """Short metal and noise."""
    out = _hat(rng, log_between(rng, 0.05, 0.45))
    if chance(rng, 0.5):  # the stick, the foot and the stand: wide and short
        t = np.arange(out.size) / RATE
        low = band(noise(rng, out.size), log_between(rng, 80, 600), log_between(rng, 1500, 6000), order=1)
        out = out / np.abs(out).max() + log_between(rng, 0.02, 0.7) * low * decay(t, log_between(rng, 0.02, 0.25))
    return out


def open_hat(rng: Rng) -> Sound:
    """Let the same ring, sometimes choked at the end."""
    seconds = log_between(rng, 0.35, 1.6)
    out = _hat(rng, seconds)
    if chance(rng, 0.4):
        stop = int(between(rng, 0.2, 0.6) * out.size)
        out[stop:] *= np.exp(-np.arange(out.size - stop) / 400)
    return out


def crash(rng: Rng) -> Sound:
    """Broad burst that blooms and darkens over seconds."""
    seconds = log_between(rng, 0.9, 5)
    t = clock(min(2.0, seconds))
    wash = _peaks(rng, band(noise(rng, t.size), log_between(rng, 350, 2500), log_between(rng, 9000, 15800), order=1))
    bright = band(noise(rng, t.size), 6000, None) * decay(t, seconds * between(rng, 0.15, 0.5))
    wash = wash / np.abs(wash).max()
    low = band(wash, high=4000.0, order=1)  # highs die sooner
    out = low * decay(t, seconds, between(rng, 0.001, 0.02))
    out += (wash - low) * decay(t, seconds * between(rng, 0.3, 0.7), between(rng, 0.001, 0.03))
    out += between(rng, 0.05, 0.4) * bright
    out += log_between(rng, 0.1, 2) * _plate(rng, t, (150, 11000), seconds, 120)
    if chance(rng, 0.35):
        out += between(rng, 0.2, 0.7) * _metal(rng, t, 300, 2000) * decay(t, seconds)
    return out


def ride(rng: Rng) -> Sound:
    """Stick on metal: a ping on a long, quieter shimmer; sometimes the bell."""
    seconds = log_between(rng, 1.2, 5)
    t = clock(min(2.0, seconds))
    f0 = log_between(rng, 350, 900)
    bell = modes(
        t, f0 * np.array([1, 2.1, 2.9, 4.3, 5.9, 7.7, 9.8]), rng.uniform(0.1, 1, 7), seconds * rng.uniform(0.2, 1, 7)
    )
    ping = band(noise(rng, t.size), 3000, None) * decay(t, log_between(rng, 0.02, 0.12))
    shimmer = band(noise(rng, t.size), log_between(rng, 2500, 6000), None, order=1) * decay(t, seconds * 0.8)
    out = between(rng, 0.05, 0.8) * bell + between(rng, 0.4, 1.3) * ping + between(rng, 0.06, 0.3) * shimmer
    out += between(rng, 0.3, 1.2) * _plate(rng, t, (1500, 12000), seconds, 50)
    out += log_between(rng, 0.1, 1.5) * _plate(rng, t, (90, 1500), seconds * between(rng, 0.5, 1.5), 25)
    if chance(rng, 0.25):
        out += between(rng, 0.1, 0.5) * _metal(rng, t, 300, 4000) * decay(t, seconds * 0.5)
    return out


def tom(rng: Rng) -> Sound:
    """Pitched head that falls a little, with its overtones."""
    seconds = log_between(rng, 0.25, 2.0)
    t = clock(seconds)
    low = log_between(rng, 65, 280)
    f = _swept(t, low, between(rng, 1.02, 1.9), log_between(rng, 0.02, 0.15))
    out = np.sin(2 * np.pi * phase(f, t)) * decay(t, seconds, 0.001)
    out += log_between(rng, 0.05, 0.9) * modes(
        t, low * np.array([1.59, 2.14, 2.65, 2.92, 3.5]), [1, 0.7, 0.5, 0.4, 0.3], rng.uniform(0.1, 0.9, 5)
    )
    out += log_between(rng, 0.01, 0.5) * band(noise(rng, t.size), 150, 4000) * decay(t, log_between(rng, 0.03, 0.4))
    out += log_between(rng, 0.01, 0.6) * band(noise(rng, t.size), 1500, None) * decay(t, log_between(rng, 0.008, 0.06))
    return drive(out, log_between(rng, 0.3, 3)) if chance(rng, 0.4) else out


def cowbell(rng: Rng) -> Sound:
    """Two pulses a rough fifth apart, or a struck metal box."""
    t = clock(log_between(rng, 0.12, 0.8))
    f0 = log_between(rng, 380, 950)
    ratio = between(rng, 1.38, 1.58)
    if chance(rng, 0.55):
        out = square(phase(f0, t)) + between(rng, 0.6, 1.2) * square(phase(f0 * ratio, t))
        out = band(out, f0 * 0.8, f0 * between(rng, 2, 8), order=1)
        out *= 0.7 * decay(t, log_between(rng, 0.03, 0.1)) + decay(t, log_between(rng, 0.15, 0.9))
    else:
        ratios = np.array([1, ratio, 2.3, 2.9, 3.7, 4.9, 6.1]) * rng.uniform(0.95, 1.05, 7)
        out = modes(t, f0 * ratios, rng.uniform(0.2, 1, 7), log_between(rng, 0.12, 0.6) * rng.uniform(0.4, 1.2, 7))
    out += between(rng, 0, 0.3) * band(noise(rng, t.size), 2000, None) * decay(t, 0.01)
    return drive(out, log_between(rng, 0.5, 3)) if chance(rng, 0.4) else out


def skin(rng: Rng) -> Sound:
    """Conga, bongo, djembe, timbale: a tighter, higher head than a tom's, slapped."""
    seconds = log_between(rng, 0.08, 0.5)
    t = clock(seconds)
    f0 = log_between(rng, 170, 700)
    ratios = np.array([1, 1.5, 1.98, 2.44, 3.1]) * rng.uniform(0.97, 1.03, 5)
    out = modes(t, f0 * ratios, [1, *rng.uniform(0.1, 0.7, 4)], seconds * rng.uniform(0.3, 1.1, 5))
    return out + between(rng, 0.05, 0.7) * band(noise(rng, t.size), 900, 9000) * decay(t, log_between(rng, 0.01, 0.06))


def shaker(rng: Rng) -> Sound:
    """Grains: noise that swells and stops, once or twice."""
    t = clock(log_between(rng, 0.06, 0.35))
    raw = band(noise(rng, t.size), log_between(rng, 2500, 6500), None, order=1)
    peak = between(rng, 0.15, 0.7) * t[-1]
    shape = np.where(t < peak, (t / peak) ** between(rng, 0.7, 3), np.exp(-(t - peak) / (0.15 * t[-1])))
    return np.asarray(raw * shape * (0.4 + rng.random(t.size) ** 3))


def jingles(rng: Rng) -> Sound:
    """Tambourine, sleigh bells, cabasa: many small high plates after one another."""
    t = clock(log_between(rng, 0.1, 0.6))
    out = np.zeros_like(t)
    for _ in range(int(rng.integers(4, 12))):
        start = int(rng.beta(1, 4) * t.size * 0.6)
        local = t[: t.size - start]
        out[start:] += rng.uniform(0.3, 1) * _plate(rng, local, (4000, 15000), between(rng, 0.05, 0.4), 8)
    slap = band(noise(rng, t.size), 300, 6000) * decay(t, 0.05)
    return (
        out
        + between(rng, 0, 0.3) * slap
        + 0.2 * band(noise(rng, t.size), 5000, None) * decay(t, between(rng, 0.1, 0.4))
    )


def wood(rng: Rng) -> Sound:
    """Claves, wood blocks, agogo-like sticks: one clear, dry tone."""
    t = clock(log_between(rng, 0.05, 0.25))
    f0 = log_between(rng, 600, 2800)
    out = modes(t, f0 * np.array([1, 2.55, 4.9]), [1, between(rng, 0.05, 0.5), 0.1], rng.uniform(0.03, 0.14, 3))
    return out + between(rng, 0, 0.15) * band(noise(rng, t.size), 1500, None) * decay(t, 0.008)


def triangle(rng: Rng) -> Sound:
    """Struck bar: a few high modes that ring long."""
    seconds = log_between(rng, 0.2, 3)
    t = clock(min(2.0, seconds))
    f0 = log_between(rng, 1200, 4500)
    ratios = np.array([1, 2.4, 3.3, 4.6, 5.9]) * rng.uniform(0.95, 1.05, 5)
    return modes(t, f0 * ratios, rng.uniform(0.2, 1, 5), seconds * rng.uniform(0.3, 1, 5))


def guiro(rng: Rng) -> Sound:
    """Stick over notches, a rattle or a roll of small clicks."""
    t = clock(log_between(rng, 0.12, 0.6))
    rate = log_between(rng, 25, 90) * (1 + between(rng, -0.4, 0.6) * t / t[-1])
    pulses = np.diff(np.floor(np.cumsum(rate) / 32000.0), prepend=0.0) > 0
    click = band(noise(rng, 400), 1500, 9000) * np.exp(-np.arange(400) / 60)
    out = np.convolve(pulses * rng.uniform(0.5, 1, t.size), click)[: t.size]
    return np.asarray(out * np.minimum(1, 8 * (1 - t / t[-1])))


DRUMS = {
    "kick": (kick,),
    "snare": (snare,),
    "clap": (clap,),
    "rim": (rim,),
    "closed_hat": (closed_hat,),
    "open_hat": (open_hat,),
    "crash": (crash,),
    "ride": (ride,),
    "tom": (tom,),
    "cowbell": (cowbell,),
    "percussion": (skin, skin, shaker, jingles, wood, triangle, guiro),
}
"""Makers by label; one of them is drawn for each sound."""
