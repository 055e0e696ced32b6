"""A whole song rendered by rule, with everything about it known: stems, onsets, notes, tempo, key.

`audiolab demo` plays it through the workbench, tests and benchmarks measure on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio, Bpm, Frames, Seconds, TempoMap, quantize, to_frames
from audiolab.errors import ParameterError
from audiolab.synth import instruments

__all__ = ["Hit", "Note", "RenderedSong", "demo_song", "render_song"]

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_MODES = {
    "minor": ((0, 2, 3, 5, 7, 8, 10), (0, 5, 3, 4)),  # scale; degrees of the progression i VI iv V
    "major": ((0, 2, 4, 5, 7, 9, 11), (0, 4, 5, 3)),  # I V vi IV
}
_DOMINANT = 4
_VOWEL_ORDER = "aoeiuaeo"
_DRUMS: dict[str, tuple[Callable[..., NDArray[np.float64]], float]] = {
    # instrument and place in the stereo picture (-1 left, 1 right)
    "kick": (instruments.kick, 0.0),
    "snare": (instruments.snare, 0.05),
    "clap": (instruments.clap, -0.1),
    "closed_hat": (instruments.closed_hat, 0.35),
    "open_hat": (instruments.open_hat, 0.35),
    "crash": (instruments.crash, -0.4),
    "tom": (instruments.tom, -0.25),
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A drum hit: its first frame, its label and how hard it was (0 to 1)."""

    frame: Frames
    label: str
    velocity: float


@dataclass(frozen=True, slots=True)
class Note:
    """A note: first frame, frame after its last, MIDI pitch and velocity (0 to 1)."""

    start: Frames
    stop: Frames
    pitch: int
    velocity: float


@dataclass(frozen=True, slots=True)
class RenderedSong:
    """The song and its truth. `mix` is the exact sum of `stems`; all lie on the 24-bit grid."""

    name: str
    mix: Audio
    stems: Mapping[str, Audio]
    tempo_map: TempoMap
    key: tuple[str, str]
    """Tonic and mode."""
    hits: tuple[Hit, ...] = ()
    notes: Mapping[str, tuple[Note, ...]] = field(default_factory=dict)

    @property
    def sample_rate(self) -> int:
        """Frames a second."""
        return self.mix.sample_rate

    @property
    def bpm(self) -> Bpm:
        """The tempo."""
        return self.tempo_map.bpm()

    def onsets(self, stem: str) -> NDArray[np.int64]:
        """Give the distinct onset frames of a stem."""
        frames = [hit.frame for hit in self.hits] if stem == "drums" else [note.start for note in self.notes[stem]]
        return np.unique(np.array(frames, np.int64))


class _Canvas:
    """Stereo stems that instruments are placed on, and the truth that grows with them."""

    def __init__(self, frames: Frames, rate: int, seed: int) -> None:
        self.rate, self.rng = rate, np.random.default_rng(seed)
        self.stems = {name: np.zeros((2, frames)) for name in ("drums", "bass", "other", "vocals")}
        self.hits: list[Hit] = []
        self.notes: dict[str, list[Note]] = {"bass": [], "other": [], "vocals": []}

    def place(self, stem: str, frame: Frames, wave: NDArray[np.float64], gain: float, pan: float = 0.0) -> None:
        """Add a mono wave with constant-power panning."""
        angle = (pan + 1) * np.pi / 4
        target = self.stems[stem][:, frame : frame + len(wave)]
        weights = np.array([[np.cos(angle)], [np.sin(angle)]]) * gain * np.sqrt(2)
        target += weights * wave[: target.shape[1]]

    def hit(self, frame: Frames, label: str, velocity: float) -> None:
        """Strike a drum."""
        instrument, pan = _DRUMS[label]
        self.place("drums", frame, instrument(self.rate, self.rng), velocity, pan)
        self.hits.append(Hit(frame, label, velocity))


def render_song(
    *,
    bpm: Bpm = 112.0,
    tonic: str = "A",
    mode: str = "minor",
    bars: int = 17,
    swing: float = 0.0,
    lead_in: Seconds = 0.25,
    seed: int = 0,
    sample_rate: int = 44100,
    name: str = "demo song",
) -> RenderedSong:
    """Render drums, bass, chords and a sung-like lead.

    Parameters
    ----------
    bpm : float
        Tempo, constant.
    tonic, mode : str
        Key: one of C, C#, ... B, and "minor" or "major".
    bars : int
        Length in bars of four beats. Every eighth bar rests the drums for two beats.
    swing : float
        0 (straight) to 1 (triplets): how late every second eighth comes.
    lead_in : float
        Silence in seconds before the first downbeat.
    seed : int
        Changes fills, melody and noise.
    sample_rate : int
        Frames a second.
    name : str
        The song's name.

    Returns
    -------
    RenderedSong
        Stereo stems, their sum, and the truth about both.

    Raises
    ------
    ParameterError
        If the key is unknown or there is less than one bar.
    """
    if tonic not in TONICS or mode not in _MODES:
        raise ParameterError(f"no key {tonic} {mode}; tonics are {' '.join(TONICS)}, modes are {' '.join(_MODES)}")
    if bars < 1:
        raise ParameterError(f"a song has at least one bar, not {bars}")
    tempo_map = TempoMap.constant(bpm, first_downbeat=lead_in)
    total = to_frames(float(tempo_map.time_at(4 * bars)) + 1.2, sample_rate)
    canvas = _Canvas(total, sample_rate, seed)

    def frame_at(beat: float) -> Frames:
        eighth = beat * 2
        late = swing / 3 * 0.5 if int(eighth) % 2 and eighth == int(eighth) else 0.0
        return to_frames(float(tempo_map.time_at(beat + late)), sample_rate)

    for bar in range(bars):
        _drums(canvas, frame_at, bar, bars)
        _harmony(canvas, frame_at, bar, tonic, mode)
        if bar >= 2:
            _melody(canvas, frame_at, bar, tonic, mode)
    return _finish(canvas, tempo_map, (tonic, mode), name)


def _drums(canvas: _Canvas, frame_at: Callable[[float], Frames], bar: int, bars: int) -> None:
    beat, rng = 4 * bar, canvas.rng
    fill = bar % 8 == 7
    if bar in {0, 8} or bar == bars - 1:
        canvas.hit(frame_at(beat), "crash", 0.55)
    for offset in (0, 2.5) if bar % 2 else (0, 1.5, 2.5):
        canvas.hit(frame_at(beat + offset), "kick", 0.95 if offset == 0 else 0.8)
    for offset in (1,) if fill else (1, 3):
        canvas.hit(frame_at(beat + offset), "snare", 0.8)
        if bar >= 9:
            canvas.hit(frame_at(beat + offset), "clap", 0.45)
    for eighth in range(4 if fill else 8):
        label = "open_hat" if eighth == 7 and bar % 4 == 3 else "closed_hat"
        canvas.hit(frame_at(beat + eighth / 2), label, (0.55 if eighth % 2 == 0 else 0.38) + 0.06 * rng.random())
    if fill:
        for step in range(4):
            canvas.hit(frame_at(beat + 2 + step / 2), "tom", 0.6 + 0.08 * step)
    elif bar % 4 == 1:
        canvas.hit(frame_at(beat + 3.75), "snare", 0.3)  # a ghost note


def _degree(scale: tuple[int, ...], degree: int, chord: int) -> int:
    """Give semitones above the tonic; over the dominant the seventh is the leading note, also in minor."""
    step = 11 if chord == _DOMINANT and degree % 7 == 6 else scale[degree % 7]
    return step + 12 * (degree // 7)


def _harmony(canvas: _Canvas, frame_at: Callable[[float], Frames], bar: int, tonic: str, mode: str) -> None:
    scale, progression = _MODES[mode]
    root = TONICS.index(tonic)
    degree = progression[bar % 4]
    rate, beat = canvas.rate, 4 * bar

    def write(stem: str, first: float, length: float, pitch: int, velocity: float) -> tuple[Frames, float]:
        start, stop = frame_at(first), frame_at(first + length)
        canvas.notes[stem].append(Note(start, stop, pitch, velocity))
        return start, (stop - start) / rate

    low = 28 + (root + _degree(scale, degree, degree) - 28) % 12
    for offset, length, leap in ((0, 1.4, 0), (1.5, 0.9, 0), (2.5, 0.45, 12), (3, 0.9, 7)):
        pitch = low + leap
        start, seconds = write("bass", beat + offset, length, pitch, 0.8)
        canvas.place("bass", start, instruments.bass(rate, pitch, seconds), 0.55)
    pitches = [60 + (root + _degree(scale, degree + step, degree)) % 12 for step in (0, 2, 4)]
    for offset, length in ((0, 1.9), (2, 1.4), (3.5, 0.45)):
        for pitch in sorted(pitches):
            start, seconds = write("other", beat + offset, length, pitch, 0.6)
        for side, pan in ((-7.0, -0.75), (7.0, 0.75)):
            canvas.place("other", start, instruments.pad(rate, sorted(pitches), seconds, side), 0.5, pan)


def _melody(canvas: _Canvas, frame_at: Callable[[float], Frames], bar: int, tonic: str, mode: str) -> None:
    if bar % 8 == 7:
        return  # the singer breathes during fills
    scale, progression = _MODES[mode]
    rng, rate = canvas.rng, canvas.rate
    base = 57 + (TONICS.index(tonic) - 57) % 12
    rhythm = (((0, 0.9), (1, 0.45), (1.5, 0.9), (2.5, 1.3)), ((0.5, 0.9), (1.5, 0.9), (2.5, 0.45), (3, 0.85)))[bar % 2]
    step = progression[bar % 4]
    for index, (offset, length) in enumerate(rhythm):
        # chord tones on long notes, neighbours on short ones
        step = int(np.clip(step + rng.integers(-2, 3), 0, 9)) if index else progression[bar % 4] % 7
        pitch = base + _degree(scale, step, progression[bar % 4])
        start, stop = frame_at(4 * bar + offset), frame_at(4 * bar + offset + length)
        canvas.notes["vocals"].append(Note(start, stop, pitch, 0.7))
        vowel = _VOWEL_ORDER[(bar * 3 + index) % len(_VOWEL_ORDER)]
        wave = instruments.voice(rate, pitch, (stop - start) / rate, vowel, rng, consonant=index % 2 == 0)
        canvas.place("vocals", start, wave, 0.95)


def _finish(canvas: _Canvas, tempo_map: TempoMap, key: tuple[str, str], name: str) -> RenderedSong:
    peak = np.abs(sum(canvas.stems.values())).max()
    gain = 0.89 / peak
    # On the 2^-23 grid sums of four stems stay exact in float32 as long as the mix is within full scale.
    stems = {
        stem: Audio(quantize((samples * gain).astype(np.float32), 24), canvas.rate, f"{name} {stem}")
        for stem, samples in canvas.stems.items()
    }
    total = np.sum([stem.samples.astype(np.float64) for stem in stems.values()], axis=0)
    return RenderedSong(
        name=name,
        mix=Audio(total.astype(np.float32), canvas.rate, name),
        stems=stems,
        tempo_map=tempo_map,
        key=key,
        hits=tuple(sorted(canvas.hits, key=lambda hit: (hit.frame, hit.label))),
        notes={stem: tuple(sorted(notes, key=lambda n: (n.start, n.pitch))) for stem, notes in canvas.notes.items()},
    )


def demo_song() -> RenderedSong:
    """Render the song of `audiolab demo`: about 38 s in A minor at 112 bpm."""
    return render_song()
