"""Maps: many dimensions on two, so that near sounds lie near each other.

UMAP with a fixed seed on one thread, begun from the principal components: the same vectors give the same map. Large
sets are fitted on a part of them; the rest, and whatever comes later, is placed by its nearest neighbours on the map,
so that a map does not move under its user. Without umap-learn, the principal components are the map.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import MissingDependency, ParameterError

__all__ = ["FIT_AT_MOST", "MapResult", "fit_map", "place_by_neighbours", "principal_components"]

Matrix: TypeAlias = NDArray[np.float32]
Method: TypeAlias = Literal["auto", "umap", "pca"]
FIT_AT_MOST = 20_000
"""UMAP is fitted on no more vectors than this."""
SEED = 440
_NEIGHBOURS, _MIN_DISTANCE = 15, 0.1
_FEW = 3 * _NEIGHBOURS
_PLACED_BY = 5
_REACH = 0.1
"""Share of the map's width within which the neighbours of a placed sound must lie of the nearest of them."""
_BLOCK = 2048
_INSTALL = "pip install 'audiolab[similar]'"


@dataclass(frozen=True, slots=True)
class MapResult:
    """Where vectors lie."""

    coordinates: Matrix
    """Shape (n, 2), the widest side from -1 to 1."""
    method: str
    """umap or pca."""
    fitted: NDArray[np.int64]
    """Rows that the map was fitted on; all others were placed."""
    note: str = ""
    """Why it is not what one might expect."""


def fit_map(
    vectors: Matrix,
    *,
    method: Method = "auto",
    seed: int = SEED,
    at_most: int = FIT_AT_MOST,
    progress: Callable[[float], None] | None = None,
) -> MapResult:
    """Lay vectors out on a plane.

    Parameters
    ----------
    vectors : ndarray [float32, shape=(n, dimensions)]
        Of unit length, none of them zero. Give them in an order that does not change: that of their ids.
    method : {"auto", "umap", "pca"}
        auto: UMAP if it is installed and there are enough vectors.
    seed : int
        Of UMAP.
    at_most : int
        How many vectors UMAP is fitted on; evenly spaced ones are taken.
    progress : callable, optional
        Gets the share that is done; what it raises stops the work.

    Raises
    ------
    MissingDependency
        If UMAP was named and is not installed.
    """
    if method not in {"auto", "umap", "pca"}:
        raise ParameterError(f"a map is made by auto, umap or pca, not {method!r}")
    tell = progress or (lambda done: None)
    count, note = len(vectors), ""
    if method != "pca" and find_spec("umap") is None:
        if method == "umap":
            raise MissingDependency(f"umap-learn is not installed: {_INSTALL}")
        note, method = f"umap-learn is not installed, so these are principal components: {_INSTALL}", "pca"
    elif method != "pca" and count < _FEW:
        note, method = f"{count} sounds are too few for UMAP, so these are principal components", "pca"
    if method == "pca":
        coordinates = _fitted_to_frame(principal_components(vectors))
        tell(1.0)
        return MapResult(coordinates, "pca", np.arange(count), note)
    rows = np.arange(count) if count <= at_most else np.unique(np.linspace(0, count - 1, at_most).round().astype(int))
    fitted = np.ascontiguousarray(vectors[rows])
    coordinates = np.zeros((count, 2), np.float32)
    coordinates[rows] = _fitted_to_frame(_umap(fitted, seed, lambda done: tell(0.9 * done)))
    rest = np.setdiff1d(np.arange(count), rows)
    if len(rest):
        coordinates[rest] = place_by_neighbours(vectors[rest], fitted, coordinates[rows])
        note = f"fitted on {len(rows)} of {count} sounds; the others were placed by their nearest neighbours"
    tell(1.0)
    return MapResult(coordinates, "umap", rows, note)


def principal_components(vectors: Matrix) -> Matrix:
    """Give the two directions in which vectors differ most; signs are fixed, so that the result is one."""
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2), np.float32)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 1)))
    largest = axes[np.argmax(np.abs(axes), axis=0), np.arange(2)]
    return np.asarray(centred @ (axes * np.where(largest < 0, -1.0, 1.0)), np.float32)


def place_by_neighbours(vectors: Matrix, fitted: Matrix, coordinates: Matrix, *, k: int = _PLACED_BY) -> Matrix:
    """Place vectors on a map that was made of others; nothing on the map moves.

    Each goes to the mean of its `k` nearest (nearer ones count more), of which only those count that lie near the
    nearest one on the map: between two islands there is nothing.

    Parameters
    ----------
    vectors : ndarray [shape=(n, dimensions)]
    fitted : ndarray [shape=(m, dimensions)]
        What lies on the map.
    coordinates : ndarray [shape=(m, 2)]
        Where.
    """
    if not len(fitted) or not len(vectors):
        return np.zeros((len(vectors), 2), np.float32)
    places, scores = _nearest(vectors, fitted, min(k, len(fitted)), lambda done: None)
    width = float(np.ptp(coordinates, axis=0).max()) or 1.0
    around = coordinates[places].astype(np.float64)
    near = np.linalg.norm(around - around[:, :1], axis=2) <= _REACH * width
    weight = near / np.maximum(1.0 - scores, 1e-4)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("nk,nkd->nd", weight, around), np.float32)


def _nearest(
    vectors: Matrix, among: Matrix, k: int, progress: Callable[[float], None]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the `k` nearest rows of `among`, the nearest first, and their cosines."""
    places, scores = np.zeros((len(vectors), k), np.int64), np.zeros((len(vectors), k))
    for start in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK]) @ among.T
        found = np.argpartition(-block, k - 1, axis=1)[:, :k]
        cosines = np.take_along_axis(block, found, axis=1)
        # Rounded, and then by number, so that equal neighbours come in one order.
        order = np.lexsort((found, -np.round(cosines, 6)), axis=1)
        places[start : start + len(block)] = np.take_along_axis(found, order, axis=1)
        scores[start : start + len(block)] = np.take_along_axis(cosines, order, axis=1)
        progress(min(1.0, (start + _BLOCK) / len(vectors)))
    return places, scores


def _umap(vectors: Matrix, seed: int, progress: Callable[[float], None]) -> Matrix:
    import umap

    # Neighbours are found here, exactly: umap's own search builds another tree on another machine.
    places, scores = _nearest(vectors, vectors, _NEIGHBOURS + 1, lambda done: progress(0.4 * done))
    own = np.arange(len(vectors))
    distances = np.maximum(1.0 - scores, 0.0)
    # umap takes the first neighbour for the point itself, even where another is the same.
    for row in np.flatnonzero(places[:, 0] != own):
        found = np.flatnonzero(places[row] == own[row])
        at = int(found[0]) if len(found) else _NEIGHBOURS
        places[row, 1 : at + 1] = places[row, :at]
        distances[row, 1 : at + 1] = distances[row, :at]
        places[row, 0], distances[row, 0] = own[row], 0.0
    knn: tuple[Any, ...] = (places[:, :_NEIGHBOURS], distances[:, :_NEIGHBOURS].astype(np.float32), None)
    start = principal_components(vectors)
    start = 10.0 * start / max(float(np.abs(start).max()), 1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one thread and no transform: both are meant
        made = umap.UMAP(
            n_neighbors=_NEIGHBOURS, min_dist=_MIN_DISTANCE, metric="cosine", init=start, random_state=seed, n_jobs=1,
            precomputed_knn=knn, force_approximation_algorithm=True,
        ).fit_transform(vectors)  # fmt: skip
    progress(1.0)
    return np.asarray(made, np.float32)


def _fitted_to_frame(coordinates: Matrix) -> Matrix:
    if not len(coordinates):
        return coordinates
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    half = float((high - low).max()) / 2 or 1.0
    return np.asarray((coordinates - (low + high) / 2) / half, np.float32)
