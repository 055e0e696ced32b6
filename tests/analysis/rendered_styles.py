"""Short pieces in many styles, rendered by rule with known beats: what tempo and bars are judged on.

Each style is a handful of drum, bass and chord rhythms and the range of tempos in which such music is
counted. Which notes are played, how loud, how exactly in time and through which room is drawn by a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from audiolab.synth import instruments

Array = NDArray[np.float64]
Kit = Mapping[str, Sequence[Array]]


@dataclass(frozen=True)
class Style:
    """Rhythms over one bar of `beats` times `steps` steps; X accent, x normal, g ghost, . rest."""

    low: float
    high: float
    """Usual tempos."""
    drums: tuple[Mapping[str, str], ...] = ()
    """Alternatives; one is drawn for a piece."""
    bass: tuple[str, ...] = ()
    chords: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    beats: int = 4
    steps: int = 4
    swing: float = 0.0
    """Delay of every second step, as a share of a step."""
    bars_per_chord: float = 1.0
    jitter: float = 0.006
    drift: float = 0.0
    """Deviation of the tempo's slow wandering, as a share."""
    attack: float = 0.0
    """Seconds in which notes swell."""


def d(**rhythms: str) -> Mapping[str, str]:
    return {name: rhythm.replace(" ", "").replace("|", "") for name, rhythm in rhythms.items()}


EIGHTHS, SIXTEENTHS, QUARTERS = "x.x.x.x.x.x.x.x.", "xgxgxgxgxgxgxgxg", "X...x...x...x..."
BACKBEAT, OFFBEATS = "....X.......X...", "..X...X...X...X."
STYLES: dict[str, Style] = {
    "rock": Style(
        85,
        150,
        (
            d(kick="X.......X.x.....", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="X..x....X.......", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="X.....x.X.x.....", snare=BACKBEAT, ride=EIGHTHS),
            d(kick="X.x.....x.x.....", snare="....X.......X..g", open_hat=QUARTERS),
        ),
        (EIGHTHS, "X.....x.X.......", "X.......x.x.x..."),
        ("X...............", "X.......x.......", "X.x.x.x.X.x.x.x."),
        ("x...x.x.....x.x.", "..x.x...x.x.x..."),
        drift=0.01,
    ),
    "ballad": Style(
        58,
        86,
        (
            d(kick="X.......X.......", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="X......xX.x.....", snare=BACKBEAT, closed_hat=SIXTEENTHS),
            d(kick="X.......X.....x.", rim=BACKBEAT, closed_hat=EIGHTHS),
        ),
        ("X.......x.......", "X.....x.X.......", "X..............."),
        ("X...............", "x.x.x.x.x.x.x.x.", "x...x...x...x..."),
        ("x...x.x.....x.x.", "x.......x.x....."),
    ),
    "twelve_eight": Style(
        50,
        82,
        (
            d(kick="X.....X.x...", snare="...X.....X..", closed_hat="XxxXxxXxxXxx"),
            d(kick="X.....X.....", rim="...X.....X..", ride="X.xX.xX.xX.x"),
        ),
        ("X....xX.....", "X..x..X..x..", "X.....x....."),
        ("X...........", "xxxxxxxxxxxx", "X.....X....."),
        ("x..x.x...x.x", "x.....x.xx.."),
        steps=3,
        jitter=0.01,
    ),
    "shuffle": Style(
        90,
        165,
        (
            d(kick="X.....X.....", snare="...X.....X..", closed_hat="X.xX.xX.xX.x"),
            d(kick="X..x..X..x..", snare="...X.....X.x", ride="X.xX.xX.xX.x"),
            d(kick="X.....X..x..", snare="..gX.g..gX.g", closed_hat="x..x..x..x.."),
        ),
        ("X..x..x..x..", "X.xx.xX.xx.x"),
        ("X.xX.xX.xX.x", "..x..x..x..x", "X..........."),
        ("x..x.x...x.x",),
        steps=3,
        jitter=0.008,
    ),
    "swing": Style(
        110,
        230,
        (
            d(ride="X..X.xX..X.x", closed_hat="...x.....x.."),
            d(ride="X..X.xX..X.x", closed_hat="...x.....x..", snare=".....g.....x", kick="g..g..g..g.."),
        ),
        ("X..x..x..x..",),
        ("X....x......", ".....x...x..", "X..........."),
        ("x..x.xx..x.x", "...x.x..x..x"),
        steps=3,
        jitter=0.01,
        drift=0.01,
    ),
    "punk": Style(
        145,
        210,
        (
            d(kick="X.....x.X.x.....", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="X...X...X.x.X...", snare=BACKBEAT, crash=QUARTERS),
            d(kick="X.......X.......", snare=BACKBEAT, ride=QUARTERS),
        ),
        (EIGHTHS,),
        ("X.x.x.x.x.x.x.x.", "X..............."),
        ("x...x...x.x.x...",),
        drift=0.01,
    ),
    "skank": Style(
        118,
        178,
        (
            d(kick=QUARTERS, snare=OFFBEATS, closed_hat=EIGHTHS),
            d(kick=QUARTERS, snare=OFFBEATS, crash=QUARTERS),
            d(kick=QUARTERS, snare=OFFBEATS),
        ),
        (EIGHTHS, "X...x...X...x..."),
        ("X.x.x.x.x.x.x.x.", "X..............."),
        ("x...x...x.x.x...",),
        drift=0.01,
    ),
    "two_beat": Style(
        96,
        138,
        (
            d(kick=QUARTERS, snare=OFFBEATS),
            d(kick=QUARTERS, closed_hat=OFFBEATS, snare=BACKBEAT),
            d(kick="X.......X.......", snare="..x...x...x...x."),
            d(),
        ),
        ("X...x...X...x...",),
        (OFFBEATS, "..xx..xx..xx..xx"),
        ("x...x.x.....x.x.",),
        drift=0.01,
    ),
    "ska": Style(
        108,
        158,
        (
            d(kick="X.......X.......", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="....X.......X...", rim=BACKBEAT, closed_hat=OFFBEATS),
        ),
        ("X...x...x...x...", "X.x.x.x.x.x.x.x."),
        (OFFBEATS,),
        ("x...x.x.........",),
        swing=0.1,
    ),
    "latin": Style(
        84,
        118,
        (
            d(kick="X..xX..xX..xX..x", rim="x..x..x...x.x...", closed_hat=EIGHTHS),
            d(kick="...x..x....x..x.", rim="..x.x...x..x..x.", closed_hat=SIXTEENTHS),
        ),
        ("X..x..x.X..x..x.", "...x..x....x..x."),
        ("x.xx.xx.xx.xx.x.", "X...............", "x..x..x...x.x..."),
        ("x..x..x...x.x...",),
    ),
    "tom_groove": Style(
        92,
        136,
        (
            d(kick="X.......X.......", tom="X..x..x...x.x...", snare=BACKBEAT),
            d(kick=QUARTERS, tom="x.xxx.xxx.xxx.xx"),
            d(kick="X..x..X...X.....", tom="..x..x..x.x.xxx."),
        ),
        ("X..x..x...x.x...", EIGHTHS),
        ("X...............", "X..x..x...x.x..."),
        ("x...x.x.....x.x.",),
    ),
    "clicks": Style(50, 200, (d(rim=QUARTERS), d(kick=QUARTERS), d(rim="X...x...x...x...")), jitter=0.0),
    "orchestral": Style(
        56,
        140,
        (d(),),
        ("X.......X.......", "X...x...x...x...", "X..............."),
        ("X...x...x...x...", "x.x.x.x.x.x.x.x.", "X.......x......."),
        ("x...x.x.x...x...", "x.x.x.x.x...x..."),
        jitter=0.015,
        drift=0.02,
        attack=0.06,
    ),
    "metal": Style(
        130,
        215,
        (
            d(kick="x.x.x.x.x.x.x.x.", snare=BACKBEAT, crash=QUARTERS),
            d(kick="xxxxxxxxxxxxxxxx", snare=BACKBEAT, ride=EIGHTHS),
            d(kick="X.xxX.xxX.xxX.xx", snare=BACKBEAT, crash=QUARTERS),
        ),
        (EIGHTHS, "X.xxX.xxX.xxX.xx"),
        ("X.xxX.xxX.xxX.xx", EIGHTHS),
        ("x...x...x.x.x...",),
    ),
    "house": Style(
        115,
        134,
        (
            d(kick="X...X...X...X...", clap=BACKBEAT, open_hat="..x...x...x...x."),
            d(kick="X...X...X...X...", clap=BACKBEAT, closed_hat=SIXTEENTHS),
            d(kick="X...X...X...X...", closed_hat="..x...x...x...x."),
        ),
        ("..x...x...x...x.", "X..x..x.X..x..x."),
        ("X..x..x...x.....", "X...............", "..x...x...x...x."),
        ("x..x..x.x..x..x.",),
        jitter=0.0,
    ),
    "disco": Style(
        106,
        132,
        (
            d(kick="X...X...X...X...", snare=BACKBEAT, open_hat="..X...X...X...X.", closed_hat="x...x...x...x..."),
            d(kick="X...X...X...X...", snare=BACKBEAT, closed_hat=SIXTEENTHS),
        ),
        ("x.X.x.X.x.X.x.X.", "X..xX..xX..xX..x"),
        ("xxX.xxX.xxX.xxX.", "X..............."),
        ("x...x.x...x.x...",),
    ),
    "reggae": Style(
        62,
        92,
        (
            d(kick="....X.......X...", rim="....X.......X...", closed_hat=EIGHTHS),
            d(kick="X...X...X...X...", rim="....X.......X...", closed_hat=EIGHTHS),
            d(kick="....X.......X...", snare="....X.......X...", closed_hat="x.xxx.xxx.xxx.xx"),
        ),
        ("X..x..x.....x...", "....x.x.X...x.x."),
        ("..X...X...X...X.", "..Xx..Xx..Xx..Xx"),
        ("x...x.x.........",),
        swing=0.15,
    ),
    "hiphop": Style(
        80,
        104,
        (
            d(kick="X......x..X.....", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="X.x....x.xx.....", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="X..x......X..x..", snare=BACKBEAT, closed_hat=SIXTEENTHS),
        ),
        ("X......x..X.....", "X..............."),
        ("X...............", "X..x..x........."),
        ("x..x..x.........",),
        swing=0.25,
    ),
    "funk": Style(
        88,
        120,
        (
            d(kick="X..x..x...X..x..", snare="....X..g.g..X..g", closed_hat=SIXTEENTHS),
            d(kick="X.x.......X..x..", snare="..g.X..g.g.gX...", closed_hat=EIGHTHS),
        ),
        ("X..x..x...X..x.x", "X.x....xx.x....."),
        ("..xx..x...xx..x.", "....x.......x..."),
        ("x.x..x..x.......",),
    ),
    "drum_and_bass": Style(
        160,
        180,
        (
            d(kick="X.........x.....", snare=BACKBEAT, closed_hat=EIGHTHS),
            d(kick="X.x.......x.....", snare="....X..g.g..X...", closed_hat=EIGHTHS),
        ),
        ("X...............", "X.......x......."),
        ("X...............",),
        ("x.......x...x...",),
        bars_per_chord=2,
        jitter=0.0,
    ),
    "country": Style(
        92,
        135,
        (
            d(kick="X.......X.......", snare="g.g.X.g.g.g.X.g."),
            d(kick="X.......X.......", snare="ggggXgggggggXggg"),
            d(kick="X.......X.......", rim=BACKBEAT, closed_hat=EIGHTHS),
        ),
        ("X.......x.......",),
        ("....x.......x...", "..x.x.x...x.x.x.", "X.x.x.x.x.x.x.x."),
        ("x...x.x.....x.x.",),
    ),
    "motown": Style(
        100,
        140,
        (
            d(kick="X.......X.x.....", snare="X...X...X...X...", closed_hat=EIGHTHS),
            d(kick="X.....x.X.......", snare="X...X...X...X...", tambourine=EIGHTHS),
        ),
        ("X..x..x.X.x...x.", "X...x...x...x..."),
        ("X...............", "....x.......x..."),
        ("x...x.x.....x.x.",),
    ),
    "waltz": Style(
        84,
        190,
        (d(kick="X.....", rim="..x.x.", closed_hat="x.x.x."), d(kick="X.....", snare="..x.x."), d()),
        ("X.....", "X...x."),
        ("..x.x.", "X.x.x.", "X....."),
        ("x...x.", "x.x.x."),
        beats=3,
        steps=2,
        jitter=0.01,
        drift=0.01,
    ),
    "slow_three": Style(
        60,
        84,
        (d(kick="X...........", snare="....x...x...", closed_hat="x.x.x.x.x.x."), d()),
        ("X.......x...",),
        ("x.x.x.x.x.x.", "X..........."),
        ("x...x.x.x...",),
        beats=3,
        jitter=0.01,
    ),
    "piano": Style(
        58,
        112,
        (d(),),
        ("X.......x.......", "X..............."),
        ("x.x.x.x.x.x.x.x.", "X...x...x...x...", "X.......x......."),
        ("x...x.x.....x.x.", "x.x.x...x.x.x..."),
        jitter=0.012,
        drift=0.02,
    ),
    "arpeggio": Style(
        100,
        140,
        (d(), d(kick="X...X...X...X...")),
        ("X.......x.......", "X..............."),
        ("xxxxxxxxxxxxxxxx", "x.xx.xx.x.xx.xx."),
        (),
        jitter=0.0,
    ),
    "picking": Style(
        76,
        125,
        (d(),),
        ("X.......X.......", "X...x...X...x..."),
        ("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx"),
        ("x...x.x.........",),
        jitter=0.01,
        drift=0.01,
    ),
}


@dataclass(frozen=True)
class Piece:
    """A rendered piece with its truth; `samples` has the shape (1, frames)."""

    samples: NDArray[np.float32]
    sample_rate: int
    style: str
    bpm: float
    beats: Array
    downbeats: Array
    beats_per_bar: int
    key: tuple[int, str] = (0, "major")
    """Pitch class of the tonic, and mode."""
    chords: tuple[tuple[float, int, str], ...] = field(default=())
    """Time, pitch class of the root and mode of each."""


def _ride(rate: int, rng: np.random.Generator) -> Array:
    return instruments.open_hat(rate, rng)[: int(0.3 * rate)] * 0.6 + 0.0


def _rim(rate: int, rng: np.random.Generator) -> Array:
    return instruments.snare(rate, rng, 0.06, pitch=420.0) * 0.7


def _tambourine(rate: int, rng: np.random.Generator) -> Array:
    return instruments.closed_hat(rate, rng) * 1.4


_DRUMS: dict[str, Callable[[int, np.random.Generator], Array]] = {
    "kick": instruments.kick,
    "snare": instruments.snare,
    "clap": instruments.clap,
    "closed_hat": instruments.closed_hat,
    "open_hat": instruments.open_hat,
    "crash": instruments.crash,
    "ride": _ride,
    "rim": _rim,
    "tambourine": _tambourine,
    "tom": instruments.tom,
}
_MIX = {
    "kick": 1.0,
    "snare": 0.8,
    "clap": 0.7,
    "rim": 0.6,
    "closed_hat": 0.5,
    "open_hat": 0.4,
    "crash": 0.35,
    "ride": 0.4,
}
_LOUD = {"X": 1.0, "x": 0.65, "g": 0.25}
_DEGREES = {"major": (0, 5, 7, 9, 2, 4), "minor": (0, 8, 3, 10, 5, 7)}
_MINOR_CHORDS = {"major": {9, 2, 4}, "minor": {0, 5, 7}}
"""Degrees in semitones above the tonic, and which of them carry minor chords."""


def render_style(
    name: str,
    *,
    seed: int = 0,
    bpm: float | None = None,
    seconds: float = 30.0,
    rate: int = 22050,
    kit: Kit | None = None,
    start: float | None = None,
    rough: bool = False,
) -> Piece:
    """Render a piece.

    Parameters
    ----------
    name : str
        Key of `STYLES`.
    seed : int
        Draws everything that is left open.
    bpm : float, optional
        Tempo; drawn from the style's range if not given.
    seconds : float
        Length, cut to whole bars.
    rate : int
        Frames a second.
    kit : mapping, optional
        Recorded one-shots at `rate` by drum name, to use instead of rendered ones.
    start : float, optional
        Time of the first downbeat.
    rough : bool
        Draw what makes real music harder too: missing parts, chords that come early or change within the
        bar, and a layer of notes and noises that keep no time.
    """
    style = STYLES[name]
    rng = np.random.default_rng((seed, sorted(STYLES).index(name)))
    bpm = float(bpm or np.exp(rng.uniform(np.log(style.low), np.log(style.high))))
    start = float(rng.uniform(0.0, 0.8)) if start is None else start
    per_bar = style.beats * style.steps
    bars = max(2, int((seconds - start) * bpm / 60 / style.beats))
    grid = _grid(style, bpm, bars, start, rng)
    stage = _Stage(rate, int((grid[-1] + 0.6) * rate), rng, style.jitter, style.attack)
    drums = _Drummer(style, stage, kit, bars, rough)
    band = _Band(name, style, stage, bpm, rough)
    if rough and style.chords and rng.random() < 0.3:
        band.rest(rng.choice(("drums", "bass", "chords"), size=rng.integers(1, 3), replace=False), drums)
    for bar in range(bars):
        for step in range(per_bar):
            time = float(grid[bar * per_bar + step])
            drums.play(bar, step, time)
            band.play(bar, step, time, float(grid[bar * per_bar + step + 1]) - time)
    if rough and rng.random() < 0.6:
        _scatter(stage, grid[-1], [root % 12 for root in band.roots], drums.level)
    beats = grid[:-1][:: style.steps]
    return Piece(
        stage.finish(),
        rate,
        name,
        bpm,
        beats,
        beats[:: style.beats],
        style.beats,
        (band.tonic, band.mode),
        tuple(band.changes),
    )


class _Drummer:
    """Plays one of the style's patterns, another one now and then, fills, pauses and crashes."""

    def __init__(self, style: Style, stage: _Stage, kit: Kit | None, bars: int, rough: bool) -> None:
        rng = stage.rng
        self.stage, self.per_bar = stage, style.beats * style.steps
        self.pattern = style.drums[rng.integers(len(style.drums))] if style.drums else {}
        change = rough and self.pattern and rng.random() < 0.4
        if rough and rng.random() < 0.6:
            self.pattern = _vary(self.pattern, style.steps, rng)
        self.other = style.drums[rng.integers(len(style.drums))] if change else self.pattern
        self.sounds = {
            drum: _sound(drum, stage.rate, rng, kit) for drum in (*self.pattern, *self.other, "crash", "snare")
        }
        self.level = 10 ** (rng.uniform(-9, 3) / 20)
        self.gains = {drum: self.level * _MIX.get(drum, 0.5) * 10 ** (rng.normal(0, 3) / 20) for drum in self.sounds}
        self.fills = {bar for bar in range(7, bars, 8) if rng.random() < 0.5}
        self.crashes = {bar for bar in range(0, bars, 8) if rng.random() < 0.5}
        self.pause = int(rng.integers(0, bars)) if rough and rng.random() < 0.3 else bars

    def play(self, bar: int, step: int, time: float) -> None:
        if not self.pattern or self.pause <= bar < self.pause + 4:
            return
        filling = bar in self.fills and step >= self.per_bar // 2
        for drum, pattern in (self.other if bar % 4 >= 2 else self.pattern).items():
            if pattern[step] != "." and (not filling or drum == "kick"):
                late = self.stage.late.get(drum, 0.0)
                self.stage.add(time + late, self.sounds[drum], self.gains[drum] * _LOUD[pattern[step]])
        if filling:
            self.stage.add(time, self.sounds["snare"], 0.7 * self.gains["snare"])
        if step == 0 and bar in self.crashes:
            self.stage.add(time, self.sounds["crash"], self.gains["crash"])


def _vary(pattern: Mapping[str, str], steps: int, rng: np.random.Generator) -> Mapping[str, str]:
    """Change some kicks, the hat's rhythm, or leave the hat out."""
    new = dict(pattern)
    if "kick" in new:
        each = 2 if steps == 4 else 1
        marks = list(new["kick"])
        for step in range(0, len(marks), each):
            if rng.random() < (0.05 if step == 0 else 0.18):
                marks[step] = "." if marks[step] != "." else "x"
        new["kick"] = "".join(marks)
    keepers = [drum for drum in new if drum in {"closed_hat", "ride", "crash", "open_hat"}]
    if keepers and steps == 4 and len(new[keepers[0]]) == 16 and rng.random() < 0.4:
        new[keepers[0]] = str(rng.choice((QUARTERS, EIGHTHS, EIGHTHS, SIXTEENTHS, OFFBEATS, "." * 16)))
    return new


class _Band:
    """Plays bass, chords and a lead over four chords."""

    def __init__(self, name: str, style: Style, stage: _Stage, bpm: float, rough: bool) -> None:
        rng = stage.rng
        self.stage, self.per_bar = stage, style.beats * style.steps
        self.tonic, self.mode = int(rng.integers(12)), str(rng.choice(["major", "minor"]))
        self.roots = [self.tonic + int(rng.choice(_DEGREES[self.mode])) for _ in range(4)]
        self.roots[0] = self.tonic
        self.rhythm = {part: _draw(rng, getattr(style, part)) for part in ("bass", "chords", "lead")}
        self.spare = _draw(rng, style.chords)
        if rng.random() > 0.6:
            self.rhythm["lead"] = "." * self.per_bar
        self.ahead = 2 if rough and rng.random() < 0.3 else 0
        self.span = style.bars_per_chord
        if rough:  # chords last some two seconds, whatever the tempo
            self.span *= float(rng.choice((0.5, 1.0, 1.0, 1.0, 2.0)))
            if (bpm > 135 and rng.random() < 0.5) or (bpm < 75 and rng.random() < 0.4):
                self.span *= 2.0 if bpm > 135 else 0.5
        self.broken = name in {"arpeggio", "picking"}
        self.changes: list[tuple[float, int, str]] = []

    def rest(self, parts: Sequence[str], drums: _Drummer) -> None:
        """Leave parts out, but never all of them."""
        for part in parts:
            if part == "drums":
                drums.pattern = {}
            else:
                self.rhythm[part] = "." * self.per_bar
        if not drums.pattern and set(self.rhythm["bass"] + self.rhythm["chords"]) == {"."}:
            self.rhythm["chords"] = self.spare

    def play(self, bar: int, step: int, time: float, step_seconds: float) -> None:
        ahead = self.ahead if step >= self.per_bar - 2 else 0
        root = self.roots[int((bar + (step + ahead) / self.per_bar) / self.span) % 4]
        third = 3 if (root - self.tonic) % 12 in _MINOR_CHORDS[self.mode] else 4
        if not self.changes or self.changes[-1][1] != root % 12:
            self.changes.append((time, root % 12, "minor" if third == 3 else "major"))
        rng = self.stage.rng
        for part, gain in (("bass", 1.0), ("chords", 0.7), ("lead", 0.6)):
            mark = self.rhythm[part][step]
            if mark == "." or (part == "lead" and rng.random() > 0.8):
                continue
            pitches = {
                "bass": [root + 36],
                "chords": [root + 48, root + 48 + third, root + 55],
                "lead": [root + 60 + int(rng.choice((0, third, 7, 12, 2)))],
            }[part]
            if part == "chords" and self.broken:
                pitches = [pitches[step % 3] + 12]
            seconds = step_seconds * _until_next(self.rhythm[part], step)
            self.stage.note("bass" if part == "bass" else "pad", time, pitches, seconds, gain * _LOUD[mark])


def _scatter(stage: _Stage, seconds: float, roots: Sequence[int], level: float) -> None:
    """Play notes and noises at random times, as a freely phrased voice does."""
    rng = stage.rng
    gain = 10 ** (rng.uniform(-16, 0) / 20)
    for time in rng.uniform(0, seconds, int(seconds * rng.uniform(0.5, 3.0))):
        if rng.random() < 0.7:
            pitch = 60 + int(rng.choice(roots)) + int(rng.choice((0, 4, 7, 9, 12)))
            stage.note("pad", time, [pitch], rng.uniform(0.1, 0.8), gain)
        else:
            size = int(rng.uniform(0.01, 0.1) * stage.rate)
            stage.add(time, rng.standard_normal(size) * np.hanning(2 * size)[size:], 0.3 * gain * level)


def _grid(style: Style, bpm: float, bars: int, start: float, rng: np.random.Generator) -> Array:
    """Times of all steps: a slowly wandering tempo, then swing."""
    beats = bars * style.beats
    wander = np.cumsum(rng.normal(0, 1, beats + 1)) * style.drift / 4
    wander -= wander.mean()
    periods = 60 / bpm * np.clip(1 + wander, 0.9, 1.1)
    at = start + np.concatenate(([0.0], np.cumsum(periods)))
    steps = np.interp(np.arange(beats * style.steps + 1) / style.steps, np.arange(beats + 2), at)
    steps[1:-1:2] += style.swing * np.diff(steps)[1::2][: len(steps[1:-1:2])] * rng.uniform(0.5, 1.5)
    return np.asarray(steps)


def _draw(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[rng.integers(len(choices))] if choices else "." * 64


def _until_next(rhythm: str, step: int) -> int:
    following = next((n for n in range(step + 1, len(rhythm)) if rhythm[n] != "."), len(rhythm))
    return following - step


def _sound(drum: str, rate: int, rng: np.random.Generator, kit: Kit | None) -> Array:
    wave = kit[drum][rng.integers(len(kit[drum]))] if kit and kit.get(drum) else _DRUMS[drum](rate, rng)
    return np.asarray(wave / max(1e-9, np.abs(wave).max()))


class _Stage:
    """Where notes are placed, out of time by a few milliseconds, and then set into a room."""

    def __init__(self, rate: int, frames: int, rng: np.random.Generator, jitter: float, attack: float) -> None:
        self.rate, self.rng = rate, rng
        self.out = np.zeros(frames)
        self.jitter = jitter * rng.uniform(0.3, 1.5)
        self.attack = round(attack * rate)
        self.late = {"snare": rng.normal(0, 0.008), "closed_hat": rng.normal(0, 0.004)} if jitter else {}
        self.levels = {"bass": 10 ** (rng.uniform(-8, 2) / 20), "pad": 10 ** (rng.uniform(-8, 2) / 20)}
        self.cache: dict[tuple[str, tuple[int, ...], int], Array] = {}

    def add(self, time: float, wave: Array, gain: float) -> None:
        frame = (
            max(0, round((time + self.rng.normal(0, self.jitter)) * self.rate))
            if self.jitter
            else round(time * self.rate)
        )
        part = self.out[frame : frame + len(wave)]
        part += wave[: len(part)] * gain * self.rng.uniform(0.8, 1.0)

    def note(self, part: str, time: float, pitches: Sequence[int], seconds: float, gain: float) -> None:
        length = round(seconds * 40) + 1
        key = (part, tuple(pitches), length)
        if key not in self.cache:
            if part == "bass":
                self.cache[key] = instruments.bass(self.rate, pitches[0], length / 40)
            else:
                self.cache[key] = instruments.pad(self.rate, pitches, length / 40)
            if self.attack:
                wave = self.cache[key]
                self.cache[key] = wave * np.minimum(1, np.arange(len(wave)) / self.attack)
        self.add(time, self.cache[key], gain * self.levels[part])

    def finish(self) -> NDArray[np.float32]:
        if self.rng.random() < 0.5:
            size = int(self.rng.uniform(0.1, 0.8) * self.rate)
            tail = self.rng.standard_normal(size) * np.exp(-np.arange(size) / (size / 5))
            wet = fftconvolve(self.out, tail)[: len(self.out)]
            self.out = self.out + wet * (
                self.rng.uniform(0.05, 0.3) * np.abs(self.out).max() / max(1e-9, np.abs(wet).max())
            )
        self.out *= 0.7 / max(1e-9, np.abs(self.out).max())
        self.out += 10 ** (self.rng.uniform(-80, -45) / 20) * self.rng.standard_normal(len(self.out))
        return self.out.astype(np.float32)[None, :]
