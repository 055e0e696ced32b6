"""Choosing tempo, meter and downbeat together: a conditional logit over all readings of the rhythm.

A reading is a candidate tempo; with a way to lay bars over its beats it becomes a row of numbers: the
tempo's cues (`pulse.tempo_cues`) and the bar's profile (`bars.Layout`). A linear function and a small
layer of hyperbolic tangents score each row. They were fitted to pieces rendered by rule in many styles with
known truth (benchmarks/fit_rhythm.py), never to recorded songs: they say, in numbers, that snares answer
kicks, that chords change on downbeats, and in which tempos such music is counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.bars import DIVISIONS, HARMONY_PLACES, METERS, PLACES, Layout, layouts
from audiolab.stages.analysis.features import BANDS, FRAME_RATE, Features
from audiolab.stages.analysis.pulse import (
    CUES,
    LOOP_MISFIT,
    LOOP_SECONDS,
    accents,
    candidate_periods,
    correlogram,
    event_count,
    event_rate,
    loop_cues,
    near,
    opening_accent,
    tempo_cues,
    to_bpm,
)
from audiolab.stages.analysis.tracking import extend_beats, track_beats

__all__ = [
    "Judge",
    "Reading",
    "Verdict",
    "confidence_of",
    "read_rhythm",
    "readings_of",
    "rows_of",
    "shipped_judge",
    "trust_cues",
]

FloatArray = NDArray[np.float32]
Array = NDArray[np.float64]
KEPT = 5
"""Candidate tempos whose beats are followed; the others are ruled out by their cues alone."""
JUDGED_SECONDS = 240.0
FIRST_BONUS = 1.0
"""Music tends to begin with a bar: what that is worth in the score (natural logarithm of odds)."""
FEWEST_EVENTS = 4
"""Fewer accents are no rhythm."""
PROFILE_SIZES = {meter: meter * (len(BANDS) * len(PLACES) + 3 * len(HARMONY_PLACES)) for meter in METERS}
TERMS = 5
"""Numbers of a row between the tempo cues and the profiles."""
ROW_SIZE = CUES + TERMS + sum(PROFILE_SIZES.values())
AT_START = 5.0
"""Frames within which a bar begins with the sound."""


_ARRAYS = ("first", "linear", "hidden", "bias", "output", "trust")


@dataclass(frozen=True, slots=True)
class Judge:
    """Weights of the judge, for rows as they are (scaling is folded in)."""

    first: FloatArray
    """Of tempo cues alone, to choose which candidates to look at closely [shape=(CUES,)]."""
    linear: FloatArray
    """Of a row [shape=(ROW_SIZE,)]."""
    hidden: FloatArray
    """Of a row in the hidden layer [shape=(ROW_SIZE, units)]."""
    bias: FloatArray
    """Of the hidden layer [shape=(units,)]."""
    output: FloatArray
    """Of the hidden layer's tangents [shape=(units,)]."""
    trust: FloatArray
    """Of what says how sure a tempo is: 1, log-odds of its share, clarity, octaves of beats [shape=(4,)]."""

    def score(self, rows: FloatArray) -> Array:
        """Score rows; differences are logarithms of odds."""
        return np.asarray(rows @ self.linear + np.tanh(rows @ self.hidden + self.bias) @ self.output, np.float64)


@cache
def shipped_judge() -> Judge:
    """Read the shipped weights."""
    data = files(__package__).joinpath("rhythm_judge.npz").read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        return Judge(**{name: arrays[name].astype(np.float32) for name in _ARRAYS})


@dataclass(frozen=True, slots=True)
class Reading:
    """A candidate tempo, its beats over the sound (frames), its cues and the ways to lay bars."""

    period: float
    cues: Array
    beats: Array
    bars: list[Layout]
    frames: float
    """Exact length of the sound."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was chosen."""

    period: float
    beats: Array
    """In frames; the chosen offset is applied, so that a beat lies on the downbeat."""
    meter: int
    downbeat: int
    """Index of a beat that begins a bar."""
    tempos: tuple[tuple[float, float], ...]
    """Tempos in bpm with their probability, likeliest first."""
    meter_probability: float
    support: Array
    """Accent at each beat, 1 being the usual one; below 0.3 the beat is only counted on."""
    clarity: float
    """How much of the accents repeats after one, two and four beats: 0.1 in speech, 0.3 to 0.8 in most music."""


def candidates_of(accent: FloatArray, frames: float) -> list[tuple[float, Array]]:
    """Give all candidate periods with their cues; `frames` is the exact length of the sound."""
    found = correlogram(accent)
    rate = event_rate(accent)
    opening = opening_accent(accent)
    return [
        (period, np.asarray([*tempo_cues(found, period, rate), *loop_cues(frames, period, opening)]))
        for period in candidate_periods(found.total, frames)
    ]


def readings_of(features: Features, accent: FloatArray, judge: Judge | None, *, keep: int = KEPT) -> list[Reading]:
    """Give the candidate tempos worth looking at, with their beats and bars (all candidates if no judge is given)."""
    found = candidates_of(accent, features.duration * FRAME_RATE)
    if not found:
        return []
    periods, cues = [period for period, _ in found], np.array([cue for _, cue in found])
    order: Sequence[int] = range(len(periods))
    if judge is not None:
        order = [int(index) for index in np.argsort(-(cues @ judge.first), kind="stable")[:keep]]
    total = accent.sum(axis=0).astype(np.float64)
    readings = []
    for index in order:
        beats = track_beats(total, periods[index])
        if len(beats) >= 2:
            whole = extend_beats(beats, accent.shape[1])
            bars = layouts(features, accent, whole)
            readings.append(Reading(periods[index], cues[index], whole, bars, features.duration * FRAME_RATE))
    return readings


def rows_of(reading: Reading) -> FloatArray:
    """Write down each way to lay bars over a reading's beats as a row for the judge.

    Returns
    -------
    ndarray [float32, shape=(layouts, ROW_SIZE)]
        Tempo cues; octaves from 110 bpm, their square, whether three beats make a bar; in a short sound,
        whether a bar begins with it, and whether it also ends with one; the profile at its meter's place. A
        sound shorter than a bar gives one row without a profile.
    """
    rows = np.zeros((max(1, len(reading.bars)), ROW_SIZE), np.float32)
    octaves = float(np.log2(to_bpm(reading.period) / 110.0))
    rows[:, :CUES] = reading.cues
    rows[:, CUES] = octaves
    rows[:, CUES + 1] = octaves**2
    start = {3: CUES + TERMS, 4: CUES + TERMS + PROFILE_SIZES[3]}
    for row, bar in zip(rows, reading.bars, strict=False):
        row[CUES + 2] = bar.meter == 3
        row[CUES + 3 : CUES + 5] = _seam(reading, bar)
        row[start[bar.meter] : start[bar.meter] + PROFILE_SIZES[bar.meter]] = bar.profile
    return rows


def _seam(reading: Reading, bar: Layout) -> tuple[float, float]:
    """Say whether a bar begins with a short sound, and whether the sound is then whole bars as well."""
    if reading.frames > LOOP_SECONDS * FRAME_RATE:
        return 0.0, 0.0
    beats = reading.beats
    length = float(np.median(np.diff(beats))) * bar.meter
    first = float(np.interp(bar.offset / DIVISIONS, np.arange(len(beats)), beats))
    begins = math.exp(-0.5 * (((first + length / 2) % length - length / 2) / AT_START) ** 2)
    count = max(1, round(reading.frames / length))
    misfit = math.log(reading.frames / (count * length)) / LOOP_MISFIT
    return begins, begins * math.exp(-0.5 * misfit**2)


def read_rhythm(features: Features, judge: Judge | None = None) -> Verdict | None:
    """Choose tempo, meter and downbeat, and follow the beat over the whole sound.

    The tempo of long sounds is judged by their middle four minutes.

    Returns
    -------
    Verdict or None
        None if nothing repeats.
    """
    judge = judge or shipped_judge()
    middle = features
    if features.duration > JUDGED_SECONDS:
        start = (features.duration - JUDGED_SECONDS) / 2
        middle = features.part(start, start + JUDGED_SECONDS)
    accent = accents(middle.flux)
    if event_count(accent) < FEWEST_EVENTS:
        return None
    readings = readings_of(middle, accent, judge)
    if not readings:
        return None
    scores = [judge.score(rows_of(reading)) for reading in readings]
    top = max(float(values.max()) for values in scores)
    share = np.array([np.exp(values - top).sum() for values in scores])
    share /= share.sum()
    order = np.argsort(-share, kind="stable")
    tempos = tuple((to_bpm(readings[index].period), float(share[index])) for index in order)
    chosen = readings[int(order[0])]
    curve = correlogram(accent).total
    clarity = float(np.mean([near(curve, chosen.period * number) for number in (1, 2, 4)]))
    if middle is not features:
        accent = accents(features.flux)
        beats = extend_beats(track_beats(accent.sum(axis=0).astype(np.float64), chosen.period), accent.shape[1])
        bars = layouts(features, accent, beats)
        chosen = Reading(chosen.period, chosen.cues, beats, bars, features.duration * FRAME_RATE)
    meter, offset, certain = 4, 0, 0.0
    if chosen.bars:
        values = judge.score(rows_of(chosen)) + FIRST_BONUS * _starts_with_bar(chosen, accent)
        bar = chosen.bars[int(values.argmax())]
        meter, offset = bar.meter, bar.offset
        likely = np.exp(values - values.max())
        certain = float(likely[[other.meter == meter for other in chosen.bars]].sum() / likely.sum())
    beats, downbeat = _lay_bars(chosen.beats, offset)
    return Verdict(chosen.period, beats, meter, downbeat, tempos, certain, _support(accent, beats), clarity)


def trust_cues(verdict: Verdict, duration: float) -> Array:
    """Give what says how sure the tempo of a verdict on `duration` seconds is, for `Judge.trust`."""
    bpm, share = verdict.tempos[0]
    share = min(max(share, 1e-3), 1 - 1e-3)
    beats = min(64.0, max(1.0, duration * bpm / 60))
    return np.array([1.0, math.log(share / (1 - share)), min(verdict.clarity, 0.6), math.log2(beats)])


def confidence_of(verdict: Verdict, duration: float, judge: Judge | None = None) -> float:
    """Give the chance that the tempo is right, as it was on rendered music and noise that were not fitted to."""
    trust = (judge or shipped_judge()).trust.astype(np.float64)
    few = min(1.0, max(0.0, (duration * verdict.tempos[0][0] / 60 - 1) / 3))  # under a bar nothing repeats for sure
    return few / float(1 + np.exp(-(trust @ trust_cues(verdict, duration))))


def _starts_with_bar(reading: Reading, accent: FloatArray) -> Array:
    """Say for each layout how well a bar begins with the first accent: 0, or its strength, 2 being twice the usual."""
    total = accent.sum(axis=0)
    usual = float(np.median(total[_at(reading.beats, len(total))])) or float(total.max())
    loud = np.flatnonzero(total >= 0.8 * usual)
    if not len(loud):
        return np.zeros(len(reading.bars))
    first = int(loud[0]) + int(total[loud[0] : loud[0] + 6].argmax())
    strength = min(2.0, float(total[first]) / max(1e-9, usual))
    found = []
    for bar in reading.bars:
        beats, downbeat = _lay_bars(reading.beats, bar.offset)
        nearest = int(np.abs(beats - first).argmin())
        begins = abs(beats[nearest] - first) <= AT_START and (nearest - downbeat) % bar.meter == 0
        found.append(strength * float(begins))
    return np.array(found)


def _at(beats: Array, frames: int) -> NDArray[np.intp]:
    return np.clip(np.round(beats).astype(np.intp), 0, frames - 1)


def _support(accent: FloatArray, beats: Array) -> Array:
    """Largest accent within two frames of each beat, relative to the median of all beats."""
    from scipy.ndimage import maximum_filter1d

    total = maximum_filter1d(accent.sum(axis=0), 5)
    inside = (beats >= 0) & (beats <= len(total) - 1)
    found = np.where(inside, total[np.clip(np.round(beats).astype(int), 0, len(total) - 1)], 0.0)
    return np.asarray(found / max(1e-9, float(np.median(found[inside])) if inside.any() else 1.0))


def _lay_bars(beats: Array, offset: int) -> tuple[Array, int]:
    """Move the beats to the places that the layout calls beats, and say which of them begins a bar."""
    shift = offset % DIVISIONS / DIVISIONS
    if shift:
        numbers = np.arange(len(beats) - 1) + shift
        beats = np.interp(numbers, np.arange(len(beats)), beats)
    return beats, min(offset // DIVISIONS, len(beats) - 1)
