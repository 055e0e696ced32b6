"""Note creation against `basic_pitch.note_creation`, on activations that no sound would give."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.stages.notes.creation import create_notes, frame_times, min_frames
from audiolab.stages.notes.model import Activations


def random_activations(seed: int, frames: int, levels: int, density: float) -> Activations:
    """Runs of activity with few distinct values, so that ties and exact thresholds happen."""
    rng = np.random.default_rng(seed)
    note = np.zeros((frames, 88), np.float32)
    for _ in range(int(density * frames)):
        at, column, length = rng.integers(frames), rng.integers(88), rng.integers(1, 40)
        note[at : at + length, column] = rng.integers(levels + 1) / levels
    note += (rng.random(note.shape) < 0.02) * np.float32(0.3)
    onset = np.where(rng.random(note.shape) < 0.05, rng.random(note.shape), 0).astype(np.float32)
    contour = np.round(rng.random((frames, 264)), 1).astype(np.float32)
    return Activations(
        np.minimum(note, 1).astype(np.float32), onset, contour, frames * 256, np.ones(frames, np.float32)
    )


def both(creation, found: Activations, onset: float, frame: float, length: int, *, melodia: bool = True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = creation.output_to_notes_polyphonic(
            found.note.copy(), found.onset.copy(), onset, frame, length, True, None, None, melodia
        )
    expected = creation.get_pitch_bends(found.contour, raw)
    got = create_notes(found, onset_threshold=onset, frame_threshold=frame, min_length=length, melodia=melodia)
    return got, expected


def assert_equal(got, expected):
    left = [(n.start, n.stop, n.pitch, n.amplitude, list(n.bend)) for n in got]
    assert left == [(int(s), int(e), int(p), a, [int(x) for x in b]) for s, e, p, a, b in expected]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(4, 400),
    levels=st.sampled_from([3, 10, 1000]),
    density=st.floats(0, 4),
    onset=st.sampled_from([0.05, 0.3, 0.5, 1.0]),
    frame=st.sampled_from([0.1, 0.3, 1 / 3, 0.6]),
    length=st.integers(0, 15),
    melodia=st.booleans(),
)
def test_notes_are_those_of_upstream(creation, seed, frames, levels, density, onset, frame, length, melodia):  # noqa: PLR0917
    found = random_activations(seed, frames, levels, density)
    assert_equal(*both(creation, found, onset, frame, length, melodia=melodia))


def test_a_longer_one_crosses_the_chunks(creation):
    found = random_activations(1, 9000, 50, 1.0)
    got, expected = both(creation, found, 0.5, 0.3, 11)
    assert len(got) > 1000
    assert_equal(got, expected)


@pytest.mark.parametrize("frames", [1, 2, 3, 12, 13])
@pytest.mark.parametrize("value", [0.0, 0.9])
def test_tiny_and_constant_activations(creation, frames, value):
    note = np.full((frames, 88), value, np.float32)
    found = Activations(
        note, note.copy(), np.zeros((frames, 264), np.float32), frames * 256, np.ones(frames, np.float32)
    )
    assert_equal(*both(creation, found, 0.5, 0.3, 0))


def test_the_input_is_not_changed():
    found = random_activations(5, 200, 10, 1.0)
    before = [found.note.copy(), found.onset.copy(), found.contour.copy()]
    create_notes(found, min_pitch=40, max_pitch=60)
    assert all(np.array_equal(a, b) for a, b in zip(before, (found.note, found.onset, found.contour), strict=True))


def test_the_pitch_range_leaves_out_what_upstream_leaves_out(creation):
    found = random_activations(7, 300, 10, 2.0)
    raw = creation.output_to_notes_polyphonic(
        found.note.copy(), found.onset.copy(), 0.5, 0.3, 5, True, 440.0, 110.0, True
    )
    got = create_notes(found, min_length=5, min_pitch=45, max_pitch=69)
    assert [(n.start, n.stop, n.pitch) for n in got] == [(int(s), int(e), int(p)) for s, e, p, _ in raw]
    assert {n.pitch for n in got} <= set(range(45, 69))


def test_times_and_lengths_are_upstreams(creation):
    assert np.array_equal(frame_times(5000, upstream=True), creation.model_frames_to_time(5000))
    assert min_frames(127.70) == 11
