"""How well the drum head hears several drums at once: held-out hits, mixed with known truth."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from audiolab.training.data import Sounds
from audiolab.training.mixing import loudness
from audiolab.training.module import ClassifierModule
from audiolab.training.network import to_decibels
from audiolab.training.settings import ClassifierConfig

__all__ = ["drum_scores"]


@torch.inference_mode()
def drum_scores(
    module: ClassifierModule, sounds: Sounds, config: ClassifierConfig, pairs: int = 600
) -> NDArray[np.float64]:
    """Count hits of the drum head on mixtures of two held-out hits of different classes, the second up to 10 dB softer.

    Returns
    -------
    ndarray [shape=(drums, 3)]
        True positives, false positives and false negatives at a probability of 0.5.
    """
    presence = np.array([[label in members for members in config.drums.values()] for label in config.labels])
    where = np.flatnonzero(presence[sounds.labels].any(axis=1))
    counts = np.zeros((len(config.drums), 3))
    if len(where) < 2:
        return counts
    rng = np.random.default_rng(config.seed)
    first, second = rng.choice(where, pairs), rng.choice(where, pairs)
    different = (presence[sounds.labels[first]] != presence[sounds.labels[second]]).any(axis=1)
    first, second = first[different], second[different]
    zero = torch.zeros(len(first), dtype=torch.long)
    a = sounds.pool.power(torch.from_numpy(first), zero)
    b = sounds.pool.power(torch.from_numpy(second), zero)
    gain = torch.from_numpy(10 ** (-rng.uniform(0, 10, len(first)) / 10)).float() * loudness(a) / loudness(b)
    _, _, logits = module(to_decibels(a + gain[:, None, None] * b))
    said = logits.float().numpy() > 0
    true = presence[sounds.labels[first]] | presence[sounds.labels[second]]
    counts[:, 0] = (said & true).sum(axis=0)
    counts[:, 1] = (said & ~true).sum(axis=0)
    counts[:, 2] = (~said & true).sum(axis=0)
    return counts
