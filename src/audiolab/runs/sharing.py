"""Several runs on one scheduler: a long one leaves room for a short one.

A job that has begun is never interrupted, and a worker that falls free takes what is queued. The next job of a short
run is known only when the one before has ended, so what a long run had queued would always come first. Therefore each
driver tells all others about once a second how many songs it has left and how many jobs it could do now; a run keeps
as many workers free as those want that have half of its songs or fewer left, and one at least for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Others"]

_FORGET_SECONDS = 10.0


@dataclass(slots=True)
class _Other:
    songs: int
    jobs: int
    heard: float


class Others:
    """The other runs on a scheduler, as their drivers tell.

    Parameters
    ----------
    run_id : str
        The run that listens.
    clock : callable
        Gives seconds that never fall.
    """

    def __init__(self, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._clock = run_id, clock
        self._known: dict[str, _Other] = {}

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take what a driver tells: its `run`, and how many `songs` and `jobs` it has open."""
        run, songs, jobs = str(message["run"]), int(message["songs"]), int(message["jobs"])
        if run == self._run:
            return
        if songs <= 0:
            self._known.pop(run, None)
        else:
            self._known[run] = _Other(songs, jobs, self._clock())

    def any(self) -> bool:
        """Say whether there is another run."""
        return bool(self._alive())

    def room(self, songs: int, workers: int) -> int | None:
        """Give how many jobs this run may have with the scheduler; None: as many as it likes.

        Parameters
        ----------
        songs : int
            How many songs it has left.
        workers : int
            How many workers there are.
        """
        shorter = [other for other in self._alive() if 2 * other.songs <= songs]
        if not shorter:
            return None
        return max(1, workers - sum(max(1, other.jobs) for other in shorter))

    def _alive(self) -> list[_Other]:
        limit = self._clock() - _FORGET_SECONDS
        return [other for other in list(self._known.values()) if other.heard >= limit]
