"""Wrong labels: how many there are, which they probably are, and how little to trust them in training.

Conventions: `probabilities` has shape (sounds, labels) and is out of fold: each sound is judged by a model that did
not learn from it, better from nothing of its source; columns are in the order of `labels`.

Confident learning (Northcutt, Jiang & Chuang 2021): a sound counts as j if its probability of j reaches the mean
probability of j among sounds that are labelled j. Where that is not the given label, the label is suspect. A model
that meets a new kind of source is wrong for other reasons too, so suspects are to be listened to, not believed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.errors import ParameterError
from audiolab.training.manifest import Entry

__all__ = [
    "NoiseEstimate",
    "Suspect",
    "class_thresholds",
    "confident_joint",
    "detection",
    "estimate_noise",
    "find_suspects",
    "noise_weights",
    "plant_noise",
    "suspects_by",
    "write_suspects",
]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sound whose label is probably wrong."""

    index: int
    """Its number among the entries."""
    entry: Entry
    suggested: str
    given_probability: float
    probability: float
    """Of the suggested label."""

    @property
    def confidence(self) -> float:
        """How much likelier the suggested label is: the difference of the two probabilities."""
        return self.probability - self.given_probability


@dataclass(frozen=True)
class NoiseEstimate:
    """How much noise there is."""

    rate: float
    """Share of all labels that are wrong."""
    by_label: dict[str, float]
    """The same for each given label; labels without sounds are left out."""
    joint: NDArray[np.float64]
    """Share of sounds that are labelled i (row) and are j (column)."""


def _numbers(entries: Sequence[Entry], probabilities: Floats, labels: Sequence[str]) -> Ints:
    if probabilities.shape != (len(entries), len(labels)):
        raise ParameterError(
            f"probabilities have the shape {probabilities.shape}; {len(entries)} sounds and {len(labels)} labels "
            "need one row a sound and one column a label"
        )
    if not np.isfinite(probabilities).all() or (len(entries) and not probabilities.min() >= -1e-6):
        raise ParameterError("probabilities must be finite and not negative; are these logits?")
    place = {label: number for number, label in enumerate(labels)}
    stray = sorted({entry.label for entry in entries} - set(place))
    if stray:
        raise ParameterError(f"no column for the labels {', '.join(stray)}")
    return np.array([place[entry.label] for entry in entries], np.int64)


def class_thresholds(probabilities: Floats, given: Ints) -> NDArray[np.float64]:
    """Give, for each label, the mean probability of it among the sounds that bear it; infinite where there are none."""
    count = probabilities.shape[1]
    found = np.full(count, np.inf)
    for label in set(given.tolist()):
        found[label] = float(probabilities[given == label, label].mean())
    return found


def _confident(probabilities: Floats, given: Ints) -> Ints:
    """Give the label that each sound confidently is; -1 for none."""
    over = probabilities >= class_thresholds(probabilities, given)
    best: Ints = np.where(over, probabilities, -1.0).argmax(axis=1).astype(np.int64)
    best[~over.any(axis=1)] = -1
    return best


def confident_joint(probabilities: Floats, given: Ints) -> Ints:
    """Count sounds that are labelled i (row) and confidently are j (column)."""
    count = probabilities.shape[1]
    said = _confident(probabilities, given)
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (given[said >= 0], said[said >= 0]), 1)
    return table


def estimate_noise(entries: Sequence[Entry], probabilities: Floats, labels: Sequence[str]) -> NoiseEstimate:
    """Estimate how many labels are wrong: the confident joint, scaled to the number of sounds of each label.

    What a model confuses for other reasons than wrong labels is counted too; plant wrong labels (`plant_noise`) to
    see how the estimate answers.
    """
    given = _numbers(entries, probabilities, labels)
    if not len(entries):
        raise ParameterError("no sounds: there is nothing to estimate")
    joint = confident_joint(probabilities, given).astype(np.float64)
    empty = joint.sum(axis=1) == 0
    joint[empty, empty] = 1.0
    sizes = np.bincount(given, minlength=len(labels)).astype(np.float64)
    joint = joint / joint.sum(axis=1, keepdims=True) * sizes[:, None]
    wrong = {
        label: float(1 - joint[number, number] / sizes[number]) for number, label in enumerate(labels) if sizes[number]
    }
    return NoiseEstimate(float(1 - np.trace(joint) / joint.sum()), wrong, joint / joint.sum())


def find_suspects(entries: Sequence[Entry], probabilities: Floats, labels: Sequence[str]) -> list[Suspect]:
    """Find sounds that confidently are something else than their label says, the surest first."""
    given = _numbers(entries, probabilities, labels)
    if not len(entries):
        return []
    said = _confident(probabilities, given)
    found = [
        Suspect(
            index, entries[index], labels[int(said[index])],
            float(probabilities[index, given[index]]), float(probabilities[index, said[index]]),
        )
        for index in np.flatnonzero((said >= 0) & (said != given)).tolist()
        if probabilities[index, said[index]] > probabilities[index, given[index]]
    ]  # fmt: skip
    return sorted(found, key=lambda suspect: (-suspect.confidence, suspect.index))


def noise_weights(
    entries: Sequence[Entry], probabilities: Floats, labels: Sequence[str], *, least: float = 0.1,
    whole_cells: float = 0.5,
) -> NDArray[np.float64]:  # fmt: skip
    """Give each sound a weight for training: 1, or less the surer it is that its label is wrong.

    A suspect weighs twice its given label's part of the two probabilities, so a tie costs nothing. Where most
    sounds of one label in one source are suspect, the model probably never heard the like: they are what training
    needs most, and keep their full weight.

    Parameters
    ----------
    entries, probabilities, labels
        See the module's conventions; leave rendered sounds out, their labels are right.
    least : float
        No weight is smaller. 0 removes what is surely wrong.
    whole_cells : float
        Share of suspects from which on all sounds of one label and source are kept; 1 and more never keeps them.

    Returns
    -------
    ndarray [float64, shape=(sounds,)]
        Between `least` and 1. Multiply it into sampling weights or losses.
    """
    weights = np.ones(len(entries))
    sizes: dict[tuple[str, str], int] = {}
    for entry in entries:
        sizes[entry.source, entry.label] = sizes.get((entry.source, entry.label), 0) + 1
    suspects = find_suspects(entries, probabilities, labels)
    doubted: dict[tuple[str, str], int] = {}
    for suspect in suspects:
        cell = suspect.entry.source, suspect.entry.label
        doubted[cell] = doubted.get(cell, 0) + 1
    for suspect in suspects:
        cell = suspect.entry.source, suspect.entry.label
        if doubted[cell] > whole_cells * sizes[cell]:
            continue
        part = suspect.given_probability / (suspect.given_probability + suspect.probability)
        weights[suspect.index] = max(least, 2 * part)
    return weights


def suspects_by(entries: Sequence[Entry], suspects: Iterable[Suspect], what: str) -> dict[str, tuple[int, int, float]]:
    """Give (suspects, sounds, share) for each `source` or `label`, the largest share first."""
    if what not in {"source", "label"}:
        raise ParameterError(f"suspects are counted by source or label, not by {what!r}")
    total: dict[str, int] = {}
    for entry in entries:
        total[getattr(entry, what)] = total.get(getattr(entry, what), 0) + 1
    mine = dict.fromkeys(total, 0)
    for suspect in suspects:
        mine[getattr(suspect.entry, what)] += 1
    rows = {name: (mine[name], total[name], mine[name] / total[name]) for name in total}
    return dict(sorted(rows.items(), key=lambda item: (-item[1][2], item[0])))


def write_suspects(path: Path, suspects: Iterable[Suspect], root: Path | None = None) -> None:
    """Write a CSV file with path (relative to `root` if given), source, given, suggested and confidence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "source", "given", "suggested", "confidence"))
        for one in suspects:
            where = one.entry.path
            if root is not None and where.is_relative_to(root):
                where = where.relative_to(root)
            writer.writerow((where, one.entry.source, one.entry.label, one.suggested, f"{one.confidence:.4f}"))


def plant_noise(
    given: Ints, count: int, rate: float, rng: np.random.Generator, *, towards: Floats | None = None
) -> tuple[Ints, NDArray[np.bool_]]:
    """Make labels wrong on purpose, to see who notices.

    Parameters
    ----------
    given : ndarray [int64, shape=(sounds,)]
        Numbers of labels.
    count : int
        How many labels there are.
    rate : float
        Share to change, between 0 and 1.
    rng : Generator
        Decides which.
    towards : ndarray [shape=(count, count)], optional
        How likely label i is mistaken for j; the diagonal does not count. Default: all others alike.

    Returns
    -------
    labels, planted
        The changed labels, and a mask of those that differ.
    """
    if not 0 <= rate <= 1 or count < 2:
        raise ParameterError(f"noise needs a rate between 0 and 1 and two labels, not {rate} and {count}")
    table = np.ones((count, count)) if towards is None else np.array(towards, np.float64)
    np.fill_diagonal(table, 0.0)
    table[table.sum(axis=1) <= 0] = 1.0
    np.fill_diagonal(table, 0.0)
    table /= table.sum(axis=1, keepdims=True)
    chosen = rng.choice(len(given), round(rate * len(given)), replace=False)
    changed = given.copy()
    for index in chosen.tolist():
        changed[index] = rng.choice(count, p=table[given[index]])
    return changed, changed != given


def detection(found: NDArray[np.bool_], planted: NDArray[np.bool_]) -> dict[str, float]:
    """Say how well planted wrong labels were found: recall, and precision (nan where nothing was found or planted).

    Labels that were wrong before count as false alarms here, so precision is a lower bound.
    """
    hits = int((found & planted).sum())
    return {
        "recall": hits / int(planted.sum()) if planted.any() else float("nan"),
        "precision": hits / int(found.sum()) if found.any() else float("nan"),
        "found": float(found.sum()),
        "planted": float(planted.sum()),
    }
