"""Drum loops rendered by formula, with the exact frame of every onset: truth for the slicer's tests and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Loop:
    """A rendered loop, shape (channels, frames), and the first frame of each hit."""

    samples: NDArray[np.float32]
    sample_rate: int
    onsets: tuple[int, ...]
    names: tuple[str, ...]
    bpm: float


# Steps of one 4/4 bar in sixteenths; capital letters are accents, small ones ghost notes.
PATTERNS: dict[str, dict[str, str]] = {
    "rock": {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
    "house": {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "..X...X...X...X."},
    "funk": {"kick": "X..x..X...X.....", "snare": "..g.X..g.g..X..g", "hat": "xxxxxxxxxxxxxxxx"},
    "breakbeat": {"kick": "X.X.......XX....", "snare": "....X..g.g..X..g", "hat": "x.x.x.x.x.x.x.x."},
    "shuffle": {"kick": "X.....X.X.......", "snare": "....X.......X.g.", "hat": "X..xX..xX..xX..x"},
    "toms": {"kick": "X.......X.......", "tom": "..x.x.x...xxx.x.", "snare": "....X.......X..."},
    "sparse": {"kick": "X...............", "snare": "........X......."},
}


def kick(rng: np.random.Generator, rate: int) -> Array:
    """A sine that falls from some 180 Hz to some 50 Hz."""
    time = np.arange(int(0.35 * rate)) / rate
    low, high = rng.uniform(42, 60), rng.uniform(120, 260)
    phase = 2 * np.pi * (low * time + (high - low) * 0.03 * (1 - np.exp(-time / 0.03)))
    return np.sin(phase + rng.uniform(0.0, 0.6)) * np.exp(-time / rng.uniform(0.06, 0.14))


def snare(rng: np.random.Generator, rate: int) -> Array:
    """Noise with a tone of some 200 Hz."""
    time = np.arange(int(0.25 * rate)) / rate
    tone = np.sin(2 * np.pi * rng.uniform(170, 240) * time) * np.exp(-time / 0.06)
    return 0.5 * tone + 0.5 * rng.standard_normal(len(time)) * np.exp(-time / rng.uniform(0.03, 0.08))


def hat(rng: np.random.Generator, rate: int) -> Array:
    """High-passed noise, short or (one in five) ringing."""
    length = 0.3 if rng.random() < 0.2 else 0.06
    time = np.arange(int(length * rate)) / rate
    sos = butter(4, min(6000, 0.4 * rate), "highpass", fs=rate, output="sos")
    noise = sosfilt(sos, rng.standard_normal(len(time) + 400))[400:]
    return 0.35 * noise * np.exp(-time / (length / 4))


def clap(rng: np.random.Generator, rate: int) -> Array:
    """Band-passed noise with one decay (a clap's early reflections would be onsets of their own)."""
    time = np.arange(int(0.2 * rate)) / rate
    sos = butter(2, (800, min(5000, 0.4 * rate)), "bandpass", fs=rate, output="sos")
    return 0.8 * sosfilt(sos, rng.standard_normal(len(time) + 400))[400:] * np.exp(-time / 0.04)


def tom(rng: np.random.Generator, rate: int) -> Array:
    """A slowly falling sine with a little noise at its start."""
    time = np.arange(int(0.4 * rate)) / rate
    base = rng.uniform(80, 160)
    body = np.sin(2 * np.pi * base * (time + 0.01 * (1 - np.exp(-time / 0.05))) + 0.4) * np.exp(-time / 0.1)
    return 0.8 * body + 0.1 * rng.standard_normal(len(time)) * np.exp(-time / 0.005)


_INSTRUMENTS = {"kick": kick, "snare": snare, "hat": hat, "clap": clap, "tom": tom}
_GAIN = {"X": 1.0, "x": 0.6, "g": 0.18}


def render_loop(
    pattern: str,
    *,
    bpm: float = 110.0,
    bars: int = 4,
    rate: int = 44100,
    swing: float = 0.0,
    jitter: float = 0.0,
    noise_db: float | None = -80.0,
    channels: int = 1,
    lead_in: float = 0.0,
    seed: int = 0,
) -> Loop:
    """Render a loop.

    `swing` delays every second sixteenth by this share of a sixteenth; `jitter` is the deviation of played
    times in seconds; hits within 1 ms are placed on the same frame, so that an onset is one frame.
    """
    rng = np.random.default_rng(seed)
    sixteenth = 60.0 / bpm / 4
    total = int(np.ceil((lead_in + bars * 16 * sixteenth + 0.5) * rate))
    out = np.zeros((channels, total))
    hits: list[tuple[int, str]] = []
    for bar in range(bars):
        for step in range(16):
            playing = [(name, steps[step]) for name, steps in PATTERNS[pattern].items() if steps[step] != "."]
            if not playing:
                continue
            time = lead_in + (bar * 16 + step + (swing if step % 2 else 0.0)) * sixteenth
            frame = max(0, round((time + (rng.normal(0, jitter) if jitter else 0.0)) * rate))
            for name, mark in playing:
                sound = _INSTRUMENTS[name](rng, rate) * _GAIN[mark] * rng.uniform(0.85, 1.0)
                stop = min(total, frame + len(sound))
                pan = rng.uniform(0.3, 0.7) if channels == 2 else 0.5
                for channel, weight in enumerate((2 * (1 - pan), 2 * pan)[:channels]):
                    out[channel, frame:stop] += weight * sound[: stop - frame]
                hits.append((frame, name))
    out *= 0.7 / max(1e-9, np.abs(out).max())
    if noise_db is not None:
        out += 10 ** (noise_db / 20) * rng.standard_normal(out.shape)
    hits.sort()
    return Loop(out.astype(np.float32), rate, *_split(hits), bpm)


def _split(hits: Sequence[tuple[int, str]]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    return tuple(frame for frame, _ in hits), tuple(name for _, name in hits)


def merge_close(onsets: Sequence[float], gap: float) -> list[float]:
    """Keep the first of onsets that lie closer than `gap` (in the onsets' own unit)."""
    kept: list[float] = []
    for onset in sorted(onsets):
        if not kept or onset - kept[-1] > gap:
            kept.append(onset)
    return kept
