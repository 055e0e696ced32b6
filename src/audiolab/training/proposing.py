"""What to label next: sounds that the head is unsure of, each unlike the others. Arrays in, indices out.

The choice is k-means++ on the gradients that each sound would give the head if its best guess were its label (BADGE:
Ash et al. 2020), made in the order in which it spreads furthest and without chance: a gradient is long where the head
is unsure and points where it would learn, so that length is uncertainty and distance diversity. Distances to what is
labelled already count too.

References
----------
Ash, Zhang, Krishnamurthy, Langford and Agarwal: Deep batch active learning by diverse, uncertain gradient lower
bounds. ICLR 2020.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError

__all__ = ["STRATEGIES", "Strategy", "entropy", "margin", "propose"]

Strategy: TypeAlias = Literal["spread", "uncertain", "random"]
STRATEGIES: tuple[Strategy, ...] = ("spread", "uncertain", "random")
POOL = 4000
"""Candidates that are compared with each other: the most uncertain ones."""
TWIN = 0.985
"""Sounds with a larger product are taken for one recording; one of them is enough."""


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the entropy of each row, 0 to 1."""
    p = np.clip(np.asarray(probabilities, np.float64), 1e-12, 1.0)
    return np.asarray(-(p * np.log(p)).sum(axis=1) / np.log(max(2, p.shape[1])))


def margin(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the distance of the best two labels of each row, 0 to 1."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    top = np.partition(np.asarray(probabilities, np.float64), -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def propose(
    vectors: NDArray[np.float32], probabilities: NDArray[np.floating], n: int, *,
    origins: Sequence[str] | None = None, labelled: NDArray[np.float32] | None = None,
    strategy: Strategy = "spread", per_origin: int | None = None, seed: int = 0,
) -> list[int]:  # fmt: skip
    """Choose sounds to label.

    Parameters
    ----------
    vectors : ndarray [float32, shape=(sounds, dimensions)]
        Embeddings of unit length; zero ones (silence) are never chosen.
    probabilities : ndarray [shape=(sounds, labels)]
        Calibrated, of the head at hand.
    n : int
        How many; fewer come if there are not enough that differ.
    origins : sequence of str, optional
        The song of each sound: no more than `per_origin` come from one with one best guess, while others are left.
    labelled : ndarray, optional
        Embeddings of what is labelled already; twins of it are not proposed.
    strategy : {"spread", "uncertain", "random"}
        spread: uncertain and unlike each other. uncertain: the smallest margins. random: any.
    per_origin : int, optional
        Default: a tenth of `n`, 2 at least.

    Returns
    -------
    list of int
        Indices, the first the most worth while.
    """
    if n < 1:
        raise ParameterError(f"give the number of sounds to propose, 1 or more, not {n}")
    if strategy not in STRATEGIES:
        raise ParameterError(f"there is no strategy {strategy!r}; there are: {', '.join(STRATEGIES)}")
    if not len(vectors) == len(probabilities) == len(origins if origins is not None else vectors):
        raise ParameterError("vectors, probabilities and origins are not of one length")
    usable = np.flatnonzero(vectors.any(axis=1))
    if strategy == "random":
        return [int(i) for i in np.random.default_rng(seed).permutation(usable)[:n]]
    unsure = np.asarray(margin(probabilities[usable]))
    order = usable[np.lexsort((usable, unsure))]
    if strategy == "uncertain":
        return [int(i) for i in order[:n]]
    pool = order[: max(POOL, 4 * n)]
    if labelled is not None and len(labelled):
        pool = pool[(vectors[pool] @ labelled.T).max(axis=1) <= TWIN]
    best = probabilities[pool].argmax(axis=1)
    places = None if origins is None else [(origins[i], int(b)) for i, b in zip(pool.tolist(), best, strict=True)]
    most = max(2, -(-n // 10)) if per_origin is None else per_origin
    return [int(pool[i]) for i in _spread(vectors[pool], probabilities[pool], n, places, most)]


def _spread(
    vectors: NDArray[np.float32],
    probabilities: NDArray[np.floating],
    n: int,
    places: Sequence[tuple[str, int]] | None,
    most: int,
) -> list[int]:
    """Choose greedily the gradient that lies furthest from all chosen ones; the first is the longest."""
    gradient = np.asarray(probabilities, np.float32).copy()
    gradient[np.arange(len(gradient)), gradient.argmax(axis=1)] -= 1.0
    lengths = np.square(gradient).sum(axis=1)  # the embeddings have unit length
    far = lengths.astype(np.float64).copy()
    open_ = np.ones(len(vectors), np.bool_)
    taken = Counter[tuple[str, int]]()
    chosen: list[int] = []
    put_off = np.zeros(len(vectors), np.bool_)
    where: dict[tuple[str, int], list[int]] = {}
    for index, place in enumerate(places or ()):
        where.setdefault(place, []).append(index)
    while len(chosen) < n:
        free = open_ & ~put_off
        if not free.any():
            if not (open_ & put_off).any():
                break
            put_off[:] = False  # too few songs: take more of each
            taken.clear()
            continue
        best = int(np.argmax(np.where(free, far, -1.0)))
        chosen.append(best)
        likeness = vectors @ vectors[best]
        open_ &= likeness <= TWIN
        open_[best] = False
        # |g_i x_i - g_j x_j|^2 of the outer products, without making them.
        apart = lengths + lengths[best] - 2.0 * (gradient @ gradient[best]) * likeness
        far = np.minimum(far, apart)
        if places is not None:
            taken[places[best]] += 1
            if taken[places[best]] >= most:
                put_off[where[places[best]]] = True
    return chosen
