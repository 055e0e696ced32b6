"""Short songs over many chord progressions, rendered by rule with a known key: what `key` is judged on.

The truth is what a musician would say: the progression is one that is written down in that key, its tonic
chord stands where phrases begin or end, the melody rests on the tonic's notes, and most songs end on it. Not
all begin there, some are modal, minor ones raise their seventh over the dominant or do not, and a quarter of
the pieces are excerpts that begin and end anywhere. Progressions are split into two lists that share none: one
to fit on, one to test on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from audiolab.synth import instruments

__all__ = ["FIT", "HELD_OUT", "KeyedPiece", "Progression", "render_keyed"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Progression:
    """Chords of one bar each in Roman numerals above the tonic's major scale; capitals are major chords."""

    mode: str
    chords: str


def _all(mode: str, *chords: str) -> tuple[Progression, ...]:
    return tuple(Progression(mode, each) for each in chords)


FIT = _all(
    "major", "I V vi IV", "I vi IV V", "I IV V I", "I IV I V", "vi IV I V", "I iii IV V", "ii7 V7 I I", "I V IV I",
    "IV I V vi", "I bVII IV I", "I V vi iii IV I IV V", "I ii IV V", "I I7 IV iv", "IV V vi I", "I IV ii V7",
    "vi ii IV I V V I I",
) + _all(
    "minor", "i iv V i", "i bVI bIII bVII", "i bVII bVI V", "i iv v i", "i iv bVII bIII", "i V i iv", "i bVI iv V7",
    "i iio V7 i", "bVI bVII i i", "i IV i IV", "i v bVI iv", "i bIII bVII iv", "bVI V i i", "i i iv V7", "i bVII i v",
)  # fmt: skip
HELD_OUT = _all(
    "major", "I IV vi V", "vi V IV V I I", "I V ii IV", "IV V I vi", "Imaj7 vi7 ii7 V7", "I bVII I IV", "I II IV I",
    "I III IV iv", "V IV I I", "I V I IV", "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "vi ii V I",
    "IV V iii vi ii V I I", "I iii vi IV V V I I",
) + _all(
    "minor", "i bVII bVI bVII", "i V bVI iv", "i iv i V7", "bVI bVII i v", "i bIII bVI V", "i IV bVII i", "iv i V i",
    "i bVI bVII i", "iio V7 i iv", "i iv bVI V", "i v iv bVII", "i bII V i", "bVI iv i V", "i bVII bIII bVI iv V i i",
)  # fmt: skip
_DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True)
class KeyedPiece:
    """A rendered piece; `samples` has the shape (1, frames)."""

    samples: NDArray[np.float32]
    sample_rate: int
    tonic: int
    """Pitch class."""
    mode: str
    progression: str
    cents: float
    """Tuning."""


def chord_of(numeral: str) -> tuple[int, tuple[int, ...]]:
    """Give root (semitones above the tonic) and notes (above the root) of a numeral.

    >>> chord_of("bVII"), chord_of("ii7"), chord_of("iio")
    ((10, (0, 4, 7)), (2, (0, 3, 7, 10)), (2, (0, 3, 6)))
    """
    flat = numeral.startswith("b")
    body = numeral.removeprefix("b")
    name = body.rstrip("o7maj") if body.endswith("maj7") else body.rstrip("o7")
    root = (_DEGREES[name.lower()] - flat) % 12
    notes: tuple[int, ...] = (0, 4, 7) if name.isupper() else (0, 3, 7)
    if "o" in body:
        notes = (0, 3, 6)
    if body.endswith("maj7"):
        notes = (*notes, 11)
    elif body.endswith("7"):
        notes = (*notes, 10)
    return root, notes


def render_keyed(progression: Progression, *, seed: int, seconds: float = 24.0, rate: int = 22050) -> KeyedPiece:
    """Render a song over a progression; key, tempo, instruments and melody are drawn by the seed."""
    rng = np.random.default_rng((seed, sum(map(ord, progression.chords)), progression.mode == "minor"))
    return _Band(progression, rng, rate).play(seconds)


class _Band:
    def __init__(self, progression: Progression, rng: np.random.Generator, rate: int) -> None:
        self.progression, self.rng, self.rate = progression, rng, rate
        self.tonic = int(rng.integers(12))
        self.cents = float(rng.choice((0.0, 0.0, rng.uniform(-35, 35))))
        self.beat = 60 / float(np.exp(rng.uniform(np.log(70), np.log(150))))
        self.beats = int(rng.choice((2, 4, 4, 4)))  # beats a chord
        self.timbre = str(rng.choice(("pad", "organ", "pluck")))
        self.rhythm = str(rng.choice(("held", "halves", "beats", "broken")))
        self.bass = str(rng.choice(("root", "fifths", "walk", "none"), p=(0.45, 0.25, 0.15, 0.15)))
        self.lead = str(rng.choice(("voice", "pluck", "none"), p=(0.4, 0.3, 0.3)))
        self.drums = rng.random() < 0.6
        self.levels = {part: 10 ** (rng.uniform(-8, 2) / 20) for part in ("chords", "bass", "lead", "drums")}
        self.out = np.zeros(0)
        self.cache: dict[tuple[object, ...], Array] = {}

    def _once(self, make: Callable[..., Array], *arguments: object) -> Array:
        key = (make.__name__, *arguments)
        if key not in self.cache:
            self.cache[key] = make(*arguments)
        return self.cache[key]

    def play(self, seconds: float) -> KeyedPiece:
        numerals = self.progression.chords.split()
        length = self.beats * self.beat
        bars = [numeral for _ in range(max(1, round(seconds / (length * len(numerals))))) for numeral in numerals]
        excerpt = self.rng.random() < 0.25
        home = "I" if self.progression.mode == "major" else "i"
        if not excerpt and self.rng.random() < 0.85:
            bars.append(home)
        self.out = np.zeros(int((len(bars) * length + 1.5) * self.rate))
        last_melody = self.tonic + 60
        for index, numeral in enumerate(bars):
            time = index * length
            final = index == len(bars) - 1 and not excerpt
            root, notes = chord_of(numeral)
            self._chord(time, root, notes, final)
            self._bass(time, root, notes, final)
            last_melody = self._melody(time, numeral, root, notes, last_melody, resting=final or index % 4 == 3)
            if self.drums:
                self._drums(time)
        wave = self.out
        if excerpt:
            start = int(self.rng.uniform(0, 0.3) * len(wave))
            wave = wave[start : start + int(self.rng.uniform(0.5, 0.7) * len(wave))]
        if self.rng.random() < 0.4:
            size = int(self.rng.uniform(0.1, 0.6) * self.rate)
            room = self.rng.standard_normal(size) * np.exp(-np.arange(size) / (size / 5))
            wet = fftconvolve(wave, room)[: len(wave)]
            wave = wave + wet * (self.rng.uniform(0.05, 0.25) * np.abs(wave).max() / np.abs(wet).max())
        wave = 0.7 * wave / np.abs(wave).max()
        wave = wave + 10 ** (self.rng.uniform(-80, -50) / 20) * self.rng.standard_normal(len(wave))
        return KeyedPiece(
            wave.astype(np.float32)[None],
            self.rate,
            self.tonic,
            self.progression.mode,
            self.progression.chords,
            self.cents,
        )

    def _add(self, part: str, time: float, wave: Array, gain: float) -> None:
        frame = max(0, round((time + self.rng.normal(0, 0.004)) * self.rate))
        place = self.out[frame : frame + len(wave)]
        place += wave[: len(place)] * gain * self.levels[part]

    def _tone(self, timbre: str, pitch: float, seconds: float) -> Array:
        pitch += self.cents / 100
        if timbre == "pad":
            return instruments.pad(self.rate, [pitch], seconds)
        time = np.arange(round(seconds * self.rate)) / self.rate
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        partials = (1, 2, 3, 4, 6, 8) if timbre == "organ" else range(1, 12)
        wave = np.zeros_like(time)
        for n in partials:
            if n * frequency < 0.45 * self.rate:
                fall = 1.0 if timbre == "organ" else np.exp(-time * (1.5 + 0.9 * n))
                wave += np.sin(2 * np.pi * n * frequency * time) / n * fall
        return 0.15 * wave * np.minimum(1, time / 0.005) * np.clip((seconds - time) / 0.03, 0, 1)

    def _chord(self, time: float, root: int, notes: Sequence[int], final: bool) -> None:
        low = 52 + int(self.rng.integers(0, 5))
        pitches = [low + (self.tonic + root + note - low) % 12 for note in notes]
        whole = self.beats * self.beat
        if final or self.rhythm == "held":
            events = [(0.0, whole, pitches)]
        elif self.rhythm == "halves":
            events = [(0.0, whole / 2, pitches), (whole / 2, whole / 2, pitches)]
        elif self.rhythm == "beats":
            events = [(n * self.beat, 0.8 * self.beat, pitches) for n in range(self.beats)]
        else:
            order = sorted(pitches) + sorted(pitches)[-2:0:-1]
            events = [(n * self.beat / 2, self.beat, [order[n % len(order)]]) for n in range(2 * self.beats)]
        for offset, seconds, sounding in events:
            for pitch in sounding:
                self._add("chords", time + offset, self._once(self._tone, self.timbre, pitch, seconds), 0.6)

    def _bass(self, time: float, root: int, notes: Sequence[int], final: bool) -> None:
        if self.bass == "none":
            return
        low = 31 + (self.tonic + root - 31) % 12
        steps: Sequence[int] = (0,)
        if not final:
            steps = {"root": (0,) * self.beats, "fifths": (0, notes[2]), "walk": (0, notes[1], notes[2], notes[1])}[
                self.bass
            ]
        each = self.beats * self.beat / len(steps)
        for index, step in enumerate(steps):
            wave = self._once(instruments.bass, self.rate, low + step + self.cents / 100, 0.9 * each)
            self._add("bass", time + index * each, wave, 0.8)

    def _melody(self, time: float, numeral: str, root: int, notes: Sequence[int], last: int, *, resting: bool) -> int:
        if self.lead == "none" or self.rng.random() < 0.15:
            return last
        scale = [(self.tonic + step) % 12 for step in _SCALES[self.progression.mode]]
        if self.progression.mode == "minor" and numeral in {"V", "V7"}:
            scale[6] = (self.tonic + 11) % 12
        chord = [(self.tonic + root + note) % 12 for note in notes]
        count = 1 if resting else int(self.rng.choice((2, 3, 4)))
        each = self.beats * self.beat / count
        home = [self.tonic % 12, *chord] if self.tonic % 12 in chord else chord
        for index in range(count):
            wanted = home if index == 0 or self.rng.random() < 0.4 else scale
            near = [pitch for pitch in range(57, 79) if pitch % 12 in wanted]
            weight = np.exp(-0.3 * np.abs(np.array(near) - last) - 0.05 * np.abs(np.array(near) - 67))
            last = int(self.rng.choice(near, p=weight / weight.sum()))
            if self.lead == "voice":
                wave = self._once(self._sung, last, 0.9 * each, "aoei"[index % 4])
            else:
                wave = 2 * self._once(self._tone, "pluck", last, 0.9 * each)
            self._add("lead", time + index * each, wave, 0.5)
        return last

    def _drums(self, time: float) -> None:
        for beat in range(self.beats):
            drum = instruments.kick if beat % 2 == 0 else instruments.snare
            self._add("drums", time + beat * self.beat, self._once(self._hit, drum), 0.6)
            for half in (0.0, 0.5):
                self._add("drums", time + (beat + half) * self.beat, self._once(self._hit, instruments.closed_hat), 0.4)

    def _hit(self, drum: Callable[..., Array]) -> Array:
        return drum(self.rate, self.rng)

    def _sung(self, pitch: int, seconds: float, vowel: str) -> Array:
        return instruments.voice(self.rate, pitch + self.cents / 100, seconds, vowel, self.rng)
