"""`RunView`: a run while it goes on, and what came of it."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict
from typing import Any

import traitlets

from audiolab.errors import AudiolabError
from audiolab.library.tallies import job_facts
from audiolab.runs import Run
from audiolab.runs.progress import RunProgress, SongProgress, follow, song_progress
from audiolab.widgets.base import LabWidget, Reply, request
from audiolab.widgets.html import Html, table
from audiolab.widgets.report import header_section, problems_section, times_section

__all__ = ["RunView"]

_SONGS = 25
_PROBLEMS = 40
_INTERVAL = 0.5
log = logging.getLogger("audiolab.widgets")


class RunView(LabWidget):
    """Progress of a run by stage and song, with what was skipped or failed and why; at its end the report.

    It shows runs of this process, of others, and those that are long over. While a run goes on it looks twice a
    second, in a thread.

    Parameters
    ----------
    run : Run
        The run.

    Attributes
    ----------
    status : str
        queued, running, done, failed, cancelled or interrupted. Observe it to go on when the run is over.
    fraction : float
        The share that is done, 0 to 1.
    state : dict
        What the page shows: stages, the first songs, problems, times.

    Examples
    --------
    >>> view = al.show(al.process(song))
    >>> view.observe(lambda change: print("now", change["new"]), "status")
    """

    view = "run"

    status = traitlets.Unicode("queued").tag(sync=True)
    fraction = traitlets.Float(0.0).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, run: Run) -> None:
        self.run = run
        self._closed = threading.Event()
        self._watching = False
        self._lock = threading.Lock()
        super().__init__()
        if not self._look().over:
            self._follow()

    # ---- following -------------------------------------------------------------------------------

    def _look(self) -> RunProgress:
        """Look once and tell the page what has changed."""
        found = follow(self.run)
        songs = song_progress(self.run, 0, _SONGS)
        problems = job_facts(self.run.library.store, self.run.id, ("failed", "skipped"), count=_PROBLEMS)
        with self.hold_trait_notifications():
            self.fraction, self.status = round(found.fraction, 4), found.status
            self.state = {
                "id": self.run.id,
                "recipe": found.recipe,
                "elapsed": found.elapsed and round(found.elapsed, 1),
                "left": found.left and round(found.left),
                "songs": found.songs,
                "counts": found.counts,
                "stages": [asdict(stage) for stage in found.stages],
                "running": [_job(job) for job in found.running],
                "rows": [_song(song) for song in songs],
                "problems": [_job(job) for job in problems],
                "notes": list(found.notes),
                "error": found.error,
            }
        return found

    def _follow(self) -> None:
        with self._lock:
            if self._watching or self._closed.is_set():
                return
            self._watching = True
        threading.Thread(target=self._watch, name=f"audiolab-view-{self.run.id}", daemon=True).start()

    def _watch(self) -> None:
        try:
            over = self._watch_to_its_end()
        finally:
            with self._lock:
                self._watching = False  # before the picture is drawn: it may be resumed meanwhile
        if over:
            self.tell("over", status=self.status)
            self.refresh_standing()

    def _watch_to_its_end(self) -> bool:
        """Look until the run is over; give False if it cannot be followed any more."""
        took = 0.0
        while not self._closed.wait(max(_INTERVAL, 4 * took)):
            try:
                begun = time.monotonic()
                found = self._look()
                took = time.monotonic() - begun
            except AudiolabError as error:  # the library was closed, or is held by somebody for long
                self.error = f"the run cannot be followed any more: {error}"
                return False
            except Exception as error:
                log.exception("following run %s", self.run.id)
                self.error = f"{type(error).__name__}: {error}"
                return False
            if found.over:
                return True
        return False

    def close(self) -> None:
        """Stop looking and close the widget; the run goes on."""
        if "_closed" in vars(self):  # ipywidgets closes what was never made whole, too
            self._closed.set()
        super().close()

    # ---- what the page asks ----------------------------------------------------------------------

    @request
    def cancel(self) -> Reply:
        """Ask the run to stop."""
        self.run.cancel()
        return None

    @request
    def resume(self) -> Reply:
        """Continue the run; workers may have to be started, so it happens in a thread."""
        threading.Thread(target=self._resume, name=f"audiolab-resume-{self.run.id}", daemon=True).start()
        return None

    def _resume(self) -> None:
        try:
            self.run.resume()
        except Exception as error:
            self.error = str(error) if isinstance(error, AudiolabError) else f"{type(error).__name__}: {error}"
            self.tell("refused")
            return
        self._follow()

    @request
    def songs(self, first: int, count: int = _SONGS) -> Reply:
        """Give further songs."""
        return {"rows": [_song(song) for song in song_progress(self.run, max(0, first), min(count, 200))]}

    @request
    def jobs(self, first: int = 0, count: int = 100, status: str = "") -> Reply:
        """Give single jobs, all or those of one status."""
        chosen = (status,) if status else ()
        found = job_facts(self.run.library.store, self.run.id, chosen, first=max(0, first), count=min(count, 500))
        return {"jobs": [_job(job) for job in found]}

    # ---- without a kernel ------------------------------------------------------------------------

    def _name(self) -> str:
        return f"run {self.run.id[:8]}"

    def _standing(self) -> Html:
        return standing_run(self.run)


def standing_run(run: Run) -> Html:
    """Give the static view of a run: how it went, what was skipped or failed, seconds by stage."""
    found = follow(run)
    rows = [
        (stage.stage, ", ".join(f"{n} {status}" for status, n in stage.counts.items()) or None, f"{stage.seconds:.2f}")
        for stage in found.stages
    ]
    if found.over and sum(found.counts.values()) <= 2000:
        return header_section(run) + problems_section(run, most=100) + times_section(run)
    said = f"{found.status}, {found.fraction:.0%} done when this was shown"
    return Html(f"<p><b>run {run.id}</b>: {said}</p>") + Html(table(("stage", "jobs", "seconds of work"), rows))


def _job(job: Any) -> dict[str, Any]:
    return {**asdict(job), "seconds": round(job.seconds, 2), "progress": round(job.progress, 3)}


def _song(song: SongProgress) -> dict[str, Any]:
    return asdict(song)
