"""What is proposed: unsure sounds, each unlike the others, no more than a few of one song, and never by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.training.proposing import TWIN, entropy, margin, propose


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def library(n: int, seed: int = 0, dimensions: int = 16, labels: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((n, dimensions)))
    return vectors, softmax(6 * vectors @ rng.standard_normal((dimensions, labels)))


def test_margin_and_entropy_know_the_ends():
    p = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3])
    assert np.allclose(margin(p), [1, 0, 0])
    assert np.allclose(entropy(p)[[0, 2]], [0, 1], atol=1e-6)
    assert np.allclose(margin(np.ones((2, 1))), 1)


def test_unsure_sounds_come_first():
    vectors, p = library(400)
    chosen = propose(vectors, p, 20)
    assert len(set(chosen)) == 20
    assert margin(p)[chosen].mean() < 0.5 * margin(p).mean()
    assert propose(vectors, p, 20, strategy="uncertain") == np.argsort(margin(p), kind="stable")[:20].tolist()


def test_twins_are_asked_for_once():
    vectors, p = library(30)
    vectors, p = np.repeat(vectors, 5, axis=0), np.repeat(p, 5, axis=0)
    chosen = propose(vectors, p, 100)
    assert len(chosen) == 30
    assert sorted(i // 5 for i in chosen) == list(range(30))
    rest = propose(vectors, p, 100, labelled=vectors[:50])
    assert {i // 5 for i in rest} == set(range(10, 30))


def test_not_twenty_hits_of_one_drum_in_one_song():
    rng = np.random.default_rng(1)
    centre = rng.standard_normal(16)
    vectors = unit(np.concatenate([centre + 0.5 * rng.standard_normal((200, 16)), rng.standard_normal((60, 16))]))
    p = np.concatenate([np.tile([0.35, 0.33, 0.32], (200, 1)), np.tile([0.6, 0.2, 0.2], (60, 1))])
    origins = ["song"] * 200 + [f"other {i % 20}" for i in range(60)]
    chosen = propose(vectors, p, 20, origins=origins)
    assert sum(i < 200 for i in chosen) == 2
    assert sum(i < 200 for i in propose(vectors, p, 20, origins=origins, per_origin=5)) == 5
    alone = propose(vectors[:200], p[:200], 20, origins=origins[:200])
    assert len(alone) == 20  # with one song only, it is asked for more of it


def test_silence_is_never_proposed_and_too_few_are_all():
    vectors, p = library(6)
    vectors[2] = 0
    for strategy in ("spread", "uncertain", "random"):
        assert sorted(propose(vectors, p, 50, strategy=strategy)) == [0, 1, 3, 4, 5]
    assert propose(vectors[:0], p[:0], 5) == []
    assert propose(np.zeros((3, 4), np.float32), p[:3], 5) == []


def test_what_makes_no_sense_is_named():
    vectors, p = library(6)
    with pytest.raises(ParameterError, match="1 or more"):
        propose(vectors, p, 0)
    with pytest.raises(ParameterError, match="strategy"):
        propose(vectors, p, 3, strategy="clever")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="length"):
        propose(vectors, p[:3], 3)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 12))
def test_proposals_are_distinct_and_repeatable(seed, n, songs):
    vectors, p = library(60, seed, dimensions=6)
    origins = [f"song {i % songs}" for i in range(60)]
    chosen = propose(vectors, p, n, origins=origins)
    assert chosen == propose(vectors, p, n, origins=origins)
    assert len(set(chosen)) == len(chosen) <= n
    likeness = vectors[chosen] @ vectors[chosen].T
    assert (likeness[~np.eye(len(chosen), dtype=bool)] <= TWIN + 1e-6).all()
