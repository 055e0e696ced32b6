"""`process` starts a run and returns at once; `Run` is how to follow, stop and continue it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from audiolab.config import get_settings
from audiolab.errors import AudioError, ParameterError, RunError
from audiolab.library import Library, RunInfo, Sound
from audiolab.library.runinfo import driver_state
from audiolab.runs.cluster import get_client
from audiolab.runs.detached import died_early, log_path, start_detached
from audiolab.runs.driver import Driver
from audiolab.runs.placing import check_workers
from audiolab.runs.recipe import Recipe
from audiolab.runs.report import RunReport, make_report

__all__ = ["Run", "process"]


def process(
    sounds: Sound | Iterable[Sound] | str | Path,
    recipe: str | Path | Mapping[str, Any] | Recipe = "full",
    *,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    name: str | None = None,
    client: Any = None,
    detach: bool = False,
) -> Run:
    """Do a recipe to some sounds. Returns at once; the work goes on in worker processes.

    Parameters
    ----------
    sounds : Sound, iterable of Sound, or path
        What to process. A path is added to the default library first.
    recipe : str, path, mapping or Recipe
        A name in configs/recipes (full, stems, kit, quick), a YAML file, a dict or a `Recipe`.
    params : mapping, optional
        Parameters that differ, by stage: `{"separate": {"engine": "spectral"}}`.
    name : str, optional
        A name for the run; default: the recipe's.
    client : distributed.Client, optional
        Where to work; default: `AUDIOLAB_SCHEDULER`, else `AUDIOLAB_CLUSTER`, else processes of this machine.
    detach : bool
        Let a process of its own drive the run: this one may end, and `Run(lib.runs[-1])` finds it again.

    Returns
    -------
    Run
        `run.wait()`, `run.progress()`, `run.report`, `run.cancel()`, `run.resume()`.

    Raises
    ------
    ParameterError
        If there is nothing to process or the recipe is wrong.
    RunError
        If there are no workers, or some step could be taken by none of them.
    """
    checked = Recipe.load(recipe)
    if params:
        checked = checked.with_params(params)
    if isinstance(sounds, (str, Path)):
        library = Library(get_settings().path(get_settings().library))
        report = library.add([sounds])
        if report.failed:
            raise AudioError(f"{report.failed[0].path}: {report.failed[0].why}")
        chosen = report.sounds
    else:
        chosen = [sounds] if isinstance(sounds, Sound) else list(sounds)
    if not chosen:
        raise ParameterError("there is nothing to process: no sounds were given")
    library = chosen[0].library
    if any(sound.library.path != library.path for sound in chosen):
        raise ParameterError("all sounds of a run must be in one library")
    unique = list(dict.fromkeys(sound.id for sound in chosen))
    if detach and client is not None:
        raise ParameterError("a detached run finds its workers itself (AUDIOLAB_SCHEDULER); it takes no client")
    if not detach:
        client = client or get_client()
        check_workers(client, library.path, checked, own=client.cluster is not None, media=library.media_url)
    run = Run(library, library.create_run(name or checked.name, checked.to_dict(), unique))
    return run.detach() if detach else run.start(client)


class Run:
    """A run, started here or found in the catalog.

    Parameters
    ----------
    library : Library or RunInfo
        Where it is recorded; or an entry of `Library.runs`, which says both.
    run_id : str, optional
        Its id, or the beginning of it.
    """

    def __init__(self, library: Library | RunInfo, run_id: str | None = None) -> None:
        if isinstance(library, RunInfo):
            library, run_id = library.library, library.id
        if run_id is None:
            raise ParameterError("say which run: Run(library, id), or Run(library.runs[-1])")
        self.library, self.id = library, library.run_row(run_id).id  # raises if there is none
        self._driver: Driver | None = None
        self._client: Any = None

    def start(self, client: Any = None) -> Run:
        """Start driving; called by `process` and `resume`."""
        kept = self._client if self._client is not None and self._client.status == "running" else None
        self._client = client or kept or get_client()
        # Said before the driver's thread says more: who looks now must not see how an earlier attempt ended.
        self.library.update_run(self.id, status="queued")
        self._driver = Driver(self.library.path, self.id, self._client)
        self._driver.start()
        return self

    def detach(self) -> Run:
        """Start driving in a process of its own, which goes on when this one ends; its log lies in the library.

        See Also
        --------
        Library.runs : finds the run again.
        """
        start_detached([sys.executable, "-m", "audiolab.runs.detached", str(self.library.path), self.id], self.log)
        return self

    @property
    def log(self) -> Path:
        """Where a detached driver writes."""
        return log_path(self.library.path, self.id)

    @property
    def status(self) -> str:
        """Give queued, running, done, failed, cancelled or interrupted."""
        return driver_state(self.library.run_row(self.id))

    @property
    def report(self) -> RunReport:
        """What was done so far."""
        return make_report(self.library, self.id)

    def fraction(self) -> float:
        """Give the share that is done, 0 to 1, as well as can be told."""
        if self._driver is not None and self._driver.is_alive():
            return self._driver.fraction()
        row = self.library.run_row(self.id)
        return 1.0 if row.status in {"done", "failed"} else float((row.report or {}).get("fraction", 0.0))

    def wait(self, timeout: float | None = None) -> RunReport:
        """Wait for the end and give the report; failed jobs are in it, they do not raise.

        Raises
        ------
        RunError
            If the run itself broke, or is driven by another process and does not end in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._driver is not None:
            self._driver.join(timeout)
            if self._driver.is_alive():
                raise RunError(f"run {self.id} is not over after {timeout} s; it goes on")
            if self._driver.error is not None:
                raise RunError(f"run {self.id} broke: {self._driver.error}") from self._driver.error
            return self.report
        while self.status in {"queued", "running"}:
            if self.status == "queued" and (why := died_early(self.library.path, self.id)):
                raise RunError(f"the process that was to drive run {self.id} ended: {why}")
            if deadline is not None and time.monotonic() > deadline:
                raise RunError(f"run {self.id} is not over after {timeout} s; it goes on in another process")
            time.sleep(0.2)
        return self.report

    def progress(self, *, interval: float = 0.5) -> RunReport:
        """Wait and show how far it is: jobs done and known, what is worked on, the time that is left.

        On a terminal that is a bar, in a notebook the run's view, and elsewhere a line each half minute (on stderr).
        `audiolab.runs.progress.follow(run)` gives the same as data.
        """
        from audiolab.runs.bar import draw

        draw(self, interval=interval)
        return self.wait()

    def pause(self, seconds: float) -> bool:
        """Wait some seconds, or less if it ends; say whether it still goes on."""
        if self._driver is not None:
            self._driver.join(seconds)
            return self._driver.is_alive()
        time.sleep(seconds)
        status = self.status
        return status == "running" or (status == "queued" and not died_early(self.library.path, self.id))

    def cancel(self) -> None:
        """Ask the run to stop: queued jobs never start, running ones stop at their next block."""
        self.library.request_cancel(self.id)

    def resume(self, client: Any = None) -> Run:
        """Continue after a crash, a cancel or failures: finished work is found again and not redone."""
        if self._driver is not None and self._driver.is_alive():
            if self.status in {"queued", "running"}:
                return self
            self._driver.join()  # it has said how it ended, and is about to be gone
        if self.status == "running":
            raise RunError(f"run {self.id} is being driven by another process; wait for it or cancel it")
        return self.start(client)

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.status})"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()
