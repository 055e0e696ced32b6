"""Full disks and folders that cannot be written, real ones where mounting is allowed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults_disks import fill, grow, read_only, small_disk
from faults_killing import state_of
from library_making import wav

from audiolab.errors import AudiolabError, CatalogError
from audiolab.library import Library

FULL = r"(?i)disk.*full|no space left|free some space"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes."""
    with small_disk(tmp_path / "disk", 3) as folder:
        yield folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty files, 4.8 MB together."""
    folder = tmp_path_factory.mktemp("files")
    for seed in range(40):
        wav(folder / f"{seed:02}.wav", seed, 7.5)
    return folder


def names(lib: Library) -> list[str]:
    return sorted(sound.name for sound in lib.query())


def open_and(folder: Path, what: Callable[[Library], str]) -> str:
    """Open a library and do something; give what came of it, or what the error says."""
    try:
        with Library(folder) as lib:
            return what(lib)
    except CatalogError as error:
        return str(error)


def failures(lib: Library, folder: Path) -> list[str]:
    """Add a folder; give what was wrong with each file, or with all."""
    try:
        return [line.why for line in lib.add_report(folder).failed]
    except CatalogError as error:
        return [str(error)]


class TestFullDisk:
    def test_adding(self, disk: Path, files: Path) -> None:
        with Library(disk / "lib") as lib:
            report = lib.add_report(files)
            kept, failed = len(report.added), len(report.failed)
            assert kept + failed == 40
            assert failed > 10
            for line in report.failed:
                assert line.why
            full = [line for line in report.failed if "full" in line.why or "No space" in line.why]
            assert len(full) == failed, {line.why for line in report.failed}
            assert len(names(lib)) == kept
            assert list(lib.tmp_dir.iterdir()) == []
            assert {problem.kind for problem in lib.fsck(deep=True).problems} <= {"orphaned"}
            with pytest.raises(AudiolabError, match=FULL):
                lib.add(files / "39.wav")
            grow(disk, 12)
            again = lib.add_report(files)
            assert (len(again.added), len(again.existing), len(again.failed)) == (failed, kept, 0)
            assert lib.fsck(deep=True).clean
        with Library(disk / "lib") as lib:
            assert names(lib) == [f"{seed:02}" for seed in range(40)]

    @pytest.mark.parametrize("leave", [0, 40_000])
    def test_tagging(self, disk: Path, files: Path, leave: int) -> None:
        with Library(disk / "lib") as lib:
            ids = [lib.add(files / f"{seed:02}.wav").id for seed in range(4)]
            filler = fill(disk, leave=leave)
            done = 0
            with pytest.raises(CatalogError, match=FULL):  # noqa: PT012 - how many fit is not known
                for number in range(4000):
                    lib.tag(ids, f"{number} {'long word' * 20}")
                    done += 1
            assert [len(lib.tags_of(sound_id)) for sound_id in ids] == [done] * 4  # reading goes on
            filler.unlink()
            lib.tag(ids, "kick")
            assert [len(lib.tags_of(sound_id)) for sound_id in ids] == [done + 1] * 4
        with Library(disk / "lib") as lib:
            assert len(lib.ops(limit=99999)) == 4 + 4 * (done + 1)
            assert lib.fsck(deep=True).clean

    def test_opening(self, disk: Path, files: Path) -> None:
        with Library(disk / "lib") as lib:
            lib.add(files / "00.wav").tag("kick")
        filler = fill(disk)
        said = open_and(disk / "lib", lambda lib: lib.query("label:kick")[0].name)
        assert said == "00" or re.search(FULL, said), said
        filler.unlink()
        with Library(disk / "lib") as lib:
            assert lib.fsck(deep=True).clean
            assert names(lib) == ["00"]

    @pytest.mark.parametrize("leave", [0, 100_000, 400_000])
    def test_migrating(self, disk: Path, tmp_path: Path, leave: int) -> None:
        with zipfile.ZipFile(Path(__file__).parent / "schemas" / "0001.zip") as archive:
            archive.extractall(disk / "lib")
            archive.extractall(tmp_path / "lib")
        with Library(tmp_path / "lib") as lib:
            right = state_of(lib, times=True)
        before = (disk / "lib" / "library.db").read_bytes()
        filler = fill(disk, leave=leave)
        said = open_and(disk / "lib", lambda lib: "open")
        assert said != "open" or leave
        if said != "open":
            assert re.search(FULL, said), said
            filler.unlink()
            assert (disk / "lib" / "library.db").read_bytes() == before
            with sqlite3.connect(disk / "lib" / "library.db") as connection:
                assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
            connection.close()
        filler.unlink(missing_ok=True)
        with Library(disk / "lib") as lib:
            assert state_of(lib, times=True) == right
            assert {problem.kind for problem in lib.fsck().problems} <= {"leftover"}

    def test_backing_up(self, disk: Path, files: Path, tmp_path: Path) -> None:
        with Library(tmp_path / "lib") as lib:
            lib.add(files)
            with pytest.raises(CatalogError, match=FULL):
                lib.backup(disk / "backup")
            assert lib.fsck().clean
            if (disk / "backup").exists():
                with pytest.raises(CatalogError):
                    Library(disk / "backup")
            shutil.rmtree(disk / "backup", ignore_errors=True)
            grow(disk, 12)
            lib.backup(disk / "backup")
            state = state_of(lib)
        with Library(disk / "backup") as copy:
            assert state_of(copy) == state
            assert copy.fsck(deep=True).clean


class Failing:
    """Makes one system call fail with "no space left" from the n-th time on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, nth: int) -> None:
        self.left = nth
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("call", ["fsync", "replace", "mkdir"])
def test_any_call_that_finds_the_disk_full(
    lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    for seed in range(5):
        wav(tmp_path / "in" / f"{seed}.wav", seed)
    failed = 0
    for nth in (1, 2, 4, 7):
        with monkeypatch.context() as patch:
            Failing(patch, call, nth)
            said = failures(lib, tmp_path / "in")
            failed += len(said)
            assert all("No space left" in line for line in said), said
        assert {problem.kind for problem in lib.fsck(deep=True).problems} <= {"orphaned"}
        assert list(lib.tmp_dir.iterdir()) == []
    assert failed
    lib.add(tmp_path / "in")
    assert names(lib) == [str(seed) for seed in range(5)]
    assert lib.fsck(deep=True).clean


def test_the_database_says_that_it_is_full(folder: Path, tmp_path: Path) -> None:
    with Library(folder) as lib:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        with lib.store.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
            done = 0
            connection.close()  # back to the pool: the limit belongs to this connection
            with pytest.raises(CatalogError, match="free some space"):  # noqa: PT012 - how many fit is not known
                for number in range(2000):
                    sound.tag(f"{number} {'x' * 200}")
                    done += 1
        assert len(sound.tags) == done
        for seed in range(2, 60):
            wav(tmp_path / "in" / f"{seed}.wav", seed)
        report = lib.add_report(tmp_path / "in")
        assert report.failed
        assert all("free some space" in line.why for line in report.failed)
        with lib.store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        assert not lib.add_report(tmp_path / "in").failed
        sound.tag("kick")
        assert sound.label == "kick"
        assert lib.fsck(deep=True).clean


def read_in_child(folder: Path, code: str, *, uid: int | None = None) -> str:
    """Open a library in another process, as another user if wished, and give what that says."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            try:
                with Library(folder, actor="tester") as lib:
                    said = str(eval(code, {"lib": lib}))
            except AudiolabError as error:
                said = f"{type(error).__name__}: {error}"
            except BaseException as error:
                said = f"TRACEBACK {type(error).__name__}: {error}"
            os.write(write, said.encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said


class TestReadOnly:
    """A library that cannot be written, such as one on a DVD, a snapshot or in somebody else's folder."""

    @pytest.fixture
    def filled(self, folder: Path, tmp_path: Path) -> Path:
        with Library(folder) as lib:
            lib.add(wav(tmp_path / "a.wav", 1)).tag("kick")
        return folder

    def check(self, folder: Path, uid: int | None = None) -> None:
        said = read_in_child(folder, "[sound.name for sound in lib.query('label:kick')]", uid=uid)
        assert said == "['a']" or ("CatalogError" in said and "read-only" in said and "copy" in said), said
        said = read_in_child(folder, "lib.tag(lib.query(), 'snare')", uid=uid)
        assert "CatalogError" in said, said
        assert "read-only" in said, said
        said = read_in_child(folder, "lib.add('b.wav')", uid=uid)
        assert "Error" in said, said
        assert "TRACEBACK" not in said, said

    def test_a_read_only_disk(self, filled: Path, tmp_path: Path) -> None:
        before = {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()}
        with read_only(filled, tmp_path / "readonly") as folder:
            self.check(folder)
        assert {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()} == before

    def test_somebody_elses_folder(self, filled: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("becoming another user needs root")
        parents = [parent for parent in filled.parents if len(parent.parts) > 2]
        modes = {parent: parent.stat().st_mode for parent in parents}
        try:
            for parent in parents:
                parent.chmod(0o755)
            self.check(filled, uid=65534)
        finally:
            for parent, mode in modes.items():
                parent.chmod(mode)

    def test_no_folder_can_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with read_only(tmp_path / "empty", tmp_path / "readonly") as folder:
            said = read_in_child(folder / "lib", "len(lib)")
            assert "cannot make a library" in said
            assert "Read-only" in said
