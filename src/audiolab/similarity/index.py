"""Nearest neighbours among unit vectors: exact by numpy, or by usearch where there are very many.

Conventions: vectors have unit length, so that a product is a cosine; a zero vector is silence and is never a
neighbour. Results come in one order on every machine: by score, computed in float64 row by row, then by id.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import MissingDependency, ParameterError

__all__ = ["BRUTE_FORCE_LIMIT", "Hits", "VectorIndex", "exact_scores", "measure_recall"]

Engine: TypeAlias = Literal["auto", "numpy", "usearch"]
Matrix: TypeAlias = NDArray[np.float32]
BRUTE_FORCE_LIMIT = 200_000
"""Up to so many sounds, every query is compared with all of them."""
_SLACK = 1e-5
"""More than float32 products of unit vectors are off; who comes so near to the last place is computed anew."""
_BLOCK = 65_536
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 128
_EXTRA = 4
"""The approximate index is asked for so many times more than is wanted; the best of these are given."""
_UNIT = 1e-3
_INSTALL = "usearch is not installed: pip install 'audiolab[similar]'"


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found, the nearest first."""

    rows: NDArray[np.int64]
    """Places in the index."""
    scores: NDArray[np.float64]
    """Cosines, falling."""

    def __len__(self) -> int:
        return len(self.rows)


class VectorIndex:
    """Neighbours among vectors.

    Parameters
    ----------
    vectors : ndarray [float32, shape=(n, dimensions)]
        Of unit length, or zero for silence. Not copied; may be memory-mapped.
    ids : sequence of str
        One a vector; they settle the order of equal scores.
    engine : {"auto", "numpy", "usearch"}
        auto: numpy up to 200,000 vectors, then usearch if it is installed (else numpy, with a warning).
    saved : path-like, optional
        Where usearch keeps its graph between sessions. It must be of these very vectors: name it by their hash.

    Attributes
    ----------
    engine : str
        What serves plain queries: `numpy` (exact) or `usearch` (approximate). With a mask it is always numpy.

    Raises
    ------
    MissingDependency
        If usearch was named and is not installed.
    ParameterError
        If the vectors are not finite, not of unit length, or not as many as the ids.
    """

    def __init__(
        self, vectors: Matrix, ids: Sequence[str], *, engine: Engine = "auto", saved: str | Path | None = None
    ) -> None:
        if vectors.ndim != 2 or len(vectors) != len(ids):
            raise ParameterError(f"{len(ids)} ids do not fit vectors of shape {vectors.shape}")
        if engine not in {"auto", "numpy", "usearch"}:
            raise ParameterError(f"an index is made by auto, numpy or usearch, not {engine!r}")
        self.vectors, self.ids = vectors, ids
        lengths = _lengths(vectors)
        self.audible: NDArray[np.bool_] = lengths > 0
        if not np.isfinite(lengths).all() or (np.abs(lengths[self.audible] - 1) > _UNIT).any():
            raise ParameterError("the vectors of an index must be finite and of unit length (or zero, for silence)")
        # Rank of each id, so that ties are settled without comparing texts.
        self.rank = np.empty(len(ids), np.int64)
        self.rank[np.argsort(np.asarray(ids, dtype=str), kind="stable") if len(ids) else []] = np.arange(len(ids))
        self.engine = self._choose(engine)
        self._graph: Any = _graph(vectors, self.audible, saved) if self.engine == "usearch" else None

    def __len__(self) -> int:
        return len(self.vectors)

    def _choose(self, engine: Engine) -> Literal["numpy", "usearch"]:
        if engine == "numpy" or (engine == "auto" and len(self) <= BRUTE_FORCE_LIMIT):
            return "numpy"
        if find_spec("usearch") is None:
            if engine == "usearch":
                raise MissingDependency(_INSTALL)
            warnings.warn(
                f"{len(self)} sounds are compared one by one, which is slow: {_INSTALL}", RuntimeWarning, stacklevel=3
            )
            return "numpy"
        return "usearch" if self.audible.any() else "numpy"

    def search(
        self,
        query: NDArray[np.float32],
        n: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        exclude: int | None = None,
    ) -> Hits:
        """Give the nearest vectors.

        Parameters
        ----------
        query : ndarray [shape=(dimensions,)]
            Of unit length; a zero vector has no neighbours.
        n : int
            How many at most.
        allowed : ndarray of bool [shape=(len(self),)], optional
            Which vectors may be found. With it, the search is exact whatever the engine.
        exclude : int, optional
            Place of the query itself.
        """
        self._check(query, n, allowed)
        if n == 0 or not len(self) or not np.any(query):
            return _no_hits()
        query = np.asarray(query, np.float32)
        if self.engine == "usearch" and allowed is None:
            rows = self._approximate(query, n + (exclude is not None))
            rows = rows[rows != exclude] if exclude is not None else rows
        else:
            rows = self._candidates(query, n, allowed, exclude)
        return self._best(query, rows, n)

    def _check(self, query: NDArray[np.float32], n: int, allowed: NDArray[np.bool_] | None) -> None:
        if query.shape != (self.vectors.shape[1],) and len(self):
            raise ParameterError(
                f"a query of shape {query.shape} does not fit vectors of {self.vectors.shape[1]} dimensions: "
                "was it embedded by another encoder?"
            )
        if not np.isfinite(query).all():
            raise ParameterError("the query holds numbers that are not finite")
        if n < 0:
            raise ParameterError(f"the number of neighbours must not be negative, not {n}")
        if allowed is not None and allowed.shape != (len(self),):
            raise ParameterError(f"a mask of shape {allowed.shape} does not fit {len(self)} vectors")

    def _candidates(
        self, query: Matrix, n: int, allowed: NDArray[np.bool_] | None, exclude: int | None
    ) -> NDArray[np.int64]:
        mask = self.audible if allowed is None else self.audible & allowed
        if exclude is not None:
            mask = mask.copy()
            mask[exclude] = False
        rows = np.flatnonzero(mask)
        if len(rows) <= n:
            return rows
        if len(rows) < len(self) // 4:
            scores = np.concatenate([self.vectors[part] @ query for part in _parts(rows)])
        else:
            scores = (self.vectors @ query)[rows]
        last = np.partition(scores, len(scores) - n)[len(scores) - n]
        return np.asarray(rows[scores >= last - _SLACK])

    def _approximate(self, query: Matrix, n: int) -> NDArray[np.int64]:
        found = self._graph.search(query, min(len(self._graph), max(_EXTRA * n, n + 50)), threads=1)
        return np.asarray(found.keys, np.int64)

    def _best(self, query: Matrix, rows: NDArray[np.int64], n: int) -> Hits:
        scores = exact_scores(self.vectors[rows], query)
        order = np.lexsort((self.rank[rows], -scores))[:n]
        return Hits(rows[order], scores[order])


def exact_scores(vectors: Matrix, query: Matrix) -> NDArray[np.float64]:
    """Give products that do not depend on how many rows there are or where they lie, unlike those of a BLAS."""
    return np.asarray((vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1))


def measure_recall(index: VectorIndex, queries: Sequence[int], n: int = 10) -> float:
    """Give the share of the true `n` neighbours (by brute force) of some of its vectors that the index finds."""
    exact = VectorIndex(index.vectors, index.ids, engine="numpy")
    found = wanted = 0
    for row in queries:
        truth = set(exact.search(index.vectors[row], n, exclude=row).rows.tolist())
        found += len(truth & set(index.search(index.vectors[row], n, exclude=row).rows.tolist()))
        wanted += len(truth)
    return found / wanted if wanted else 1.0


def _graph(vectors: Matrix, audible: NDArray[np.bool_], saved: str | Path | None) -> Any:
    """Build or load the graph of usearch. One thread: so the same vectors give the same graph."""
    from usearch.index import Index

    rows = np.flatnonzero(audible)
    graph = Index(
        ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=_CONNECTIVITY, expansion_add=_EXPANSION_ADD,
        expansion_search=_EXPANSION_SEARCH,
    )  # fmt: skip
    path = None if saved is None else Path(saved)
    if path is not None and path.is_file():
        try:
            graph.load(str(path))
            if len(graph) == len(rows) and graph.ndim == vectors.shape[1]:
                return graph
        except (RuntimeError, ValueError, OSError) as error:
            warnings.warn(f"the kept index {path.name} cannot be read ({error}); it is made anew", stacklevel=4)
        return _graph_anew(vectors, rows, path)
    for part in _parts(rows):
        graph.add(part, np.ascontiguousarray(vectors[part]), threads=1)
    if path is not None:
        _save(graph, path)
    return graph


def _graph_anew(vectors: Matrix, rows: NDArray[np.int64], path: Path) -> Any:
    path.unlink(missing_ok=True)
    mask = np.zeros(len(vectors), bool)
    mask[rows] = True
    return _graph(vectors, mask, path)


def _save(graph: Any, path: Path) -> None:
    from audiolab.audio import atomic_path

    with atomic_path(path) as temporary:
        graph.save(str(temporary))


def _lengths(vectors: Matrix) -> NDArray[np.float64]:
    lengths = [
        np.sqrt(np.square(vectors[at : at + _BLOCK], dtype=np.float64).sum(axis=1))
        for at in range(0, len(vectors), _BLOCK)
    ]
    return np.concatenate(lengths) if lengths else np.zeros(0)


def _parts(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[at : at + _BLOCK] for at in range(0, len(rows), _BLOCK)]


def _no_hits() -> Hits:
    return Hits(np.zeros(0, np.int64), np.zeros(0))
