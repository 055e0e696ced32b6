"""Sounds with known truth for the classifier's tests: plain formulas, not the renderers that training uses."""

from __future__ import annotations

import numpy as np

RATE = 44_100


def _t(seconds: float, rate: int) -> np.ndarray:
    return np.arange(round(seconds * rate)) / rate


def kick(rate: int = RATE) -> np.ndarray:
    t = _t(0.4, rate)
    return (np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-t * 30)))) * np.exp(-t * 9)).astype(np.float32)


def closed_hat(rate: int = RATE) -> np.ndarray:
    t = _t(0.12, rate)
    noise = np.random.default_rng(1).standard_normal(t.size)
    for _ in range(3):
        noise = np.diff(noise, prepend=0.0)
    return (0.1 * noise * np.exp(-t * 70)).astype(np.float32)


def snare(rate: int = RATE) -> np.ndarray:
    t = _t(0.3, rate)
    noise = np.random.default_rng(2).standard_normal(t.size) * np.exp(-t * 22)
    head = np.sin(2 * np.pi * 190 * t) * np.exp(-t * 30) + 0.6 * np.sin(2 * np.pi * 330 * t) * np.exp(-t * 35)
    return (0.3 * noise + 0.7 * head).astype(np.float32)


def saw_chord(rate: int = RATE) -> np.ndarray:
    t = _t(1.2, rate)
    shape = np.minimum(1, t / 0.02) * np.minimum(1, (1.2 - t) / 0.05)
    return (sum((f * t) % 1 - 0.5 for f in (220.0, 277.2, 329.6)) * shape / 3).astype(np.float32)


def bass_note(rate: int = RATE) -> np.ndarray:
    t = _t(1.0, rate)
    tone = sum(np.sin(2 * np.pi * 55 * k * t) / k for k in range(1, 9))
    return (0.5 * tone * np.exp(-t * 2) * np.minimum(1, t / 0.004)).astype(np.float32)


def loop(rate: int = RATE, beats: int = 8) -> np.ndarray:
    step = round(0.25 * rate)
    out = np.zeros(step * beats, np.float32)
    for beat in range(beats):
        hit = (kick, closed_hat, snare, closed_hat)[beat % 4](rate)[: out.size - beat * step]
        out[beat * step : beat * step + hit.size] += hit
    return out
