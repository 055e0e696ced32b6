"""Small notebooks for the tests of batch runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

SRC = Path(__file__).resolve().parents[2] / "src"


def write_notebook(path: Path, parameters: str, *cells: str) -> Path:
    """Write a notebook with a cell of parameters and some more."""
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *(nbformat.v4.new_code_cell(cell) for cell in cells),
        ]
    )
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)
    return path


# Tests may be a shell's background job, which ignores SIGINT and hands that down.
_HEARING = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("audiolab.cli", run_name="__main__")
"""


def start_batch(*arguments: str, home: Path) -> subprocess.Popen[str]:
    """Start `audiolab batch` as a process of its own."""
    environment = {**os.environ, "AUDIOLAB_HOME": str(home), "PYTHONPATH": str(SRC)}
    return subprocess.Popen(
        [sys.executable, "-c", _HEARING, "batch", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
