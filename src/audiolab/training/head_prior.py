"""What holds a head that is taught: the given weights, the library's distances, kept examples; and the solver.

Conventions: see `head_fitting.py`. Everything is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from audiolab.stages.classification.head import Head

__all__ = ["HeadSettings", "Prior", "make_prior", "solve"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How strongly examples pull."""

    hold: float = 0.15
    """Penalty on leaving the given head: one example moves a logit of a sound of its kind by about 1 / hold at most."""
    hold_new: float = 0.1
    """The same for weights of new labels, which begin at nothing worth holding on to."""
    few: float = 50.0
    """With fewer examples the given head holds the stronger in proportion: five tags are no reason to forget."""
    shrink: float = 0.1
    """Share of the mean variance added to that of each direction before whitening; large: no whitening."""
    keep: float = 0.3
    """Weight of the example that each label of the given head keeps."""
    balance: float = 0.5
    """0: every example counts the same; 1: every label does."""
    fewest_new: int = 2
    """A new label with fewer examples is left out."""
    folds: int = 5
    trust: float = 50.0
    """Sounds that a temperature must be measured on to count as much as the given head's."""
    twin: float = 0.99
    """Sounds with a larger product are one recording: where the fit has heard one, the other is not scored."""


@dataclass(frozen=True, slots=True)
class Prior:
    """The given head, in calibrated logits, widened by the new labels."""

    labels: tuple[str, ...]
    weight: Array
    bias: Array
    hold: Array
    metric: _Metric
    kept: Array
    """Made examples, shape (labels of the given head, dimensions)."""
    settings: HeadSettings = field(default_factory=HeadSettings)


@dataclass(frozen=True, slots=True)
class _Metric:
    """How far sounds lie apart: `(x - centre) @ map` has unit variance in every direction, nearly."""

    centre: Array
    map: Array


def _metric(background: Array, settings: HeadSettings) -> _Metric:
    heard = background[background.any(axis=1)]
    dimensions = background.shape[1]
    if len(heard) < 2:
        return _Metric(np.zeros(dimensions), np.eye(dimensions))
    centre = heard.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(heard, rowvar=False, bias=True))
    variances = np.maximum(variances, 0.0)
    if not variances.mean() > 0:
        return _Metric(np.zeros(dimensions), np.eye(dimensions))
    widths = variances + settings.shrink * variances.mean()
    # Scaled so that the mean square length is 1: then `hold` means the same in any library.
    scale = np.sqrt((variances / widths).sum())
    return _Metric(centre, (directions / np.sqrt(widths)) @ directions.T / scale)


def make_prior(base: Head, new: tuple[str, ...], background: Array, settings: HeadSettings) -> Prior:
    """Widen the given head by new labels, and measure distances in `background`."""
    known = base.weight.astype(np.float64) / base.temperature
    bias = base.bias.astype(np.float64) / base.temperature
    lengths = np.linalg.norm(known, axis=0)
    lengths[lengths == 0] = 1.0
    middle, kept = known.mean(axis=1, keepdims=True), (known / lengths).T
    return Prior(
        labels=(*base.labels, *new),
        weight=np.concatenate([known, np.repeat(middle, len(new), axis=1)], axis=1),
        bias=np.concatenate([bias, np.full(len(new), bias.mean())]),
        hold=np.array([settings.hold] * len(base.labels) + [settings.hold_new] * len(new)),
        # The kept examples belong to it: examples of one label alone would hide what tells it from the others.
        metric=_metric(np.concatenate([background, kept]), settings),
        kept=kept,
        settings=settings,
    )


def solve(x: Array, truth: NDArray[np.int64], sure: Array, prior: Prior) -> tuple[Array, Array]:
    """Find weight and bias; convex, so the start does not matter."""
    counts = np.bincount(truth, minlength=len(prior.labels))
    mean = len(truth) / max(1, (counts > 0).sum())
    weights = sure * (mean / np.maximum(counts, 1))[truth] ** prior.settings.balance
    known = len(prior.kept)
    x = np.concatenate([x, prior.kept])
    target = np.concatenate([truth, np.arange(known)])
    weights = np.concatenate([weights, np.full(known, prior.settings.keep)])
    given = x @ prior.weight + prior.bias
    data = (x - prior.metric.centre) @ prior.metric.map
    rows, shape = np.arange(len(data)), prior.weight.shape
    hold = prior.hold.copy()
    hold[:known] *= max(1.0, prior.settings.few / max(1, len(truth)))

    def loss(flat: Array) -> tuple[float, Array]:
        moved = flat.reshape(shape[0] + 1, shape[1])
        logits = given + data @ moved[:-1] + moved[-1]
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=1, keepdims=True)
        value = float((weights * (np.log(total[:, 0]) - logits[rows, target])).sum())
        p /= total
        p[rows, target] -= 1.0
        p *= weights[:, None]
        gradient = np.concatenate([data.T @ p, p.sum(axis=0, keepdims=True)]) + hold * moved
        return value + 0.5 * float((hold * moved**2).sum()), gradient.ravel()

    start = np.zeros((shape[0] + 1) * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300, "gtol": 1e-4, "ftol": 1e-9})
    moved = found.x.reshape(shape[0] + 1, shape[1])
    step = prior.metric.map @ moved[:-1]
    return prior.weight + step, prior.bias + moved[-1] - prior.metric.centre @ step
