"""The index: equal to brute force, ordered, filtered, deterministic."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.errors import MissingDependency, ParameterError
from audiolab.similarity import index as module
from audiolab.similarity.index import VectorIndex, measure_recall


def unit(n: int, dimensions: int = 16, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((n, dimensions))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def names(n: int) -> list[str]:
    return [f"{(i * 7919) % 100_003:05d}" for i in range(n)]


def by_hand(vectors, ids, query, n, *, allowed=None, exclude=None):
    """The definition: sort all by (-score, id)."""
    scores = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    rows = [i for i in range(len(vectors)) if vectors[i].any() and i != exclude and (allowed is None or allowed[i])]
    return sorted(rows, key=lambda i: (-scores[i], ids[i]))[:n]


@given(
    n=st.integers(1, 120),
    wanted=st.integers(0, 130),
    seed=st.integers(0, 1000),
    copies=st.integers(1, 6),
    filtered=st.booleans(),
)
def test_it_finds_what_brute_force_finds(n, wanted, seed, copies, filtered):
    rng = np.random.default_rng(seed)
    vectors = unit(n, 8, seed)[rng.integers(0, -(-n // copies), n)]  # many equal scores
    vectors[rng.random(n) < 0.1] = 0
    ids = [names(200)[i] for i in rng.permutation(200)[:n]]
    allowed = rng.random(n) < 0.3 if filtered else None
    exclude = int(rng.integers(n))
    query = unit(1, 8, seed + 1)[0] if seed % 2 else vectors[exclude]
    hits = VectorIndex(vectors, ids).search(query, wanted, allowed=allowed, exclude=exclude)
    if not query.any():
        assert len(hits) == 0
        return
    assert hits.rows.tolist() == by_hand(vectors, ids, query, wanted, allowed=allowed, exclude=exclude)
    assert (np.diff(hits.scores) <= 0).all()


@given(seed=st.integers(0, 500))
def test_the_order_of_the_vectors_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    vectors, ids = unit(90, 24, seed)[rng.integers(0, 30, 90)], names(90)
    query = unit(1, 24, seed + 1)[0]
    first = VectorIndex(vectors, ids).search(query, 20)
    order = rng.permutation(90)
    second = VectorIndex(vectors[order], [ids[i] for i in order]).search(query, 20)
    assert [ids[i] for i in first.rows] == [ids[order[i]] for i in second.rows]
    assert first.scores.tolist() == second.scores.tolist()


def test_silence_is_never_a_neighbour_and_has_none():
    vectors = unit(10)
    vectors[[2, 5]] = 0
    index = VectorIndex(vectors, names(10))
    assert set(index.search(vectors[0], 10).rows) == set(range(10)) - {2, 5}
    assert len(index.search(vectors[2], 10)) == 0


def test_an_empty_index_and_no_neighbours_wanted():
    assert len(VectorIndex(np.zeros((0, 0), np.float32), []).search(unit(1)[0], 5)) == 0
    assert len(VectorIndex(unit(4), names(4)).search(unit(1)[0], 0)) == 0


def test_usearch_finds_nearly_all_of_them_and_filters_exactly():
    pytest.importorskip("usearch")
    vectors, ids = unit(3000, 32, 5), names(3000)
    index = VectorIndex(vectors, ids, engine="usearch")
    assert index.engine == "usearch"
    assert measure_recall(index, range(0, 3000, 60), 10) >= 0.95
    allowed = np.zeros(3000, bool)
    allowed[::50] = True
    hits = index.search(vectors[7], 12, allowed=allowed)
    assert hits.rows.tolist() == by_hand(vectors, ids, vectors[7], 12, allowed=allowed)
    assert 7 not in index.search(vectors[7], 12, exclude=7).rows


def test_two_graphs_of_the_same_vectors_answer_alike_and_are_kept(tmp_path):
    pytest.importorskip("usearch")
    vectors, ids = unit(800, 16, 3), names(800)
    path = tmp_path / "graph.usearch"
    first = VectorIndex(vectors, ids, engine="usearch", saved=path)
    made = path.read_bytes()
    for other in (VectorIndex(vectors, ids, engine="usearch"), VectorIndex(vectors, ids, engine="usearch", saved=path)):
        for row in range(0, 800, 80):
            assert other.search(vectors[row], 9).rows.tolist() == first.search(vectors[row], 9).rows.tolist()
    assert path.read_bytes() == made


def test_a_torn_graph_is_made_again(tmp_path):
    pytest.importorskip("usearch")
    vectors, ids = unit(300, 16, 3), names(300)
    path = tmp_path / "graph.usearch"
    path.write_bytes(b"torn")
    with pytest.warns(UserWarning, match="made anew"):
        index = VectorIndex(vectors, ids, engine="usearch", saved=path)
    assert index.search(vectors[4], 1).rows.tolist() == [4]
    assert path.stat().st_size > 1000


def test_many_sounds_want_usearch_and_do_without_it_with_a_warning(monkeypatch):
    monkeypatch.setattr(module, "BRUTE_FORCE_LIMIT", 10)
    monkeypatch.setitem(sys.modules, "usearch", None)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.warns(RuntimeWarning, match=r"audiolab\[similar\]"):
        index = VectorIndex(unit(20), names(20))
    assert index.engine == "numpy"
    assert index.search(index.vectors[3], 1).rows.tolist() == [3]
    with pytest.raises(MissingDependency, match="pip install"):
        VectorIndex(unit(20), names(20), engine="usearch")
    assert VectorIndex(unit(10), names(10)).engine == "numpy"


@pytest.mark.parametrize(
    ("vectors", "ids", "message"),
    [
        (unit(3), ["a", "b"], "2 ids"),
        (unit(2) * 2, ["a", "b"], "unit length"),
        (np.full((1, 4), np.nan, np.float32), ["a"], "finite"),
    ],
)
def test_bad_vectors_are_refused(vectors, ids, message):
    with pytest.raises(ParameterError, match=message):
        VectorIndex(vectors, ids)


def test_bad_questions_are_refused():
    index = VectorIndex(unit(5), names(5))
    with pytest.raises(ParameterError, match="another encoder"):
        index.search(unit(1, 8)[0], 3)
    with pytest.raises(ParameterError, match="negative"):
        index.search(unit(1)[0], -1)
    with pytest.raises(ParameterError, match="mask"):
        index.search(unit(1)[0], 1, allowed=np.ones(4, bool))
    with pytest.raises(ParameterError, match="finite"):
        index.search(np.full(16, np.inf, np.float32), 1)
