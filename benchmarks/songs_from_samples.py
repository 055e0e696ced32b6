"""Songs with known stems, put together from recorded one-shots and singing that may ship.

`fit_spectral.py --samples` learns from them.

Drum kits, basses, keys, guitars, strings and synths come from the folder's manifest (rows whose `may_ship` is not
`no`), notes are tuned by the pitch that `audiolab describe` hears in them; singing and speech come from the folders
beside it. Patterns, chords and lines are drawn by rule. What such songs teach is what recorded instruments look
like; nothing of them is kept but the engine's 300 numbers.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from audiolab.audio import Audio
from audiolab.stages import describe

RATE = 44100
KIT = ("kick", "snare", "closed_hat", "open_hat", "crash", "ride", "tom", "clap", "percussion")
CHORDS = ("keys", "guitar", "synth", "strings", "brass")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
SINGERS = ("vocadito/vocadito_1.wav", "vocadito/basic_pitch_vocadito_10.wav", "vocadito/basic_pitch_vocadito_14.wav")


class Samples:
    """The sounds that songs are made of.

    Parameters
    ----------
    folder : Path
        With `oneshots/manifest.csv` and `music/`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, np.ndarray] = {}
        self._pitch: dict[str, float | None] = {}
        self.rows: dict[str, dict[str, list[str]]] = {}
        with (folder / "oneshots" / "manifest.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["may_ship"] != "no":
                    self.rows.setdefault(row["label"], {}).setdefault(row["source"], []).append(row["path"])
        self.voices = [self.sound(f"music/{name}") for name in SINGERS]
        self.voices += [self.sound(f"music/speech/{p.name}") for p in sorted((folder / "music/speech").glob("*.ogg"))]

    def sound(self, path: str) -> np.ndarray:
        """Give a sound, mono at 44.1 kHz, its peak 1."""
        if path not in self._read:
            audio = Audio.from_file(self._folder / path).mono()
            wave = (audio if audio.sample_rate == RATE else audio.resample(RATE)).samples[0]
            self._read[path] = wave / max(float(np.abs(wave).max()), 1e-4)
        return self._read[path]

    def drum(self, label: str, rng: np.random.Generator, kit: str | None = None) -> np.ndarray | None:
        """Draw a drum, from the kit's source where it has one."""
        sources = self.rows.get(label, {})
        if not sources:
            return None
        source = kit if kit in sources else list(sources)[rng.integers(len(sources))]
        return self.sound("oneshots/" + sources[source][rng.integers(len(sources[source]))])

    def note(self, label: str, source: str, pitch: float, rng: np.random.Generator) -> np.ndarray | None:
        """Draw a note of an instrument and tune it by resampling (at most an octave)."""
        paths = self.rows[label][source]
        near, distance = None, 13.0
        for path in rng.permutation(paths)[:6]:
            heard = self._heard(f"oneshots/{path}")
            if heard is not None and abs(pitch - heard) < distance:
                near, distance = path, abs(pitch - heard)
        if near is None:
            return None
        wave = self.sound(f"oneshots/{near}")
        ratio = 2.0 ** ((pitch - float(self._heard(f"oneshots/{near}") or pitch)) / 12)
        return np.interp(np.arange(0, len(wave) - 1, ratio), np.arange(len(wave)), wave).astype(np.float32)

    def _heard(self, path: str) -> float | None:
        if path not in self._pitch:
            facts = describe(Audio(self.sound(path)[None, : 2 * RATE], RATE))[0].to_dict()
            hertz = facts.get("root_hz")
            self._pitch[path] = None if not hertz else 69 + 12 * float(np.log2(hertz / 440))
        return self._pitch[path]


def _put(into: np.ndarray, at: float, wave: np.ndarray | None, gain: float, length: float | None = None) -> None:
    first = int(at * RATE)
    if wave is None or first >= len(into):
        return
    wave = wave[: len(into) - first]
    if length is not None:
        n = min(len(wave), int(length * RATE))
        wave = wave[:n] * np.minimum(1.0, np.linspace(n / (0.03 * RATE), 0.0, n))
    into[first : first + len(wave)] += gain * wave


def _room(wave: np.ndarray, rng: np.random.Generator, seconds: float, db: float) -> np.ndarray:
    """Add the tail of a room: noise that dies away, at a level against the sound."""
    n = int(seconds * RATE)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n) * np.minimum(1.0, np.arange(n) / 200)
    wet = fftconvolve(wave, tail)[: len(wave)]
    return wave + wet * 10 ** (db / 20) * np.sqrt(np.mean(wave**2) / max(np.mean(wet**2), 1e-12))


class _Song:
    """One song in the making."""

    def __init__(self, samples: Samples, seed: int, seconds: float) -> None:
        self.samples, self.rng, self.seconds = samples, np.random.default_rng(seed), seconds
        rng = self.rng
        self.beat = 60.0 / rng.uniform(75, 150)
        self.stems = {name: np.zeros(int(seconds * RATE)) for name in ("drums", "bass", "other", "vocals")}
        self.tonic, self.scale = int(rng.integers(12)), SCALES[("major", "minor")[rng.integers(2)]]
        self.degrees = [int(rng.choice([0, 0, 3, 4, 5, 1])) for _ in range(4)]
        kits = [source for source in samples.rows["kick"] if source in samples.rows["snare"]]
        kit = kits[rng.integers(len(kits))]
        self.kit = {label: samples.drum(label, rng, kit) for label in KIT}
        self.cymbal = ("closed_hat", "closed_hat", "ride", "open_hat")[rng.integers(4)]
        self.kicks = {0, *rng.choice(16, size=rng.integers(2, 5), replace=False).tolist()}
        self.hat_step = int(rng.choice([1, 2, 2, 4]))
        self.bass = list(samples.rows["bass"])[rng.integers(len(samples.rows["bass"]))]
        self.layers = [self._layer() for _ in range(int(rng.integers(1, 4)))]
        self.distorted = rng.random() < 0.5

    def _layer(self) -> tuple[str, str, int, int]:
        """Draw an instrument for chords: label, source, octave, sixteenths between strokes."""
        label = CHORDS[self.rng.choice(len(CHORDS), p=(0.3, 0.35, 0.15, 0.15, 0.05))]
        source = list(self.samples.rows[label])[self.rng.integers(len(self.samples.rows[label]))]
        return label, source, int(self.rng.choice([0, 0, 12])), int(self.rng.choice([2, 4, 8, 16]))

    def _pitch(self, degree: int, lowest: int) -> int:
        return lowest + (self.tonic + self.scale[degree % 7] - lowest) % 12

    def play(self) -> None:
        """Write all bars, then the voice."""
        for bar in range(int(self.seconds / (4 * self.beat)) + 1):
            for step in range(16):
                at = max(0.0, (4 * bar + step / 4) * self.beat + self.rng.normal(0, 0.004))
                self._drums(bar, step, at)
                self._harmony(bar, step, at)
        if self.distorted:
            drive = self.rng.uniform(2, 12)
            self.stems["other"] = np.tanh(drive * self.stems["other"]) / drive**0.5
        self._sing()

    def _drums(self, bar: int, step: int, at: float) -> None:
        rng = self.rng
        chances = {
            "kick": (step in self.kicks, 0.7, 1.0),
            "snare": (step in {4, 12} or rng.random() < 0.06, *((0.6, 0.9) if step in {4, 12} else (0.1, 0.25))),
            self.cymbal: (step % self.hat_step == 0, 0.15, 0.4),
            "tom": (bar % 4 == 3 and step >= 12 and rng.random() < 0.6, 0.4, 0.8),
            "crash": (step == 0 and bar % 4 == 0, 0.2, 0.5),
        }
        for label, (struck, low, high) in chances.items():
            if struck:
                _put(self.stems["drums"], at, self.kit[label], rng.uniform(low, high))

    def _harmony(self, bar: int, step: int, at: float) -> None:
        rng, degree = self.rng, self.degrees[bar % 4]
        if step in self.kicks or rng.random() < 0.15:
            pitch = self._pitch(degree, 28) + int(rng.choice([0, 0, 0, 7, 12]))
            wave = self.samples.note("bass", self.bass, pitch, rng)
            _put(self.stems["bass"], at, wave, rng.uniform(0.6, 0.9), self.beat * rng.uniform(0.3, 1.2))
        for label, source, octave, every in self.layers:
            for third in (0, 2, 4) if step % every == 0 else ():
                wave = self.samples.note(label, source, self._pitch(degree + third, 55) + octave, rng)
                _put(self.stems["other"], at + rng.uniform(0, 0.02), wave, 0.3, every * self.beat / 4)

    def _sing(self) -> None:
        rng, at = self.rng, 2 * self.beat
        voice = self.samples.voices[rng.integers(len(self.samples.voices))]
        ratio = 2.0 ** (rng.uniform(-4, 4) / 12)
        voice = np.interp(np.arange(0, len(voice) - 1, ratio), np.arange(len(voice)), voice)
        while at < self.seconds:
            length = int(rng.uniform(2, 6) * RATE)
            first = int(rng.integers(max(1, len(voice) - length)))
            _put(self.stems["vocals"], at, voice[first : first + length], 1.0, length / RATE)
            at += length / RATE + rng.uniform(0.2, 3)


def make_song(samples: Samples, seed: int, seconds: float = 20.0) -> dict[str, np.ndarray]:
    """Give drums, bass, other and vocals, mono, in a room and at usual levels."""
    song = _Song(samples, seed, seconds)
    song.play()
    rng, stems = song.rng, song.stems
    for name, stem in stems.items():
        wet = stem if name == "bass" else _room(stem, rng, rng.uniform(0.2, 1.5), rng.uniform(-22, -9))
        level = np.sqrt(np.mean(wet**2)) or 1.0
        stems[name] = wet / level * 0.1 * 10 ** ((rng.normal(0, 3) - (name != "drums")) / 20)
    gain = 0.15 / np.sqrt(np.mean(np.sum(list(stems.values()), axis=0) ** 2))
    return {name: (stem * gain).astype(np.float32) for name, stem in stems.items()}
