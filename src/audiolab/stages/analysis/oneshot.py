"""What a single short sound is like: its note, how it rises and falls, how bright and how noisy it is.

Conventions: times in seconds from the first audible moment; only the first four seconds are looked at (levels
are those of the whole sound).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from audiolab.audio import BlockSource, Bpm, Decibels, Lufs, Seconds, measure_levels, to_frames
from audiolab.stages.analysis.aspects import DIMENSIONS, measure_aspects
from audiolab.stages.analysis.loop_tempo import find_loop_tempo
from audiolab.stages.analysis.pitch import NO_PITCH, Pitch, find_pitch

__all__ = ["Description", "Kind", "attack_and_decay", "brightness", "describe_sound", "noisiness"]

Kind: TypeAlias = Literal["one-shot", "loop"]
Mono: TypeAlias = NDArray[np.float32]
_NAMES = (
    "kind", "root_note", "root_hz", "pitch_confidence", "attack_s", "decay_s", "brightness_hz", "noisiness", "lufs",
    "true_peak_db", "bpm", "beats",
)  # fmt: skip
_HOLD = 0.010
"""Seconds: a crest of every tone above 50 Hz falls into the time over which the envelope holds its peak."""
_LOW_HZ, _HELD = 70.0, 0.8
_FLAT = 0.5615
"""Flatness of the periodogram of white noise: exp(-Euler's constant)."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a sound is like."""

    kind: Kind
    duration: Seconds
    pitch: Pitch = NO_PITCH
    attack_s: Seconds | None = None
    """From a tenth to nine tenths of the largest sample; None for silence."""
    decay_s: Seconds | None = None
    """From the loudest moment to where the sound has fallen by 20 dB for good; None if it does not in four seconds."""
    brightness_hz: float | None = None
    """Spectral centroid of the loud part."""
    noisiness: float | None = None
    """0: tones only, 1: noise only."""
    lufs: Lufs | None = None
    true_peak_db: Decibels = -240.0
    bpm: Bpm | None = None
    """Of a loop."""
    beats: int | None = None
    aspects: Mono = field(default_factory=lambda: np.zeros(DIMENSIONS, np.float32), compare=False, repr=False)
    """What similarity compares; see `aspects.py`."""

    def facts(self, *, min_confidence: float = 0.0) -> dict[str, Any]:
        """Give what belongs into a table; root note and its frequency only from a confidence on."""
        sure = self.pitch.hz is not None and self.pitch.confidence >= min_confidence
        values: dict[str, Any] = {
            "kind": self.kind,
            "root_note": self.pitch.note if sure else None,
            "root_hz": round(self.pitch.hz, 3) if sure and self.pitch.hz else None,
            "pitch_confidence": self.pitch.confidence,
            "attack_s": self.attack_s,
            "decay_s": self.decay_s,
            "brightness_hz": self.brightness_hz,
            "noisiness": self.noisiness,
            "lufs": None if self.lufs is None else round(self.lufs, 2),
            "true_peak_db": round(self.true_peak_db, 2),
            "bpm": self.bpm,
            "beats": self.beats,
        }
        return {name: value for name, value in values.items() if value is not None}

    def to_dict(self, *, min_confidence: float = 0.0) -> dict[str, Any]:
        """Give all of it as JSON; what is not known is null."""
        facts = self.facts(min_confidence=min_confidence)
        names = (
            "kind",
            "root_note",
            "root_hz",
            "pitch_confidence",
            "attack_s",
            "decay_s",
            "brightness_hz",
            "noisiness",
        )
        document = {name: facts.get(name) for name in (*names, "lufs", "true_peak_db", "bpm", "beats")}
        sure = "root_note" in facts
        document["root_name"] = self.pitch.name if sure else None
        document["root_cents"] = round(self.pitch.cents, 1) if sure and self.pitch.cents is not None else None
        return {"duration": self.duration, **document}


def describe_sound(source: BlockSource, *, known: Kind | None = None) -> Description:
    """Describe a sound.

    Parameters
    ----------
    source : BlockSource
        Mono or stereo, any rate; read twice, in blocks.
    known : {"one-shot", "loop"}, optional
        What it is, if that is known; else it is a loop if at least three strong onsets follow the first, spread over a
        second or more (`classification/looping.py`), unless it is one held note below 70 Hz.

    Returns
    -------
    Description
        Silence has no pitch, times, brightness or noisiness.
    """
    from audiolab.stages.classification.looping import one_shot_or_loop
    from audiolab.stages.classification.preparing import LISTEN_SECONDS, listen

    heard = listen(source)
    levels = measure_levels(source)
    mono, rate = heard.mono, heard.sample_rate
    silent = mono.size < 2 or not np.abs(mono).max() > 0
    pitch = NO_PITCH if silent else find_pitch(mono, rate)
    # So low that the windows of the rule hold single periods, each of which looks like an onset.
    held = pitch.hz is not None and pitch.hz < _LOW_HZ and pitch.confidence >= _HELD
    kind: Kind = known or ("one-shot" if held else one_shot_or_loop(heard))
    bpm, beats = (find_loop_tempo(source) if kind == "loop" else None) or (None, None)
    if silent:
        return Description(kind, heard.duration, lufs=levels.lufs, true_peak_db=levels.true_peak_db)
    ends = mono.size < to_frames(LISTEN_SECONDS, rate) or mono.size == source.frames
    attack, decay = attack_and_decay(mono, rate, ends=ends)
    pitch = pitch if kind == "one-shot" else NO_PITCH
    return Description(
        kind, heard.duration, pitch, attack, decay, brightness(mono, rate), noisiness(mono, rate), levels.lufs,
        levels.true_peak_db, bpm, beats, measure_aspects(mono, rate, pitch, attack),
    )  # fmt: skip


def attack_and_decay(mono: Mono, rate: int, *, ends: bool = True) -> tuple[Seconds, Seconds | None]:
    """Measure how long a sound takes to rise and to fall.

    The envelope is the largest absolute sample of the last 10 ms: exact where it rises, 10 ms late where it falls,
    which is taken off.

    Parameters
    ----------
    ends : bool
        Whether the sound ends with `mono`; else a decay that is not over there is not known.

    Returns
    -------
    attack : float
        Seconds from 10 % to 90 % of the largest sample.
    decay : float or None
        Seconds from the largest sample until it stays 20 dB below.
    """
    size = np.abs(mono.astype(np.float64))
    hold = max(1, round(_HOLD * rate))
    held = maximum_filter1d(size, hold, origin=(hold - 1) // 2, mode="constant")
    peak = float(held.max())
    top = int(np.argmax(size))
    attack = (int(np.argmax(held >= 0.9 * peak)) - int(np.argmax(held >= 0.1 * peak))) / rate
    above = np.flatnonzero(size >= 0.1 * peak)
    last = int(above[-1])
    if not ends and len(mono) - last <= 2 * hold:
        return round(attack, 5), None
    return round(attack, 5), round(max(0, last - top) / rate, 5)


def brightness(mono: Mono, rate: int) -> float:
    """Give the spectral centroid in hertz, magnitudes of all frames weighted by their energy."""
    size = _window(len(mono), round(0.046 * rate))
    magnitude = np.abs(np.fft.rfft(_loud_frames(mono, size) * np.hanning(size), axis=1))
    mean = (magnitude * magnitude.sum(axis=1, keepdims=True)).sum(axis=0)
    return round(float(np.fft.rfftfreq(size, 1 / rate) @ mean / max(float(mean.sum()), 1e-30)), 1)


def noisiness(mono: Mono, rate: int) -> float:
    """Give how noise-like a sound is: the flatness of its spectrum within narrow bands, weighted by their energy.

    Within bands, so that the colour of a noise does not count; 1 is the flatness of white noise.
    """
    size = _window(len(mono), round(0.18 * rate))
    power = np.square(np.abs(np.fft.rfft(_loud_frames(mono, size) * np.hanning(size), axis=1))) + 1e-20
    edges = np.unique(np.round(np.geomspace(16, power.shape[1] - 1, 40)).astype(int))
    edges = np.concatenate(([1], edges[np.diff(edges, prepend=-99) >= 8]))
    widths = np.diff(np.append(edges, power.shape[1]))
    means = np.add.reduceat(power, edges, axis=1) / widths
    logs = np.add.reduceat(np.log(power), edges, axis=1) / widths
    flatness = np.exp(logs - np.log(means)) / _FLAT
    energy = means * widths
    return round(float(np.clip((flatness * energy).sum() / energy.sum(), 0.0, 1.0)), 4)


def _window(length: int, wanted: int) -> int:
    """Give a power of two near `wanted`, at least 64, at most the next above the sound's length."""
    size = 1 << max(6, round(math.log2(wanted)))
    while size > 64 and size // 2 >= length:
        size //= 2
    return size


def _loud_frames(mono: Mono, size: int) -> NDArray[np.float64]:
    x = mono.astype(np.float64)
    x = np.pad(x, (0, max(0, size - len(x))))
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 2]
    energy = np.einsum("ij,ij->i", frames, frames)
    return np.asarray(frames[energy >= 1e-2 * energy.max()])
