"""From features to masks: one log-linear model for all songs.

Each stem's claim to a bin is a sum: a prior by frequency plus a coefficient times each feature, both piecewise linear
over octaves; `other` is what the rest is measured against, its claim is 0. The masks are the claims' softmax, a
generalised Wiener filter: between 0 and 1, adding up to 1. The numbers were fitted by
`benchmarks/fit_spectral.py`, which also measures them on songs that were left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from audiolab.stages.separation.spectral.grid import Array, Grid

__all__ = ["BAND_HZ", "FITTED", "FITTED_STEMS", "PRIOR_HZ", "STEMS", "Table", "masks"]

STEMS = ("drums", "bass", "other", "vocals")
FITTED_STEMS = ("drums", "bass", "vocals")
PRIOR_HZ = (30, 60, 120, 250, 500, 1000, 2000, 4000, 8000, 16000)
BAND_HZ = (60, 400, 4000)


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of the model."""

    prior: Mapping[str, tuple[float, ...]]
    """Of each fitted stem at `PRIOR_HZ`."""
    coefficients: Mapping[str, tuple[tuple[float, ...], ...]]
    """Of each feature: for each fitted stem the values at `BAND_HZ`."""


FITTED = Table(
    {
        "drums": (3.20, 2.71, 1.10, -0.16, -0.99, -1.40, -1.96, -1.58, -0.84, -0.49),
        "bass": (1.83, 2.18, 1.25, 0.16, -1.21, -1.80, -2.41, -2.42, -2.24, -2.15),
        "vocals": (-0.07, -0.16, -1.97, -2.93, -3.85, -2.73, -2.58, -2.09, -2.12, -2.14),
    },
    {
        "short_time": ((-0.72, 0.05, -0.85), (0.18, 0.29, -0.18), (0.29, 1.06, -0.23)),
        "short_bins": ((0.14, 0.14, 0.13), (0.52, 0.22, 0.25), (1.17, -0.53, -0.29)),
        "short_level": ((-0.58, 0.37, -0.24), (-0.40, 0.49, 0.03), (-0.39, 1.85, 0.49)),
        "own_time": ((-0.27, -1.18, -0.58), (1.46, -0.27, -0.34), (0.47, -1.11, -0.65)),
        "own_bins": ((0.46, 0.77, 0.61), (-0.52, 0.27, 0.73), (0.12, -0.10, 0.88)),
        "long_time": ((-0.45, 0.06, -0.34), (-0.53, 0.12, -0.23), (-0.11, 0.51, -0.39)),
        "long_bins": ((0.18, -0.53, 0.14), (0.67, -0.17, 0.23), (0.63, -1.18, 0.39)),
        "long_level": ((0.46, -0.18, 0.14), (-0.32, 0.19, 0.36), (0.43, 0.12, 0.65)),
        "rise_1": ((0.20, 0.38, 0.13), (-0.62, 0.25, 0.10), (-0.30, 0.60, 0.62)),
        "fall_1": ((0.09, 0.45, 0.17), (-0.59, 0.28, 0.18), (-0.31, 0.68, 0.64)),
        "rise_3": ((0.14, -0.02, -0.09), (-0.08, 0.01, -0.02), (0.02, 0.12, -0.13)),
        "fall_3": ((-0.18, 0.04, 0.02), (-0.33, 0.11, 0.13), (-0.02, 0.25, 0.27)),
        "side": ((-9.32, -4.48, -3.06), (-11.27, -7.32, -3.21), (-4.25, -9.44, -8.73)),
        "off_bass": ((-0.27, -0.37, 3.57), (-0.86, -0.92, 4.06), (0.20, 0.30, 1.28)),
        "repeats": ((-0.09, 0.38, -0.22), (-0.16, -0.05, -0.31), (-0.28, -1.10, -1.31)),
        "hit_repeats": ((0.93, 0.82, 0.81), (-0.22, 0.15, 0.43), (0.27, -0.29, 0.20)),
    },
)


def masks(grid: Grid, features: Mapping[str, Array], table: Table = FITTED) -> Iterator[Array]:
    """Yield the mask of each stem.

    Parameters
    ----------
    grid : Grid
        The grid.
    features : mapping of str to ndarray [shape=(frames, bins)]
        From `analyse` and `repeated`; all that the table names must be there.
    table : Table
        The numbers.

    Yields
    ------
    ndarray [float32, shape=(frames, bins)]
        In the order of `STEMS`; together they are 1 everywhere.
    """
    claims = {"other": np.zeros(next(iter(features.values())).shape, np.float32)}
    for index, stem in enumerate(FITTED_STEMS):
        claim = claims["other"] + _by_bin(grid, PRIOR_HZ, table.prior[stem])
        for name, coefficients in table.coefficients.items():
            claim += _by_bin(grid, BAND_HZ, coefficients[index]) * features[name]
        claims[stem] = claim
    highest = np.maximum.reduce(list(claims.values()))
    weights = {stem: np.exp(claim - highest) for stem, claim in claims.items()}
    whole = np.float32(1.0) / sum(weights.values())
    for stem in STEMS:
        yield weights[stem] * whole


def _by_bin(grid: Grid, hertz: tuple[int, ...], values: tuple[float, ...]) -> Array:
    """Interpolate a table over octaves; constant beyond its ends."""
    octaves = np.log2(np.maximum(grid.hertz, 1.0))
    return np.interp(octaves, np.log2(hertz), values).astype(np.float32)
