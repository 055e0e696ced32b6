"""Runs: units and needs, reuse, failures that stay alone, cancel, resume, changed parameters."""

from __future__ import annotations

import time

import pretend_stages
import pytest

from audiolab.audio import write_audio
from audiolab.errors import ParameterError, RunError
from audiolab.library import Library
from audiolab.runs import Run, process
from audiolab.synth import noise

pytestmark = pytest.mark.usefixtures("pretend")

ALL = {
    "name": "all",
    "steps": [{"stage": name} for name in ("measure", "halves", "cuts", "names", "summary", "absent")],
}


@pytest.fixture
def library(tmp_path):
    with Library(tmp_path / "library") as made:
        yield made


@pytest.fixture
def songs(library, tmp_path):
    made = []
    for index in range(3):
        path = write_audio(tmp_path / f"song {index}.wav", noise(0.5, 8000, seed=index))
        made.append(library.add(path, kind="song"))
    return made


def test_a_recipe_reaches_songs_stems_sets_and_their_needs(songs, client):
    report = process(songs[0], ALL, client=client).wait(60)
    assert report.status == "done", str(report)
    assert report.counts == {"done": 1 + 1 + 2 + 2 + 2, "skipped": 1}
    assert report.skipped[0].why == "its weights are not here: pull them"
    song = songs[0]
    assert list(song.stems) == ["left half", "right half"]
    for stem in song.stems.values():
        assert [sample.label for sample in stem.samples] == ["kick"] * 3
        assert [sample.confidence for sample in stem.samples] == [0.75] * 3
        document = song.library.effective(stem.id, "summary")
        assert document == {"length": 4000, "named": {"items": 3}}
        assert stem.samples[1].audio().frames == 4000 // 3
    assert not list((song.library.path / "tmp").iterdir())
    assert song.library.fsck().clean


def test_files_that_are_only_referred_to(tmp_path, client):
    (tmp_path / "songs").mkdir()
    path = write_audio(tmp_path / "songs" / "song.wav", noise(0.5, 8000, seed=1))
    with Library(tmp_path / "library", files="reference") as library:
        song = library.add(path, kind="song")
        assert process(song, ALL, client=client).wait(60).status == "done"
        assert len(song.stems) == 2
        assert library.media.stored(song.media) is None
        assert library.fsck(deep=True).clean
        path.unlink()
        other = {"name": "one", "steps": [{"stage": "measure", "params": {"factor": 0.5}}]}
        assert "missing" in str(process(song, other, client=client).wait(60))


def test_a_second_run_does_no_work(songs, client):
    process(songs, ALL, client=client).wait(60)
    before = dict(pretend_stages.CALLS)
    report = process(songs, ALL, client=client).wait(60)
    assert dict(pretend_stages.CALLS) == before
    assert set(report.counts) == {"reused", "skipped"}
    assert report.counts["reused"] == 24


def test_one_changed_parameter_redoes_only_what_depends_on_it(songs, client):
    process(songs[0], ALL, client=client).wait(60)
    pretend_stages.CALLS.clear()
    report = process(songs[0], ALL, params={"names": {"label": "snare"}}, client=client).wait(60)
    assert dict(pretend_stages.CALLS) == {"names": 2}  # the summary's needs have equal values, so it is reused
    assert report.counts["reused"] == 1 + 1 + 2 + 2
    assert {sample.label for stem in songs[0].stems.values() for sample in stem.samples} == {"snare"}
    process(songs[0], ALL, params={"cuts": {"count": 4}}, client=client).wait(60)
    assert [len(stem.samples) for stem in songs[0].stems.values()] == [4, 4]


def test_a_human_edit_of_a_need_makes_its_users_run_again(songs, client):
    process(songs[0], ALL, client=client).wait(60)
    pretend_stages.CALLS.clear()
    songs[0].edit("measure", length=1)
    process(songs[0], ALL, client=client).wait(60)
    assert dict(pretend_stages.CALLS) == {"summary": 2}


@pytest.mark.parametrize(("how", "said"), [("fail_on", "this stage refuses"), ("crash_on", "ZeroDivisionError")])
def test_a_failed_song_never_stops_the_others(songs, client, how, said):
    report = process(songs, ALL, params={"halves": {how: "song 1"}}, client=client).wait(60)
    assert report.status == "failed"
    assert [(job.song, job.stage) for job in report.failed] == [("song 1", "halves")]
    assert said in report.failed[0].why
    assert [len(song.stems) for song in songs] == [2, 0, 2]
    assert songs[1].library.fsck().clean
    again = process(songs, ALL, client=client).wait(60)
    assert again.status == "done"
    assert len(songs[1].stems) == 2


def test_needs_of_a_failed_stage_are_skipped_with_the_reason(songs, client):
    recipe = {"name": "x", "steps": [{"stage": "halves"}, {"stage": "measure"}, {"stage": "summary"}]}
    report = process(songs[0], recipe, client=client).wait(60)
    assert report.counts == {"done": 4}


def test_cancel_stops_within_a_block_and_resume_finishes(songs, client):
    run = process(songs, ALL, params={"halves": {"slow": 20.0}}, client=client)
    while not any(row.status == "running" and row.stage == "halves" for row in run.library.job_rows(run.id)):
        time.sleep(0.05)
    time.sleep(0.3)
    started = time.monotonic()
    run.cancel()
    report = run.wait(10)
    assert time.monotonic() - started < 5
    assert report.status == "cancelled"
    assert not any(song.stems for song in songs)
    assert not [p for p in (run.library.path / "tmp").iterdir() if p.name.startswith("job-")]
    assert run.library.fsck().clean
    quick = process(songs, ALL, client=client).wait(60)
    assert quick.status == "done"


def test_a_run_can_be_resumed_and_keeps_its_id(songs, client):
    run = process(songs[0], ALL, params={"halves": {"fail_on": "song 0"}}, client=client)
    assert run.wait(60).status == "failed"
    again = Run(run.library, run.id).resume(client)
    assert again.wait(60).status == "failed"
    assert again.id == run.id
    assert again.report.counts["reused"] == 1


def test_a_torn_record_is_done_again(songs, client):
    library = songs[0].library
    process(songs[0], ALL, client=client).wait(60)
    path, name = library.path, songs[0].id
    record = next((path / "records").rglob("*.json"))
    record.write_bytes(record.read_bytes()[: record.stat().st_size // 2])
    library.close()
    with Library(path) as opened:
        # what the record said was folded before, so nothing is lost
        assert process(opened.sound(name), ALL, client=client).wait(60).status == "done"
        assert len(opened.sound(name).stems) == 2


def test_records_alone_bring_results_back(songs, client, tmp_path):
    """A driver killed before folding: the next opening of the library folds what workers left."""
    import shutil

    library = songs[0].library
    process(songs[0], ALL, client=client).wait(60)
    path = library.path
    fresh = tmp_path / "fresh"
    with Library(fresh) as other:
        other.add(tmp_path / "song 0.wav", kind="song")
    shutil.copytree(path / "records", fresh / "records", dirs_exist_ok=True)
    shutil.copytree(path / "media", fresh / "media", dirs_exist_ok=True)
    with Library(fresh) as other:
        song = other.sound(songs[0].id)
        assert list(song.stems) == ["left half", "right half"]
        assert [len(stem.samples) for stem in song.stems.values()] == [3, 3]
        before = dict(pretend_stages.CALLS)
        assert process(song, ALL, client=client).wait(60).status == "done"
        assert dict(pretend_stages.CALLS) == before


def test_samples_added_by_themselves_are_tagged(library, client, tmp_path):
    sample = library.add(write_audio(tmp_path / "hit.wav", noise(0.2, 8000, seed=9)))
    assert sample.kind == "sample"
    report = process(sample, ALL, client=client).wait(60)
    assert report.counts["done"] == 1
    assert library.sound(sample.id).label == "kick"


def test_wrong_use_is_refused_before_anything_starts(songs, client, tmp_path):
    with pytest.raises(ParameterError, match="nothing to process"):
        process([], ALL, client=client)
    with pytest.raises(ParameterError, match="no step"):
        process(songs, ALL, params={"separate": {}}, client=client)
    with Library(tmp_path / "other") as other:
        foreign = other.add(tmp_path / "song 0.wav", kind="song")
        with pytest.raises(ParameterError, match="one library"):
            process([songs[0], foreign], ALL, client=client)
    assert not songs[0].library.run_rows()


def test_sounds_that_no_step_takes_end_without_jobs(songs, client):
    report = process(songs, {"name": "stems only", "steps": [{"stage": "cuts"}]}, client=client).wait(60)
    assert (report.status, report.jobs) == ("done", ())


def test_waiting_too_short_says_that_the_run_goes_on(songs, client):
    run = process(songs[0], ALL, params={"halves": {"slow": 2.0}}, client=client)
    with pytest.raises(RunError, match="it goes on"):
        run.wait(0.1)
    assert run.wait(60).status == "done"


def test_progress_never_falls_and_ends_at_one(songs, client):
    run = process(songs, ALL, params={"halves": {"slow": 1.0}}, client=client)
    seen = [run.fraction()]
    while run.status in {"queued", "running"}:
        seen.append(run.fraction())
        time.sleep(0.05)
    run.wait(60)
    assert seen == sorted(seen)
    assert any(0 < value < 1 for value in seen)
    assert run.fraction() == 1.0
