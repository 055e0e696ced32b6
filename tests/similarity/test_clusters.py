"""Takes of one drum come together, drums stay apart, and no class is mixed with another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.similarity.clusters import cluster_takes, take_distances


def hits(drums: int, each: int, seed: int):
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.standard_normal((16, 16)))[0][:drums]  # right angles: a cosine distance of 1
    vectors = np.repeat(centres, each, axis=0) + 0.03 * rng.standard_normal((drums * each, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return vectors, (0.1 * rng.standard_normal((drums * each, 5))).astype(np.float32)


@given(drums=st.integers(1, 6), each=st.integers(1, 6), seed=st.integers(0, 200))
def test_each_drum_is_one_group(drums, each, seed):
    vectors, envelope = hits(drums, each, seed)
    order = np.random.default_rng(seed).permutation(drums * each)
    found = cluster_takes(vectors[order], envelope[order], ["snare"] * len(order), spread=1.0)
    assert {frozenset((order[group] // each).tolist()) for group in found} == {frozenset([d]) for d in range(drums)}
    assert sorted(row for group in found for row in group) == list(range(drums * each))
    assert [len(group) for group in found] == sorted((len(group) for group in found), reverse=True)


def test_classes_are_never_mixed_and_the_threshold_is_in_units_of_the_spread():
    vectors, envelope = hits(1, 6, 3)
    mixed = cluster_takes(vectors, envelope, ["kick", "tom"] * 3, spread=1.0)
    assert mixed == [[0, 2, 4], [1, 3, 5]]
    two, envelope = hits(2, 3, 3)
    assert len(cluster_takes(two, envelope, ["kick"] * 6, spread=1.0)) == 2
    assert len(cluster_takes(two, envelope, ["kick"] * 6, spread=10.0)) == 1
    assert len(cluster_takes(two, envelope, ["kick"] * 6, spread=1.0, apart=2.0)) == 1


def test_distances_are_distances():
    vectors, envelope = hits(3, 4, 1)
    found = take_distances(vectors, envelope, 0.5)
    assert np.array_equal(found, found.T)
    assert not np.diag(found).any()
    assert (found >= 0).all()
    with pytest.raises(ParameterError, match="spread"):
        take_distances(vectors, envelope, 0.0)
    with pytest.raises(ParameterError, match="do not fit"):
        cluster_takes(vectors, envelope, ["kick"], spread=1.0)
    assert cluster_takes(vectors[:0], envelope[:0], [], spread=1.0) == []
