"""Which sounds a run learns from and which judge it: folds by source, and what may not ship only as judges."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError
from audiolab.stages.base import Progress, no_progress
from audiolab.training.data import RENDERED, Sounds, collect, rendered_entries
from audiolab.training.manifest import Entry, check_no_leak, fold_numbers, link_groups, read_manifest
from audiolab.training.settings import ClassifierConfig
from audiolab.training.together import Together, by_manifest, find_together

__all__ = ["BY_SOURCE", "Prepared", "Split", "prepare_data", "prepare_entries", "split_folds"]

log = logging.getLogger("audiolab.training")

BY_SOURCE = "by source"


@dataclass(frozen=True)
class Split:
    """How sounds are dealt into folds."""

    folds: NDArray[np.int64]
    """Fold in which each sound is tested."""
    count: int
    how: str
    """`BY_SOURCE`, or in plain words what was done instead and why its scores flatter."""


@dataclass(frozen=True)
class Prepared:
    """All sounds of a run and how they are split."""

    sounds: Sounds
    """Recordings that may be learned from, then rendered sounds."""
    folds: NDArray[np.int64]
    """Fold in which each is tested; -1 for rendered sounds, which are never tested."""
    others: Sounds
    """Sounds that may not ship: never trained on, judged by models that saw none of their linked sources."""
    other_folds: NDArray[np.int64]
    """Fold whose model judges each of them; -1 for those that the final model may judge."""
    count: int = 0
    """Number of folds."""
    how: str = BY_SOURCE
    """See `Split.how`."""
    notes: tuple[str, ...] = ()
    """What was left out and what to mind, in plain words."""


def split_folds(entries: Sequence[Entry], config: ClassifierConfig, together: Together | None = None) -> Split:
    """Deal recordings into folds: by source, in fewer folds if there are few, by near-duplicates if there is one.

    Parameters
    ----------
    entries : sequence of Entry
        Recordings.
    config : ClassifierConfig
        Number of folds.
    together : Together, optional
        What stays together; default: what the manifest and the configuration say.

    Raises
    ------
    ParameterError
        If there are fewer than two sounds that could be told apart.
    """
    together = by_manifest(entries, config.linked) if together is None else together
    groups = link_groups(entries, together.linked, together.twins)
    count = len(set(groups.tolist()))
    if count >= config.folds:
        return Split(fold_numbers(entries, groups, config.folds), config.folds, BY_SOURCE)
    if count >= 2:
        log.warning("there are %d groups of sources, so %d folds instead of %d", count, count, config.folds)
        return Split(fold_numbers(entries, groups, count), count, BY_SOURCE)
    # One source: copies, and sounds of one file, stay together; the rest is chance.
    names = [entry.dup_group or str(entry.path) for entry in entries]
    leader: dict[int, str] = {}
    for index, entry in enumerate(entries):
        if entry.path in together.twins:
            names[index] = leader.setdefault(together.twins[entry.path], names[index])
    order = {name: number for number, name in enumerate(sorted(set(names), key=lambda n: (zlib.crc32(n.encode()), n)))}
    folds = min(config.folds, len(order))
    if folds < 2:
        raise ParameterError(
            f"{len(entries)} sounds of one group cannot be split into a part to learn from and one to test"
        )
    how = (
        f"at random (near-duplicates together), because all sounds are of one source, {entries[0].source!r}: "
        "scores flatter, sounds of another source will do worse"
    )
    log.warning("the split is %s", how)
    single = [replace(entry, source=name) for entry, name in zip(entries, names, strict=True)]
    return Split(fold_numbers(single, np.array([order[n] for n in names], np.int64), folds), folds, how)


def prepare_data(data: Path, config: ClassifierConfig, work: Path | None, progress: Progress = no_progress) -> Prepared:
    """Read a labelled set, make all mel maps, split by source and check that nothing leaks."""
    return prepare_entries(read_manifest(data, labels=config.labels), config, work, progress=progress)


def prepare_entries(
    entries: Sequence[Entry], config: ClassifierConfig, work: Path | None, *, notes: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Prepared:  # fmt: skip
    """Make all mel maps of labelled sounds, split by source and check that nothing leaks.

    Parameters
    ----------
    entries : sequence of Entry
        Sounds whose `ships` is false judge only.
    config : ClassifierConfig
        Labels, folds, linked sources, rendered sounds.
    work : path, optional
        Folder whose `maps` keeps the maps between runs.
    notes : sequence of str
        What was left out on the way here.
    progress : callable
        Called with (done, total) sounds.

    Raises
    ------
    ParameterError
        If nothing is left to learn from or to split.
    """
    ours = [entry for entry in entries if entry.ships]
    if not ours:
        raise ParameterError(
            "there is no sound to learn from"
            + (": all are marked may_ship = no, for measuring only" if entries else "")
        )
    maps = work / "maps" if work else None
    made = rendered_entries(config)
    sounds = collect([*ours, *made], config, variants=config.variants, cache=maps, progress=progress)
    real = [entry for entry in sounds.entries if entry.source != RENDERED]
    if not real:
        raise ParameterError(f"none of {len(ours)} sounds can be heard, such as: {'; '.join(sounds.left_out[:3])}")
    unshipped = [entry for entry in entries if not entry.ships]
    together = find_together(
        [*real, *unshipped], config.linked, cache=work / "duplicates" if work else None, progress=progress
    )
    split = split_folds(real, config, together)
    folds = np.array([-1] * len(sounds.entries), np.int64)
    folds[: len(real)] = split.folds
    foreign, judged_by, unjudged = _judges(unshipped, real, split, together)
    others = collect(foreign, config, variants=1, cache=maps)
    other_folds = np.array([judged_by[entry.path] for entry in others.entries], np.int64)
    for fold in range(split.count):
        train = [e for e, f in zip(real, split.folds, strict=True) if f != fold]
        test = [e for e, f in zip(real, split.folds, strict=True) if f == fold]
        for line in check_no_leak(train, test, twins=together.twins):
            log.warning("fold %d: %s on both sides", fold, line)
    notes = (*notes, *together.notes, *unjudged)
    said = (*notes, *sounds.left_out, *others.left_out, *_thin(real, made, config))
    return Prepared(sounds, folds, others, other_folds, split.count, split.how, said)


def _judges(
    unshipped: Sequence[Entry], real: Sequence[Entry], split: Split, together: Together
) -> tuple[list[Entry], dict[Path, int], list[str]]:
    """Choose the fold whose model has heard neither a sound's linked sources nor a copy of it.

    Returns
    -------
    entries, folds, notes
        The sounds that can be judged; their folds by path, -1 where even the final model has heard nothing of the
        kind; a line for those that every model has heard something of.
    """
    both = [*real, *unshipped]
    groups = link_groups(both, together.linked).tolist()
    moved = link_groups(real, together.linked, together.twins) != link_groups(real, together.linked)
    of_group: dict[int, set[int]] = {}
    of_copies: dict[int, set[int]] = {}
    for entry, group, fold, away in zip(real, groups[: len(real)], split.folds.tolist(), moved, strict=True):
        if not away:  # what follows its copies into another group does not decide for its source
            of_group.setdefault(group, set()).add(fold)
        if entry.path in together.twins:
            of_copies.setdefault(together.twins[entry.path], set()).add(fold)
    kept, folds, heard = [], {}, 0
    for entry, group in zip(unshipped, groups[len(real) :], strict=True):
        mine = of_group.get(group, set()) | of_copies.get(together.twins.get(entry.path, -1), set())
        if len(mine) > 1:
            heard += 1
            continue
        kept.append(entry)
        folds[entry.path] = min(mine, default=-1)
    note = f"sounds that may not ship and are not judged, as every model heard a copy of them or their source: {heard}"
    return kept, folds, [note] if heard else []


def _thin(real: Sequence[Entry], made: Sequence[Entry], config: ClassifierConfig) -> list[str]:
    """Name the labels that nothing or too little stands for; they are trained all the same."""
    rendered = {entry.label for entry in made}
    said = []
    for label in config.labels:
        mine = [entry for entry in real if entry.label == label]
        sources = len({entry.source for entry in mine})
        if not mine and label not in rendered:
            said.append(f"label {label!r} has no sound at all: it will never be told")
        elif not mine:
            said.append(f"label {label!r} has no recording, only rendered sounds: its scores say nothing")
        elif len(mine) == 1:
            said.append(f"label {label!r} has a single recording: no model that is judged by it has heard another")
        elif sources == 1:
            said.append(f"label {label!r} comes from one source only: it is never learned when it is judged")
    for line in said:
        log.warning("%s", line)
    return said
