"""Processes that execute prepared batch runs, some at a time; none outlives the one that started it."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from audiolab.config import available_cores, get_settings
from audiolab.runs.notebooks.executing import Tell
from audiolab.runs.notebooks.keeping import BatchRun

__all__ = ["run_children"]


def run_children(folders: Sequence[Path], jobs: int, tell: Tell | None = None) -> Iterator[Path]:
    """Execute prepared runs, `jobs` at a time, and give each folder when its process has ended.

    Parameters
    ----------
    folders : sequence of path
        Folders of prepared batch runs.
    jobs : int
        How many at the same time.
    tell : callable, optional
        Gets lines of progress, each with its folder's name before it.

    Yields
    ------
    Path
        A folder whose run is over, in the order of their ends.
    """
    waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for folder in folders:
        waiting.put(folder)
    ended: queue.SimpleQueue[Path] = queue.SimpleQueue()
    started: list[subprocess.Popen[str]] = []
    lock = threading.Lock()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                folder = waiting.get_nowait()
            except queue.Empty:
                return
            with lock:
                if stopped.is_set():
                    return
                child = _start(folder, min(jobs, len(folders)))
                started.append(child)
            assert child.stderr is not None
            last = ""
            for line in child.stderr:
                last = line.rstrip() or last
                if tell is not None:
                    tell(f"[{folder.name}] {line.rstrip()}")
            _settle(folder, child.wait(), last)
            ended.put(folder)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(jobs, len(folders))))]
    for thread in threads:
        thread.start()
    try:
        for _ in folders:
            yield ended.get()
    finally:
        with lock:
            stopped.set()
        for child in started:
            if child.stdin is not None:
                with contextlib.suppress(OSError):
                    child.stdin.close()  # this tells it to stop
        for thread in threads:
            thread.join(30)
        for child in started:
            if child.poll() is None:
                child.kill()


def _start(folder: Path, jobs: int) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if jobs > 1 and get_settings().workers is None:
        environment["AUDIOLAB_WORKERS"] = str(max(1, available_cores() // jobs))
    return subprocess.Popen(
        [sys.executable, "-m", "audiolab.runs.notebooks", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=True,  # Ctrl-C reaches the parent only, which tells its children
    )


def _settle(folder: Path, code: int, last: str) -> None:
    """Write down the failure of a child that could not do it itself."""
    run = BatchRun(folder)
    if code not in {0, 130} and run.status in {"waiting", "interrupted"} and not run.error:
        said = f"killed by signal {-code}" if code < 0 else last
        run.note(error=said, status="interrupted" if run.record["attempt"] else "failed")
