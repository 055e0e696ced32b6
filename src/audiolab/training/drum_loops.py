"""Drum loops with known truth, played on recorded and rendered one-shots: what the drum head learns from.

A loop is a kit (one sound a drum, from one source or from several), a pattern (kick, backbeat, ghost notes, a hat or
ride line, fills, crashes), a drummer (levels, timing, softer hits duller) and a room. Hits overlap and ring on as
they do in songs, so that a cut holds what sounds at its beginning, and tails of what was struck before, which is not
a target. Conventions: mono at the encoder's rate; times in seconds; everything is decided by the generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.classification.preparing import RATE
from audiolab.training.rendered_tones import TONES
from audiolab.training.rendering import Sound, band, between, chance, drive, log_between, noise, reverb

__all__ = ["Kits", "Loop", "render_drum_loop"]

Rng = np.random.Generator
Kits = Mapping[str, Mapping[str, Sequence[Sound]]]
"""Sounds by source and label; each with its beginning at the first frame."""

_BARS = 5
_STEPS = 16
_RING = {"closed_hat": 0.35, "rim": 0.5, "clap": 0.8}
"""Longest time in seconds; other drums ring as recorded."""


@dataclass(frozen=True)
class Loop:
    """A rendered loop and its hits."""

    samples: NDArray[np.float32]
    """At `RATE`."""
    hits: tuple[tuple[float, str], ...]
    """Time in seconds and label."""


@dataclass(frozen=True)
class _Drummer:
    """Habits that hold for a whole loop."""

    step: float
    swing: float
    jitter: float
    levels: Mapping[str, float]
    """Decibels below the kick."""


def render_drum_loop(rng: Rng, kits: Kits) -> Loop:
    """Render one loop.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    kits : mapping
        What it may play on. Labels that no source has are left out of the pattern.

    Returns
    -------
    Loop
        Hits in order of time; peak between 0.1 and 1.
    """
    kit = _kit(rng, kits)
    drummer = _drummer(rng)
    hits = [(time, label, level) for time, label, level in _play(rng, drummer) if label in kit]
    length = int((_BARS * _STEPS * drummer.step + 1.0) * RATE)
    canvas = np.zeros(length)
    for index, (time, label, level) in enumerate(hits):
        wave = _struck(rng, kit[label], label, level)
        stop = length
        if label == "open_hat":  # the pedal closes it
            later = [t for t, other, _ in hits[index + 1 :] if other in {"closed_hat", "open_hat"} and t > time + 0.03]
            stop = int(later[0] * RATE) if later else length
        _place(canvas, wave, int(time * RATE), stop)
    return Loop(_finished(rng, canvas), tuple((time, label) for time, label, _ in hits))


def _kit(rng: Rng, kits: Kits) -> dict[str, list[Sound]]:
    """Choose a sound for each drum, half of the time mostly from one source; toms get three pitches."""
    home = list(kits)[int(rng.integers(len(kits)))] if chance(rng, 0.5) else None
    labels = sorted({label for sounds in kits.values() for label in sounds})
    kit: dict[str, list[Sound]] = {}
    for label in labels:
        sources = [source for source in kits if label in kits[source]]
        source = home if home in sources else sources[int(rng.integers(len(sources)))]
        pool = kits[source][label]
        sound = pool[int(rng.integers(len(pool)))]
        ratios = (1.25, 1.0, 0.78) if label == "tom" else (1.0,)
        tune = 2 ** (between(rng, -2.5, 2.5) / 12)
        kit[label] = [_tuned(sound, tune * ratio) for ratio in ratios]
    return kit


def _tuned(sound: Sound, ratio: float) -> Sound:
    import soxr

    return np.asarray(soxr.resample(sound, RATE, max(1000, round(RATE / ratio)), quality="MQ"))


def _drummer(rng: Rng) -> _Drummer:
    bpm = log_between(rng, 70, 190)
    levels = {
        "kick": 0.0, "snare": between(rng, -6, 3), "clap": between(rng, -8, 0), "rim": between(rng, -12, -2),
        "closed_hat": between(rng, -24, -5), "open_hat": between(rng, -18, -4), "ride": between(rng, -22, -6),
        "crash": between(rng, -14, 0), "tom": between(rng, -6, 2), "percussion": between(rng, -18, -4),
        "cowbell": between(rng, -18, -6),
    }  # fmt: skip
    swing = between(rng, 0.1, 0.34) if chance(rng, 0.25) else 0.0
    return _Drummer(60.0 / bpm / 4, swing, log_between(rng, 0.0005, 0.008), levels)


def _play(rng: Rng, drummer: _Drummer) -> list[tuple[float, str, float]]:
    """Write the pattern of all bars: (time, label, level in decibels)."""
    hits: list[tuple[float, str, float]] = []

    def strike(bar: int, step: int, label: str, change: float = 0.0) -> None:
        late = drummer.swing * drummer.step * 2 if step % 4 == 2 else 0.0
        time = 0.05 + (bar * _STEPS + step) * drummer.step + late + drummer.jitter * float(rng.standard_normal())
        hits.append((max(time, 0.0), label, drummer.levels[label] + change + 1.5 * float(rng.standard_normal())))

    groove = _groove(rng)
    for bar in range(_BARS):
        fill = int(rng.integers(8, 15)) if chance(rng, 0.3) else _STEPS
        for step in range(fill):
            for label, change, share in groove[step]:
                if chance(rng, share):
                    swap = label == "closed_hat" and chance(rng, 0.06)
                    strike(
                        bar, step, "open_hat" if swap else label, change if change >= -1 else between(rng, change, 0)
                    )
        for step in range(fill, _STEPS):
            if chance(rng, 0.75):
                strike(bar, step, "tom" if chance(rng, 0.65) else "snare", between(rng, -5, 1))
            if chance(rng, 0.3):
                strike(bar, step, "kick")
        if chance(rng, 0.35):
            strike(bar, 0, "crash")
    return sorted(hits)


def _groove(rng: Rng) -> list[list[tuple[str, float, float]]]:
    """Write one bar: for each step what may be struck, how much softer at most (decibels) and how often."""
    line = str(rng.choice(["closed_hat", "ride", "open_hat", "crash", "none"], p=[0.52, 0.2, 0.11, 0.05, 0.12]))
    spacing = int(rng.choice([1, 2, 4], p=[0.2, 0.6, 0.2]))
    back = str(rng.choice(["snare", "rim", "clap", "snare+clap"], p=[0.78, 0.1, 0.06, 0.06])).split("+")
    kicks = rng.random(_STEPS) < np.where(np.arange(_STEPS) % 4 == 0, 0.5, 0.13)
    kicks[0] = True
    beats = (4, 12) if chance(rng, 0.85) else (8,)
    ghosts = rng.random(_STEPS) < (0.12 if chance(rng, 0.4) else 0.02)
    extra = str(rng.choice(["percussion", "cowbell", "none"], p=[0.12, 0.05, 0.83]))
    toms = chance(rng, 0.12)
    bar: list[list[tuple[str, float, float]]] = [[] for _ in range(_STEPS)]
    for step, here in enumerate(bar):
        if kicks[step]:
            here.append(("kick", -4.0, 0.92))
        if step in beats:
            here += [(label, 0.0, 1.0) for label in back]
        elif ghosts[step]:
            here.append(("snare", -20.0, 0.9))
        if toms and step % 2 == 0:
            here.append(("tom", 0.0, 0.5))
        if line != "none" and step % spacing == 0:
            here.append((line, 0.0 if step % (2 * spacing) == 0 else -8.0, 0.97))
        if step % 8 == 4 and line in {"ride", "crash"}:
            here.append(("closed_hat", 0.0, 0.2))  # the pedal
        if extra != "none":
            here.append((extra, 0.0, 0.25))
    return bar


def _struck(rng: Rng, sounds: Sequence[Sound], label: str, level: float) -> Sound:
    """Give one hit: softer ones duller, as on a real drum, and none quite like the other."""
    wave = sounds[int(rng.integers(len(sounds)))]
    wave = wave[: int(_RING.get(label, 3.0) * RATE)]
    soft = max(0.0, -level - 8.0)
    if soft > 4 and label in {"snare", "tom", "kick"}:
        wave = band(wave, high=max(900.0, 12_000 * 10 ** (-soft / 20)), order=1)
    return np.asarray(wave * (10 ** (level / 20)))


def _place(canvas: Sound, wave: Sound, start: int, stop: int) -> None:
    end = min(start + len(wave), stop + 400, len(canvas))
    part = wave[: max(0, end - start)].copy()
    fade = min(400, len(part))
    if fade and end < start + len(wave):
        part[-fade:] *= np.linspace(1, 0, fade)
    canvas[start : start + len(part)] += part


def _finished(rng: Rng, dry: Sound) -> NDArray[np.float32]:
    """Put the loop into a room, through an equalizer and tape, with a little of other instruments and noise."""
    x = dry
    if chance(rng, 0.65):
        x = reverb(rng, x, log_between(rng, 0.15, 1.4), log_between(rng, 0.04, 0.5))[: dry.size]
    if chance(rng, 0.45):
        x = drive(x, log_between(rng, 0.4, 5))
    if chance(rng, 0.5):
        centre = log_between(rng, 100, 9000)
        x = x + (10 ** (between(rng, -8, 8) / 20) - 1) * band(x, centre * 0.7, centre * 1.4, order=1)
    if chance(rng, 0.3):
        x = band(x, high=log_between(rng, 6000, 15_000))
    peak = float(np.abs(x).max(initial=1e-9))
    if chance(rng, 0.4):
        x = x + peak * 10 ** (between(rng, -32, -10) / 20) * _bleed(rng, x.size)
    if chance(rng, 0.25):
        x = x + peak * 10 ** (between(rng, -60, -38) / 20) * noise(rng, x.size)
    return np.asarray(x * (log_between(rng, 0.1, 1.0) / peak), np.float32)


def _bleed(rng: Rng, length: int) -> Sound:
    """Play notes of other instruments, peak 1: what a separator leaves in a drum stem, or a microphone hears."""
    names = ("bass", "synth", "keys", "guitar", "vocal")
    bed = np.zeros(length)
    for _ in range(int(rng.integers(1, 4))):
        makers = TONES[names[int(rng.integers(len(names)))]]
        wave = np.asarray(makers[int(rng.integers(len(makers)))](rng), np.float64)
        wave = wave / (np.abs(wave).max(initial=0.0) + 1e-9)
        at = int(between(rng, 0, 0.5) * RATE)
        while at < length:
            part = wave[: length - at]
            bed[at : at + part.size] += part
            at += int(log_between(rng, 0.15, 1.5) * RATE)
    return np.asarray(bed / (np.abs(bed).max(initial=0.0) + 1e-9))
