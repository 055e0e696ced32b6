"""Weighted aspects: their proportions, their ends, who lacks them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.similarity.aspects import envelope_closeness, pitch_closeness
from audiolab.similarity.index import VectorIndex
from audiolab.similarity.space import Point, Space, Weights


def make(n=60, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, 12))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    envelope = rng.standard_normal((n, 5)).astype(np.float32)
    pitch = np.stack([rng.uniform(30, 90, n), rng.random(n)], axis=1).astype(np.float32)
    described = rng.random(n) < 0.9
    return Space(VectorIndex(vectors, [f"{i:03d}" for i in range(n)]), envelope, pitch, described)


def point(space, row):
    return Point(space.index.vectors[row], space.envelope[row], space.pitch[row], row)


@given(seed=st.integers(0, 200), timbre=st.floats(0.01, 3), envelope=st.floats(0, 3), pitch=st.floats(0, 3))
def test_the_score_is_the_weighted_mean_of_the_aspects(seed, timbre, envelope, pitch):
    space = make(seed=seed)
    row = seed % 60
    weights = Weights(timbre, envelope, pitch)
    hits = space.nearest(point(space, row), 15, weights)
    every = space.index.vectors.astype(np.float64) @ space.index.vectors[row].astype(np.float64)
    total = np.zeros(60)
    for name, closeness in (
        ("timbre", every),
        ("envelope", envelope_closeness(space.envelope[row], space.envelope)),
        ("pitch", pitch_closeness(space.pitch[row], space.pitch)),
    ):
        total += weights.shares.get(name, 0.0) * closeness
    known = np.ones(60, bool) if set(weights.shares) == {"timbre"} else space.described.copy()
    known[row] = False
    assert np.allclose(hits.scores, np.sort(total[known])[::-1][:15], atol=1e-5)
    assert known[hits.rows].all()


def test_only_proportions_matter_and_the_default_is_the_cosine_alone():
    space = make(seed=3)
    one = space.nearest(point(space, 5), 10, Weights(1, 0.5, 0.25))
    same = space.nearest(point(space, 5), 10, Weights(4, 2, 1))
    assert one.rows.tolist() == same.rows.tolist()
    assert np.allclose(one.scores, same.scores)
    plain = space.nearest(point(space, 5), 10)
    assert plain.rows.tolist() == space.index.search(space.index.vectors[5], 10, exclude=5).rows.tolist()


def test_a_filter_holds_with_weights_too():
    space = make(seed=4)
    allowed = np.arange(60) % 3 == 0
    hits = space.nearest(point(space, 5), 60, Weights(1, 1, 1), allowed=allowed)
    assert set(hits.rows) == set(np.flatnonzero(allowed & space.described)) - {5}


def test_a_sound_without_an_aspect_has_no_neighbours_in_it():
    space = make()
    bare = Point(space.index.vectors[0], None, None, 0)
    assert len(space.nearest(bare, 5, Weights(1, 1, 0))) == 0
    assert len(space.nearest(bare, 5)) == 5
    assert bare.lacks(["timbre", "pitch"]) == ["pitch"]


def test_why_tells_every_aspect_known_of_both():
    space = make()
    described, other = np.flatnonzero(space.described)[1], np.flatnonzero(~space.described)[0]
    whole, part = space.why(point(space, 0), [described, other])
    assert set(whole) == {"timbre", "envelope", "pitch"}
    assert set(part) == {"timbre"}


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_bad_weights_are_refused(wrong):
    with pytest.raises(ParameterError, match="envelope"):
        Weights(1, wrong, 0)
    with pytest.raises(ParameterError, match="all weights"):
        Weights(0, 0, 0)


def test_pitch_knows_notes_octaves_and_noise():
    sure = np.array([[60, 1], [72, 1], [61, 1], [66, 1], [0, 0], [60, 0.5]], np.float32)
    same, octave, semitone, tritone, noise, half = pitch_closeness(sure[0], sure)
    assert same == pytest.approx(1)
    assert same > half > noise == 0
    assert octave > semitone > tritone
    assert pitch_closeness(np.array([0, 0], np.float32), sure)[4] == pytest.approx(1)


@given(a=st.integers(0, 127), b=st.integers(0, 127), p=st.floats(0, 1), q=st.floats(0, 1))
def test_pitch_closeness_is_symmetric_and_between_0_and_1(a, b, p, q):
    x, y = np.array([a, p]), np.array([b, q])
    there, back = pitch_closeness(x, y[None])[0], pitch_closeness(y, x[None])[0]
    assert there == pytest.approx(back)
    assert -1e-12 <= there <= 1 + 1e-12


def test_equal_envelopes_are_wholly_alike_and_one_step_apart_a_little():
    assert envelope_closeness(np.zeros(3), np.zeros((1, 3)))[0] == 1
    assert envelope_closeness(np.zeros(3), np.array([[1.0, 0, 0]]))[0] == pytest.approx(math.exp(-0.5))
