"""Several processes on one library, and a database that somebody else holds."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from library_making import wav

from audiolab.errors import CatalogError
from audiolab.library import Library

ADD = """
import sys
from audiolab.library import Library
with Library(sys.argv[1]) as lib:
    print("open", flush=True)
    sys.stdin.readline()  # both begin at once
    for line in lib.add(sys.argv[2]).lines:
        print(line.status, line.sound.id if line.sound else line.why, flush=True)
"""
HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def race(folder: Path, source: Path, processes: int = 2) -> list[list[str]]:
    """Let processes add the same files at once; give the lines of each."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, folder, source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0] * processes
    return said


def check_race(folder: Path, source: Path, count: int) -> None:
    said = race(folder, source)
    found = [dict(reversed(line.split(" ", 1)) for line in lines) for lines in said]
    assert [len(each) for each in found] == [count, count]
    statuses = [status for each in found for status in each.values()]
    assert (statuses.count("added"), statuses.count("existing")) == (count, count)
    assert {sound for each in found for sound, status in each.items() if status == "added"} == set(found[0])
    with Library(folder) as lib:
        assert set(lib.query().ids) == set(found[0]) == set(found[1])  # each sound once, no acknowledged line is lost
        assert lib.fsck(deep=True).clean
        assert len(lib.ops(limit=9999)) == count
        assert list(lib.tmp_dir.iterdir()) == []


def test_two_processes_add_the_same_100_files(tmp_path: Path) -> None:
    for seed in range(100):
        wav(tmp_path / "in" / f"{seed:03}.wav", seed, 0.05)
    check_race(tmp_path / "lib", tmp_path / "in", 100)


@pytest.mark.slow
def test_two_processes_add_the_same_1000_files(tmp_path: Path) -> None:
    for seed in range(1000):
        wav(tmp_path / "in" / f"{seed:04}.wav", seed, 0.05)
    check_race(tmp_path / "lib", tmp_path / "in", 1000)


def test_several_processes_make_one_library(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert race(tmp_path / "lib", tmp_path / "in", processes=4) == [[]] * 4
    with Library(tmp_path / "lib") as lib:
        assert lib.fsck().clean


@pytest.mark.slow
def test_processes_edit_the_same_sounds(tmp_path: Path) -> None:
    with Library(tmp_path / "lib") as lib:
        ids = [lib.add(wav(tmp_path / f"{seed}.wav", seed)).id for seed in range(3)]
    code = (
        "import sys\nfrom audiolab.library import Library\nlib = Library(sys.argv[1], actor=sys.argv[2])\n"
        "ids = sys.argv[3].split()\n"
        "for number in range(25):\n"
        "    lib.tag(ids, f'{sys.argv[2]} {number}'); lib.tag(ids, 'shared')\n"
        "    lib.collection('kit').add(ids); lib.delete(ids[0]); lib.restore(ids[0]); print(number, flush=True)\n"
        "lib.close()\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "lib", f"p{number}", " ".join(ids)])
        for number in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    with Library(tmp_path / "lib") as lib:
        for sound_id in ids:
            free = [tag.label for tag in lib.tags_of(sound_id)]
            assert sorted(free) == sorted([*(f"p{p} {n}" for p in range(3) for n in range(25)), "shared"])
        assert lib.collection("kit").sounds.ids == ids
        assert lib.query().ids == ids
        assert lib.fsck(deep=True).clean


def hold(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """Let another process hold the write lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder / "library.db", str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.slow
def test_a_database_locked_for_5_seconds(folder: Path, tmp_path: Path) -> None:
    with Library(folder) as lib:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        with hold(folder, 5):
            started = time.monotonic()
            assert lib.query("a").ids == [sound.id]  # readers do not wait
            assert time.monotonic() - started < 2
            sound.tag("kick")
            assert 3 < time.monotonic() - started < 20
        assert sound.label == "kick"
        with hold(folder, 5):
            started = time.monotonic()
            assert lib.add_report([wav(tmp_path / "b.wav", 2)]).added
            assert 3 < time.monotonic() - started < 20
        with hold(folder, 5):
            started = time.monotonic()
            with Library(folder) as another:  # opening waits only if it has something to write
                assert len(another.query()) == 2
            assert time.monotonic() - started < 20


def test_a_database_locked_for_too_long(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiolab.library.engines.BUSY_SECONDS", 0.3)
    with Library(folder) as lib:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        process = hold(folder, 60)
        try:
            with pytest.raises(
                CatalogError, match=r"library\.db.*locked.*another process held it.*wait for it or end it"
            ):
                sound.tag("kick")
            report = lib.add_report([wav(tmp_path / "b.wav", 2)])
            assert "another process" in report.failed[0].why
            assert [found.name for found in lib.query()] == ["a"]
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        sound.tag("kick")
        lib.add(tmp_path / "b.wav")
        assert lib.fsck(deep=True).clean


def test_somebody_who_holds_all_of_the_database(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tools may lock the whole file; that is said, and nothing is broken by it."""
    monkeypatch.setattr("audiolab.library.engines.BUSY_SECONDS", 0.2)
    with Library(folder) as lib:
        lib.add(wav(tmp_path / "a.wav", 1))
    other = sqlite3.connect(folder / "library.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(CatalogError, match="another process held it"):
        Library(folder)
    other.execute("COMMIT")
    other.close()
    with Library(folder) as lib:
        assert len(lib.query()) == 1


def test_a_purge_between_storing_and_writing_the_row(
    lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody empties the trash while the same audio is added again: its file must not go with the old row."""
    path = wav(tmp_path / "a.wav", 1)
    lib.delete(lib.add(path))
    put_all = type(lib.media).put_all

    def put_and_purge(media: object, files: object) -> None:
        put_all(media, files)
        with Library(lib.path) as other:
            other.purge()

    with monkeypatch.context() as patch:
        patch.setattr(type(lib.media), "put_all", put_and_purge)
        report = lib.add_report([path])
    assert lib.fsck(deep=True).clean, f"{report}\n{lib.fsck(deep=True)}"
    assert lib.add(path).audio().frames > 0


def test_a_purge_before_storing(lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiolab.library import keeping

    path = wav(tmp_path / "a.wav", 1)
    lib.delete(lib.add(path))
    keep = keeping.Keeper.keep

    def purge_and_keep(keeper: object, looks: object) -> object:
        with Library(lib.path) as other:
            other.purge()
        return keep(keeper, looks)

    with monkeypatch.context() as patch:
        patch.setattr(keeping.Keeper, "keep", purge_and_keep)
        report = lib.add_report([path])
    assert lib.fsck(deep=True).clean, f"{report}\n{lib.fsck(deep=True)}"
    assert report.added or report.failed
    assert lib.add(path).audio().frames > 0


def test_a_purge_after_looking_for_known_files(lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New audio whose bytes are those of an orphan: the orphan's removal must not take them."""
    from audiolab.library import purging

    path = wav(tmp_path / "a.wav", 1)
    first = lib.add(path)
    lib.delete(first)
    remove = purging._remove_files

    def add_and_remove(library: Library, todo: object) -> None:
        with Library(lib.path) as other:
            other.add(path)
        remove(library, todo)

    with monkeypatch.context() as patch:
        patch.setattr(purging, "_remove_files", add_and_remove)
        patch.setattr("audiolab.library.library.finish_purges", lambda library: None)
        lib.purge()
    assert lib.fsck(deep=True).clean, str(lib.fsck(deep=True))
    assert lib.query()[0].audio().frames > 0


def test_the_end_of_a_purge_between_storing_and_writing_the_row(
    lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(tmp_path / "a.wav", 1)
    lib.delete(lib.add(path))
    with monkeypatch.context() as patch:
        patch.setattr("audiolab.library.purging._remove_files", lambda library, todo: None)
        lib.purge()  # and is killed before it has removed the file
    put_all = type(lib.media).put_all

    def put_and_finish(media: object, files: object) -> None:
        put_all(media, files)
        Library(lib.path).close()

    with monkeypatch.context() as patch:
        patch.setattr(type(lib.media), "put_all", put_and_finish)
        report = lib.add_report([path])
    assert "add it again" in report.failed[0].why
    assert lib.fsck(deep=True).clean, f"{report}\n{lib.fsck(deep=True)}"
    assert lib.add(path).audio().frames > 0
