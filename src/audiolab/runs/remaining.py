"""How long a run will still take: measured seconds of work by stage, and what is still open.

Jobs appear as a run goes on (stems, then samples), so open jobs alone would promise too little. What counts is
therefore the work that a stage took on whole songs, by second of music: each song that is not over will need that
again. A stage that was never measured, neither in this run nor by an earlier one in this library, leaves the time
that is left unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Remaining"]

_LEAST_SHARE = 0.05


@dataclass(slots=True)
class _Measured:
    seconds: float = 0.0
    music: float = 0.0
    jobs: int = 0
    songs: int = 0


@dataclass(slots=True)
class _Open:
    """What is known of one song that is not over."""

    spent: dict[str, float] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    """Stage by open job."""


class Remaining:
    """Estimates the seconds that a run has left.

    Parameters
    ----------
    stages : sequence of str
        Of the recipe, in order.
    lengths : sequence of float
        Seconds of music of each song.
    earlier : mapping, optional
        Seconds of work a second of music by stage, as measured by earlier runs.
    clock : callable
        Gives seconds that never fall.
    """

    def __init__(
        self,
        stages: Sequence[str],
        lengths: Sequence[float],
        earlier: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages, self._lengths, self._clock = list(dict.fromkeys(stages)), list(lengths), clock
        self._earlier = dict(earlier or {})
        self._measured = {stage: _Measured() for stage in self._stages}
        self._unbegun = set(range(len(lengths)))
        self._open: dict[int, _Open] = {}
        self._begun: dict[str, float] = {}

    # ---- what happens --------------------------------------------------------------------------

    def opened(self, song: int, job: str, stage: str) -> None:
        """Note a job that can be done."""
        self._song(song).jobs[job] = stage

    def begun(self, job: str, since: float | None = None) -> None:
        """Note that a worker does it, from now on or since then."""
        self._begun.setdefault(job, self._clock() if since is None else since)

    def ended(self, song: int, job: str, stage: str, seconds: float | None) -> None:
        """Note the end of a job, with the seconds that it took, or that the reused result had taken."""
        mine = self._song(song)
        mine.jobs.pop(job, None)
        self._begun.pop(job, None)
        if seconds is None:
            return
        mine.spent[stage] = mine.spent.get(stage, 0.0) + seconds
        mine.ended[stage] = mine.ended.get(stage, 0) + 1

    def again(self, job: str) -> None:
        """Note that a job that had begun waits again."""
        self._begun.pop(job, None)

    def over(self, song: int) -> None:
        """Note that a song has no more jobs, now or later."""
        mine = self._song(song)
        del self._open[song]
        for stage, measured in self._measured.items():
            measured.seconds += mine.spent.get(stage, 0.0)
            measured.music += self._lengths[song]
            measured.jobs += mine.ended.get(stage, 0)
            measured.songs += stage in mine.ended

    def _song(self, song: int) -> _Open:
        self._unbegun.discard(song)
        return self._open.setdefault(song, _Open())

    # ---- what is left --------------------------------------------------------------------------

    def left(self, places: Mapping[str, tuple[str, int]], shares: Mapping[str, float] | None = None) -> float | None:
        """Give the seconds that are left, None where a stage was never measured.

        Parameters
        ----------
        places : mapping
            By stage: the kind of worker that takes it, and how many there are of that kind.
        shares : mapping, optional
            What is done of jobs that run, 0 to 1.
        """
        shares = shares or {}
        rates = {stage: self._rate(stage, shares) for stage in self._stages}
        work: dict[str, float] = {}
        longest = 0.0

        def add(parts: Iterable[tuple[str, float]]) -> None:
            nonlocal longest
            chain = 0.0
            for stage, seconds in parts:
                kind, count = places[stage]
                work[kind] = work.get(kind, 0.0) + seconds / count
                chain += seconds / min(count, self._width(stage))
            longest = max(longest, chain)

        for song, mine in self._open.items():
            parts = []
            for stage in self._left_for(mine):
                rate = rates[stage]
                if rate is None:
                    return None
                expected = rate * self._lengths[song]
                still = max(0.0, expected - mine.spent.get(stage, 0.0))
                jobs = [job for job, of in mine.jobs.items() if of == stage]
                # Of a job that runs, what is done is known better than what the others together will take.
                typical = still / len(jobs) if jobs else 0.0
                done = sum(typical - self._rest(job, typical, shares) for job in jobs)
                parts.append((stage, max(0.0, still - done)))
            add(parts)
        if self._unbegun:
            if any(rate is None for rate in rates.values()):
                return None
            for song in self._unbegun:
                add((stage, (rates[stage] or 0.0) * self._lengths[song]) for stage in self._stages)
        return max([longest, *work.values()])

    def _left_for(self, mine: _Open) -> list[str]:
        """Name the stages that a song is not through with: from the first with an open job on."""
        stages = set(mine.jobs.values())
        first = min((i for i, stage in enumerate(self._stages) if stage in stages), default=len(self._stages))
        # What stands before it in the recipe has ended, or has nothing to do with this song.
        return self._stages[first:]

    def _rest(self, job: str, typical: float, shares: Mapping[str, float]) -> float:
        if job not in self._begun:
            return typical
        elapsed, share = self._clock() - self._begun[job], shares.get(job, 0.0)
        if share >= _LEAST_SHARE:
            return min(1.0, 1 - share) * elapsed / share
        return max(0.0, typical - elapsed)

    def _width(self, stage: str) -> float:
        """Give how many jobs of a stage a song has."""
        measured = self._measured[stage]
        return max(1.0, measured.jobs / measured.songs) if measured.songs else 1.0

    def _rate(self, stage: str, shares: Mapping[str, float]) -> float | None:
        """Give seconds of work a second of music."""
        measured = self._measured[stage]
        if measured.music:
            return measured.seconds / measured.music
        seconds, music = 0.0, 0.0
        for song, mine in self._open.items():
            jobs = [job for job, of in mine.jobs.items() if of == stage]
            if stage in mine.ended:  # those open will take what those ended took
                typical = mine.spent[stage] / mine.ended[stage]
                seconds, music = seconds + mine.spent[stage] + typical * len(jobs), music + self._lengths[song]
            else:
                going = [
                    (self._clock() - self._begun[job]) / shares[job]
                    for job in jobs
                    if job in self._begun and shares.get(job, 0.0) >= _LEAST_SHARE
                ]
                if going:
                    seconds += sum(going) / len(going) * len(jobs)
                    music += self._lengths[song]
        if music:
            return seconds / music
        return self._earlier.get(stage)
