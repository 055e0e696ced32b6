"""Keeping on: what turns up in a folder is taken in, in the API and on the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from library_making import noise, wav

from audiolab.audio import write_audio
from audiolab.errors import CatalogError
from audiolab.library import Library
from audiolab.library.addreport import AddLine


@contextmanager
def watched(lib: Library, folder: Path, poll: float | None) -> Iterator[Callable[..., list[tuple[str, str]]]]:
    """Watch in a thread; gives a function that waits until so many lines were said."""
    stop, ready = threading.Event(), threading.Event()
    lines: list[AddLine] = []
    errors: list[BaseException] = []
    what: list[str] = []

    def work() -> None:
        try:
            lib.keep_watching(
                folder, stop=stop, settle=0.15, poll=poll, each=lines.append,
                ready=lambda text: (what.append(text), ready.set()),
            )  # fmt: skip
        except BaseException as error:
            errors.append(error)
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    assert errors == []
    assert what[0] == ("waiting for changes" if poll is None else f"looking every {poll:g} s")

    def wait(count: int, seconds: float = 30) -> list[tuple[str, str]]:
        end = time.monotonic() + seconds
        while len(lines) < count and time.monotonic() < end:
            time.sleep(0.05)
        return [(line.path.split("/", 1)[-1], line.status) for line in lines]

    try:
        yield wait
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        assert errors == []


@pytest.mark.parametrize("poll", [None, 0.3])
def test_what_turns_up_is_taken_in(lib: Library, tmp_path: Path, poll: float | None) -> None:
    inbox = tmp_path / "inbox"
    wav(inbox / "first.wav", 1)
    lib.watch(inbox)
    with watched(lib, inbox, poll) as wait:
        assert wait(1) == [("first.wav", "added")]
        wav(inbox / "sub" / "second.wav", 2)
        assert wait(2)[1] == ("sub/second.wav", "added")
        (inbox / "first.wav").rename(inbox / "renamed.wav")
        assert wait(3)[2] == ("renamed.wav", "moved")
        (inbox / "renamed.wav").unlink()
        assert wait(4)[3] == ("renamed.wav", "missing")
        # Written in pieces: seen, but not taken before it is whole.
        data = write_audio(tmp_path / "a.mp3", noise(3, 3.0, rate=44_100), subtype=None).read_bytes()
        with (inbox / "slow.mp3").open("wb", buffering=0) as file:
            for at in range(0, len(data), len(data) // 12 + 1):
                file.write(data[at : at + len(data) // 12 + 1])
                time.sleep(0.06)
        assert wait(5)[4] == ("slow.mp3", "added")
        time.sleep(0.8)
        assert len(wait(0)) == 5  # nothing is said twice
    assert {sound.name for sound in lib.query()} == {"first", "second", "slow"}
    assert next(s for s in lib.query() if s.name == "slow").path.read_bytes() == data
    assert lib.fsck(deep=True).clean


def test_a_disk_that_is_pulled_out_comes_back(lib: Library, tmp_path: Path) -> None:
    wav(tmp_path / "disk" / "a.wav", 1)
    lib.watch(tmp_path / "disk")
    with watched(lib, tmp_path / "disk", 0.2) as wait:
        wait(1)
        (tmp_path / "disk").rename(tmp_path / "away")
        assert wait(2)[1] == ("disk", "failed")
        time.sleep(0.6)
        assert len(wait(0)) == 2
        wav(tmp_path / "away" / "b.wav", 2)
        (tmp_path / "away").rename(tmp_path / "disk")
        assert wait(3)[2] == ("b.wav", "added")
    assert len(lib.query()) == 2


def test_stopping_ends_between_batches(lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(12):
        os.utime(wav(tmp_path / "in" / f"{seed:02}.wav", seed), (1, 1))
    lib.watch(tmp_path / "in")
    monkeypatch.setattr("audiolab.library.taking.BATCH", 3)
    stop = threading.Event()
    said: list[AddLine] = []

    def each(line: AddLine) -> None:
        said.append(line)
        stop.set()

    report = lib.keep_watching(stop=stop, settle=0, each=each)
    assert report.lines == said
    assert len(said) == len(lib.query()) < 12  # everything that was done was said
    assert lib.rescan(settle=0).unchanged == len(said)
    assert len(lib.query()) == 12


def test_nothing_to_watch(lib: Library) -> None:
    with pytest.raises(CatalogError, match="no folder is watched"):
        lib.keep_watching(stop=threading.Event())


def test_on_the_command_line_until_ctrl_c(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    os.utime(wav(inbox / "Kicks" / "one.wav", 1), (1, 1))
    command = [sys.executable, "-m", "audiolab.cli", "add", "--watch", "--rule", "{label}/{name}"]
    process = subprocess.Popen(
        [*command, "--library", tmp_path / "lib", inbox], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("added: sample one (")
    assert "Ctrl-C ends" in process.stderr.readline()
    wav(inbox / "Snares" / "two.wav", 2)
    assert process.stdout.readline().startswith("added: sample two (")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    with Library(tmp_path / "lib") as lib:
        assert {sound.name: sound.label for sound in lib.query()} == {"one": "kick", "two": "snare"}
        assert [folder.watched for folder in lib.folders] == [True]
        assert lib.fsck(deep=True).clean


def test_two_processes_scan_the_same_folder(tmp_path: Path) -> None:
    for seed in range(30):
        os.utime(wav(tmp_path / "in" / f"{seed:02}.wav", seed % 25), (1, 1))  # five of them twice
    with Library(tmp_path / "lib", files="reference") as lib:
        lib.watch(tmp_path / "in")
    code = (
        "import sys; from audiolab.library import Library\n"
        "with Library(sys.argv[1]) as lib: report = lib.rescan(); print(len(report.added), len(report.failed))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "lib"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    counts = [tuple(map(int, process.communicate()[0].split())) for process in processes]
    assert sum(added for added, _ in counts) == 25
    assert all(failed == 0 for _, failed in counts)
    with Library(tmp_path / "lib") as lib:
        assert len(lib.query()) == 25
        assert lib.rescan().unchanged == 30
        assert [folder.files for folder in lib.folders] == [{"here": 30}]
        assert all(sound.audio().frames == sound.frames for sound in lib.query())


SCAN = """
import sys
from audiolab.library import Library, taking
taking.BATCH = 4
with Library(sys.argv[1]) as lib:
    lib.rescan(each=lambda line: print(line.status, line.path, flush=True))
"""


@pytest.mark.parametrize("mode", ["copy", "reference"])
@pytest.mark.parametrize(
    "lines", [0, 5, pytest.param(11, marks=pytest.mark.slow), pytest.param(23, marks=pytest.mark.slow)]
)
def test_kill_9_during_a_scan(tmp_path: Path, mode: str, lines: int) -> None:
    for seed in range(30):
        os.utime(wav(tmp_path / "in" / f"{seed:02}.wav", seed), (1, 1))
    with Library(tmp_path / "lib", files=mode) as lib:
        lib.watch(tmp_path / "in", rule="{name}")
    process = subprocess.Popen([sys.executable, "-c", SCAN, tmp_path / "lib"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    said += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    assert all(line.startswith("added in/") for line in said)
    with Library(tmp_path / "lib") as lib:
        names = {sound.name for sound in lib.query()}
        assert {line.split("/")[1][:2] for line in said} <= names
        assert len(names) <= len(said) + 4
        kinds = [problem.kind for problem in lib.fsck(deep=True).problems]
        assert set(kinds) <= {"orphaned"}
        assert len(kinds) <= (4 if mode == "copy" else 0)
        report = lib.rescan()
        assert (report.unchanged, len(report.added)) == (len(names), 30 - len(names))
        assert lib.fsck(deep=True).clean
        assert list(lib.tmp_dir.iterdir()) == []
