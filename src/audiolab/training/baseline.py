"""What has to be beaten: trees on MFCC and log-mel statistics of the same sounds, on the same split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from audiolab.training.data import Sounds

__all__ = ["fit_trees", "statistics", "trees_probabilities"]


def statistics(sounds: Sounds) -> NDArray[np.float32]:
    """Give hand-made features of untouched sounds, one row each.

    Mean, deviation, maximum and the first 100 ms of every log-mel band and of 20 MFCC, and the level's course.
    """
    rows = []
    for index in range(len(sounds.entries)):
        mel = sounds.pool.maps[index, 0].float().numpy().astype(np.float64)
        cepstrum = dct(mel, axis=0, norm="ortho")[:20]
        level = mel.max(axis=0)
        parts = [f(x) for x in (mel, cepstrum) for f in (_mean, _deviation, _maximum, _start)]
        parts.append(level[::8])
        above = np.flatnonzero(level > level.max() - 1.0)  # 20 dB under the loudest moment
        parts.append(np.array([above[0], above[-1], len(above), level.argmax()], np.float64))
        rows.append(np.concatenate(parts))
    return np.asarray(rows, np.float32)


def _mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(x.mean(axis=1))


def _deviation(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(x.std(axis=1))


def _maximum(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(x.max(axis=1))


def _start(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(x[:, :10].mean(axis=1))


def fit_trees(
    features: NDArray[np.float32], labels: NDArray[np.int64], *, kind: str = "extra", seed: int = 0
) -> object:
    """Train ExtraTrees (`extra`) or a random forest (`forest`), 500 trees, balanced classes."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    make = {"extra": ExtraTreesClassifier, "forest": RandomForestClassifier}[kind]
    trees = make(n_estimators=500, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1)
    trees.fit(features, labels)
    return trees


def trees_probabilities(trees: object, features: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Give probabilities over all `count` labels; labels that training lacked get 0."""
    out = np.zeros((len(features), count))
    out[:, trees.classes_] = trees.predict_proba(features)  # type: ignore[attr-defined]
    return out
