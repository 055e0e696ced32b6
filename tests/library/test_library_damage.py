"""A damaged catalog, one from the future, and a clock that goes backwards: each is said, nothing more breaks."""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from library_making import analysis, keep, separation, slicing, wav

from audiolab.errors import AudiolabError, CatalogError
from audiolab.library import Library

PAGE = 4096


def use(folder: Path) -> list[str]:
    """Do a bit of everything with a library; give what the errors say. Anything but an AudiolabError passes through."""
    said: list[str] = []

    def attempt(what: object) -> None:
        try:
            said.append(f"fine: {what()!s:.2000}")
        except AudiolabError as error:
            said.append(str(error))

    try:
        lib = Library(folder)
    except AudiolabError as error:
        return [str(error)]
    with lib:
        attempt(lib.fsck)
        for query in ("", "kind:sample", "tag:dusty", "0", "bpm:1..", "collection:kit", "has:tag", "sort:-added"):
            attempt(lambda query=query: [(sound.name, sound.facts) for sound in lib.query(query)])
        attempt(lib.stats)
        attempt(lib.ops)
        attempt(lambda: lib.tag(lib.query(limit=2), "touched"))
        attempt(lib.to_frame)
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    with Library(root / "lib") as lib:
        song = lib.add(wav(root / "song.wav", 99, 1.0), kind="song")
        keep(lib, separation(lib, song))
        keep(lib, slicing(song.stems["drums"], [(0, 800), (1000, 1800), (2000, 2800)]))
        for seed in range(25):
            lib.add(wav(root / f"{seed}.wav", seed, 0.05))
        lib.tag(lib.query(), "dusty")
        lib.collection("kit").add(lib.query())
    return root / "lib"


class TestDamage:
    def damaged(self, whole: Path, folder: Path, page: int, kind: str) -> list[str]:
        data = bytearray((whole / "library.db").read_bytes())
        at = page * PAGE
        garbage = {
            "noise": random.Random(page).randbytes(PAGE),
            "zeros": bytes(PAGE),
            "text": b"damaged!" * (PAGE // 8),
        }
        data[at : at + PAGE] = garbage[kind]
        folder.mkdir(exist_ok=True)
        for old in folder.glob("library.db*"):
            old.unlink()
        (folder / "library.db").write_bytes(data)
        for name in ("media", "records"):
            if not (folder / name).exists():
                (folder / name).symlink_to(whole / name)
        return use(folder)

    @pytest.mark.parametrize("kind", ["noise", "zeros", "text"])
    def test_a_damaged_page_in_the_middle(self, whole: Path, folder: Path, kind: str) -> None:
        pages = (whole / "library.db").stat().st_size // PAGE
        said = self.damaged(whole, folder, pages // 2, kind)
        check_said(said)

    @pytest.mark.slow
    def test_any_damaged_page(self, whole: Path, folder: Path) -> None:
        pages = (whole / "library.db").stat().st_size // PAGE
        unseen = [page for page in range(pages) if not seen(self.damaged(whole, folder, page, "noise"))]
        # Pages that nothing uses may hold anything.
        with sqlite3.connect(whole / "library.db") as connection:
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        connection.close()
        assert len(unseen) <= free, unseen

    def test_a_file_cut_off(self, whole: Path, folder: Path) -> None:
        data = (whole / "library.db").read_bytes()
        for length in (100, PAGE, len(data) // 2, len(data) - PAGE, len(data) - 10):
            folder.mkdir(exist_ok=True)
            (folder / "library.db").write_bytes(data[:length])
            assert seen(use(folder)), length
            for old in folder.glob("library.db*"):
                old.unlink()

    def test_a_file_that_is_something_else(self, folder: Path, whole: Path) -> None:
        folder.mkdir()
        (folder / "library.db").write_bytes(b"RIFF" + bytes(5000))
        with pytest.raises(CatalogError, match="damaged or something else"):
            Library(folder)


def seen(said: list[str]) -> bool:
    """Whether opening, fsck or any use named the damage."""
    return any("database" in line or "damaged" in line or "malformed" in line for line in said)


def check_said(said: list[str]) -> None:
    assert seen(said), said
    problems = [line for line in said if not line.startswith("fine: ")]
    for line in problems:
        assert "library.db" in line, line
        assert "backup" in line, line


def test_a_newer_schema_is_not_touched_by_a_byte(folder: Path, tmp_path: Path) -> None:
    with Library(folder) as lib:
        lib.add(wav(tmp_path / "a.wav", 1)).tag("kick")
    with sqlite3.connect(folder / "library.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("CREATE TABLE future (x)")
    connection.close()
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    for _ in range(2):
        with pytest.raises(CatalogError, match=r"newer audiolab.*9999.*update audiolab"):
            Library(folder)
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before


class Clock:
    """A clock under the test's control."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 6, 1, tzinfo=UTC)
        import sys

        for name, module in list(sys.modules.items()):
            if name.startswith("audiolab.library.") and hasattr(module, "utc_now"):
                monkeypatch.setattr(module, "utc_now", self)

    def __call__(self) -> datetime:
        return self.now

    def back(self, **by: float) -> None:
        self.now -= timedelta(**by)


class TestAClockThatGoesBackwards:
    def test_the_newest_result_counts(self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock(monkeypatch)
        song = lib.add(wav(tmp_path / "song.wav", 1, 1.0), kind="song")
        bpms = []
        for number, bpm in enumerate((100.0, 110.0, 120.0)):
            keep(lib, analysis(song, bpm, number, at=-60 * 24 * number))  # each says that it was made a day earlier
            clock.back(days=1)
            bpms.append(song.bpm)
        assert bpms == [100, 110, 120]
        assert lib.reuse(analysis(song, 100.0, 0).key)
        assert song.bpm == 100
        assert lib.query("bpm:100").ids == [song.id]
        assert lib.fsck().clean

    def test_the_newest_samples_are_seen(self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock(monkeypatch)
        song = lib.add(wav(tmp_path / "song.wav", 1, 1.0), kind="song")
        keep(lib, separation(lib, song, 1, at=100))
        keep(lib, slicing(song.stems["drums"], [(0, 800), (1000, 1800)], 1, at=90))
        clock.back(days=400)
        keep(lib, slicing(song.stems["drums"], [(0, 900)], 2, at=-9000))
        assert [(sound.start, sound.stop) for sound in song.stems["drums"].samples] == [(0, 900)]
        keep(lib, separation(lib, song, 2, at=-90000))
        assert song.stems["drums"].result_key == separation(lib, song, 2).key
        assert len(lib.query("kind:sample")) == 0

    def test_history_and_trash(self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock(monkeypatch)
        sounds = []
        for seed in range(3):
            sounds.append(lib.add(wav(tmp_path / f"{seed}.wav", seed)))
            clock.back(hours=5)
        sounds[0].tag("kick")
        clock.back(days=700)
        sounds[0].tag("snare")
        assert sounds[0].label == "snare" or {tag.label for tag in sounds[0].tags} == {"kick", "snare"}
        lib.delete(sounds[1])
        clock.back(days=1)
        lib.restore(sounds[1])
        assert len(lib.query()) == 3
        history = lib.ops()
        assert [op.what for op in history] == ["restore", "delete", "tag", "tag", "add", "add", "add"]
        assert [op.id for op in history] == sorted((op.id for op in history), reverse=True)
        assert [op.after["label"] for op in history if op.what == "tag"] == ["snare", "kick"]
        assert lib.fsck().clean

    def test_the_year_1970_and_the_year_2100(
        self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock(monkeypatch)
        for year in (1970, 2100):
            clock.now = datetime(year, 1, 1, 0, 0, 1, tzinfo=UTC)
            lib.add(wav(tmp_path / f"{year}.wav", year)).tag("kick")
        assert [sound.name for sound in lib.query("added:..1999")] == ["1970"]
        assert [sound.name for sound in lib.query("added:2100..")] == ["2100"]
        assert lib.fsck().clean
