from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio
from audiolab.stages.analysis.attacks import read_spans
from audiolab.stages.slicing.peaks import pick_peaks, strength_of, threshold_of
from audiolab.stages.slicing.spans import decay_ends, make_spans, thin_out


@st.composite
def starts_and_ends(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    frames = draw(st.integers(1, 50_000))
    starts = sorted(draw(st.sets(st.integers(0, frames - 1), max_size=40)))
    ends = [start + draw(st.integers(-100, 60_000)) for start in starts]
    return frames, starts, ends


@given(starts_and_ends(), st.integers(0, 3000), st.none() | st.integers(1, 5000))
def test_spans_are_ordered_apart_and_inside(case, min_length, max_length):
    frames, starts, ends = case
    spans = make_spans(starts, ends, frames, min_length=min_length, max_length=max_length)
    assert [start for start, _ in spans] == starts
    assert all(0 <= start < stop <= frames for start, stop in spans)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    if max_length is not None:
        assert all(stop - start <= max_length for start, stop in spans)


@given(starts_and_ends(), st.integers(1, 3000))
def test_short_spans_are_lengthened_as_far_as_there_is_room(case, min_length):
    frames, starts, ends = case
    for index, (start, stop) in enumerate(make_spans(starts, ends, frames, min_length=min_length)):
        room = (starts[index + 1] if index + 1 < len(starts) else frames) - start
        assert stop - start >= min(min_length, room)


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1)), max_size=60),
    st.integers(0, 800),
)
def test_thinned_starts_keep_the_gap_and_the_strongest(pairs, gap):
    starts, strengths = [p[0] for p in pairs], [p[1] for p in pairs]
    kept = thin_out(starts, strengths, gap)
    times = [starts[index] for index in kept]
    assert times == sorted(set(times))
    assert all(right - left >= max(1, gap) for left, right in pairwise(times))
    for index, start in enumerate(starts):  # whatever went had a neighbour at least as strong
        if index not in kept:
            assert any(abs(start - starts[k]) < max(1, gap) and strengths[k] >= strengths[index] for k in kept)


@given(
    st.integers(1, 4000),
    st.lists(st.tuples(st.integers(-300, 4200), st.integers(1, 700)), max_size=12),
    st.integers(1, 900),
)
def test_spans_are_read_as_they_stand_in_the_source(frames, wanted, size):
    signal = np.arange(1, frames + 1, dtype=np.float32)
    source = Audio(signal, 8000)

    class SmallBlocks:
        name, sample_rate, channels, frames = "x", 8000, 1, source.frames

        def blocks(self, _size=0, *, start=0, stop=None):
            return source.blocks(size, start=start, stop=stop)

    spans = sorted((start, start + length) for start, length in wanted)
    padded = np.concatenate((np.zeros(300, np.float32), signal, np.zeros(6000, np.float32)))
    for (start, stop), got in zip(spans, read_spans(SmallBlocks(), spans), strict=True):
        np.testing.assert_array_equal(got[0], padded[start + 300 : stop + 300])


def test_peaks_stand_out_and_keep_their_distance():
    flux = np.zeros(200, np.float32)
    flux[[20, 23, 80, 81, 150]] = (0.5, 0.4, 0.3, 0.3, 0.01)
    peaks, rises = pick_peaks(flux, threshold=0.02, reach=6)
    assert peaks.tolist() == [20, 80]
    assert rises[0] > rises[1] > 0.2


def test_a_steady_flux_has_no_peaks():
    assert len(pick_peaks(np.full(300, 0.2, np.float32), threshold=0.3, reach=6)[0]) == 0


def test_sensitivity_lowers_the_threshold_and_strength_is_a_share():
    thresholds = [threshold_of(s) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert thresholds == sorted(thresholds, reverse=True)
    strengths = strength_of(np.array([0.0, 0.12, 0.5, 9.0], np.float32))
    assert strengths[0] == 0
    assert strengths[1] == pytest.approx(0.5)
    assert (np.diff(strengths) > 0).all()
    assert strengths[-1] <= 1


def test_a_decay_ends_where_the_level_has_fallen():
    hop = 100
    level = np.concatenate((np.zeros(10), 10 ** (-np.arange(200) / 20), np.zeros(100))).astype(np.float32)
    for decay_db in (20, 40, 60):
        (end,) = decay_ends(level, hop, 0, [1000], decay_db=decay_db)
        assert end == pytest.approx(1000 + decay_db * hop, abs=2 * hop)


def test_a_decay_stops_at_the_next_start():
    level = np.ones(100, np.float32)
    assert decay_ends(level, 10, 50, [60, 300], decay_db=40) == [300, 1050]
