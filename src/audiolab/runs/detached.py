"""Driving a run in a process of its own: `python -m audiolab.runs.detached LIBRARY RUN`.

The caller may end, and so may its terminal or notebook. How far it is stands in the catalog; its log lies in
the library's folder `logs/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["died_early", "log_path", "main", "start_detached"]

_TAIL = 400


def log_path(library: Path, run_id: str) -> Path:
    """Name the log of a detached run."""
    return library / "logs" / f"run-{run_id}.log"


def start_detached(command: Sequence[str], log: Path) -> int:
    """Start a command in a session of its own, its output in a log; give its process id."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        started = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    log.with_suffix(".pid").write_text(str(started.pid), encoding="utf-8")
    return started.pid


def died_early(library: Path, run_id: str) -> str:
    """Say why a detached driver is gone that has not begun; empty if it lives or there is none."""
    log = log_path(library, run_id)
    try:
        pid = int(log.with_suffix(".pid").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if _lives(pid):
        return ""
    tail = log.read_bytes()[-_TAIL:].decode("utf-8", "replace").strip() if log.is_file() else ""
    return f"{tail.splitlines()[-1] if tail else 'without a word'} (log: {log})"


def _lives(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:  # our own child: it has ended
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(arguments: Sequence[str]) -> int:
    """Drive one run to its end; give the exit status."""
    from audiolab.library import Library
    from audiolab.runs.run import Run

    library, run_id = arguments
    began = time.monotonic()
    with Library(library) as opened:
        report = Run(opened, run_id).resume().wait()
        print(f"run {run_id}: {report.status} after {time.monotonic() - began:.1f} s", flush=True)
        return 0 if report.status == "done" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
