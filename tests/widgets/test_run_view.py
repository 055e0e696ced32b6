"""The view of a run: live, over, of another process; cancel, resume, errors with their cause."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))
import pretend_stages

from audiolab.audio import write_audio
from audiolab.library import Library
from audiolab.runs import Run, process
from audiolab.runs.progress import follow, song_progress
from audiolab.stages import registry
from audiolab.synth import noise
from audiolab.widgets.run_view import RunView, standing_run
from audiolab.widgets.standing import STATIC_LIMIT

ALL = {
    "name": "all",
    "steps": [{"stage": name} for name in ("measure", "halves", "cuts", "names", "summary", "absent")],
}
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def _pretend(monkeypatch):
    registry.get_stage.cache_clear()
    table = {name: f"pretend_stages:{stage.__name__}" for name, stage in pretend_stages.STAGES.items()}
    monkeypatch.setattr(registry, "_BUILT_IN", table)
    yield
    registry.get_stage.cache_clear()


@pytest.fixture
def songs(library, tmp_path):
    paths = [write_audio(tmp_path / f"song {i}.wav", noise(0.5, 8000, seed=i)) for i in range(3)]
    return [library.add(path, kind="song") for path in paths]


def _until(true, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_a_run_is_followed_to_its_end(songs, client, page, monkeypatch):
    monkeypatch.setattr("audiolab.runs.telling._TELL_SECONDS", 0.1)
    run = process(songs, ALL, params={"halves": {"slow": 2.0}}, client=client)
    shown = page(RunView(run))
    seen, fractions = [], []
    shown.widget.observe(lambda change: seen.append(change["new"]), "state")
    shown.widget.observe(lambda change: fractions.append(change["new"]), "fraction")
    _until(lambda: shown.told("over"))
    view = shown.widget
    assert (view.status, view.fraction) == ("done", 1.0)
    assert fractions == sorted(fractions)
    assert any(0 < value < 1 for value in fractions)
    running = [job for state in seen for job in state["running"] if job["stage"] == "halves"]
    assert any(0 < job["progress"] < 1 for job in running), "the catalog knows how far a single job is"
    assert any(state["left"] for state in seen), "the time left was told"
    state = view.state
    assert [stage["stage"] for stage in state["stages"]] == ["measure", "halves", "cuts", "names", "summary", "absent"]
    assert state["counts"] == {"done": 24, "skipped": 3}
    assert state["stages"][1]["seconds"] > 5
    assert {song["name"] for song in state["rows"]} == {"song 0", "song 1", "song 2"}
    assert state["rows"][0]["stages"]["cuts"] == {"done": 2}
    assert {problem["why"] for problem in state["problems"]} == {"its weights are not here: pull them"}
    assert state["elapsed"] == pytest.approx(run.report.wall_seconds, abs=0.1)
    html = view.static_html()
    assert "its weights are not here" in html
    assert len(html) < STATIC_LIMIT
    jobs = shown.ask("jobs", first=20, count=100)["jobs"]
    assert len(jobs) == 7
    assert shown.ask("jobs", status="skipped")["jobs"][0]["why"].startswith("its weights")
    assert [row["name"] for row in shown.ask("songs", first=1, count=1)["rows"]] == ["song 1"]


def test_cancel_and_resume_from_the_page(songs, client, page):
    run = process(songs, ALL, params={"halves": {"slow": 2.0}}, client=client)
    shown = page(RunView(run))
    _until(lambda: any(job["stage"] == "halves" for job in shown.widget.state["running"]))
    shown.ask("cancel")
    _until(lambda: shown.told("over"))
    assert shown.widget.status == "cancelled"
    assert shown.widget.state["counts"]["cancelled"] >= 1
    assert shown.widget.fraction < 1
    shown.messages.clear()
    shown.ask("resume")
    _until(lambda: shown.told("over"))
    assert (shown.widget.status, shown.widget.error) == ("done", "")
    assert "cancelled" not in shown.widget.state["counts"]


def test_failures_are_shown_with_their_cause(songs, client, page):
    songs[1].rename(HOSTILE)
    run = process(songs, ALL, params={"halves": {"fail_on": "img src"}}, client=client)
    run.wait(60)
    view = RunView(run)
    assert view.status == "failed"
    failed = [problem for problem in view.state["problems"] if problem["status"] == "failed"]
    assert [(job["stage"], job["song"]) for job in failed] == [("halves", HOSTILE)]
    assert "is the song that this stage refuses" in failed[0]["why"]
    html = view.static_html()
    assert "this stage refuses" in html
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_a_run_of_another_process_is_followed_through_the_catalog(songs, client, page, monkeypatch):
    monkeypatch.setattr("audiolab.runs.telling._TELL_SECONDS", 0.1)
    mine = process(songs, ALL, params={"halves": {"slow": 2.0}}, client=client)
    with Library(songs[0].library.path) as elsewhere:
        other = Run(elsewhere, mine.id)
        shown = page(RunView(other))
        fractions = []
        shown.widget.observe(lambda change: fractions.append(change["new"]), "fraction")
        _until(lambda: shown.told("over"))
        assert shown.widget.status == "done"
        assert any(0 < value < 1 for value in fractions)
    mine.wait(60)


def test_a_run_that_cannot_be_resumed_says_why(songs, client, page, monkeypatch):
    run = process(songs[0], ALL, client=client)
    run.wait(60)
    found = Run(run.library, run.id)
    shown = page(RunView(found))
    monkeypatch.setenv("AUDIOLAB_SCHEDULER", "tcp://127.0.0.1:9")
    from audiolab.config import get_settings
    from audiolab.runs import cluster

    get_settings.cache_clear()
    monkeypatch.setattr(cluster, "_CLIENT", None)
    shown.ask("resume")
    _until(lambda: shown.widget.error)
    assert "no Dask scheduler answers" in shown.widget.error


def test_a_closed_library_ends_the_watching(songs, client, page):
    run = process(songs, ALL, params={"halves": {"slow": 1.5}}, client=client)
    with Library(songs[0].library.path) as elsewhere:
        shown = page(RunView(Run(elsewhere, run.id)))
    _until(lambda: shown.widget.error)
    assert "cannot be followed any more" in shown.widget.error
    run.wait(60)


def test_a_large_run_costs_little_and_stays_small(library, tmp_path):
    """A thousand songs: following is a few questions to the database, the static view keeps its limit."""
    song = library.add(write_audio(tmp_path / "song.wav", noise(0.5, 8000)), kind="song")
    run_id = library.create_run("large", {"name": "large", "steps": [{"stage": "measure"}]}, [song.id])
    each = {"stage": "measure", "unit": "song", "sound_id": song.id, "status": "failed"}
    rows = [{"id": f"measure:{i}", "why": f"reason {i}", **each} for i in range(1500)]
    library.set_jobs(run_id, rows)
    library.update_run(run_id, status="failed")
    run = Run(library, run_id)
    begun = time.monotonic()
    found = follow(run)
    assert time.monotonic() - begun < 1.0
    assert found.counts == {"failed": 1500}
    view = RunView(run)
    assert len(view.state["problems"]) <= 40
    assert len(view.static_html()) < STATIC_LIMIT


def test_static_views_of_runs_under_way_and_queued(library, songs):
    run_id = library.create_run("waits", {"name": "waits", "steps": [{"stage": "measure"}]}, [songs[0].id])
    run = Run(library, run_id)
    assert "queued" in standing_run(run).text
    assert follow(run).left is None
    assert song_progress(run)[0].stages == {}
