"""What a run tells: its log, its progress, its report, Dask's pages; on real worker processes."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import socket
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from audiolab.audio import Audio, write_audio
from audiolab.cli._runs import runs as runs_cli
from audiolab.library import Library
from audiolab.runs import bar, process
from audiolab.runs import workers as workers_module
from audiolab.runs.cluster import LocalWorkers
from audiolab.runs.logs import log_context, read_log, redact, run_log_path
from audiolab.runs.progress import follow
from audiolab.runs.shapes import ClusterShape
from audiolab.runs.telling import covered

STAGES = ("faulty-song", "faulty-stem", "faulty-set")
slow = pytest.mark.slow
cluster = pytest.mark.xdist_group("cluster")


def recipe(fault: str = "none", **more: str) -> dict[str, object]:
    first = {"stage": STAGES[0], "params": {"fault": fault, **more}}
    return {"name": "telling", "steps": [first, *({"stage": name} for name in STAGES[1:])]}


@pytest.fixture
def songs(tmp_path):
    rng = np.random.default_rng(1)
    with Library(tmp_path / "lib") as library:
        yield [
            library.add(
                write_audio(tmp_path / f"song {i}.wav", Audio(rng.uniform(-1, 1, (1, 8000)).astype(np.float32), 8000)),
                kind="song",
            )
            for i in range(4)
        ]


# ---- logs --------------------------------------------------------------------------------------


@slow
@cluster
def test_lines_of_songs_at_once_are_told_apart(songs, workers):
    run = process(songs[:2], recipe("talk"), client=workers)
    report = run.wait(60)
    assert report.status == "done", str(report)
    path = run_log_path(run.library.path, run.id)
    lines = list(read_log(path))
    for line in lines:
        assert {"time", "level", "logger", "run", "sound", "stage", "worker", "message"} <= line.keys()
        assert line["run"] == run.id
        assert line["worker"]
    said = [line for line in lines if line["logger"] in {"some.library", "py.warnings"}]
    assert len(said) == 10
    for line in said:
        assert line["sound"] in line["message"], "each line is under the song that it is about"
        assert line["stage"] == "faulty-song"
    order = [line["sound"] for line in sorted(said, key=lambda line: line["time"])]
    assert order != sorted(order), "they did talk at the same time"
    assert len({line["worker"] for line in said}) == 2
    text = path.read_text()
    assert "geheim" not in text
    assert "abc" not in text
    assert "s3://user:***@host/bucket?token=***" in said[0]["message"]
    assert "not worth mentioning" not in text, "of libraries only what matters"
    assert any("RuntimeWarning: song 0 is odd" in line["message"] for line in said)
    assert sum("done after" in line["message"] for line in lines) == 6


@slow
@cluster
def test_the_command_shows_lines_and_leaves_others_out(songs, workers):
    run = process(songs, recipe("raise", on="song 3"), client=workers)
    run.wait(60)
    process(songs[:1], recipe(), client=workers).wait(60)

    def ask(*options: str) -> str:
        done = CliRunner().invoke(runs_cli, ["logs", run.id[:8], "--library", str(run.library.path), *options])
        assert done.exit_code == 0, done.output
        return done.output

    everything = ask()
    assert "begun: recipe telling, 4 songs" in everything
    assert "faulty-song of song 3: failed after" in everything
    assert "song 3" not in ask("--sound", "song 2")
    assert "song 2" in ask("--sound", "SONG 2")
    only = json.loads(ask("--stage", "faulty-set", "--json"))
    assert {line["stage"] for line in only} == {"faulty-set"}
    assert len(only) == 6, "three begun, three done"
    (failed,) = json.loads(ask("--level", "error", "--json"))
    assert (failed["sound"], failed["level"]) == ("song 3", "ERROR")
    assert "is one of the songs that fail" in failed["message"]
    assert {line["worker"] for line in json.loads(ask("--worker", "driver", "--json"))} == {"driver"}


def test_wrong_levels_and_runs_without_a_log_are_said(songs):
    library = songs[0].library
    run_id = library.create_run("waits", recipe(), [songs[0].id])
    where = ["--library", str(library.path)]
    done = CliRunner().invoke(runs_cli, ["logs", run_id, *where])
    assert done.exit_code == 1
    assert "it has not begun" in done.output
    done = CliRunner().invoke(runs_cli, ["logs", run_id, *where, "--level", "loud"])
    assert "debug, info, warning" in str(done.exception)


def test_torn_lines_are_passed_over(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"level": "INFO", "message": "a"}\n{"level": "ERR\n[1]\n{"level": "ERROR", "message": "b"}\n')
    assert [line["message"] for line in read_log(path)] == ["a", "b"]
    assert [line["message"] for line in read_log(path, level="warning")] == ["b"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("see s3://key:a/b@c@host and http://x.org/a@b", "see s3://key:***@host and http://x.org/a@b"),
        ("password=hunter2, user=me", "password=***, user=me"),
        ("{'aws_secret_access_key': 'abc', 'region': 'eu'}", "{'aws_secret_access_key': ***, 'region': 'eu'}"),
        ("https://x.org/?token=abc&page=2", "https://x.org/?token=***&page=2"),
        ("found 3 tokens: the first", "found 3 tokens: the first"),
        ("tcp://127.0.0.1:8786 at 10:30", "tcp://127.0.0.1:8786 at 10:30"),
    ],
)
def test_secrets_are_taken_out(text, shown):
    assert redact(text) == shown


def test_nothing_of_ours_stays_behind_outside_of_runs():
    handlers, show = list(logging.getLogger().handlers), warnings.showwarning
    with log_context(run="r"), log_context(stage="s"):
        assert len(logging.getLogger().handlers) == len(handlers) + 1
    assert logging.getLogger().handlers == handlers
    assert warnings.showwarning is show


# ---- progress ----------------------------------------------------------------------------------


@slow
@cluster
def test_progress_of_a_real_run_on_a_terminal(songs, workers, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    process(songs[:1], recipe("slow"), client=workers).wait(60)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert process(songs[1:3], recipe("slow"), client=workers).progress(interval=0.3).status == "done"
    text = terminal.getvalue()
    assert "6/6 jobs" in text
    assert "faulty-song of song" in text
    assert "about 0:0" in text


@slow
@cluster
def test_what_is_left_is_told_to_who_asks_and_comes_true(songs, workers):
    process(songs[:1], recipe("slow"), client=workers).wait(60)  # measures
    process(songs[:1], recipe(), client=workers).wait(60)  # other parameters, other times: these do not count
    run = process(songs[1:], recipe("slow"), client=workers)
    seen = []
    while run.status in {"queued", "running"}:
        found = follow(run)
        seen.append((time.monotonic(), found))
        time.sleep(0.25)
    end = time.monotonic()
    known = [(at, found.left) for at, found in seen if found.left is not None]
    assert len(known) > 10
    assert all(abs(left - (end - at)) < 2.5 for at, left in known), [(left, end - at) for at, left in known]
    assert any(found.at and found.at[0].startswith("faulty-song of song") for _, found in seen)
    assert any(found.line().startswith("0 of ") for _, found in seen)
    assert all(found.known >= found.ended for _, found in seen)
    assert any(found.dashboard for _, found in seen)
    assert follow(run).line() == "done, 9 jobs"
    assert not follow(run).dashboard, "a link that may be dead is not shown"


def test_lines_instead_of_a_bar(songs, client, monkeypatch):
    run = _dead_run(songs[0])
    now, said = [0.0], []
    states = iter(["running"] * 5 + ["done"])
    monkeypatch.setattr(type(run), "pause", lambda self, seconds: now.__setitem__(0, now[0] + 20) or True)
    monkeypatch.setattr(type(run), "status", property(lambda self: next(states)))
    bar.tell_lines(run, 1.0, every=30.0, say=said.append, clock=lambda: now[0])
    assert said == [f"run {run.id[:8]}: starting"], "a line that says the same again is left out"


def _dead_run(song):
    from audiolab.runs import Run

    return Run(song.library, song.library.create_run("waits", recipe(), [song.id]))


def test_a_run_whose_driver_never_came_ends_the_waiting(songs):
    run = _dead_run(songs[0])
    run.log.parent.mkdir(parents=True, exist_ok=True)
    run.log.with_suffix(".pid").write_text("999999999")
    assert run.pause(0.0) is False


# ---- report ------------------------------------------------------------------------------------


def test_spans_are_counted_once():
    assert covered([]) == 0
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4


@slow
@cluster
def test_the_report_says_how_fast_it_was_and_what_was_lost(songs, workers):
    run = process(songs[:2], recipe("slow"), client=workers)
    report = run.wait(60)
    assert report.wall_seconds is not None
    assert report.realtime_factor == pytest.approx(2.0 / report.wall_seconds)
    assert 3.0 <= report.stage_seconds["faulty-song"] / 2 < 4.0
    assert report.working_seconds is not None
    assert 3.0 <= report.working_seconds <= report.wall_seconds
    assert report.outside_share == pytest.approx(1 - report.working_seconds / report.wall_seconds)
    assert "times real time" in str(report)
    assert "outside stages" in str(report)
    again = process(songs[:2], recipe("slow"), client=workers).wait(60)
    assert (len(again.reused), len(again.done)) == (6, 0)
    assert again.realtime_factor is None, "what was there already says nothing about speed"
    assert again.outside_share == 1.0
    done = CliRunner().invoke(runs_cli, ["show", run.id, "--library", str(run.library.path), "--json"])
    document = json.loads(done.output)
    assert document["realtime_factor"] == pytest.approx(report.realtime_factor)
    assert document["outside_share"] == pytest.approx(report.outside_share)


# ---- workers -----------------------------------------------------------------------------------


def _threads() -> tuple[str, str, int]:
    import torch

    from audiolab.config import get_settings

    assert get_settings().worker_memory is not None
    return os.environ["OMP_NUM_THREADS"], os.environ["AUDIOLAB_THREADS"], torch.get_num_threads()


@slow
@cluster
def test_workers_do_not_fight_for_cores(workers):
    pytest.importorskip("torch")
    assert set(workers.run(_threads).values()) == {("1", "1", 1)}
    assert "AUDIOLAB_WORKER_MEMORY" not in os.environ, "what holds for workers does not hold for this process"


@slow
@cluster
def test_jobs_travel_as_names_and_numbers(songs, workers, monkeypatch):
    sent = []
    original = workers_module.Workers.submit

    def submit(self, function, *arguments, **options):
        sent.append(pickle.dumps((function, arguments)))
        return original(self, function, *arguments, **options)

    monkeypatch.setattr(workers_module.Workers, "submit", submit)
    assert process(songs[:1], recipe(), client=workers).wait(60).status == "done"
    assert len(sent) == 3
    for data in sent:
        assert len(data) < 20_000
        assert b"torch" not in data
        assert b"numpy" not in data


# ---- Dask's pages ------------------------------------------------------------------------------


@slow
@cluster
def test_the_pages_answer_on_this_machine_alone(recwarn, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = LocalWorkers(ClusterShape(workers=1), dashboard=f"127.0.0.1:{port}")
        try:
            address = started.dashboard
            assert address.startswith("http://127.0.0.1:")
            assert not address.startswith(f"http://127.0.0.1:{port}/")
            with urllib.request.urlopen(address, timeout=20) as answer:
                assert answer.status == 200
                assert b"bokeh" in answer.read().lower()
            page = int(address.split(":")[2].split("/")[0])
            assert _listens_at(page) == {"127.0.0.1"}
        finally:
            started.close()
    assert not [w for w in recwarn if "already in use" in str(w.message)]
    assert "already in use" not in capfd.readouterr().err


def _listens_at(port: int) -> set[str]:
    """Read the addresses at which something listens on a port, as Linux tells them."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.is_file() else ():
            address, state = line.split()[1], line.split()[3]
            host, _, number = address.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.add(".".join(str(byte) for byte in bytes.fromhex(host)[::-1]) if len(host) == 8 else host)
    return found
