"""`run.progress()`: a bar on a terminal, the run's view in a notebook, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from audiolab.runs.progress import RunProgress, follow
from audiolab.runs.run import Run

__all__ = ["draw", "show_view", "tell_lines"]

_LINE_SECONDS = 30.0
_LAYOUT = "{desc} {n_fmt}/{total_fmt} jobs |{bar}| {elapsed}{postfix}"


def draw(run: Run, *, interval: float = 0.5) -> None:
    """Follow a run to its end, in the way that suits where this is."""
    if show_view(run):
        wait_over(run, interval)
    elif sys.stderr.isatty() or _kernel() is not None:
        _draw_bar(run, interval)
    else:
        tell_lines(run, interval)


def wait_over(run: Run, interval: float, look: Callable[[RunProgress], None] | None = None) -> None:
    """Look at a run until it is over, or until the process that was to drive it is gone."""
    while True:
        # Asked before looking, so that the last look is at its end.
        ended = not run.pause(interval)
        found = follow(run)
        if look is not None:
            look(found)
        if ended or found.over:
            return


def _draw_bar(run: Run, interval: float) -> None:
    from tqdm.auto import tqdm

    with tqdm(total=1, desc=f"run {run.id[:8]}", bar_format=_LAYOUT) as bar:

        def look(found: RunProgress) -> None:
            bar.total = max(1, found.known, found.ended)
            bar.n = found.ended
            # The jobs and the bar stand before it.
            bar.set_postfix_str(found.line().partition(" jobs, ")[2] or found.line(), refresh=False)
            bar.refresh()

        wait_over(run, interval, look)


def tell_lines(
    run: Run,
    interval: float,
    *,
    every: float = _LINE_SECONDS,
    say: Callable[[str], Any] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Say now and then how far a run is; by default on stderr."""
    told, said = clock(), ""

    def look(found: RunProgress) -> None:
        nonlocal told, said
        if clock() - told < every or found.over:
            return
        line, told = f"run {run.id[:8]}: {found.line()}", clock()
        if line != said:
            print(line, file=sys.stderr, flush=True) if say is None else say(line)
        said = line

    wait_over(run, interval, look)


def _kernel() -> Any | None:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


def show_view(run: Run) -> bool:
    """Show the run's view in a notebook that has been told how; give False anywhere else."""
    shell = _kernel()
    if shell is None:
        return False
    try:
        shown = shell.display_formatter.ipython_display_formatter.lookup(run)
    except KeyError:
        return False
    # The widgets stand above this room; what they registered says itself whether it lives.
    if not getattr(shown, "live", lambda: False)():
        return False
    shown(run)
    return True
