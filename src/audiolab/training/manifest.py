"""Labelled sounds: a manifest on disk, groups that must not be torn apart, and folds by source.

A manifest is a CSV file with the columns path, source and label, and optionally licence, may_ship, dup_group and
repository. Sources that share recordings stay on one side of a split, always.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError

__all__ = ["Entry", "check_no_leak", "fold_numbers", "link_groups", "read_manifest"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One labelled sound."""

    path: Path
    source: str
    label: str
    licence: str = ""
    may_ship: str = "yes"
    dup_group: str = ""
    repository: str = ""

    @property
    def ships(self) -> bool:
        """Whether a model trained on it may be given away."""
        return self.may_ship != "no"


def read_manifest(path: str | Path, *, labels: Iterable[str]) -> list[Entry]:
    """Read a manifest.

    Raises
    ------
    ParameterError
        If a column, a file or a label is unknown; the message lists the first few.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "manifest.csv"
    if not path.is_file():
        raise ParameterError(f"{str(path)!r} does not exist; a manifest is a CSV with path, source and label")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"path", "source", "label"} - set(reader.fieldnames or ())
        if missing:
            raise ParameterError(f"{path.name!r} lacks the columns {', '.join(sorted(missing))}")
        rows = list(reader)
    entries = [
        Entry(
            path.parent / row["path"], row["source"], row["label"], row.get("licence") or "",
            row.get("may_ship") or "yes", row.get("dup_group") or "", row.get("repository") or "",
        )
        for row in rows
    ]  # fmt: skip
    known = set(labels)
    odd = Counter(entry.label for entry in entries if entry.label not in known)
    if odd:
        raise ParameterError(f"{path.name!r} has labels outside the taxonomy: {', '.join(sorted(odd))}; add them there")
    absent = [entry.path.name for entry in entries if not entry.path.is_file()]
    if absent:
        raise ParameterError(f"{len(absent)} files of {path.name!r} do not exist, such as {absent[:3]}")
    if not entries:
        raise ParameterError(f"{path.name!r} holds no sounds")
    return entries


def link_groups(entries: Sequence[Entry], linked: Iterable[Iterable[str]] = ()) -> NDArray[np.int64]:
    """Give each entry the number of its group: what a split must not tear apart, linked sources together.

    Sources are linked by name (`linked`). Near-duplicates across sources link only single sounds, which
    `check_no_leak` finds; joining whole sources by every such pair would leave nothing to split.
    """
    leader: dict[str, str] = {}
    for sources in linked:
        first, *rest = sources
        for source in (first, *rest):
            leader[source] = first
    names = [leader.get(entry.source, entry.source) for entry in entries]
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([order[name] for name in names], np.int64)


def fold_numbers(entries: Sequence[Entry], groups: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Deal whole groups into folds: the largest first, each to where it evens out the labels best.

    Returns
    -------
    ndarray [int64, shape=(entries,)]
        Fold in which each sound is tested.
    """
    if folds < 2 or len(set(groups.tolist())) < folds:
        raise ParameterError(f"{len(set(groups.tolist()))} groups of sources cannot be dealt into {folds} folds")
    labels = sorted({entry.label for entry in entries})
    column = {label: number for number, label in enumerate(labels)}
    table = np.zeros((int(groups.max()) + 1, len(labels)))
    for entry, group in zip(entries, groups, strict=True):
        table[group, column[entry.label]] += 1
    target = table.sum(axis=0) / folds
    loads = np.zeros((folds, len(labels)))
    place = np.zeros(table.shape[0], np.int64)
    for group in sorted(range(table.shape[0]), key=lambda g: (-table[g].sum(), g)):
        trials = [
            (
                np.square((loads + (np.arange(folds) == fold)[:, None] * table[group] - target) / (target + 1)).sum(),
                fold,
            )
            for fold in range(folds)
        ]
        place[group] = min(trials)[1]
        loads[place[group]] += table[group]
    return place[groups]


def check_no_leak(
    train: Sequence[Entry], test: Sequence[Entry], *, fingerprints: Mapping[Path, NDArray[np.float32]] | None = None,
    threshold: float = 0.999,
) -> list[str]:  # fmt: skip
    """List what sits on both sides of a split: files, near-duplicate groups, and close fingerprints.

    Parameters
    ----------
    train, test : sequence of Entry
        The two sides.
    fingerprints : mapping, optional
        A vector of unit length for each path; pairs with a product above `threshold` count as leaks.

    Returns
    -------
    list of str
        One line per leak; empty if there is none.
    """
    found = [f"file {path.name}" for path in sorted({e.path for e in train} & {e.path for e in test})]
    shared = ({e.dup_group for e in train} & {e.dup_group for e in test}) - {""}
    found += [f"duplicate group {name}" for name in sorted(shared)]
    if fingerprints:
        left = np.stack([fingerprints[e.path] for e in train])
        right = np.stack([fingerprints[e.path] for e in test])
        for number, best in enumerate(np.argmax(right @ left.T, axis=1)):
            if float(right[number] @ left[best]) > threshold:
                found.append(f"{test[number].path.name} sounds like {train[best].path.name}")
    return found
