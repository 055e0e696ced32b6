"""Runs of libraries whose files are behind a URL: workers see nothing of the library's folder."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pretend_stages
import pytest

from audiolab.audio import write_audio
from audiolab.config import get_settings
from audiolab.errors import CatalogError, ParameterError, RunError
from audiolab.library import Library
from audiolab.library.loading import load_backup
from audiolab.runs import placing, process
from audiolab.runs.graph import Planner
from audiolab.runs.placing import check_workers, worker_infos
from audiolab.runs.recipe import Recipe
from audiolab.runs.worker import resolve_stage, run_job
from audiolab.synth import noise

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))
from flaky_proxy import flaky
from postgres import database, postgres_url
from s3_server import s3, s3_endpoint

__all__ = ["postgres_url", "s3", "s3_endpoint"]
pytestmark = pytest.mark.usefixtures("pretend")
ALL = {
    "name": "all",
    "steps": [{"stage": name} for name in ("measure", "halves", "cuts", "names", "summary", "absent")],
}


@pytest.fixture
def url(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("AUDIOLAB_MEDIA_CACHE", str(tmp_path / "cache"))
    get_settings.cache_clear()
    return f"file://{tmp_path}/remote"


@pytest.fixture
def song_file(tmp_path) -> Path:
    return write_audio(tmp_path / "song.wav", noise(0.5, 8000, seed=1))


def _state(library: Library) -> dict[str, Any]:
    sounds = list(library.query(""))
    return {
        "sounds": sorted((s.id, s.kind, s.name, s.stem, s.content_id, s.media, s.frames, s.start) for s in sounds),
        "tags": sorted((s.id, t.label, t.source, t.confidence) for s in sounds for t in s.tags),
        "documents": {(s.id, name): library.effective(s.id, name) for s in sounds for name in ("measure", "summary")},
    }


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _do_without_a_driver(library: Library, song: Any) -> str:
    """Do one job as a worker whose driver was killed meanwhile; give its key."""
    recipe = Recipe.load({"name": "one", "steps": [{"stage": "halves"}]})
    run = library.create_run("one", recipe.to_dict(), [song.id])
    planner = Planner(library, run, recipe, {"halves": resolve_stage("halves", {})})
    (job,) = planner.plan(song)
    assert job.spec is not None
    assert run_job(job.spec, lambda *_: None).status == "done"
    return job.spec.key


def test_a_run_leaves_the_same_as_with_a_folder(tmp_path, song_file, url, client):
    with Library(tmp_path / "folder") as library:
        assert process(library.add(song_file, "song"), ALL, client=client).wait(60).status == "done"
        wanted = _state(library)
    with Library(tmp_path / "lib", media=url) as library:
        assert library.media_url == url
        song = library.add(song_file, "song")
        report = process(song, ALL, client=client).wait(60)
        assert report.status == "done", str(report)
        assert _state(library) == wanted
        assert _files(tmp_path / "lib" / "media") == []
        assert library.fsck(deep=True).clean
        assert song.stems["left half"].samples[1].audio().frames == 4000 // 3
        there = _files(tmp_path / "remote")
        assert not [name for name in there if name.startswith(("new/", "flags/"))], "everything is folded"
        assert len([name for name in there if name.startswith("records/")]) == 1 + 1 + 2 + 2 + 2
        before = dict(pretend_stages.CALLS)
        assert set(process(song, ALL, client=client).wait(60).counts) == {"reused", "skipped"}
        assert dict(pretend_stages.CALLS) == before
    with Library(tmp_path / "lib") as library:
        assert library.media_url == url, "the folder remembers it"


def test_what_a_killed_driver_left_is_found_when_the_library_is_opened(tmp_path, song_file, url):
    with Library(tmp_path / "lib", media=url) as library:
        song = library.add(song_file, "song")
        key = _do_without_a_driver(library, song)
        assert library.result(key) is None
        assert not song.stems
        assert f"new/{key}" in _files(tmp_path / "remote")
        assert not (tmp_path / "lib" / "records" / key[:2]).exists()
    with Library(tmp_path / "lib") as library:
        assert library.result(key) is not None
        assert len(library.sound(song.id).stems) == 2
        assert not library.warnings
        assert not [name for name in _files(tmp_path / "remote") if name.startswith("new/")]
        assert library.fsck(deep=True).clean


def test_what_killed_workers_left_on_their_host_is_cleared(tmp_path, song_file, url):
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = tmp_path / "cache" / "tmp" / f"job-{socket.gethostname()}-{ended.pid}-0123456789ab"
    left.mkdir(parents=True)
    with Library(tmp_path / "lib", media=url) as library:
        _do_without_a_driver(library, library.add(song_file, "song"))
    assert not list((tmp_path / "cache" / "tmp").iterdir())


def test_resuming_finds_finished_work_by_its_key(tmp_path, song_file, url, client):
    with Library(tmp_path / "lib", media=url) as library:
        song = library.add(song_file, "song")
        key = _do_without_a_driver(library, song)
        (tmp_path / "remote" / "new" / key).unlink()
        report = process(song, {"name": "one", "steps": [{"stage": "halves"}]}, client=client).wait(60)
        assert report.counts == {"reused": 1}
        assert pretend_stages.CALLS["halves"] == 1


def test_torn_and_foreign_things_at_the_url_keep_nothing_from_working(tmp_path, song_file, url, client):
    with Library(tmp_path / "lib", media=url) as library:
        song = library.add(song_file, "song")
        key = _do_without_a_driver(library, song)
    record = tmp_path / "remote" / "records" / key[:2] / f"{key}.json"
    record.write_bytes(record.read_bytes()[:100])
    (tmp_path / "remote" / "new" / "not a key").write_text("?")
    (tmp_path / "remote" / "new" / ("ab" * 32)).write_text("its record never came")
    (tmp_path / "remote" / "media" / "hello.txt").write_text("?")
    with Library(tmp_path / "lib") as library:
        assert any("torn" in warning for warning in library.warnings)
        recipe = {"name": "one", "steps": [{"stage": "halves"}]}
        assert process(library.sound(song.id), recipe, client=client).wait(60).counts == {"done": 1}
    with Library(tmp_path / "lib") as library:
        assert not library.warnings
        assert library.fsck().clean


def test_cancel_reaches_workers_without_the_folder(tmp_path, song_file, url, client, monkeypatch):
    monkeypatch.setattr("audiolab.library.depot._ASK_SECONDS", 0.1)
    with Library(tmp_path / "lib", media=url) as library:
        recipe = {"name": "slow", "steps": [{"stage": "halves", "params": {"slow": 20.0}}]}
        run = process(library.add(song_file, "song"), recipe, client=client)
        while not pretend_stages.CALLS["halves"]:
            time.sleep(0.05)
        began = time.monotonic()
        run.cancel()
        assert run.wait(20).status == "cancelled"
        assert time.monotonic() - began < 5
        assert not [name for name in _files(tmp_path / "remote") if name.startswith("flags/")]


def test_two_hosts_open_one_library_in_folders_of_their_own(tmp_path, song_file, url, client):
    """As with a catalog on PostgreSQL: the second has not one record in its folder."""
    with Library(tmp_path / "lib", media=url) as library:
        process(library.add(song_file, "song"), ALL, client=client).wait(60)
        state = _state(library)
    shutil.copytree(tmp_path / "lib", tmp_path / "other")
    shutil.rmtree(tmp_path / "other" / "records")
    before = dict(pretend_stages.CALLS)
    with Library(tmp_path / "other") as library:
        assert process(library.sound(state["sounds"][0][0]).song or library.query("kind:song")[0], ALL, client=client)
        assert _state(library) == state
        assert library.fsck().clean
    assert dict(pretend_stages.CALLS) == before


def test_purging_a_backup_and_loading_it(tmp_path, song_file, url, client):
    with Library(tmp_path / "lib", media=url) as library:
        song = library.add(song_file, "song")
        process(song, ALL, client=client).wait(60)
        shutil.rmtree(tmp_path / "cache")
        report = library.backup(tmp_path / "backup")
        assert not report.missing
        wanted = _state(library)
        # A file that was damaged under its name comes back from the backup.
        stem = song.stems["left half"]
        (damaged,) = (tmp_path / "remote" / "media" / stem.media[:2]).glob(f"{stem.media}*")
        size = damaged.stat().st_size
        damaged.write_bytes(b"\0" * size)
        assert [problem.kind for problem in library.fsck(deep=True).problems] == ["changed"]
        library.repair(deep=True, backups=[tmp_path / "backup"])
        assert library.fsck(deep=True).clean
        assert len(list((tmp_path / "lib" / "lost+found").rglob(stem.media))) == 1
        library.delete(song)
        library.purge()
        left = _files(tmp_path / "remote")
        assert left == ["library.json"], left
    load_backup(tmp_path / "backup", tmp_path / "loaded")
    load_backup(tmp_path / "backup", tmp_path / "far", media=f"file://{tmp_path}/elsewhere")
    for name, where in (("loaded", None), ("far", f"file://{tmp_path}/elsewhere")):
        with Library(tmp_path / name) as library:
            assert library.media_url == where
            assert _state(library) == wanted
            assert library.fsck(deep=True).clean
    assert not _files(tmp_path / "far" / "media")
    assert len([name for name in _files(tmp_path / "elsewhere") if name.startswith("records/")]) == 8


class TestWhereTheFilesAre:
    def test_a_url_of_another_library_is_refused(self, tmp_path, url):
        Library(tmp_path / "one", media=url).close()
        with pytest.raises(CatalogError, match="holds the media of another library"):
            Library(tmp_path / "two", media=url)
        assert not (tmp_path / "two").exists(), "nothing was made"

    def test_a_store_that_does_not_answer_leaves_nothing_behind(self, tmp_path, s3, monkeypatch):
        monkeypatch.setenv("AUDIOLAB_MEDIA_PATIENCE", "0")
        get_settings.cache_clear()
        with pytest.raises(CatalogError, match="does the bucket exist"):
            Library(tmp_path / "lib", media="s3://no-such-bucket/x")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(CatalogError, match="did not answer as it should"):
            Library(tmp_path / "lib", media=s3.url)
        assert not (tmp_path / "lib").exists()

    @pytest.mark.slow
    def test_another_host_with_an_empty_folder_and_the_same_database(
        self, tmp_path, url, client, postgres_url, monkeypatch
    ):
        song_file = write_audio(tmp_path / "song.wav", noise(0.5, 8000, seed=1))
        with database(postgres_url) as catalog, database(postgres_url) as moved:
            monkeypatch.setenv("AUDIOLAB_DATABASE", catalog)
            get_settings.cache_clear()
            with Library(tmp_path / "one", database=catalog, media=url) as library:
                process(library.add(song_file, "song"), ALL, client=client).wait(60)
                state = _state(library)
                library.backup(tmp_path / "backup")
            before = dict(pretend_stages.CALLS)
            with Library(tmp_path / "two", database=catalog) as library:
                assert library.media_url == url, "the catalog knows"
                assert _state(library) == state
                report = process(library.query("kind:song")[0], ALL, client=client).wait(60)
                assert set(report.counts) == {"reused", "skipped"}
                assert library.fsck(deep=True).clean
            assert dict(pretend_stages.CALLS) == before
            load_backup(tmp_path / "backup", tmp_path / "inside", database=moved)
            with Library(tmp_path / "inside", database=moved) as library:
                assert library.media_url is None
                assert _state(library) == state
            with pytest.raises(CatalogError, match="has its files in a folder"):
                Library(tmp_path / "three", database=moved, media=f"{url}2")

    def test_a_library_with_its_files_inside_keeps_to_that(self, tmp_path, url, monkeypatch):
        Library(tmp_path / "home" / "lib").close()
        with pytest.raises(CatalogError, match="has its files inside"):
            Library(tmp_path / "home" / "lib", media=url)
        monkeypatch.setenv("AUDIOLAB_LIBRARY", str(tmp_path / "home" / "lib"))
        monkeypatch.setenv("AUDIOLAB_MEDIA", url)
        get_settings.cache_clear()
        with Library() as library:
            assert library.media_url is None

    def test_the_setting_is_for_a_new_default_library_only(self, tmp_path, url, monkeypatch):
        monkeypatch.setenv("AUDIOLAB_LIBRARY", str(tmp_path / "default"))
        monkeypatch.setenv("AUDIOLAB_MEDIA", url)
        get_settings.cache_clear()
        with Library() as library, Library(tmp_path / "other") as other:
            assert (library.media_url, other.media_url) == (url, None)

    def test_files_that_stay_where_they_lie_and_a_url_exclude_each_other(self, tmp_path, url):
        with pytest.raises(ParameterError, match="only this host sees them"):
            Library(tmp_path / "lib", media=url, files="reference")

    def test_a_url_that_is_none(self, tmp_path):
        with pytest.raises(ParameterError, match="neither keys nor options"):
            Library(tmp_path / "lib", media="s3://key:secret@bucket/x")
        assert not (tmp_path / "lib").exists()

    def test_a_moved_store(self, tmp_path, song_file, url):
        with Library(tmp_path / "lib", media=url) as library:
            library.add(song_file, "song")
        (tmp_path / "remote").rename(tmp_path / "moved")
        with Library(tmp_path / "lib", media=f"file://{tmp_path}/moved") as library:
            assert library.fsck(deep=True).clean
        with Library(tmp_path / "lib") as library:
            assert library.media_url == f"file://{tmp_path}/moved"


def test_workers_that_do_not_reach_the_url_are_named(tmp_path, url, client, monkeypatch):
    Library(tmp_path / "lib", media=url).close()
    recipe = Recipe.load({"name": "r", "steps": [{"stage": "measure"}]})
    assert [info.sees for info in worker_infos(client, tmp_path / "lib", url)] == [True]
    check_workers(client, tmp_path / "lib", recipe, own=False, media=url)
    assert _files(tmp_path / "remote") == ["library.json"]
    read = placing.RemoteFolder.read

    def refused(self: Any, name: str, **options: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            raise CatalogError(f"cannot read at {self.url}: refused")
        return read(self, name, **options)

    monkeypatch.setattr(placing.RemoteFolder, "read", refused)
    with pytest.raises(RunError, match=rf"do not find the library's files at {url}: .*refused"):
        check_workers(client, tmp_path / "lib", recipe, own=False, media=url)


@pytest.mark.slow
def test_a_server_that_is_gone_fails_the_job_and_resuming_finishes(tmp_path, song_file, s3, client, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_MEDIA_PATIENCE", "1")
    with flaky(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        get_settings.cache_clear()
        with Library(tmp_path / "lib", media=s3.url) as library:
            song = library.add(song_file, "song")
            recipe = {"name": "one", "steps": [{"stage": "halves", "params": {"slow": 1.0}}, {"stage": "cuts"}]}
            run = process(song, recipe, client=client)
            while not pretend_stages.CALLS["halves"]:
                time.sleep(0.05)
            proxy.fail("500", 10_000)
            report = run.wait(60)
            assert [job.stage for job in report.failed] == ["halves"], str(report)
            assert f"at {s3.url}" in report.failed[0].why
            assert "did not answer as it should" in report.failed[0].why
            assert "s3cr3t" not in str(report)
            proxy.fail("", 0)
            assert not [name for name in s3.names() if name.startswith(("records/", "new/"))], (
                "nothing was left half-done"
            )
            assert run.resume(client).wait(60).status == "done"
            assert library.fsck(deep=True).clean
