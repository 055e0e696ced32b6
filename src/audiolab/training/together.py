"""What no split may tear apart: copies of one recording, by the manifest and by what they sound like, and sources."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiolab.stages.base import Progress, no_progress
from audiolab.training.duplicates import find_duplicates, source_pairs
from audiolab.training.manifest import Entry

__all__ = ["Together", "by_manifest", "find_together"]

log = logging.getLogger("audiolab.training")

_MOST = 12_000
"""More sounds are not searched for copies: every pair is compared, which would take hours."""


@dataclass(frozen=True)
class Together:
    """What belongs together."""

    twins: dict[Path, int]
    """The group of each sound that is there more than once, by path."""
    linked: tuple[tuple[str, ...], ...]
    """Sources that share recordings."""
    notes: tuple[str, ...] = ()
    """What was found, in plain words."""


def by_manifest(entries: Sequence[Entry], linked: Iterable[Iterable[str]]) -> Together:
    """Believe the column `dup_group` and the sources that are linked by name, without listening."""
    return Together(_joined(entries, ()), tuple(tuple(sources) for sources in linked))


def find_together(
    entries: Sequence[Entry], linked: Iterable[Iterable[str]], *, cache: Path | None = None,
    progress: Progress = no_progress,
) -> Together:  # fmt: skip
    """Listen as well: add copies that the manifest does not name, and sources to learn from that share several of them.

    Parameters
    ----------
    entries : sequence of Entry
        Recordings.
    linked : iterable of iterable of str
        Sources that are known to share recordings. Of two that are both named here, and of sources that only
        judge, only this decides whether they are linked; their single copies stay together all the same.
    cache : path, optional
        Folder that keeps what was found until a file changes, so that only the first training searches.
    progress : callable
        Called with (done, total) sounds.
    """
    told = tuple(tuple(sources) for sources in linked)
    if len(entries) > _MOST:
        note = f"{len(entries)} sounds were not searched for copies (at most {_MOST}): only the manifest's are known"
        log.warning("%s", note)
        return Together(_joined(entries, ()), told, (note,))
    found = find_duplicates(entries, cache=cache, progress=progress)
    named, ships = {source for sources in told for source in sources}, {e.source for e in entries if e.ships}
    more = tuple(pair for pair in source_pairs(found) if ships.issuperset(pair) and not named.issuperset(pair))
    twins = _joined(entries, [(pair.first, pair.second) for pair in found.pairs])
    across: dict[int, set[str]] = {}
    for entry in entries:
        if entry.path in twins:
            across.setdefault(twins[entry.path], set()).add(entry.source)
    shared = sum(len(sources) > 1 for sources in across.values())
    notes = [f"recordings that are in several sources, and stay on one side of every split: {shared}"]
    notes += [f"{one} and {two} share recordings and stay on one side of every split" for one, two in more]
    for note in notes if shared else ():
        log.info("%s", note)
    return Together(twins, (*told, *more), tuple(notes) if shared else ())


def _joined(entries: Sequence[Entry], pairs: Iterable[tuple[int, int]]) -> dict[Path, int]:
    """Give the group of each sound that a pair, a `dup_group` or a path joins to another."""
    leader = list(range(len(entries)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    first: dict[Path | str, int] = {}
    links = list(pairs)
    for index, entry in enumerate(entries):
        for key in (entry.path, entry.dup_group):
            if key:
                links.append((first.setdefault(key, index), index))
    for one, two in links:
        a, b = find(one), find(two)
        leader[max(a, b)] = min(a, b)
    groups = [find(index) for index in range(len(entries))]
    sizes: dict[int, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    return {entry.path: group for entry, group in zip(entries, groups, strict=True) if sizes[group] > 1}
