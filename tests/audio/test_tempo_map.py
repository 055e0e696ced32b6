"""TempoMap: beats and times are each other's inverse, whatever the tempo does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Segment, TempoMap
from audiolab.errors import ParameterError


@st.composite
def beat_times(draw: st.DrawFn) -> np.ndarray:
    """Beats of a performance that drifts, jumps and jitters."""
    count = draw(st.integers(2, 120))
    period = draw(st.floats(0.2, 1.5))
    changes = draw(st.lists(st.tuples(st.integers(1, 119), st.floats(0.6, 1.6)), max_size=4))
    jitter = draw(st.floats(0, 0.04))
    periods = np.full(count - 1, period)
    for at, factor in changes:
        periods[at:] *= factor
    periods = periods.clip(0.15, 6)
    seed = draw(st.integers(0, 999))
    times = draw(st.floats(0, 20)) + np.concatenate([[0], np.cumsum(periods)])
    return times + jitter * np.random.default_rng(seed).uniform(-0.5, 0.5, count)


@given(beat_times(), st.integers(1, 12), st.floats(0.001, 0.1), st.data())
def test_beats_and_times_are_inverse(times: np.ndarray, meter: int, tolerance: float, data: st.DataObject) -> None:
    down = data.draw(st.integers(0, len(times) - 1))
    tempo = TempoMap.from_beats(times, first_downbeat=down, beats_per_bar=meter, tolerance=tolerance)
    numbers = np.arange(len(times)) - down
    # The promise: no given beat is farther than the tolerance from the map's.
    assert np.abs(tempo.time_at(numbers) - times).max() <= tolerance + 1e-9
    points = np.linspace(times[0] - 5, times[-1] + 5, 301)
    np.testing.assert_allclose(tempo.time_at(tempo.beat_at(points)), points, atol=1e-6)
    assert (np.diff(tempo.beat_at(points)) > 0).all()
    assert len(tempo.segments) <= max(1, len(times) - 1)


@given(beat_times())
def test_the_document_round_trips_through_json(times: np.ndarray) -> None:
    tempo = TempoMap.from_beats(times, first_downbeat=1, beats_per_bar=3)
    assert TempoMap.from_dict(json.loads(json.dumps(tempo.to_dict()))) == tempo


@given(st.floats(40, 220), st.floats(0, 3), st.integers(1, 7), st.floats(0.5, 60))
def test_the_grid_of_a_constant_tempo(bpm: float, downbeat: float, meter: int, duration: float) -> None:
    tempo = TempoMap.constant(bpm, first_downbeat=downbeat, beats_per_bar=meter)
    beats, downbeats = tempo.beats(duration), tempo.downbeats(duration)
    assert (beats >= 0).all()
    assert (beats < duration + 1e-6).all()
    assert abs(len(beats) - duration * bpm / 60) <= 1
    if len(beats) > 2:
        np.testing.assert_allclose(np.diff(beats)[1:], 60 / bpm, rtol=1e-6)
    # Every downbeat is a beat, and the first downbeat's time is one of them.
    assert all(np.abs(beats - one).min() < 1e-6 for one in downbeats)
    if downbeat < duration - 1e-3:
        assert np.abs(downbeats - downbeat).min() < 1e-6


@given(beat_times(), st.sampled_from([0.5, 2.0, 3.0]), st.floats(-5, 5))
def test_scaling_and_shifting(times: np.ndarray, factor: float, seconds: float) -> None:
    tempo = TempoMap.from_beats(times, tolerance=0.02)
    points = np.linspace(times[0], times[-1], 50)
    shifted = tempo.shifted(seconds)
    np.testing.assert_allclose(shifted.beat_at(points + seconds), tempo.beat_at(points), atol=1e-6)
    fast = max(segment.bpm for segment in tempo.segments) * factor
    if 5 <= fast <= 1000 and min(segment.bpm for segment in tempo.segments) * factor >= 5:
        scaled = tempo.scaled(factor)
        np.testing.assert_allclose(scaled.beat_at(points), factor * tempo.beat_at(points), atol=1e-5)
        assert scaled.bpm_at(float(points[3])) == pytest.approx(tempo.bpm_at(float(points[3])) * factor)


def test_a_steady_performance_is_one_segment() -> None:
    rng = np.random.default_rng(0)
    times = 0.7 + np.arange(200) * 0.5 + rng.uniform(-0.008, 0.008, 200)
    tempo = TempoMap.from_beats(times)
    assert len(tempo.segments) == 1
    assert tempo.bpm() == pytest.approx(120, abs=0.02)


def test_a_change_of_tempo_is_found() -> None:
    times = np.concatenate([np.arange(40) * 0.5, 20 + np.arange(40) * 0.4])
    tempo = TempoMap.from_beats(times, tolerance=0.001)
    assert len(tempo.segments) == 2
    assert tempo.bpm_at(5.0) == pytest.approx(120)
    assert tempo.bpm_at(30.0) == pytest.approx(150)
    assert tempo.bpm(20.0) == pytest.approx(120)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TempoMap(()),
        lambda: TempoMap.constant(0),
        lambda: TempoMap.constant(float("nan")),
        lambda: TempoMap.constant(120, beats_per_bar=0),
        lambda: TempoMap((Segment(0, 0, 120), Segment(0, 0, 130))),
        lambda: TempoMap((Segment(0, 0, 120), Segment(1, 5, 130))),
        lambda: TempoMap.from_beats([1.0]),
        lambda: TempoMap.from_beats([1.0, 1.0, 2.0]),
        lambda: TempoMap.from_beats([1.0, 2.0], first_downbeat=2),
        lambda: TempoMap.from_beats([0.0, float("inf")]),
        lambda: TempoMap.from_dict({}),
        lambda: TempoMap.from_dict({"beats_per_bar": 4, "segments": [{"time": 0}]}),
        lambda: TempoMap.from_dict({"beats_per_bar": "x", "segments": []}),
        lambda: TempoMap.from_dict({"beats_per_bar": 4, "segments": [{"time": "a", "beat": 0, "bpm": 1}]}),
        lambda: TempoMap.from_beats([0.0, 0.001, 0.002]),
    ],
)
def test_senseless_maps_are_refused(make) -> None:
    with pytest.raises(ParameterError):
        make()


def test_single_values_work_as_arrays_do() -> None:
    tempo = TempoMap.constant(90, first_downbeat=0.5)
    assert float(tempo.beat_at(0.5)) == 0
    assert float(tempo.time_at(3)) == pytest.approx(2.5)
    assert tempo.bpm_at(100) == 90


@given(beat_times(), st.integers(1, 12))
def test_doubling_and_halving_undo_each_other(times: np.ndarray, meter: int) -> None:
    tempo = TempoMap.from_beats(times, tolerance=0.02, beats_per_bar=meter)
    slow, fast = (pick(segment.bpm for segment in tempo.segments) for pick in (min, max))
    if slow < 10 or fast > 500:
        return
    assert tempo.doubled().halved() == tempo == tempo.halved().doubled()
    duration = float(times[-1])
    beats = tempo.beats(duration)
    twice = tempo.doubled().beats(duration)
    assert all(np.abs(twice - beat).min() < 1e-6 for beat in beats)
    assert abs(len(twice) - 2 * len(beats)) <= 1
    half = tempo.halved().beats(duration)
    assert all(np.abs(beats - beat).min() < 1e-6 for beat in half)


@given(beat_times(), st.integers(-9, 9), st.integers(1, 7))
def test_another_downbeat_leaves_the_beats_where_they_are(times: np.ndarray, beats: int, meter: int) -> None:
    tempo = TempoMap.from_beats(times, tolerance=0.02, beats_per_bar=meter)
    moved = tempo.shifted_downbeat(beats)
    duration = float(times[-1])
    np.testing.assert_allclose(moved.beats(duration), tempo.beats(duration), atol=1e-6)
    assert float(moved.time_at(0)) == pytest.approx(float(tempo.time_at(beats)), abs=1e-6)
    np.testing.assert_allclose(moved.shifted_downbeat(-beats).beats(duration), tempo.beats(duration), atol=1e-6)
    bars = tempo.shifted_downbeat(meter).downbeats(duration)
    np.testing.assert_allclose(bars, tempo.downbeats(duration), atol=1e-6)


@given(st.floats(40, 240), st.floats(0, 2), st.floats(0, 20))
def test_a_bar_begins_near_the_time_that_was_said(bpm: float, first: float, time: float) -> None:
    tempo = TempoMap.constant(bpm, first_downbeat=first).with_downbeat_at(first + time)
    assert np.abs(tempo.downbeats(60) - first - time).min() <= 60 / bpm / 4 + 1e-6


def test_bars_of_another_length() -> None:
    waltz = TempoMap.constant(120).with_meter(3)
    assert waltz.downbeats(4).tolist() == [0.0, 1.5, 3.0]
