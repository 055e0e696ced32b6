"""Choosing tempo, meter and downbeat together: a conditional logit over all readings of the rhythm.

A reading is a candidate tempo with a way to lay bars over its beats. Its score is linear in the tempo's
cues (`pulse.tempo_cues`) and the bar's profile (`bars.Layout`). The weights were fitted to pieces rendered
by rule in twenty styles with known truth (benchmarks/fit_rhythm.py), never to recorded songs; they say, in
numbers, that snares answer kicks, that chords change on downbeats, and which tempos such music has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.bars import DIVISIONS, METERS, Layout, layouts
from audiolab.stages.analysis.features import Features
from audiolab.stages.analysis.pulse import (
    accents,
    candidate_periods,
    correlogram,
    event_count,
    event_rate,
    near,
    tempo_cues,
    to_bpm,
)
from audiolab.stages.analysis.tracking import extend_beats, track_beats

__all__ = ["Reading", "Verdict", "Weights", "read_rhythm", "readings_of", "weights"]

FloatArray = NDArray[np.float32]
Array = NDArray[np.float64]
KEPT = 5
"""Candidate tempos whose beats are followed; the others are ruled out by their cues alone."""


JUDGED_SECONDS = 240.0
FIRST_BONUS = 1.0
"""Music tends to begin with a bar: what that is worth in the score (natural logarithm of odds)."""
FEWEST_EVENTS = 4
"""Fewer accents are no rhythm."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the judge, for cues as they are computed (scaling is folded in)."""

    first: Array
    """Of tempo cues alone, to choose which candidates to look at closely."""
    tempo: Array
    """Of tempo cues in the joint score."""
    bars: dict[int, Array]
    """Of the bar's profile, by meter."""
    meter: dict[int, Array]
    """By meter: constant, and slopes on tempo (octaves from 110 bpm) and its square."""


@cache
def weights() -> Weights:
    """Read the shipped weights."""
    return parse_weights(json.loads(files(__package__).joinpath("rhythm_weights.json").read_text(encoding="utf-8")))


def parse_weights(document: dict[str, object]) -> Weights:
    """Make weights from JSON."""

    def array(values: object) -> Array:
        return np.asarray(values, np.float64)

    bars, meter = document["bars"], document["meter"]
    assert isinstance(bars, dict)
    assert isinstance(meter, dict)
    return Weights(
        array(document["first"]),
        array(document["tempo"]),
        {number: array(bars[str(number)]) for number in METERS},
        {number: array(meter[str(number)]) for number in METERS},
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """A candidate tempo, its beats over the sound (frames), its cues and the ways to lay bars."""

    period: float
    cues: Array
    beats: Array
    bars: list[Layout]


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
    """How much of the accents repeats with the beat, about 0 (speech) to 1 (machine)."""


def candidates_of(accent: FloatArray) -> list[tuple[float, Array]]:
    """Give all candidate periods with their cues."""
    found = correlogram(accent)
    rate = event_rate(accent)
    return [
        (period, np.asarray(tempo_cues(found, period, rate)))
        for period in candidate_periods(found.total, accent.shape[1])
    ]


def readings_of(features: Features, accent: FloatArray, judge: Weights | None, *, keep: int = KEPT) -> list[Reading]:
    """Give the candidate tempos worth looking at, with their beats and bars (all candidates if no judge is given)."""
    found = candidates_of(accent)
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
            readings.append(Reading(periods[index], cues[index], whole, layouts(features, accent, whole)))
    return readings


def score(reading: Reading, judge: Weights) -> Array:
    """Give the score of each way to lay bars over a reading's beats, or of the tempo alone if there is none."""
    octaves = np.log2(to_bpm(reading.period) / 110.0)
    tempo = reading.cues @ judge.tempo
    terms = np.array([1.0, octaves, octaves**2])
    if not reading.bars:  # shorter than a bar
        return np.array([tempo + terms @ judge.meter[4]])
    return np.array(
        [tempo + bar.profile @ judge.bars[bar.meter] + terms @ judge.meter[bar.meter] for bar in reading.bars]
    )


def read_rhythm(features: Features, judge: Weights | None = None) -> Verdict | None:
    """Choose tempo, meter and downbeat, and follow the beat over the whole sound.

    The tempo of long sounds is judged by their middle four minutes.

    Returns
    -------
    Verdict or None
        None if nothing repeats.
    """
    judge = judge or weights()
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
    scores = [score(reading, judge) for reading in readings]
    top = max(float(values.max()) for values in scores)
    share = np.array([np.exp(values - top).sum() for values in scores])
    share /= share.sum()
    order = np.argsort(-share, kind="stable")
    tempos = tuple((to_bpm(readings[index].period), float(share[index])) for index in order)
    chosen = readings[int(order[0])]
    clarity = float(np.clip(near(correlogram(accent).total, chosen.period), 0.0, 1.0))
    if middle is not features:
        accent = accents(features.flux)
        beats = extend_beats(track_beats(accent.sum(axis=0).astype(np.float64), chosen.period), accent.shape[1])
        chosen = Reading(chosen.period, chosen.cues, beats, layouts(features, accent, beats))
    meter, offset, certain = 4, 0, 0.0
    if chosen.bars:
        values = score(chosen, judge) + FIRST_BONUS * _starts_with_bar(chosen, accent)
        bar = chosen.bars[int(values.argmax())]
        meter, offset = bar.meter, bar.offset
        likely = np.exp(values - values.max())
        certain = float(likely[[other.meter == meter for other in chosen.bars]].sum() / likely.sum())
    beats, downbeat = _lay_bars(chosen.beats, offset)
    return Verdict(chosen.period, beats, meter, downbeat, tempos, certain, _support(accent, beats), clarity)


def _starts_with_bar(reading: Reading, accent: FloatArray) -> Array:
    """Say for each layout (1 or 0) whether its first accented beat begins a bar."""
    firsts = []
    for bar in reading.bars:
        beats, downbeat = _lay_bars(reading.beats, bar.offset)
        clear = np.flatnonzero(_support(accent, beats) > 0.3)
        firsts.append(float(len(clear) > 0 and (clear[0] - downbeat) % bar.meter == 0))
    return np.array(firsts)


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
