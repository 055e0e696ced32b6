"""From features to masks: one log-linear model for all songs.

Each stem's claim to a bin is a sum: a prior by frequency plus a coefficient times each feature, both piecewise linear
over octaves; `other` is what the rest is measured against, its claim is 0. The masks are the claims' softmax, a
generalised Wiener filter: between 0 and 1, adding up to 1. The numbers are the mean of two fits by
`benchmarks/fit_spectral.py`: to songs that the project renders, and to those and songs put together from recorded
one-shots, singing and speech whose licences allow it.
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
        "drums": (1.86, 1.27, 1.18, 0.55, 0.46, 0.52, 0.90, 1.40, 1.99, 2.20),
        "bass": (1.88, 2.19, 2.54, 1.38, 0.81, 0.02, -0.57, -0.99, -0.84, -0.80),
        "vocals": (0.22, 0.16, -0.08, -1.12, -1.45, -1.39, -1.49, -1.49, -1.37, -1.36),
    },
    {
        "short_time": ((0.30, 0.36, -0.30), (0.54, 0.32, -0.09), (0.35, 1.10, -0.16)),
        "short_bins": ((-0.72, -0.20, 0.26), (-0.50, 0.86, 0.20), (0.18, -1.55, -0.06)),
        "short_level": ((0.20, -0.05, -0.38), (0.06, 0.56, -0.18), (0.27, 0.64, 0.08)),
        "own_time": ((-0.50, -0.74, -0.37), (1.00, -0.33, -0.18), (0.20, -0.44, -0.40)),
        "own_bins": ((-1.27, 1.18, 0.63), (-0.94, 0.63, 0.30), (-0.46, 0.46, 0.68)),
        "long_time": ((-0.02, -0.20, -0.68), (0.31, -0.47, -0.05), (0.32, 0.18, -0.24)),
        "long_bins": ((-0.42, -0.44, 0.66), (-0.57, 0.33, 0.08), (-0.22, -0.78, 0.28)),
        "long_level": ((-0.86, 0.18, -0.34), (-1.33, 0.52, 0.01), (-0.69, -0.00, 0.20)),
        "rise_1": ((0.21, 0.52, 0.05), (-0.46, -0.59, 0.03), (-0.25, 0.25, 0.20)),
        "fall_1": ((-0.15, 1.12, -0.03), (-0.89, 0.06, -0.08), (-0.24, 0.61, -0.02)),
        "rise_3": ((-0.02, 0.20, -0.02), (0.15, -0.02, -0.05), (0.02, 0.04, -0.11)),
        "fall_3": ((-0.25, 0.24, 0.02), (-0.36, -0.06, 0.08), (-0.11, 0.05, 0.18)),
        "side": ((-7.95, -3.72, -0.74), (-16.31, -10.19, -1.64), (-4.34, -7.41, -2.92)),
        "off_bass": ((3.00, -1.05, -2.43), (1.37, -2.88, 1.86), (1.58, -0.40, 1.99)),
        "repeats": ((0.10, 0.38, -0.03), (-0.42, -0.79, -0.40), (-0.07, -1.27, -1.03)),
        "hit_repeats": ((-0.24, 1.09, 0.25), (-0.34, 0.54, 0.03), (-0.20, 0.10, -0.16)),
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
