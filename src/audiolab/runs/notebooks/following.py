"""Wait for a run inside a notebook: a bar for people, lines where the notebook is executed as a batch."""

from __future__ import annotations

import os

from audiolab.runs.bar import tell_lines
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
    tell_lines(run, 0.5, every=every, say=lambda line: print(line, flush=True))
    return run.wait()
