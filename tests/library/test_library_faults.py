"""Kills, races, locks, full disks; and fsck, which says what is lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from library_making import RATE, analysis, keep, key_of, noise, separation, song_with_samples, wav, write

from audiolab.errors import CatalogError
from audiolab.library import Library
from audiolab.library.scratch import clear_abandoned, scratch_folder
from audiolab.library.taking import BATCH

ADD = """
import sys
from audiolab.library import Library
with Library(sys.argv[1]) as lib:
    print("open", flush=True)
    report = lib.add(sys.argv[2], progress=lambda done, total: print(f"done {done}", flush=True))
    print(len(report.added), len(report.existing), len(report.failed), flush=True)
"""


def start(folder: Path, source: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ADD, folder, source], stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty different short files."""
    folder = tmp_path_factory.mktemp("thirty")
    for seed in range(30):
        wav(folder / f"{seed:02}.wav", seed, 1.0)
    return folder


def kill_at(folder: Path, source: Path, files: int, delay: float) -> int:
    """Kill -9 an add after some files and a little later; give the number of files it had acknowledged."""
    process = start(folder, source)
    assert process.stdout is not None
    acknowledged = 0
    for line in process.stdout:
        if line.startswith("done"):
            acknowledged = int(line.split()[1])
        if acknowledged >= files and not line.startswith("open"):
            break
        if files == 0 and line.startswith("open"):
            break
    time.sleep(delay)
    process.kill()
    for line in process.stdout:
        if line.startswith("done"):
            acknowledged = int(line.split()[1])
    process.wait()
    process.stdout.close()
    return acknowledged


def check_after_kill(folder: Path, source: Path, acknowledged: int) -> None:
    with Library(folder) as lib:
        assert lib.warnings == []
        names = sorted(sound.name for sound in lib.query())
        assert names[:acknowledged] == [f"{seed:02}" for seed in range(acknowledged)]  # nothing acknowledged is lost
        assert len(names) <= acknowledged + BATCH
        report = lib.fsck(deep=True)
        assert {problem.kind for problem in report.problems} <= {"orphaned", "stray"}, str(report)
        assert len(report.problems) <= BATCH
        assert list(lib.tmp_dir.iterdir()) == []
        again = lib.add(source)
        assert (len(again.added), len(again.existing), len(again.failed)) == (30 - len(names), len(names), 0)
        assert {problem.kind for problem in lib.fsck(deep=True).problems} <= {"stray"}  # the orphan has found its row


@pytest.mark.parametrize(("files", "delay"), [(0, 0.005), (7, 0.0), (19, 0.011)])
def test_kill_9_during_add(tmp_path: Path, thirty: Path, files: int, delay: float) -> None:
    acknowledged = kill_at(tmp_path / "lib", thirty, files, delay)
    check_after_kill(tmp_path / "lib", thirty, acknowledged)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_kill_9_at_random_points_of_add(tmp_path: Path, thirty: Path, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged = kill_at(tmp_path / "lib", thirty, chance.randrange(29), chance.uniform(0, 0.05))
    check_after_kill(tmp_path / "lib", thirty, acknowledged)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5])
def test_kill_9_while_the_library_is_made(tmp_path: Path, thirty: Path, delay: float) -> None:
    process = start(tmp_path / "lib", thirty)
    time.sleep(0.6 + delay)
    process.kill()
    process.communicate()
    with Library(tmp_path / "lib") as lib:
        assert {problem.kind for problem in lib.fsck().problems} <= {"orphaned", "stray"}


def test_two_processes_add_the_same_files(tmp_path: Path, thirty: Path) -> None:
    processes = [start(tmp_path / "lib", thirty) for _ in range(2)]
    ends = [process.communicate()[0].splitlines()[-1] for process in processes]
    counts = [tuple(map(int, end.split())) for end in ends]
    assert all(failed == 0 and added + existing == 30 for added, existing, failed in counts)
    assert sum(added for added, _, _ in counts) == 30
    with Library(tmp_path / "lib") as lib:
        assert len(lib.query()) == 30
        assert lib.fsck(deep=True).clean
        assert len(lib.ops(limit=99)) == 30


def test_two_processes_fold_the_same_records(tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    with Library(folder) as lib:
        song = lib.add(wav(tmp_path / "song.wav", 1, 16))
        separation(lib, song).write(lib.record_path(separation(lib, song).key))
        for tag in range(20):
            record = analysis(song, 100 + tag, tag, at=tag)
            record.write(lib.record_path(record.key))
    code = (
        "import sys; from audiolab.library import Library; lib = Library(sys.argv[1]);"
        "print(lib.warnings, len(lib.query())); lib.close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in processes] == ["[] 3", "[] 3"]
    with Library(folder) as lib:
        assert lib.stats()["results"] == 21
        assert lib.songs[0].bpm == 119
        assert lib.fsck().clean


@pytest.mark.parametrize("lib", ["sqlite"], indirect=True)
def test_a_database_locked_for_a_while(lib: Library, folder: Path, tmp_path: Path) -> None:
    sound = lib.add(wav(tmp_path / "a.wav", 1))
    other = sqlite3.connect(folder / "library.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(1.0, lambda: other.execute("COMMIT")).start()
    started = time.monotonic()
    assert sound.name == "a"  # readers do not wait
    assert time.monotonic() - started < 0.5
    sound.tag("kick")
    assert 0.5 < time.monotonic() - started < 10
    assert sound.label == "kick"
    other.close()


def test_threads_share_a_library(lib: Library, tmp_path: Path) -> None:
    sounds = [lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in range(4)]
    errors: list[BaseException] = []

    def work(sound: object, number: int) -> None:
        try:
            for step in range(10):
                sounds[number].tag(f"tag {number} {step}")
                assert len(lib.query()) == 4
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(sound, number)) for number, sound in enumerate(sounds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [len(sound.tags) for sound in sounds] == [10] * 4


def test_a_full_disk(lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wav(tmp_path / "a.wav", 1)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("audiolab.library.intake._take_small", full)
        with pytest.raises(Exception, match="No space left"):
            lib.add(path)
    with monkeypatch.context() as patch:
        patch.setattr("audiolab.library.media._move", full)
        with pytest.raises(Exception, match="No space left"):
            lib.add(path)
    assert lib.query().ids == []
    assert lib.fsck().clean
    assert list(lib.tmp_dir.iterdir()) == []
    assert lib.add(path).name == "a"


def test_abandoned_scratch_is_cleared_when_opening(folder: Path) -> None:
    with Library(folder) as lib, scratch_folder(lib.tmp_dir, "add") as mine:
        (mine / "x").write_text("x")
        dead = subprocess.Popen(["true"])
        dead.wait()
        theirs = Path(str(mine).replace(f"-{mine.name.split('-')[-2]}-", f"-{dead.pid}-"))
        theirs.mkdir()
        (theirs / "y").write_text("y")
        assert clear_abandoned(lib.tmp_dir, "add") == 1
        assert mine.exists()
        assert not theirs.exists()


def said_of(folder: Path) -> str:
    """What opening or, if that goes well, checking a library says."""
    try:
        with Library(folder) as lib:
            return str(lib.fsck())
    except CatalogError as error:
        return str(error)


class TestFsck:
    def test_each_kind_of_damage_is_named(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder) as lib:
            song, drums = song_with_samples(lib, tmp_path / "song.wav")
            keep(lib, analysis(song))
            others = [lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in range(50, 53)]
            assert lib.fsck(deep=True).clean
            others[0].path.unlink()
            data = others[1].path.read_bytes()
            others[1].path.write_bytes(data[:-50])
            data = bytearray(others[2].path.read_bytes())
            data[100] ^= 1
            others[2].path.write_bytes(bytes(data))
            orphan = lib.media.put(write(lib.tmp_dir / "o.wav", noise(99)), ".wav")
            (folder / "media" / "zz").mkdir()
            (folder / "media" / "zz" / "junk.txt").write_text("x")
            torn = lib.record_path(key_of("torn"))
            torn.parent.mkdir(parents=True, exist_ok=True)
            torn.write_text("{")
            new = analysis(song, 90, 2)
            new.write(lib.record_path(new.key))
            lib.record_path(drums.samples.result_key).unlink()
            with sqlite3.connect(folder / "library.db") as connection:
                connection.execute("DELETE FROM result WHERE stage = 'separate'")
            connection.close()
            report = lib.fsck()
            assert {(problem.kind, problem.what) for problem in report.problems} == {
                ("missing", others[0].media),
                ("truncated", others[1].media),
                ("orphaned", orphan),
                ("stray", "junk.txt"),
                ("torn", torn.name),
                ("unfolded", new.key),
                ("unfolded", drums.result_key),
                ("lost record", drums.samples.result_key),
                ("dangling", drums.id),
                ("dangling", song.stems_of(drums.result_key)[1].id),
            }
            assert not report.clean
            deep = {(problem.kind, problem.what) for problem in lib.fsck(deep=True).problems}
            assert deep - {(p.kind, p.what) for p in report.problems} == {
                ("changed", others[1].media),
                ("changed", others[2].media),
                ("stale", song.id),  # its card still says that it has a separation
            }
            for problem in report.problems:
                assert problem.kind in str(report)
            assert "truncated" in report._repr_html_()

    def test_it_changes_nothing(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        song_with_samples(lib, tmp_path / "song.wav")
        (lib.media.local(lib.songs[0].media)).unlink()
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "library.db" not in path.name}
        lib.fsck(deep=True)
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "library.db" not in path.name} == before

    def test_a_corrupt_page_is_said(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder) as lib:
            for seed in range(30):
                lib.add(wav(tmp_path / f"{seed}.wav", seed, 0.05))
        data = bytearray((folder / "library.db").read_bytes())
        page = len(data) // 4096 - 2
        data[page * 4096 : page * 4096 + 4096] = random.Random(1).randbytes(4096)
        (folder / "library.db").write_bytes(bytes(data))
        said = said_of(folder)
        assert "database" in said or "damaged" in said, said

    def test_old_leftovers(self, lib: Library) -> None:
        import os

        path = lib.tmp_dir / "job-somewhere-1-abc"
        path.mkdir()
        assert lib.fsck().clean
        os.utime(path, (0, 0))
        assert [problem.kind for problem in lib.fsck().problems] == ["leftover"]


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(CatalogError, match="Permission denied"):
            Library(tmp_path / "lib")
    folder = tmp_path / "other"
    Library(folder).close()
    shutil.rmtree(folder / "media")
    with Library(folder) as lib:
        assert lib.add(wav(tmp_path / "a.wav", 1)).sample_rate == RATE
