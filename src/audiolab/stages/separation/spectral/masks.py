"""From features to masks: one log-linear model for all songs.

Each stem's claim to a bin is a sum: a prior by frequency plus a coefficient times each feature, both piecewise linear
over octaves; `other` is what the rest is measured against, its claim is 0. The masks are the claims' softmax, a
generalised Wiener filter: between 0 and 1, adding up to 1. The numbers were fitted by
`benchmarks/fit_spectral.py` to songs that the project itself renders; no recording stands behind them.
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
        "drums": (0.93, 0.15, 0.43, 0.05, 0.14, 0.64, 1.10, 1.44, 1.80, 1.92),
        "bass": (2.17, 2.26, 2.65, 1.52, 0.73, -0.05, -0.77, -1.42, -1.31, -1.27),
        "vocals": (0.12, -0.13, -0.47, -1.38, -1.78, -1.60, -1.83, -1.98, -1.82, -1.77),
    },
    {
        "short_time": ((0.20, 0.47, -0.02), (0.74, 0.64, 0.04), (0.28, 1.09, 0.12)),
        "short_bins": ((-0.54, -0.43, 0.41), (-0.52, 0.76, -0.04), (0.17, -2.45, -0.79)),
        "short_level": ((0.34, -0.14, -0.20), (0.12, 0.78, -0.10), (0.25, 0.13, 0.03)),
        "own_time": ((-0.76, -0.47, -0.30), (1.08, -0.39, -0.14), (0.26, 0.31, -0.18)),
        "own_bins": ((-1.53, 1.07, 0.86), (-1.00, 0.67, 0.39), (-0.25, 0.28, 0.36)),
        "long_time": ((0.03, -0.20, -0.99), (0.47, -0.85, -0.27), (0.41, 0.07, -0.23)),
        "long_bins": ((-0.70, -0.46, 0.95), (-0.94, 0.57, 0.23), (-0.10, -0.74, 0.20)),
        "long_level": ((-0.95, 0.17, -0.53), (-1.58, 0.60, -0.09), (-0.46, -0.12, 0.01)),
        "rise_1": ((0.30, 0.41, 0.15), (-0.74, -0.86, 0.08), (-0.23, -0.07, 0.06)),
        "fall_1": ((-0.27, 1.39, -0.12), (-1.32, 0.14, -0.13), (-0.01, 0.43, -0.30)),
        "rise_3": ((-0.03, 0.15, -0.04), (0.26, -0.02, -0.03), (0.05, 0.03, -0.07)),
        "fall_3": ((-0.29, 0.28, -0.03), (-0.45, -0.09, 0.06), (-0.01, -0.08, 0.10)),
        "side": ((-3.79, -4.93, -0.04), (-15.31, -11.28, -0.61), (-1.37, -7.40, -2.21)),
        "off_bass": ((3.98, -1.10, -3.97), (1.46, -3.88, 0.36), (1.83, -0.21, 0.94)),
        "repeats": ((-0.42, 0.44, -0.97), (-0.59, -0.68, -0.75), (-0.12, -1.28, -1.41)),
        "hit_repeats": ((-0.34, 0.92, 0.46), (-0.47, 0.57, 0.06), (-0.14, 0.21, -0.01)),
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
