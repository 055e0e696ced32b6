"""How good a map or a neighbourhood is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_agreement", "trustworthiness"]


def trustworthiness(vectors: NDArray[np.float32], coordinates: NDArray[np.float32], *, k: int = 10) -> float:
    """Say whether those who are neighbours on a map are neighbours in truth: 1 if all are, about 0.5 by chance.

    Takes memory for n times n ranks: up to some thousand vectors.

    References
    ----------
    .. [1] J. Venna, S. Kaski, "Neighborhood preservation in nonlinear projection methods", ICANN 2001.
    """
    n = len(vectors)
    if n <= 3 * k:
        raise ValueError(f"{n} points are too few for {k} neighbours")
    nearness = vectors @ vectors.T
    np.fill_diagonal(nearness, 4.0)
    order = np.argsort(-nearness, axis=1, kind="stable")
    ranks = np.empty((n, n), np.int32)
    np.put_along_axis(ranks, order, np.arange(n, dtype=np.int32)[None, :], axis=1)  # 0 is the point itself
    near = nearest_on_map(coordinates, k)
    beyond = np.maximum(np.take_along_axis(ranks, near, axis=1) - k, 0).sum()
    return float(1.0 - 2.0 / (n * k * (2 * n - 3 * k - 1)) * beyond)


def label_agreement(coordinates: NDArray[np.float32], labels: Sequence[str], *, k: int = 10) -> float:
    """Give the share of the `k` nearest on a map that have the same label, mean over all points."""
    names = np.asarray(labels)
    near = nearest_on_map(coordinates, min(k, len(names) - 1))
    return float((names[near] == names[:, None]).mean())


def nearest_on_map(coordinates: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Give the `k` nearest other points of each."""
    from scipy.spatial import cKDTree

    _, found = cKDTree(coordinates).query(coordinates, k + 1)
    own = found == np.arange(len(coordinates))[:, None]
    own[~own.any(axis=1), -1] = True  # so many lie at one place that the point itself was not among them
    return np.asarray(found[~own].reshape(len(coordinates), k), np.int64)
