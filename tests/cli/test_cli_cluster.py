"""`audiolab cluster`: start, join, status, on real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audiolab.cli._cluster import cluster
from free_ports import free_port


def _cli(home: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "AUDIOLAB_HOME": str(home), "AUDIOLAB_WORKERS": "1"}
    command = [sys.executable, "-m", "audiolab.cli", "cluster", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def started(tmp_path: Path, port: int) -> Iterator[str]:
    process = _cli(tmp_path, "start", "--port", str(port), "--dashboard", "127.0.0.1:0", "--shape", "laptop")
    assert process.stdout is not None
    assert f"tcp://127.0.0.1:{port}" in process.stdout.readline()
    yield f"tcp://127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0, "Ctrl-C ends it in peace"


def _workers(home: Path, address: str) -> list[dict[str, object]]:
    done = _cli(home, "status", "--address", address, "--json")
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0, out
    return list(json.loads(out)["workers"])


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_start_join_and_status(tmp_path, started):
    (tmp_path / "data" / "library").mkdir(parents=True)
    (first,) = _workers(tmp_path, started)
    assert first["sees"] is True
    assert first["version"]
    joined = _cli(tmp_path, "start", "--join", started, "--shape", "laptop")
    try:
        deadline = time.monotonic() + 60
        while len(found := _workers(tmp_path, started)) < 2:
            assert time.monotonic() < deadline
        assert {"CPU": 1.0} in [worker["resources"] for worker in found]
    finally:
        joined.terminate()
        joined.wait(30)


def test_nobody_there_is_said(tmp_path, monkeypatch, port):
    monkeypatch.setattr("audiolab.runs.cluster._CONNECT_SECONDS", 1)
    result = CliRunner().invoke(cluster, ["status", "--address", f"tcp://127.0.0.1:{port}"])
    assert result.exit_code != 0
    assert "no Dask scheduler answers" in (str(result.exception) + result.output)


def test_without_an_address_it_asks_for_one(monkeypatch):
    monkeypatch.delenv("AUDIOLAB_SCHEDULER", raising=False)
    result = CliRunner().invoke(cluster, ["status"])
    assert "say which scheduler" in (str(result.exception) + result.output)
