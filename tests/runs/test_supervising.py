"""Workers that end are started anew."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from audiolab.runs import supervising
from audiolab.runs.supervising import keep_running

BODY = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1], f"{time.monotonic_ns()}-{os.getpid()}").touch()
time.sleep(float(sys.argv[2]))
sys.exit(3)
"""


def _pids(folder: Path) -> list[int]:
    return [int(path.name.partition("-")[2]) for path in sorted(folder.iterdir())]


def _wait_for(folder: Path, count: int) -> list[int]:
    until = time.monotonic() + 30
    while len(pids := _pids(folder)) < count:
        assert time.monotonic() < until
        time.sleep(0.05)
    return pids


def test_what_is_killed_is_started_anew_until_somebody_says_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(supervising, "_FIRST_PAUSE", 0.1)
    monkeypatch.setattr(supervising, "_QUICK_SECONDS", 0.0)
    told, ends = threading.Event(), []
    command = [sys.executable, "-c", BODY, str(tmp_path), "60"]
    thread = threading.Thread(target=lambda: ends.append(keep_running(command, os.environ, told)))
    thread.start()
    for count in (1, 2, 3):
        os.kill(_wait_for(tmp_path, count)[-1], signal.SIGKILL)
    last = _wait_for(tmp_path, 4)[-1]
    told.set()
    thread.join(30)
    assert ends == [0]
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


def test_what_cannot_be_started_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(supervising, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervising, "_LONGEST_PAUSE", 0.01)
    assert keep_running([sys.executable, "-c", BODY, str(tmp_path), "0"], os.environ, threading.Event()) == 3
    assert len(_pids(tmp_path)) == 5
