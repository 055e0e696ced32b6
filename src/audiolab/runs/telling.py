"""What a driver tells about its run while it goes on: to the catalog, to other runs, to whoever asks how far it is."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from audiolab.errors import CatalogFullError
from audiolab.library import Library, Sound
from audiolab.library.tallies import measured_rates
from audiolab.runs.graph import Planned, label_of
from audiolab.runs.recipe import Recipe
from audiolab.runs.remaining import Remaining
from audiolab.runs.sharing import Others
from audiolab.runs.workers import Workers

__all__ = ["Teller", "covered", "label_of_job"]

_TELL_SECONDS = 1.0
_SHARE_SECONDS = 0.2
_AT_WORK = 5


class Teller:
    """Keeps and tells how far a run is.

    Parameters
    ----------
    run_id : str
        The run.
    clock : callable
        Gives seconds that never fall.
    """

    def __init__(self, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.run_id, self._clock = run_id, clock
        self.others = Others(run_id, clock)
        self.remaining = Remaining((), ())
        self.shares: dict[str, float] = {}
        """What is done of jobs that workers have begun, 0 to 1, by result key."""
        self._since: dict[str, float] = {}
        self._stages: list[str] = []
        self._places: Mapping[str, tuple[str, int]] = {}
        self._songs_done, self._song_total = 0.0, 1
        self._left: float | None = None
        self._at: list[str] = []
        self._dashboard = ""
        self._working: list[tuple[float, float]] = []
        self._begun = self._told = clock()
        self._shared: tuple[float, tuple[int, int]] = (float("-inf"), (0, 0))

    def start(
        self,
        library: Library,
        recipe: Recipe,
        songs: Sequence[Sound],
        resolutions: Mapping[str, Mapping[str, Any]],
        workers: Workers,
    ) -> None:
        """Take what is known once the run's stages are decided."""
        self._stages, self._song_total = [step.stage for step in recipe.steps], len(songs)
        made = {
            stage: (str(found["engine"]), found["params"])
            for stage, found in resolutions.items()
            if found["status"] == "ready"
        }
        self.remaining = Remaining(
            self._stages,
            [song.frames / song.sample_rate for song in songs],
            # What is skipped or fails at once takes no time.
            {**dict.fromkeys(resolutions.keys() - made.keys(), 0.0), **measured_rates(library.store, made)},
            self._clock,
        )
        self._places, self._dashboard = workers.places(self._stages), workers.dashboard

    # ---- what happens --------------------------------------------------------------------------

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take what a worker tells about a job."""
        if message.get("run") == self.run_id and message.get("total"):
            self._since.setdefault(message["key"], self._clock())
            self.shares[message["key"]] = message["done"] / message["total"]

    def forget(self, key: str) -> None:
        """Note that nobody works on a result any more."""
        self.shares.pop(key, None)
        self._since.pop(key, None)

    def has_begun(self, job: Planned) -> bool:
        """Say whether a worker has begun a job that was handed out."""
        return job.spec is not None and job.spec.key in self.shares

    def worked(self, seconds: float) -> None:
        """Note that a job has just ended that a worker has spent seconds on."""
        now = self._clock()
        self._working.append((now - seconds, now))

    def measure(
        self, open_jobs: Mapping[int, Iterable[str]], running: Iterable[tuple[Planned, int]], over: int
    ) -> None:
        """Estimate progress: whole songs that are over, and for open ones the steps begun and done."""
        steps, running = max(1, len(self._stages)), list(running)
        partial = 0.0
        for index, jobs in open_jobs.items():
            stages = {identity.split(":", 1)[0] for identity in jobs}
            if not stages:
                continue
            first = min(i for i, stage in enumerate(self._stages) if stage in stages)
            current = [
                self.shares.get(job.spec.key, 0.0)
                for job, at in running
                if at == index and job.spec is not None and job.stage == self._stages[first]
            ]
            partial += (first + (sum(current) / len(current) if current else 0.0)) / steps
        self._songs_done = max(self._songs_done, min(over + partial, self._song_total))

    # ---- what is told --------------------------------------------------------------------------

    def fraction(self) -> float:
        """Give the share of the run that is done, 0 to 1: songs that are over, and steps of the current ones."""
        return min(1.0, self._songs_done / self._song_total) if self._song_total else 1.0

    def seconds(self) -> float:
        """Give how long the run has gone on."""
        return self._clock() - self._begun

    def tell(self, library: Library, running: Iterable[Planned]) -> bool:
        """Write down now and then how far the run is, for those who look at it, also from another process."""
        now = self._clock()
        if now - self._told < _TELL_SECONDS:
            return False
        self._told = now
        begun = [job for job in running if self.has_begun(job)]
        shares = {job.id: self.shares[job.spec.key] for job in begun if job.spec is not None}
        for job in begun:
            if job.spec is not None:
                self.remaining.begun(job.id, self._since.get(job.spec.key, now))
        self._left = self.remaining.left(self._places, shares)
        self._at = [f"{job.stage} of {job.spec.label}" for job in begun[:_AT_WORK] if job.spec is not None]
        with contextlib.suppress(CatalogFullError):  # how far it is will be told again
            library.set_jobs(self.run_id, [{"id": job, "progress": round(share, 3)} for job, share in shares.items()])
            library.update_run(self.run_id, report=self.state())
        return True

    def state(self) -> dict[str, Any]:
        """Give what stands in the catalog while the run goes on."""
        return {
            "driver": {"host": socket.gethostname(), "pid": os.getpid()},
            "fraction": round(self.fraction(), 4),
            "left": None if self._left is None else round(self._left, 1),
            "at": list(self._at),
            "dashboard": self._dashboard,
        }

    def summary(self) -> dict[str, Any]:
        """Give what stands in the catalog when it is over."""
        return {
            "seconds": self.seconds(),
            "fraction": round(self.fraction(), 4),
            "working_seconds": round(covered(self._working), 3),
        }

    def share(self, workers: Workers, songs: int, jobs: int) -> None:
        """Tell other runs what this one has open: now and then, and at once what changes where there are others."""
        now, opened = self._clock(), (songs, jobs)
        urgent = opened != self._shared[1] and self.others.any()
        if now - self._shared[0] >= (_SHARE_SECONDS if urgent else _TELL_SECONDS):
            self._shared = (now, opened)
            workers.tell({"run": self.run_id, "songs": songs, "jobs": jobs})


def label_of_job(job: Planned) -> str:
    """Give what people call a job's unit."""
    return job.spec.label if job.spec is not None else label_of(job.sound.song or job.sound, job.sound)


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Give the seconds that lie in at least one span."""
    total, reached = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, reached))
        reached = max(reached, stop)
    return total
