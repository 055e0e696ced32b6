"""The driver of a run: plans, submits, folds. The only writer of the catalog while a run goes on.

It runs in a background thread of the caller (or in a process of its own). Everything it knows can be
found again in the catalog and the records, so it may be killed at any moment and started anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audiolab.errors import AudiolabError, CatalogError
from audiolab.library import Library, Sound
from audiolab.runs.graph import Ended, Planned, Planner
from audiolab.runs.jobs import JobOutcome
from audiolab.runs.recipe import Recipe
from audiolab.runs.worker import clean_scratch, run_job
from audiolab.runs.workers import Workers, lost_errors
from audiolab.stages.registry import get_stage

__all__ = ["Driver"]

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
_TELL_SECONDS = 1.0
LOST, KILLED = Ended("waiting", None, "lost"), Ended("waiting", None, "killed")
_DIED = (
    "the worker process died with it, again when nothing else ran: out of memory, or a file that crashes a decoder; "
    "the other sounds are done"
)


class Driver(threading.Thread):
    """Drives one run to its end.

    Parameters
    ----------
    library : path-like
        The library; the driver opens a connection of its own.
    run_id : str
        A row made by `Library.create_run`.
    client : distributed.Client
        Where jobs go.
    """

    def __init__(self, library: str | Path, run_id: str, client: Any) -> None:
        super().__init__(name=f"audiolab-run-{run_id}", daemon=True)
        self._path, self.run_id = Path(library), run_id
        self._workers = Workers(client, self._on_event)
        self.error: BaseException | None = None
        self._suspected: set[str] = set()
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._jobs_done: dict[str, float] = {}
        self._songs_done = 0.0
        self._song_total = 1
        self._begun = self._told = time.monotonic()

    # ---- progress, read by other threads ----------------------------------------------------------

    def fraction(self) -> float:
        """Give the share of the run that is done, 0 to 1: songs that are over, and steps of the current ones."""
        return min(1.0, self._songs_done / self._song_total) if self._song_total else 1.0

    def _on_event(self, event: Any) -> None:
        message = event[1]
        if isinstance(message, dict) and message.get("total"):
            self._jobs_done[message["key"]] = message["done"] / message["total"]

    # ---- the run -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Drive; an error of the driver itself ends the run as failed and is raised by `Run.wait`."""
        try:
            with Library(self._path) as library:
                try:
                    self._drive(library)
                except BaseException as error:
                    library.update_run(
                        self.run_id,
                        status="failed",
                        finished_at=_now(),
                        report={"error": f"{type(error).__name__}: {error}"},
                    )
                    raise
        except BaseException as error:
            log.exception("run %s failed", self.run_id)
            self.error = error

    def _drive(self, library: Library) -> None:
        row = library.run_row(self.run_id)
        recipe = Recipe.load(row.recipe)
        library.tell_workers(self.run_id, stop=False)
        clean_scratch(self._path)
        library.update_run(
            self.run_id,
            status="running",
            started_at=_now(),
            finished_at=None,
            cancel_requested=False,
            report=self._state(),
        )
        songs = [library.sound(sound_id) for sound_id in row.sound_ids]
        resolutions = self._workers.resolve({step.stage: dict(step.params) for step in recipe.steps})
        planner = Planner(library, self.run_id, recipe, resolutions)
        cancelled = self._loop(library, planner, songs)
        failed = any(ended.status == "failed" for ended in planner.ended.values())
        library.update_run(
            self.run_id,
            status="cancelled" if cancelled else "failed" if failed else "done",
            finished_at=_now(),
            report={"seconds": time.monotonic() - self._begun, "fraction": round(self.fraction(), 4)},
        )
        with contextlib.suppress(CatalogError):  # the next driver of this run does it
            library.tell_workers(self.run_id, stop=False)

    def _loop(self, library: Library, planner: Planner, songs: Sequence[Sound]) -> bool:
        self._song_total = max(1, len(songs))
        window = self._workers.window()
        waiting = list(enumerate(songs))[::-1]
        running: dict[Any, tuple[Planned, int]] = {}
        open_jobs: dict[int, set[str]] = {}
        ready: list[tuple[int, Planned]] = []
        suspects: list[tuple[int, Planned]] = []
        over = 0

        def look(index: int) -> None:
            """Plan a song again and again until planning ends no more jobs by itself."""
            mine = open_jobs.setdefault(index, set())  # also where no step takes this sound
            while True:
                planned = [job for job in planner.plan(songs[index]) if job.id not in mine]
                instant = [job for job in planned if job.ended is not None]
                for job in instant:
                    self._end(library, planner, job, job.ended)
                for job in planned:
                    if job.spec is not None:
                        mine.add(job.id)
                        ready.append((index, job))
                if not instant:
                    return

        cancelled = False
        while waiting or running or ready or suspects:
            if not cancelled and library.cancel_requested(self.run_id):
                cancelled = True
                self._drop(library, planner, [*ready, *suspects], open_jobs)
                for left in (ready, suspects, waiting):
                    left.clear()
            while waiting and len(ready) + len(running) < window:
                index, _ = waiting.pop()
                look(index)
                over += not open_jobs[index]
            if suspects and not (running or ready or waiting):
                ready.append(suspects.pop())  # alone: whoever dies now has only itself to blame
            ready.sort(key=lambda item: item[0])
            while ready and len(running) < window:
                index, job = ready.pop(0)
                running[self._submit(library, job, index)] = (job, index)
            for future in self._finished(running):
                job, index = running.pop(future)
                ended = self._outcome(library, future, job)
                again = ready if ended is LOST else suspects if ended is KILLED and self._suspect(job) else None
                if again is not None:
                    again.append((index, job))
                    continue
                ended = Ended("failed", None, _DIED) if ended is KILLED else ended
                self._end(library, planner, job, ended)
                open_jobs[index].discard(job.id)
                if not cancelled:
                    look(index)
                over += not open_jobs[index]
            if not cancelled:  # what will never be done is not progress
                self._measure(planner, songs, open_jobs, running, over)
            self._tell(library, running)
        return cancelled

    def _suspect(self, job: Planned) -> bool:
        """Say whether a job whose worker died shall be tried once more, when nothing else runs.

        The worker may have died of another job's doing.
        """
        if job.id in self._suspected:
            return False
        self._suspected.add(job.id)
        return True

    def _drop(
        self, library: Library, planner: Planner, left: list[tuple[int, Planned]], open_jobs: dict[int, set[str]]
    ) -> None:
        """End the jobs that have not begun, and tell those that have to stop at their next block."""
        for index, job in left:
            open_jobs[index].discard(job.id)
            self._end(library, planner, job, Ended("cancelled", None, "cancelled by the user"))
        try:
            library.tell_workers(self.run_id)
        except CatalogError as error:
            log.warning("jobs that have begun go on to their end: %s", error)

    def _submit(self, library: Library, job: Planned, index: int) -> Any:
        library.set_jobs(self.run_id, [self._row(job, "running", key=job.spec.key if job.spec else None)])
        future = self._workers.submit(
            run_job,
            job.spec,
            stage=job.stage,
            key=f"audiolab-{self.run_id}-{job.id}-{time.monotonic_ns()}",
            priority=-index,
        )
        future.add_done_callback(self._ended.put)
        return future

    def _finished(self, running: dict[Any, tuple[Planned, int]]) -> list[Any]:
        if not running:
            return []
        with contextlib.suppress(queue.Empty):
            self._ended.get(timeout=_POLL_SECONDS)
        return [future for future in running if future.done()]

    def _outcome(self, library: Library, future: Any, job: Planned) -> Ended:
        """Fold what a job left and say how it ended; LOST or KILLED if it has to be done again."""
        assert job.spec is not None
        try:
            outcome: JobOutcome = future.result()
        except lost_errors():
            return LOST
        except BaseException as error:
            if type(error).__name__ == "KilledWorker":
                return KILLED
            return Ended("failed", None, f"the job could not be sent or run: {type(error).__name__}: {error}")
        finally:
            future.release()
            self._jobs_done.pop(job.spec.key, None)
        if outcome.status != "done":
            return Ended(outcome.status, None, outcome.why)
        try:
            record = library.take_record(outcome.key)
            library.fold(record)
        except (CatalogError, AudiolabError) as error:
            return Ended("failed", None, f"its result could not be kept: {error}")
        return Ended("done", outcome.key, "", tuple(record.notes))

    def _end(self, library: Library, planner: Planner, job: Planned, ended: Ended | None) -> None:
        assert ended is not None
        planner.ended[job.id] = ended
        seconds, engine = None, None
        if ended.status == "reused" and ended.key is not None:
            try:
                library.reuse(ended.key)  # what was chosen last is what counts, even if it was made earlier
            except CatalogError as error:
                ended = replace(ended, notes=(*ended.notes, str(error)))
        if ended.key is not None and (result := library.result(ended.key)) is not None:
            seconds, engine = result.seconds, result.engine
        library.set_jobs(
            self.run_id,
            [
                self._row(
                    job, ended.status, key=ended.key, why=ended.why, notes=ended.notes, seconds=seconds, engine=engine
                )
            ],
        )

    def _row(self, job: Planned, status: str, **columns: Any) -> dict[str, Any]:
        return {
            "id": job.id,
            "stage": job.stage,
            "unit": get_stage(job.stage).unit,
            "sound_id": job.sound.id,
            "set_id": job.set_id,
            "status": status,
            "result_key": columns.pop("key", None),
            "why": columns.pop("why", "") or "",
            "notes": list(columns.pop("notes", ())),
            **columns,
        }

    def _measure(
        self,
        planner: Planner,
        songs: Sequence[Sound],
        open_jobs: dict[int, set[str]],
        running: dict[Any, Any],
        over: int,
    ) -> None:
        """Estimate progress: whole songs that are over, and for open ones the steps begun and done."""
        steps = max(1, len(planner.recipe.steps))
        partial = 0.0
        for index, jobs in open_jobs.items():
            if not jobs:
                continue
            stages = {identity.split(":", 1)[0] for identity in jobs}
            first = min(i for i, step in enumerate(planner.recipe.steps) if step.stage in stages)
            current = [
                self._jobs_done.get(job.spec.key, 0.0)
                for job, at in running.values()
                if at == index and job.spec is not None and job.stage == planner.recipe.steps[first].stage
            ]
            partial += (first + (sum(current) / len(current) if current else 0.0)) / steps
        self._songs_done = max(self._songs_done, min(over + partial, len(songs)))

    def _tell(self, library: Library, running: dict[Any, tuple[Planned, int]]) -> None:
        """Write down now and then how far the run is, for those who look at it from another process."""
        if time.monotonic() - self._told < _TELL_SECONDS:
            return
        self._told = time.monotonic()
        self._workers.tend()
        shares = ((job, self._jobs_done.get(job.spec.key, 0.0)) for job, _ in running.values() if job.spec is not None)
        library.set_jobs(self.run_id, [{"id": job.id, "progress": round(share, 3)} for job, share in shares if share])
        library.update_run(self.run_id, report=self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "driver": {"host": socket.gethostname(), "pid": os.getpid()},
            "fraction": round(self.fraction(), 4),
        }


def _now() -> datetime:
    return datetime.now(UTC)
