"""Labelled sounds: a manifest on disk, groups that must not be torn apart, and folds by source.

A manifest is a CSV file with the columns path, source and label, and optionally licence, may_ship, dup_group and
repository. Sources that share recordings stay on one side of a split, always.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError

__all__ = ["Entry", "Reading", "check_no_leak", "fold_numbers", "link_groups", "read_labelled", "read_manifest"]


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


@dataclass(frozen=True, slots=True)
class Reading:
    """A labelled set as it was found, and what of it cannot be used."""

    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()
    """One line for each file or row that is not there, and why."""


@overload
def read_manifest(path: str | Path, *, labels: Iterable[str], strict: Literal[True] = True) -> list[Entry]: ...


@overload
def read_manifest(path: str | Path, *, labels: Iterable[str], strict: Literal[False]) -> Reading: ...


def read_manifest(path: str | Path, *, labels: Iterable[str], strict: bool = True) -> list[Entry] | Reading:
    """Read a manifest.

    Parameters
    ----------
    path : path
        A CSV file, or a folder that holds manifest.csv.
    labels : iterable of str
        Labels that may stand in it.
    strict : bool
        Whether anything wrong with a row is an error. If not, the row is left out and named in the result.

    Returns
    -------
    list of Entry, or Reading if not `strict`

    Raises
    ------
    ParameterError
        If a column, a file or a label is unknown (the message lists the first few), or nothing is left.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "manifest.csv"
    if not path.is_file():
        raise ParameterError(f"{str(path)!r} does not exist; a manifest is a CSV with path, source and label")
    rows = _rows(path)
    known = set(labels)
    good: list[Entry] = []
    odd: list[str] = []
    absent: list[str] = []
    left_out: list[str] = []
    seen: dict[Path, str] = {}
    for number, row in enumerate(rows, start=2):
        cell = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
        where, label, source = cell["path"], cell["label"], cell["source"]
        if not (where and label and source):
            left_out.append(f"line {number}: path, source or label is empty")
            continue
        entry = Entry(
            path.parent / where, source, label, cell.get("licence", ""),
            cell.get("may_ship") or "yes", cell.get("dup_group", ""), cell.get("repository", ""),
        )  # fmt: skip
        if label not in known:
            odd.append(label)
            left_out.append(f"line {number}: {where}: {label!r} is no label that there is")
        elif "\0" in where or not entry.path.is_file():
            absent.append(entry.path.name)
            left_out.append(f"line {number}: {where}: no such file")
        elif seen.get(entry.path, label) != label:
            left_out.append(f"line {number}: {where}: was {seen[entry.path]!r} in a line above, {label!r} here")
        else:
            good.append(entry)
        seen.setdefault(entry.path, label)
    if strict:
        _refuse(path.name, odd, absent, left_out)
    if not good:
        first = f", such as {left_out[0]}" if left_out else ""
        raise ParameterError(f"{path.name!r} holds no sounds that can be used{first}")
    return good if strict else Reading(tuple(good), tuple(left_out))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"path", "source", "label"} - set(reader.fieldnames or ())
            if missing:
                raise ParameterError(f"{path.name!r} lacks the columns {', '.join(sorted(missing))}")
            return list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"{path.name!r} is not a CSV file in UTF-8: {error}") from None


def _refuse(name: str, odd: Sequence[str], absent: Sequence[str], left_out: Sequence[str]) -> None:
    if odd:
        raise ParameterError(f"{name!r} has labels outside the taxonomy: {', '.join(sorted(set(odd)))}; add them there")
    if absent:
        raise ParameterError(f"{len(absent)} files of {name!r} do not exist, such as {list(absent[:3])}")
    if left_out:
        raise ParameterError(f"{name!r}: {left_out[0]} ({len(left_out)} such lines)")


def read_labelled(what: str | Path, labels: Iterable[str]) -> Reading:
    """Read labelled sounds from a manifest, a folder that holds manifest.csv, or a tree of folders named by labels.

    Parameters
    ----------
    what : path
        A CSV file or a folder.
    labels : iterable of str
        Labels that there are.

    Returns
    -------
    Reading
        What can be used, and one line for everything that cannot.

    Raises
    ------
    ParameterError
        If there is no such path, it is not a manifest, or nothing in it can be used.
    """
    from audiolab.training.folder_tree import read_tree

    path = Path(what).expanduser()
    if not path.exists():
        raise ParameterError(f"{str(path)!r} does not exist; give a manifest (CSV) or a folder of labelled sounds")
    if path.is_file() or (path / "manifest.csv").is_file():
        return read_manifest(path, labels=labels, strict=False)
    found = read_tree(path, labels)
    if not found.entries:
        first = f", such as {found.left_out[0]}" if found.left_out else ""
        raise ParameterError(
            f"{str(path)!r} holds no sounds that can be used{first}; it needs folders named by labels or a manifest.csv"
        )
    return found


def link_groups(
    entries: Sequence[Entry], linked: Iterable[Iterable[str]] = (), twins: Mapping[Path, int] | None = None
) -> NDArray[np.int64]:
    """Give each entry the number of its group: what a split must not tear apart.

    Sources that are linked by name stay together. Sounds that are one recording (`twins`) stay together as well:
    each such group follows its largest part, and its other sounds leave the group of their source. Joining whole
    sources by every such pair would leave nothing to split; `duplicates.linked_sources` says which to link.

    Parameters
    ----------
    entries : sequence of Entry
        The sounds.
    linked : iterable of iterable of str
        Sources that share much.
    twins : mapping, optional
        The group of each sound that is there more than once, by path (`Duplicates.twins`).
    """
    together: dict[str, set[str]] = {}
    for sources in linked:  # a source in two of them joins both
        joined = set().union(*(together.get(source, {source}) for source in sources))
        for source in joined:
            together[source] = joined
    names = [min(together.get(entry.source, {entry.source})) for entry in entries]
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    groups = np.array([order[name] for name in names], np.int64)
    members: dict[int, list[int]] = {}
    for index, entry in enumerate(entries):
        if twins and entry.path in twins:
            members.setdefault(twins[entry.path], []).append(index)
    for rows in members.values():
        groups[rows] = np.bincount(groups[rows]).argmax()
    return groups


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
    threshold: float = 0.999, twins: Mapping[Path, int] | None = None,
) -> list[str]:  # fmt: skip
    """List what sits on both sides of a split: files, near-duplicate groups, recordings, and close fingerprints.

    Parameters
    ----------
    train, test : sequence of Entry
        The two sides.
    fingerprints : mapping, optional
        A vector of unit length for each path; pairs with a product above `threshold` count as leaks.
    twins : mapping, optional
        The group of each sound that is there more than once, by path (`Duplicates.twins`).

    Returns
    -------
    list of str
        One line per leak; empty if there is none.
    """
    found = [f"file {path.name}" for path in sorted({e.path for e in train} & {e.path for e in test})]
    shared = ({e.dup_group for e in train} & {e.dup_group for e in test}) - {""}
    found += [f"duplicate group {name}" for name in sorted(shared)]
    if twins:
        there = {twins[e.path]: e for e in reversed(train) if e.path in twins}
        found += [
            f"{e.path.name} of {e.source} is the same recording as {there[twins[e.path]].path.name} of "
            f"{there[twins[e.path]].source}"
            for e in test
            if twins.get(e.path) in there
        ]
    if fingerprints:
        left = np.stack([fingerprints[e.path] for e in train])
        right = np.stack([fingerprints[e.path] for e in test])
        for number, best in enumerate(np.argmax(right @ left.T, axis=1)):
            if float(right[number] @ left[best]) > threshold:
                found.append(f"{test[number].path.name} sounds like {train[best].path.name}")
    return found
