"""Plain test signals with known truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiolab.audio import Audio, Bpm, Seconds, to_frames

__all__ = ["chord", "metronome", "noise", "pulse_train", "silence", "sweep", "tone"]


def silence(seconds: Seconds = 1.0, sample_rate: int = 44100, channels: int = 1) -> Audio:
    """Render nothing at all."""
    return Audio(np.zeros((channels, to_frames(seconds, sample_rate)), np.float32), sample_rate, "silence")


def tone(frequency: float = 440.0, seconds: Seconds = 1.0, sample_rate: int = 44100, amplitude: float = 0.5) -> Audio:
    """Render a sine that starts at phase zero."""
    time = np.arange(to_frames(seconds, sample_rate)) / sample_rate
    return Audio((amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32), sample_rate, "tone")


def sweep(low: float = 20.0, high: float = 20000.0, seconds: Seconds = 2.0, sample_rate: int = 44100) -> Audio:
    """Render an exponential sine sweep from `low` to `high` hertz (Farina 2000)."""
    time = np.arange(to_frames(seconds, sample_rate)) / sample_rate
    rate = np.log(high / low)
    phase = 2 * np.pi * low * seconds / rate * np.expm1(time * rate / seconds)
    return Audio((0.5 * np.sin(phase)).astype(np.float32), sample_rate, "sweep")


def noise(seconds: Seconds = 1.0, sample_rate: int = 44100, amplitude: float = 0.1, seed: int = 440) -> Audio:
    """Render white Gaussian noise of a given RMS."""
    rng = np.random.default_rng(seed)
    samples = amplitude * rng.standard_normal(to_frames(seconds, sample_rate))
    return Audio(samples.astype(np.float32), sample_rate, "noise")


def pulse_train(times: ArrayLike, seconds: Seconds, sample_rate: int = 44100) -> Audio:
    """Render a short click (a 2 ms decaying 2 kHz burst) at each of the given times in seconds."""
    samples = np.zeros(to_frames(seconds, sample_rate), np.float32)
    click = click_samples(sample_rate)
    for start in (to_frames(float(time), sample_rate) for time in np.atleast_1d(np.asarray(times, float))):
        part = samples[start : start + len(click)]
        part += click[: len(part)]
    return Audio(samples, sample_rate, "pulse train")


def click_samples(sample_rate: int) -> NDArray[np.float32]:
    """Give one click: loud from its very first frame."""
    time = np.arange(to_frames(0.02, sample_rate)) / sample_rate
    return (0.8 * np.exp(-time / 0.002) * np.cos(2 * np.pi * 2000 * time)).astype(np.float32)


def metronome(bpm: Bpm = 120.0, seconds: Seconds = 10.0, sample_rate: int = 44100) -> Audio:
    """Render a click on every beat from time 0."""
    return pulse_train(np.arange(0, seconds, 60 / bpm), seconds, sample_rate)


def chord(pitches: ArrayLike, seconds: Seconds = 1.0, sample_rate: int = 44100, partials: int = 5) -> Audio:
    """Render notes (MIDI numbers) together, each a decaying harmonic tone."""
    time = np.arange(to_frames(seconds, sample_rate)) / sample_rate
    total = np.zeros_like(time)
    for pitch in np.atleast_1d(np.asarray(pitches, float)):
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        for n in range(1, partials + 1):
            if n * frequency < sample_rate / 2.2:
                total += np.sin(2 * np.pi * n * frequency * time) / n * np.exp(-time * n / 2)
    peak = np.abs(total).max(initial=1e-9)
    return Audio((0.5 * total / peak).astype(np.float32), sample_rate, "chord")
