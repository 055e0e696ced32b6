"""Sounds as points in several aspects at once, and the nearest of them under weights that the user chooses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError
from audiolab.similarity.aspects import envelope_closeness, pitch_closeness
from audiolab.similarity.index import Hits, VectorIndex, exact_scores

__all__ = ["ASPECT_NAMES", "Point", "Space", "Weights"]

_SLACK = 1e-4
"""More than float32 is off; who comes so near to the last place is computed anew."""
ASPECT_NAMES = ("timbre", "envelope", "pitch")
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each aspect counts; only their proportions matter."""

    timbre: float = 1.0
    envelope: float = 0.0
    pitch: float = 0.0

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ASPECT_NAMES}
        wrong = [name for name, value in given.items() if not (math.isfinite(value) and value >= 0)]
        if wrong:
            raise ParameterError(f"the weight of {wrong[0]} must be a number from 0 on, not {given[wrong[0]]!r}")
        if not any(given.values()):
            raise ParameterError("all weights are 0: give timbre, envelope or pitch some weight")

    @property
    def shares(self) -> dict[str, float]:
        """The weights of those that count, adding up to 1."""
        given = {name: float(getattr(self, name)) for name in ASPECT_NAMES}
        total = sum(given.values())
        return {name: value / total for name, value in given.items() if value > 0}


@dataclass(frozen=True, slots=True)
class Point:
    """The sound that is asked about."""

    vector: Array
    """Its embedding, of unit length."""
    envelope: Array | None = None
    pitch: Array | None = None
    row: int | None = None
    """Its own place among the sounds, if it has one."""

    def lacks(self, aspects: Sequence[str]) -> list[str]:
        """Name those of some aspects that are not known of it."""
        known = {"timbre": bool(np.any(self.vector)), "envelope": self.envelope is not None}
        known["pitch"] = self.pitch is not None
        return [name for name in aspects if not known[name]]


@dataclass(frozen=True, slots=True)
class Space:
    """All sounds.

    Parameters
    ----------
    index : VectorIndex
        Their embeddings.
    envelope : ndarray [float32, shape=(n, k)], optional
        Features of the envelope, see `envelope_closeness`; rows of sounds that have none are not looked at.
    pitch : ndarray [float32, shape=(n, 2)], optional
        Pitch and confidence, see `pitch_closeness`.
    described : ndarray of bool [shape=(n,)], optional
        Which sounds have envelope and pitch.
    """

    index: VectorIndex
    envelope: Array | None = None
    pitch: Array | None = None
    described: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def nearest(
        self, point: Point, n: int, weights: Weights | None = None, *, allowed: NDArray[np.bool_] | None = None
    ) -> Hits:
        """Give the nearest sounds; sounds that lack an aspect with weight are not among them.

        Silence is never a neighbour, and a silent sound has none.
        """
        shares = (weights or Weights()).shares
        if point.lacks(list(shares)):
            return Hits(np.zeros(0, np.int64), np.zeros(0))
        if set(shares) == {"timbre"}:
            return self.index.search(point.vector, n, allowed=allowed, exclude=point.row)
        mask = self.index.audible & self.described
        if allowed is not None:
            mask &= allowed
        if point.row is not None:
            mask[point.row] = False
        rows = np.flatnonzero(mask)
        if not len(rows) or n <= 0:
            return Hits(np.zeros(0, np.int64), np.zeros(0))
        # A rough score first; who may be among the nearest is computed anew, in the same way on every machine. Where
        # many are asked about, it costs less to score all than to copy those.
        some = rows if len(rows) < len(self.index) // 4 else None
        total = self._others(point, some, shares)
        if "timbre" in shares:
            vectors = self.index.vectors if some is None else self.index.vectors[some]
            total = total + shares["timbre"] * (vectors @ point.vector)
        if some is None:
            total = total[rows]
        keep = min(len(rows), n)
        last = np.partition(total, len(total) - keep)[len(total) - keep]
        rows = rows[total >= last - _SLACK]
        exact = self._others(point, rows, shares, np.float64)
        if "timbre" in shares:
            exact = exact + shares["timbre"] * exact_scores(self.index.vectors[rows], point.vector)
        order = np.lexsort((self.index.rank[rows], -exact))[:n]
        return Hits(rows[order], np.asarray(exact[order], np.float64))

    def _others(
        self,
        point: Point,
        rows: NDArray[np.int64] | None,
        shares: Mapping[str, float],
        precision: type[np.floating[Any]] = np.float32,
    ) -> NDArray[np.floating[Any]]:
        """Give the weighted closeness in all aspects but timbre."""
        found = np.zeros(len(self.index) if rows is None else len(rows), precision)
        for name, closeness in (("envelope", envelope_closeness), ("pitch", pitch_closeness)):
            features, own = getattr(self, name), getattr(point, name)
            if name in shares:
                chosen = features if rows is None else features[rows]
                found += shares[name] * closeness(own.astype(precision), chosen.astype(precision, copy=False))
        return found

    def why(self, point: Point, rows: Sequence[int]) -> list[dict[str, float]]:
        """Give how near some sounds are in every aspect that is known of both."""
        places = np.asarray(rows, np.int64)
        found: list[dict[str, float]] = [{} for _ in rows]
        if not len(places):
            return found
        given: dict[str, NDArray[np.floating[Any]]] = {"timbre": exact_scores(self.index.vectors[places], point.vector)}
        if self.envelope is not None and point.envelope is not None:
            given["envelope"] = envelope_closeness(point.envelope, self.envelope[places])
        if self.pitch is not None and point.pitch is not None:
            given["pitch"] = pitch_closeness(point.pitch, self.pitch[places])
        for name, scores in given.items():
            for at, score in enumerate(scores):
                if name == "timbre" or self.described[places[at]]:
                    found[at][name] = round(float(score), 4)
        return found
