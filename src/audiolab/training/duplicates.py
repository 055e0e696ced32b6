"""The same recording in several sources, found by what it sounds like, whatever level, codec, trim, rate or bits.

Two steps. Candidates: pairs whose spectra, summed over time, have nearly one shape (a median over bands, so a
lowpass does not hide a copy). Verification: the lag where the waveforms agree best with all bands weighed alike; then
a correlation in every band over what overlaps. Copies agree in all of them; another hit of the same drum agrees
where it rings and not where it is noise.

Conventions: sounds are heard at 16 kHz, at most 1.02 s from where they rise above -35 dB of their peak.
Every pair is compared, so this is for sets of some thousands of sounds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.stages.base import Progress, no_progress
from audiolab.training.manifest import Entry, check_no_leak
from audiolab.training.same_recording import RATE, RULES, Verifier, candidate_pairs, listen_all

__all__ = ["Duplicates", "Pair", "agreement", "check_content", "find_duplicates", "linked_sources", "source_pairs"]

_VERSION = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sounds that are one recording."""

    first: int
    second: int
    """Their numbers among the entries, the smaller first."""
    score: float
    """Correlation of their second worst band."""
    lag: float
    """Seconds by which the first begins later in the recording."""


@dataclass(frozen=True)
class Duplicates:
    """What was found."""

    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    left_out: tuple[str, ...] = ()
    """Files that could not be heard, and why."""

    @property
    def groups(self) -> NDArray[np.int64]:
        """The number of each sound's group: all that are joined by pairs; most are alone in theirs."""
        leader = np.arange(len(self.entries))

        def find(index: int) -> int:
            while leader[index] != index:
                leader[index] = leader[leader[index]]
                index = int(leader[index])
            return index

        for pair in self.pairs:
            a, b = find(pair.first), find(pair.second)
            leader[max(a, b)] = min(a, b)
        return np.array([find(index) for index in range(len(leader))], np.int64)

    @property
    def twins(self) -> dict[Path, int]:
        """The group of every sound that is not alone, by path: what splits and leak checks take."""
        groups = self.groups
        sizes = np.bincount(groups, minlength=len(groups))
        return {e.path: int(g) for e, g in zip(self.entries, groups, strict=True) if sizes[g] > 1}

    def between_sources(self) -> tuple[Pair, ...]:
        """Give the pairs whose sounds are of different sources."""
        return tuple(p for p in self.pairs if self.entries[p.first].source != self.entries[p.second].source)


def find_duplicates(
    entries: Sequence[Entry], *, cache: Path | None = None, progress: Progress = no_progress
) -> Duplicates:
    """Find sounds that are one recording.

    Parameters
    ----------
    entries : sequence of Entry
        Files; sounds that are no files (rendered ones) are alone.
    cache : path, optional
        Folder that keeps the result until a file changes (its size or time).
    progress : callable
        Called with (done, total) sounds.

    Returns
    -------
    Duplicates
        Files that cannot be heard are named in `left_out`.
    """
    entries = tuple(entries)
    kept = cache / f"duplicates-{_key(entries)}.json" if cache else None
    if kept is not None and kept.is_file():
        document = json.loads(kept.read_text(encoding="utf-8"))
        return Duplicates(entries, tuple(Pair(*row) for row in document["pairs"]), tuple(document["left_out"]))
    waves, left_out = listen_all(entries, progress)
    verifier = Verifier(waves)
    found: dict[tuple[int, int], Pair] = {}
    for a, b in candidate_pairs(waves):
        first, second = sorted((waves[a].owner, waves[b].owner))
        if first == second:
            continue
        score, lag = verifier.compare(a, b)
        if score > 0 and score > found.get((first, second), Pair(0, 0, 0.0, 0.0)).score:
            lag = lag if waves[a].owner == first else -lag
            found[first, second] = Pair(first, second, round(score, 4), round(lag / RATE, 5))
    result = Duplicates(entries, tuple(found[key] for key in sorted(found)), tuple(left_out))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        rows = [[p.first, p.second, p.score, p.lag] for p in result.pairs]
        with atomic_path(kept) as temporary:
            temporary.write_text(json.dumps({"pairs": rows, "left_out": left_out}), encoding="utf-8")
    return result


def _key(entries: Sequence[Entry]) -> str:
    digest = hashlib.sha256(json.dumps([_VERSION, *RULES]).encode())
    for entry in entries:
        status = entry.path.stat() if entry.path.is_file() else None
        sizes = (status.st_size, status.st_mtime_ns) if status else (0, 0)
        digest.update(json.dumps([str(entry.path), *sizes]).encode())
    return digest.hexdigest()[:16]


def source_pairs(found: Duplicates, share: float = 0.03, least: int = 3) -> tuple[tuple[str, str], ...]:
    """Give the pairs of sources of which at least `share` of one's sounds, and `least` sounds, lie in the other too."""
    sizes: dict[str, int] = {}
    for entry in found.entries:
        sizes[entry.source] = sizes.get(entry.source, 0) + 1
    shared: dict[tuple[str, str], tuple[set[int], set[int]]] = {}
    for pair in found.between_sources():
        (one, i), (two, j) = sorted((found.entries[n].source, n) for n in (pair.first, pair.second))
        mine, others = shared.setdefault((one, two), (set(), set()))
        mine.add(i)
        others.add(j)
    return tuple(
        (one, two)
        for (one, two), (mine, others) in sorted(shared.items())
        if len(mine) >= max(least, share * sizes[one]) or len(others) >= max(least, share * sizes[two])
    )


def linked_sources(found: Duplicates, share: float = 0.03, least: int = 3) -> tuple[tuple[str, ...], ...]:
    """Give the sources that have to stay together: those of `source_pairs`, and what is linked to them in turn."""
    together: dict[str, set[str]] = {}
    for pair in source_pairs(found, share, least):
        joined = set().union(*(together.get(name, {name}) for name in pair))
        for name in joined:
            together[name] = joined
    return tuple(sorted({tuple(sorted(names)) for names in together.values()}))


def agreement(found: Duplicates, *, across: bool = True) -> dict[str, Any]:
    """Compare with the entries' own `dup_group`, pair by pair.

    Parameters
    ----------
    found : Duplicates
        What was found.
    across : bool
        Count pairs of different sources only.

    Returns
    -------
    dict
        `both`, `here` (only here), `there` (only in the column): numbers of pairs of one group.
    """
    groups = found.groups.tolist()

    def pairs(keys: Sequence[Any]) -> set[tuple[int, int]]:
        members: dict[Any, list[int]] = {}
        for index, key in enumerate(keys):
            members.setdefault(key, []).append(index)
        return {
            (a, b)
            for key, row in members.items()
            if key != ""
            for n, a in enumerate(row)
            for b in row[n + 1 :]
            if not across or found.entries[a].source != found.entries[b].source
        }

    ours, theirs = pairs(groups), pairs([entry.dup_group for entry in found.entries])
    return {"both": len(ours & theirs), "here": len(ours - theirs), "there": len(theirs - ours)}


def check_content(train: Sequence[Entry], test: Sequence[Entry], *, cache: Path | None = None) -> list[str]:
    """List what sits on both sides of a split, recordings included; see `check_no_leak`."""
    found = find_duplicates([*train, *test], cache=cache)
    return check_no_leak(train, test, twins=found.twins)
