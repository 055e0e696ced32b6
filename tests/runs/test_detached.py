"""Runs that outlive who started them, and schedulers that go away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiolab.audio import write_audio
from audiolab.errors import ParameterError, RunError
from audiolab.library import Library
from audiolab.runs import Run, process
from audiolab.runs.detached import died_early, log_path, start_detached
from audiolab.synth import render_song
from free_ports import free_port

STEPS = [{"stage": "analyze"}, {"stage": "separate", "params": {"engine": "spectral"}}, {"stage": "slice"}]


def _song(folder: Path, name: str = "song", bars: int = 6) -> Path:
    return write_audio(folder / f"{name}.flac", render_song(bars=bars, name=name).mix)


def _until(true: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it has not happened in time"
        time.sleep(0.1)


def _cli(home: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AUDIOLAB_HOME": str(home), "AUDIOLAB_WORKERS": "1", **variables}
    command = [sys.executable, "-m", "audiolab.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)


def test_runs_are_listed_as_data(tmp_path):
    with Library(tmp_path / "lib") as library:
        assert len(library.runs) == 0
        first = library.create_run("one", {"name": "one", "steps": []}, [])
        second = library.create_run("two", {"name": "two", "steps": []}, ["a", "b"])
        assert [info.id for info in library.runs] == [first, second]
        assert library.runs[-1].sounds == ("a", "b")
        assert Run(library.runs[-1]).id == second
        assert "<td" in library.runs._repr_html_()
        with pytest.raises(ParameterError, match="say which run"):
            Run(library)


def test_a_driver_that_never_began_says_why(tmp_path):
    with Library(tmp_path / "lib") as library:
        run = Run(library, library.create_run("r", {"name": "r", "steps": []}, []))
        code = "raise SystemExit('the scheduler is on holiday')"
        start_detached([sys.executable, "-c", code], run.log)
        with pytest.raises(RunError, match="the scheduler is on holiday"):
            run.wait(60)
        assert died_early(library.path, "unknown") == ""


def test_detached_runs_take_no_client(tmp_path):
    with Library(tmp_path / "lib") as library:
        song = library.add(_song(tmp_path, bars=4), kind="song")
        with pytest.raises(ParameterError, match="takes no client"):
            process(song, {"name": "r", "steps": STEPS[:1]}, client=object(), detach=True)


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_a_detached_run_goes_on_after_its_caller_was_killed(tmp_path):
    song = _song(tmp_path)
    code = f"""
import audiolab as al, os, signal
lib = al.Library({str(tmp_path / "lib")!r})
run = al.process(lib.add({str(song)!r}, kind="song"), {{"name": "away", "steps": {STEPS!r}}}, detach=True)
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "AUDIOLAB_HOME": str(tmp_path), "AUDIOLAB_WORKERS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Library(tmp_path / "lib") as library:
        found = Run(library.runs[-1])
        assert found.id == done.stdout.strip()
        report = found.wait(180)
        assert report.status == "done"
        assert found.fraction() == 1.0
        _until(lambda: "done after" in log_path(library.path, found.id).read_text())
        assert library.fsck().clean


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_the_command_line_detaches_with_kit_and_log(tmp_path):
    song = _song(tmp_path)
    recipe = tmp_path / "short.yaml"
    recipe.write_text(json.dumps({"name": "short", "steps": STEPS}))
    there = ("--library", tmp_path / "lib")
    began = time.monotonic()
    started = _cli(
        tmp_path,
        "run",
        song,
        "--recipe",
        recipe,
        *there,
        "--export-to",
        tmp_path / "kit",
        "--no-report",
        "--detach",
        "--json",
    )
    assert started.returncode == 0, started.stderr
    assert time.monotonic() - began < 60
    run = json.loads(started.stdout)["run"]

    def status() -> str:
        return str(json.loads(_cli(tmp_path, "runs", "show", run, *there, "--json").stdout)["status"])

    _until(lambda: status() == "done", 180)
    _until(lambda: (tmp_path / "kit").is_dir() and "kit" in _cli(tmp_path, "runs", "logs", run, *there).stdout, 60)
    assert list((tmp_path / "kit").rglob("*.wav")) or list((tmp_path / "kit").rglob("*.flac"))


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Any]:
    """A scheduler and a worker under its nanny, as processes; `restart` kills both and starts others there."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    environment = {**os.environ, "AUDIOLAB_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    dask = [sys.executable, "-m", "dask"]

    class Scheduler:
        def __init__(self) -> None:
            self.address = address
            self.start()

        def start(self) -> None:
            where = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
            self.process = subprocess.Popen([*dask, "scheduler", *where], **quiet)
            more = ["--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--death-timeout", "60"]
            self.worker = subprocess.Popen([*dask, "worker", address, *more], **quiet)

        def stop(self) -> None:
            for one in (self.process, self.worker):
                one.kill()
                one.wait()

        def restart(self) -> None:
            self.process.kill()
            self.process.wait()
            time.sleep(1)
            self.worker.kill()
            self.worker.wait()
            self.start()

    made = Scheduler()
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
@pytest.mark.parametrize("after", ["analyze", "separate"])
def test_a_scheduler_that_is_killed_and_started_again(scheduler, tmp_path, after):
    from audiolab.runs.cluster import connect

    with Library(tmp_path / "lib") as library:
        songs = [library.add(_song(tmp_path, f"song {i}", bars=5 + i), kind="song") for i in range(2)]
        run = process(songs, {"name": "r", "steps": STEPS}, client=connect(scheduler.address))

        def running() -> bool:
            return any(job.stage == after and job.status == "running" for job in library.job_rows(run.id))

        _until(running)
        scheduler.restart()
        report = run.wait(240)
        assert report.status == "done", str(report)
        assert not report.failed
        assert library.fsck(deep=True).clean
    with Library(tmp_path / "calm") as calm:
        undisturbed = [calm.add(_song(tmp_path, f"song {i}", bars=5 + i), kind="song") for i in range(2)]
        process(undisturbed, {"name": "r", "steps": STEPS}, client=connect(scheduler.address)).wait(240)
        with Library(tmp_path / "lib") as library:
            for one, other in zip(songs, undisturbed, strict=True):
                assert {n: s.media for n, s in library.sound(one.id).stems.items()} == {
                    n: s.media for n, s in other.stems.items()
                }


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_a_scheduler_that_stays_away_ends_the_run_with_a_word(scheduler, tmp_path, monkeypatch):
    from audiolab.runs import workers
    from audiolab.runs.cluster import connect

    monkeypatch.setattr(workers, "RECONNECT_SECONDS", 3.0)
    with Library(tmp_path / "lib") as library:
        song = library.add(_song(tmp_path), kind="song")
        run = process(song, {"name": "r", "steps": STEPS}, client=connect(scheduler.address))
        _until(lambda: any(job.status == "running" for job in library.job_rows(run.id)))
        scheduler.stop()
        with pytest.raises(RunError, match="did not come back"):
            run.wait(120)
        assert "audiolab runs resume" in run.report.error
        scheduler.start()
        assert Run(library, run.id).resume(connect(scheduler.address)).wait(200).status == "done"
