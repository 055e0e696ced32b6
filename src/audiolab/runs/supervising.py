"""Keep the workers of a host running: whatever ends them, they are started anew, until somebody says stop.

Dask's nanny starts a worker process again that dies. But when a host is cut off from its scheduler the nanny ends, too,
and somebody has to start it once the scheduler can be reached again.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

__all__ = ["keep_running"]

log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_LASTING_SECONDS = 30.0
_QUICK_SECONDS, _MOST_QUICK = 3.0, 5
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.2


def keep_running(command: Sequence[str], environment: Mapping[str, str], told: threading.Event) -> int:
    """Run a command again and again until told to stop; give 0 then.

    Parameters
    ----------
    command : sequence of str
        Starts the workers and stays as long as they do.
    environment : mapping
        Of the command.
    told : threading.Event
        Set by whoever wants an end.

    Returns
    -------
    int
        0, or the command's exit status if it ended at once the first five times: then something is wrong with it.
    """
    pause, quick, worked = _FIRST_PAUSE, 0, False
    while not told.is_set():
        began = time.monotonic()
        process = subprocess.Popen(list(command), env=dict(environment))
        try:
            while process.poll() is None and not told.wait(_POLL_SECONDS):
                pass
        finally:
            _stop(process)
        if told.is_set():
            break
        lasted = time.monotonic() - began
        worked = worked or lasted >= _QUICK_SECONDS
        quick += 1
        if quick >= _MOST_QUICK and not worked:
            log.error("the workers end as soon as they are started (exit status %s)", process.returncode)
            return process.returncode or 1
        if lasted > _LASTING_SECONDS:
            pause = _FIRST_PAUSE
        log.warning("the workers ended (exit status %s); starting them anew in %.0f s", process.returncode, pause)
        told.wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
