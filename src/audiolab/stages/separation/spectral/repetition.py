"""What repeats: each frame against the frames like it within nine seconds (REPET-SIM with a bounded context).

References
----------
.. [1] Z. Rafii, B. Pardo (2012), Music/voice separation using the similarity matrix, ISMIR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.separation.spectral.grid import Array, Grid
from audiolab.stages.separation.spectral.medians import median_across

__all__ = ["REPEATS", "describe_frames", "repeated", "similar_frames"]

REPEATS = 12
"""Similar frames taken for each frame."""
_APART = 10
"""Frames (a quarter of a second) between two of them, and from the frame itself."""
_ROWS = 16
_TINY = np.float32(1e-7)


def describe_frames(grid: Grid, magnitude: Array, *, context: bool = False) -> Array:
    """Describe every frame by a vector of length one: its compressed level in bands, from which similarity follows.

    Parameters
    ----------
    grid : Grid
        The grid.
    magnitude : ndarray [shape=(frames, bins)]
        Of one chunk.
    context : bool
        Describe a hit: with the levels of the frames before and after. Without, the spectrum's shape alone counts.
    """
    edges = np.geomspace(32.0, 13000.0, 71)
    first = np.unique(np.searchsorted(grid.hertz, edges[edges < 0.45 * grid.rate]))
    bands = np.add.reduceat(magnitude, np.minimum(first, grid.bins - 1), axis=1)[:, :-1]
    # A full-scale sine has magnitude 1 here; 2000 puts the bend of the logarithm near -66 dB.
    levels = np.log1p(2000.0 * bands)
    if context:
        levels = np.concatenate([levels, 0.7 * np.roll(levels, -1, axis=0), 0.7 * np.roll(levels, 1, axis=0)], axis=1)
    else:
        levels = levels - levels.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(levels, axis=1, keepdims=True)
    return np.asarray(levels / np.maximum(norm, 1e-6), np.float32)


def similar_frames(around: Array, count: int) -> NDArray[np.intp]:
    """Find for each frame of the middle chunk its most similar frames nearby.

    Parameters
    ----------
    around : ndarray [shape=(3 * count, dimensions)]
        Descriptions of the chunk before, the chunk, and the chunk after; zeros where there is none.
    count : int
        Frames of a chunk.

    Returns
    -------
    ndarray [shape=(count, REPEATS)]
        Indices into `around`, at most `count` frames away; -1 where too few frames are left.
    """
    rows = np.arange(count)
    score = around[count : 2 * count] @ around.T
    distance = np.abs(np.arange(3 * count)[None, :] - (rows + count)[:, None])
    score[(distance <= _APART) | (distance > count)] = -1.0
    score[:, ~around.any(axis=1)] = -1.0
    found = np.full((count, REPEATS), -1, np.intp)
    near = np.arange(-_APART, _APART + 1)[None, :]
    for i in range(REPEATS):
        best = np.argmax(score, axis=1)
        good = score[rows, best] > 0.0
        found[good, i] = best[good]
        np.put_along_axis(score, np.clip(best[:, None] + near, 0, 3 * count - 1), -1.0, axis=1)
    return found


def repeated(magnitude: Array, part: Array, found: NDArray[np.intp], count: int) -> Array:
    """Tell how much of each bin is also in the similar frames.

    Parameters
    ----------
    magnitude : ndarray [shape=(count, bins)]
        Of the middle chunk.
    part : ndarray [shape=(3 * count, bins)]
        The magnitudes (or the percussive part of them) whose repetition is asked for.
    found : ndarray [shape=(count, REPEATS)]
        From `similar_frames`.

    Returns
    -------
    ndarray [shape=(count, bins)]
        Natural logarithm of the repeated share, 0 (all of it) or below; -0.8 (a usual value) for frames with fewer
        than four similar ones.
    """
    own = np.arange(count, 2 * count)
    few = (found >= 0).sum(axis=1) < 4
    # A missing one is replaced by the best ones again, so that the median stays among frames that are there.
    index = np.where(found >= 0, found, np.where(found[:, :1] >= 0, found[:, :1], own[:, None]))
    out = np.empty_like(magnitude)
    for at in range(0, count, _ROWS):
        rows = slice(at, min(at + _ROWS, count))
        pile = [part[index[rows, i]] for i in range(REPEATS)]
        out[rows] = median_across([*pile, part[own[rows]]])
    share = np.log((np.minimum(out, magnitude) + _TINY) / (magnitude + _TINY))
    share[few] = -0.8
    return np.asarray(np.maximum(share, -8.0), np.float32)
