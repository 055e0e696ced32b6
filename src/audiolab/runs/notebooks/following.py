"""Wait for a run inside a notebook: a bar for people, lines where the notebook is executed as a batch."""

from __future__ import annotations

import os
import threading
import time

from audiolab.runs.notebooks.results import FOLDER_VARIABLE
from audiolab.runs.report import RunReport
from audiolab.runs.run import Run

__all__ = ["follow"]


def follow(run: Run, *, every: float = 5.0) -> RunReport:
    """Wait for a run and give its report.

    Parameters
    ----------
    run : Run
        What to wait for.
    every : float
        In a batch, a line is printed so many seconds after the one before, if anything changed. `audiolab batch`
        passes it on while the notebook is executed.

    Returns
    -------
    RunReport
        Failed jobs are in it; they do not raise.
    """
    if FOLDER_VARIABLE not in os.environ:
        return run.progress()
    over = threading.Event()

    def speak() -> None:
        said, started = "", time.monotonic()
        while not over.wait(every):
            rows = run.library.job_rows(run.id)
            ended = sum(row.status in {"done", "reused", "skipped", "failed"} for row in rows)
            busy = ", ".join(dict.fromkeys(row.stage for row in rows if row.status == "running"))
            line = f"{run.fraction():.0%}, {ended} jobs over" + (f", now {busy}" if busy else "")
            if line != said:
                print(f"run {run.id[:8]}: {line}, {time.monotonic() - started:.0f} s", flush=True)
                said = line

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        return run.wait()
    finally:
        over.set()
        thread.join()
