"""Which hits are one drum: agglomerative clustering of what is near in timbre and in how it rises and falls.

Distances of embeddings mean something else with every encoder, so they are given in a unit that is measured with it:
`spread`, the usual distance between unlike drums.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError

__all__ = ["TAKES_APART", "cluster_takes", "take_distances"]

TAKES_APART = 0.5
"""Hits whose mean distance is larger are of two drums; 1 is the usual distance of unlike drums."""
_ENVELOPE_SHARE = 0.25
_MOST = 6000


def take_distances(vectors: NDArray[np.float32], envelope: NDArray[np.float32], spread: float) -> NDArray[np.float64]:
    """Give how far hits lie apart: three quarters timbre, in units of `spread`, one quarter envelope.

    Parameters
    ----------
    vectors : ndarray [shape=(n, dimensions)]
        Embeddings of unit length.
    envelope : ndarray [shape=(n, k)]
        Features, see `envelope_closeness`.
    spread : float
        Cosine distance between unlike drums.

    Returns
    -------
    ndarray [shape=(n, n)]
    """
    if not spread > 0:
        raise ParameterError(f"the spread of unlike drums must be above 0, not {spread}")
    timbre = np.maximum(1.0 - vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0.0) / spread
    squares = np.square(envelope, dtype=np.float64).sum(axis=1)
    product = envelope.astype(np.float64) @ envelope.T.astype(np.float64)
    apart = np.maximum(squares[:, None] + squares - 2 * product, 0.0)
    mixed = (1 - _ENVELOPE_SHARE) * timbre + _ENVELOPE_SHARE * (1 - np.exp(-0.5 * apart))
    mixed = (mixed + mixed.T) / 2
    np.fill_diagonal(mixed, 0.0)
    return np.asarray(mixed)


def cluster_takes(
    vectors: NDArray[np.float32],
    envelope: NDArray[np.float32],
    classes: Sequence[str],
    *,
    spread: float,
    apart: float = TAKES_APART,
) -> list[list[int]]:
    """Find the hits of each drum.

    Parameters
    ----------
    vectors, envelope, spread
        See `take_distances`.
    classes : sequence of str
        Hits of different classes are never one drum.
    apart : float
        Groups (average linkage) are joined up to this distance.

    Returns
    -------
    list of list of int
        Every hit is in one group; the largest groups come first, each in order.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if not len(vectors) == len(envelope) == len(classes):
        raise ParameterError(f"{len(vectors)} vectors, {len(envelope)} envelopes and {len(classes)} classes do not fit")
    names = np.asarray(classes, dtype=str)
    found: list[list[int]] = []
    for name in sorted(set(classes)):
        rows = np.flatnonzero(names == name)
        if len(rows) > _MOST:
            raise ParameterError(f"{len(rows)} hits of {name!r} are too many to be clustered at once (at most {_MOST})")
        if len(rows) == 1:
            found.append([int(rows[0])])
            continue
        distances = squareform(take_distances(vectors[rows], envelope[rows], spread), checks=False)
        numbers = fcluster(linkage(distances, "average"), apart, "distance")
        found += [rows[numbers == number].tolist() for number in np.unique(numbers)]
    return sorted(found, key=lambda group: (-len(group), group))
