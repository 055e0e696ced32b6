"""Faults in the middle of runs on real worker processes: each asserts the state in the end."""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiolab.audio import Audio, write_audio
from audiolab.library import Library
from audiolab.runs import process

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]
STAGES = ("faulty-song", "faulty-stem", "faulty-set")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Ten short songs."""
    rng = np.random.default_rng(1)
    return [
        write_audio(tmp_path / f"song {i}.wav", Audio(rng.uniform(-0.5, 0.5, (1, 9000)).astype(np.float32), 8000))
        for i in range(10)
    ]


def _recipe(stage: str = "", **params: str) -> dict[str, Any]:
    return {"name": "faulty", "steps": [{"stage": name, "params": params if name == stage else {}} for name in STAGES]}


def _state(library: Library) -> dict[str, Any]:
    """Everything but times, ids of runs and keys of results, which follow from parameters."""
    sounds = list(library.query(""))
    return {
        "sounds": sorted((s.kind, s.stem, s.content_id or "", s.frames, s.start or 0) for s in sounds),
        "tags": sorted((s.frames, s.start or 0, t.label, t.source, t.confidence) for s in sounds for t in s.tags),
    }


def _songs(library: Library, files: list[Path]) -> list[Any]:
    return [library.add(path, kind="song") for path in files]


@pytest.fixture
def calm(tmp_path: Path, files: list[Path], workers: Any) -> dict[str, Any]:
    """The state that an undisturbed run leaves."""
    with Library(tmp_path / "calm") as library:
        assert process(_songs(library, files[:3]), _recipe(), client=workers).wait(120).status == "done"
        return _state(library)


@pytest.mark.parametrize("stage", STAGES)
def test_workers_killed_in_every_stage(tmp_path, files, workers, calm, stage):
    marks = tmp_path / "marks"
    marks.mkdir()
    with Library(tmp_path / "lib") as library:
        recipe = _recipe(stage, fault="kill once", marks=str(marks))
        report = process(_songs(library, files[:3]), recipe, client=workers).wait(180)
        assert report.status == "done", str(report)
        assert len(list(marks.iterdir())) == 3, "each song's job has killed its worker once"
        assert _state(library) == calm
        assert library.fsck(deep=True).clean


def test_a_poisoned_file_crashes_its_process_and_nothing_else(tmp_path, files, workers):
    with Library(tmp_path / "lib") as library:
        report = process(
            _songs(library, files), _recipe("faulty-song", fault="crash", on="song 3"), client=workers
        ).wait(300)
        assert report.status == "failed"
        assert [job.song for job in report.failed] == ["song 3"]
        assert "the worker process died with it" in report.failed[0].why
        assert sum(job.stage == "faulty-set" for job in report.done) == 9
        assert library.fsck(deep=True).clean


def test_one_song_in_ten_raises(tmp_path, files, workers):
    with Library(tmp_path / "lib") as library:
        run = process(_songs(library, files), _recipe("faulty-song", fault="raise", on="song 7"), client=workers)
        report = run.wait(120)
        assert [job.song for job in report.failed] == ["song 7"]
        assert "one of the songs that fail" in report.failed[0].why
        assert sum(job.stage == "faulty-set" for job in report.done) == 9


def test_a_worker_out_of_memory(tmp_path, files, plugin):
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="1GB", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
        Library(tmp_path / "lib") as library,
    ):
        report = process(
            _songs(library, files[:4]), _recipe("faulty-song", fault="hog", on="song 2"), client=client
        ).wait(300)
        assert [job.song for job in report.failed] == ["song 2"]
        assert "out of memory" in report.failed[0].why
        assert sum(job.stage == "faulty-set" for job in report.done) == 3


def test_a_locked_database_is_waited_for(tmp_path, files, workers, calm):
    with Library(tmp_path / "lib") as library:
        songs = _songs(library, files[:3])
        run = process(songs, _recipe(), client=workers)
        other = sqlite3.connect(tmp_path / "lib" / "library.db", timeout=30, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(5)
        other.execute("ROLLBACK")
        other.close()
        assert run.wait(120).status == "done"
        assert _state(library) == calm


def test_two_runs_of_one_recipe_at_the_same_time(tmp_path, files, workers, calm):
    with Library(tmp_path / "lib") as library:
        songs = _songs(library, files[:3])
        runs = [process(songs, _recipe(), client=workers) for _ in range(2)]
        reports = [run.wait(180) for run in runs]
        assert [report.status for report in reports] == ["done", "done"]
        assert _state(library) == calm
        assert library.fsck(deep=True).clean
        assert all(len(report.done) + len(report.reused) == 9 for report in reports)


def test_a_clock_that_jumps(tmp_path, files, workers, calm, monkeypatch):
    from audiolab.library import clock
    from audiolab.runs import driver

    jumps = iter([0, 3600, -7200, 90_000, -1, 0] * 1000)
    now = clock.utc_now
    monkeypatch.setattr(driver, "_now", lambda: now() + timedelta(seconds=next(jumps)))
    with Library(tmp_path / "lib") as library:
        run = process(_songs(library, files[:3]), _recipe(), client=workers)
        report = run.wait(120)
        assert report.status == "done"
        assert 0.0 <= run.fraction() <= 1.0
        assert _state(library) == calm
        str(report)
        library.runs._repr_html_()


def test_a_small_run_beside_a_large_one_is_not_kept_waiting(tmp_path, files, workers):
    slow = {"name": "slow", "steps": [{"stage": name, "params": {"fault": "slow"}} for name in STAGES]}
    with Library(tmp_path / "solo") as library:
        began = time.monotonic()
        process(_songs(library, files[:1]), slow, client=workers).wait(120)
        solo = time.monotonic() - began
    with Library(tmp_path / "large") as large, Library(tmp_path / "small") as small:
        big = process(_songs(large, files), slow, client=workers)
        time.sleep(1.0)
        song = _songs(small, files[:1])
        began = time.monotonic()
        assert process(song, slow, client=workers).wait(120).status == "done"
        beside = time.monotonic() - began
        assert big.status == "running", "the large one is not over"
        big.cancel()
        assert big.wait(60).status == "cancelled"
    # It waits at most once for a job of 3 s that has begun; from then on one of the two workers is left to it.
    assert beside < 2 * solo


def test_a_full_disk_fails_the_job_and_resuming_finishes(tmp_path, files, workers, calm, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "library"))
    from faults_disks import fill, small_disk

    with small_disk(tmp_path / "disk", 8) as disk, Library(disk / "lib") as library:
        songs = _songs(library, files[:3])
        run = process(songs, {"name": "first", "steps": _recipe()["steps"][:1]}, client=workers)
        assert run.wait(120).status == "done"
        filler = fill(disk, leave=200_000)
        # Each stem is 1.4 MB now: there is no room for one.
        run = process(songs, _recipe("faulty-song", fault="big"), client=workers)
        report = run.wait(120)
        assert report.status == "failed"
        assert {job.stage for job in report.failed} == {"faulty-song"}
        assert all("No space left" in job.why or "disk" in job.why for job in report.failed), str(report)
        filler.unlink()
        assert run.resume(workers).wait(120).status == "done"
        assert library.fsck(deep=True).clean
        assert not list((disk / "lib" / "tmp").glob("job-*"))
