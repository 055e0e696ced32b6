"""The driver of a run: plans, submits, folds. The only writer of the catalog while a run goes on.

It runs in a background thread of the caller (or in a process of its own). Everything it knows can be
found again in the catalog and the records, so it may be killed at any moment and started anew.
"""

from __future__ import annotations

import contextlib
import logging
import queue
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
from audiolab.runs.keeping_jobs import keep_jobs
from audiolab.runs.logs import RunLog, log_context, redact, told
from audiolab.runs.recipe import Recipe
from audiolab.runs.telling import Teller, label_of_job
from audiolab.runs.topics import LOGS, PROGRESS, RUNS
from audiolab.runs.worker import clean_scratch, run_job
from audiolab.runs.workers import Workers, lost_errors
from audiolab.stages.registry import get_stage

__all__ = ["Driver"]

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
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
        self._log, self._teller = RunLog(self._path, run_id), Teller(run_id)
        self._workers = Workers(
            client, {PROGRESS: self._teller.hear, RUNS: self._teller.others.hear, LOGS: self._log.write}
        )
        self.error: BaseException | None = None
        self._suspected: set[str] = set()
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: list[int] = []
        self._open: dict[int, set[str]] = {}
        self._ready: list[tuple[int, Planned]] = []
        self._running: dict[Any, tuple[Planned, int]] = {}
        self._suspects: list[tuple[int, Planned]] = []
        self._over: set[int] = set()

    def fraction(self) -> float:
        """Give the share of the run that is done, 0 to 1; for other threads."""
        return self._teller.fraction()

    # ---- the run -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Drive; an error of the driver itself ends the run as failed and is raised by `Run.wait`."""
        with self._log.driving():
            try:
                with Library(self._path) as library:
                    try:
                        self._drive(library)
                    except BaseException as error:
                        library.update_run(
                            self.run_id,
                            status="failed",
                            finished_at=_now(),
                            report={"error": redact(f"{type(error).__name__}: {error}")},
                        )
                        raise
            except BaseException as error:
                log.exception("run %s failed", self.run_id)
                self.error = error
            finally:
                self._workers.tell({"run": self.run_id, "songs": 0, "jobs": 0})
                self._workers.leave()

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
            report=self._teller.state(),
        )
        songs = [library.sound(sound_id) for sound_id in row.sound_ids]
        told.info("begun: recipe %s, %d songs", recipe.name, len(songs))
        self._teller.share(self._workers, len(songs), 1)  # before anything is queued: longer runs make room meanwhile
        resolutions = self._workers.resolve({step.stage: dict(step.params) for step in recipe.steps})
        for stage, resolution in resolutions.items():
            for note in resolution.get("notes", ()):
                told.warning("%s: %s", stage, note)
        planner = Planner(library, self.run_id, recipe, resolutions)
        self._teller.start(library, recipe, songs, resolutions, self._workers)
        cancelled = self._loop(library, planner, songs)
        failed = any(ended.status == "failed" for ended in planner.ended.values())
        library.update_run(
            self.run_id,
            status="cancelled" if cancelled else "failed" if failed else "done",
            finished_at=_now(),
            report=self._teller.summary(),
        )
        told.info("over after %.1f s", self._teller.seconds())
        with contextlib.suppress(CatalogError):  # the next driver of this run does it
            library.tell_workers(self.run_id, stop=False)

    def _loop(self, library: Library, planner: Planner, songs: Sequence[Sound]) -> bool:
        """Plan, hand out and take in until nothing is left; say whether it was cancelled."""
        window, cancelled = self._workers.window(), False
        self._waiting = list(range(len(songs)))[::-1]
        while self._waiting or self._running or self._ready or self._suspects:
            if not cancelled and library.cancel_requested(self.run_id):
                cancelled = True
                self._drop(library, planner)
            while self._waiting and len(self._ready) + len(self._running) < window:
                self._look(library, planner, songs, self._waiting.pop())
            if self._suspects and not (self._running or self._ready or self._waiting):
                self._ready.append(self._suspects.pop())  # alone: whoever dies now has only itself to blame
            self._hand_out(library, window, len(songs))
            self._take_in(library, planner, songs, cancelled=cancelled)
            if not cancelled:  # what will never be done is not progress
                self._teller.measure(self._open, self._running.values(), len(self._over))
            left = len(self._ready) + len(self._running)
            self._teller.share(self._workers, max(1, len(songs) - len(self._over)), left)
            if self._teller.tell(library, (job for job, _ in self._running.values())):
                self._workers.tend()
        return cancelled

    def _look(self, library: Library, planner: Planner, songs: Sequence[Sound], index: int) -> None:
        """Plan a song again and again until planning ends no more jobs by itself."""
        mine = self._open.setdefault(index, set())  # also where no step takes this sound
        instant = True
        while instant:
            planned = planner.plan(songs[index], known=mine)
            instant = False
            for job in planned:
                if job.spec is not None:
                    mine.add(job.id)
                    self._teller.remaining.opened(index, job.id, job.stage)
                    self._ready.append((index, job))
                else:
                    instant = True
                    self._end(library, planner, job, job.ended, index)
        self._close(index)

    def _close(self, index: int) -> None:
        """Note that a song is over, if it is."""
        if not self._open[index] and index not in self._over:
            self._over.add(index)
            self._teller.remaining.over(index)

    def _hand_out(self, library: Library, window: int, songs: int) -> None:
        room = self._teller.others.room(songs - len(self._over), self._workers.count())
        if room is not None:
            window = min(window, room)
            self._make_room(window)
        self._ready.sort(key=lambda item: item[0])
        while self._ready and len(self._running) < window:
            index, job = self._ready.pop(0)
            self._running[self._submit(library, job, index)] = (job, index)

    def _make_room(self, room: int) -> None:
        """Take jobs back that wait at workers; they end as lost, and are handed out again later."""
        waiting = [f for f, (job, _) in self._running.items() if not self._teller.has_begun(job) and not f.done()]
        for future in waiting[::-1][: max(0, len(self._running) - room)]:
            future.cancel()

    def _take_in(self, library: Library, planner: Planner, songs: Sequence[Sound], *, cancelled: bool) -> None:
        for future in self._finished():
            job, index = self._running.pop(future)
            ended = self._outcome(library, future, job)
            again = self._ready if ended is LOST else None
            if ended is KILLED:
                again = self._suspects if self._suspect(job) else None
                ended = Ended("failed", None, _DIED)
            if again is not None:
                self._teller.remaining.again(job.id)
                keep_jobs(library, self.run_id, {"id": job.id, "status": "waiting", "progress": None})
                again.append((index, job))
                continue
            self._end(library, planner, job, ended, index)
            self._open[index].discard(job.id)
            if cancelled:
                self._close(index)
            else:
                self._look(library, planner, songs, index)

    def _suspect(self, job: Planned) -> bool:
        """Say whether a job whose worker died shall be tried once more, when nothing else runs.

        The worker may have died of another job's doing.
        """
        if job.id in self._suspected:
            return False
        self._suspected.add(job.id)
        return True

    def _drop(self, library: Library, planner: Planner) -> None:
        """End the jobs that have not begun, and tell those that have to stop at their next block."""
        for index, job in (*self._ready, *self._suspects):
            self._open[index].discard(job.id)
            self._end(library, planner, job, Ended("cancelled", None, "cancelled by the user"), index)
        for left in (self._ready, self._suspects, self._waiting):
            left.clear()
        try:
            library.tell_workers(self.run_id)
        except CatalogError as error:
            log.warning("jobs that have begun go on to their end: %s", error)

    def _submit(self, library: Library, job: Planned, index: int) -> Any:
        keep_jobs(library, self.run_id, self._row(job, "running", key=job.spec.key if job.spec else None))
        future = self._workers.submit(
            run_job,
            job.spec,
            stage=job.stage,
            key=f"audiolab-{self.run_id}-{job.id}-{time.monotonic_ns()}",
            priority=-index,
        )
        future.add_done_callback(self._ended.put)
        return future

    def _finished(self) -> list[Any]:
        if not self._running:
            return []
        with contextlib.suppress(queue.Empty):
            self._ended.get(timeout=_POLL_SECONDS)
        return [future for future in self._running if future.done()]

    def _outcome(self, library: Library, future: Any, job: Planned) -> Ended:
        """Fold what a job left and say how it ended; LOST or KILLED if it has to be done again."""
        assert job.spec is not None
        try:
            outcome: JobOutcome = future.result()
            self._teller.worked(outcome.seconds)
        except lost_errors():
            return LOST
        except BaseException as error:
            if type(error).__name__ == "KilledWorker":
                return KILLED
            return Ended("failed", None, f"the job could not be sent or run: {type(error).__name__}: {error}")
        finally:
            future.release()
            self._teller.forget(job.spec.key)
        if outcome.status != "done":
            return Ended(outcome.status, None, outcome.why, by_worker=True)
        try:
            record = library.take_record(outcome.key)
            library.fold(record)
        except (CatalogError, AudiolabError) as error:
            return Ended("failed", None, f"its result could not be kept: {error}")
        return Ended("done", outcome.key, "", tuple(record.notes), by_worker=True)

    def _end(self, library: Library, planner: Planner, job: Planned, ended: Ended | None, index: int) -> None:
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
        self._teller.remaining.ended(index, job.id, job.stage, seconds)
        if not ended.by_worker:
            level = logging.ERROR if ended.status == "failed" else logging.INFO
            with log_context(stage=job.stage, sound=label_of_job(job), sound_id=job.sound.id):
                told.log(level, "%s%s", ended.status, ended.why and f": {ended.why}")
        row = self._row(
            job, ended.status, key=ended.key, why=ended.why, notes=ended.notes, seconds=seconds, engine=engine
        )
        keep_jobs(library, self.run_id, row)

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


def _now() -> datetime:
    return datetime.now(UTC)
