"""Maps: the same every time, faithful, and what is placed later moves nothing."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.errors import Cancelled, MissingDependency, ParameterError
from audiolab.similarity import maps
from audiolab.similarity.maps import fit_map, place_by_neighbours
from audiolab.similarity.measures import label_agreement, trustworthiness

UMAP = importlib.util.find_spec("umap") is not None


def clusters(each: int = 20, count: int = 5, seed: int = 0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count, 24))
    values = np.repeat(centres, each, axis=0) + 0.25 * rng.standard_normal((each * count, 24))
    values = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return values, [f"c{i // each}" for i in range(each * count)]


@pytest.mark.slow
@pytest.mark.skipif(not UMAP, reason="needs umap-learn")
def test_umap_keeps_clusters_together_twice_the_same_and_places_the_rest():
    vectors, labels = clusters()
    first, second = fit_map(vectors), fit_map(vectors)
    assert first.method == "umap"
    assert np.array_equal(first.coordinates, second.coordinates)
    assert label_agreement(first.coordinates, labels) > 0.95
    assert np.abs(first.coordinates).max() == pytest.approx(1, abs=1e-5)
    part = fit_map(vectors, at_most=60)
    assert len(part.fitted) == 60
    assert "60 of 100" in part.note
    assert label_agreement(part.coordinates, labels) > 0.9


def test_principal_components_are_one_answer_and_few_sounds_have_a_map_too():
    vectors, labels = clusters(count=3)
    made = fit_map(vectors, method="pca")
    assert np.array_equal(made.coordinates, fit_map(vectors.copy(), method="pca").coordinates)
    assert label_agreement(made.coordinates, labels) > 0.8
    for few in range(4):
        small = fit_map(vectors[:few])
        assert small.method == "pca"
        assert small.coordinates.shape == (few, 2)
        assert np.isfinite(small.coordinates).all()
        assert not UMAP or "too few" in small.note


def test_without_umap_it_says_so(monkeypatch):
    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    vectors, _ = clusters()
    made = fit_map(vectors)
    assert made.method == "pca"
    assert "pip install" in made.note
    with pytest.raises(MissingDependency, match="umap-learn"):
        fit_map(vectors, method="umap")
    with pytest.raises(ParameterError, match="tsne"):
        fit_map(vectors, method="tsne")  # type: ignore[arg-type]


@given(seed=st.integers(0, 300))
def test_a_placed_sound_lies_by_its_like(seed):
    vectors, labels = clusters(seed=seed)
    places = np.asarray([[int(label[1]), int(label[1]) % 2] for label in labels], np.float32)
    places += 0.01 * np.random.default_rng(seed).standard_normal(places.shape).astype(np.float32)
    new = np.arange(0, 100, 7)
    old = np.setdiff1d(np.arange(100), new)
    placed = place_by_neighbours(vectors[new], vectors[old], places[old])
    assert (np.abs(placed - places[new]).max(axis=1) < 0.2).mean() > 0.9
    same = place_by_neighbours(vectors[old[:3]], vectors[old], places[old])
    assert np.abs(same - places[old[:3]]).max() < 0.05


def test_trustworthiness_is_one_for_the_truth_and_half_for_chance():
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 1.5, 200)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    assert trustworthiness(vectors, vectors) > 0.999
    assert trustworthiness(vectors, rng.random((200, 2)).astype(np.float32)) == pytest.approx(0.5, abs=0.1)


def test_progress_rises_and_can_stop_it():
    vectors, _ = clusters()
    done = []
    fit_map(vectors, method="pca", progress=done.append)
    assert done[-1] == 1
    assert done == sorted(done)

    def stop(_):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        fit_map(vectors, method="pca", progress=stop)
