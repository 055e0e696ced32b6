"""Backups in use, incremental, killed, damaged; loading them; moving between databases."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from library_making import analysis, classifying, dump, embedding, keep, key_of, song_with_samples, wav
from postgres import database

from audiolab.errors import CatalogError
from audiolab.library import Library
from audiolab.library.loading import load_backup

CARDS = ("card", "card_word")


def full(lib: Library, folder: Path) -> None:
    """A song with everything done to it, and what a person adds."""
    song, drums = song_with_samples(lib, folder / "song.wav")
    keep(lib, analysis(song))
    keep(lib, embedding(lib, drums.samples, key_of("encoder")))
    keep(lib, classifying(drums.samples, {"kick": 0.9, "snare": 0.6}))
    single = lib.add(wav(folder / "single.wav", 50))
    single.tag("rim").rating = 4
    lib.collection("kit").add([single, drums.samples[0]])
    lib.collection("best").save("rating:3..")
    lib.delete(lib.add(wav(folder / "gone.wav", 51)))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("media", "records")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["copy", "copy.zip"])
def test_there_and_back(lib: Library, folder: Path, tmp_path: Path, name: str) -> None:
    full(lib, tmp_path)
    before = dump(lib, without=CARDS)
    parts: list[float] = []
    report = lib.backup(tmp_path / name, progress=lambda done, total: parts.append(done / total))
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert (report.sounds, report.records, report.missing) == (9, 5, {})
    assert report.copied == report.media + report.records
    loaded = load_backup(tmp_path / name, tmp_path / "new")
    assert loaded.fsck.clean, str(loaded)
    assert (loaded.sounds, loaded.media, loaded.records) == (report.sounds, report.media, report.records)
    with Library(tmp_path / "new", actor="tester") as new:
        assert dump(new, without=CARDS) == before
        assert new.fsck(deep=True).clean
        assert new.query("rating:4").ids == lib.query("rating:4").ids
        new.undo()  # the history came along
        assert len(new.trash) == 0
    assert files(tmp_path / "new") == files(folder)
    assert list(lib.tmp_dir.iterdir()) == []
    assert str(tmp_path).encode() not in (tmp_path / "new" / "library.db").read_bytes()


def test_only_what_is_new_is_copied(lib: Library, tmp_path: Path) -> None:
    full(lib, tmp_path)
    first = lib.backup(tmp_path / "copy")
    again = lib.backup(tmp_path / "copy")
    assert (again.copied, again.media) == (0, first.media)
    lib.add(wav(tmp_path / "more.wav", 60))
    song = lib.songs[0]
    newer = keep(lib, analysis(song, 90, at=9))  # the record of a known key is written anew
    third = lib.backup(tmp_path / "copy")
    assert third.copied == 2
    loaded = load_backup(tmp_path / "copy", tmp_path / "new")
    assert loaded.fsck.clean
    with Library(tmp_path / "new") as new:
        assert new.songs[0].bpm == 90
        assert json.loads(new.record_path(newer.key).read_bytes())["facts"]["bpm"] == 90
    for path in (tmp_path / "copy" / "media").rglob("*.*"):
        assert path.stat().st_nlink == 1  # a link would share every later damage
    with Library(tmp_path / "copy") as opened:  # a backup in a folder can also be opened as it is
        assert opened.fsck(deep=True).clean


def test_while_others_write(lib: Library, folder: Path, tmp_path: Path) -> None:
    for seed in range(20):
        lib.add(wav(tmp_path / f"{seed}.wav", seed, 0.05))
    stop = threading.Event()
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with Library(folder, actor="other") as theirs:
                seed = 100
                while not stop.is_set():
                    theirs.tag(theirs.add(wav(tmp_path / "in" / f"{seed}.wav", seed, 0.05)), f"tag {seed}")
                    seed += 1
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        reports = [lib.backup(tmp_path / f"copy {number}{end}") for number, end in enumerate(("", ".zip", ""))]
    finally:
        stop.set()
        thread.join()
    assert errors == []
    for number, report in enumerate(reports):
        loaded = load_backup(report.path, tmp_path / f"new {number}")
        assert loaded.fsck.clean, str(loaded)
        assert loaded.sounds >= 20


@pytest.mark.parametrize("name", ["copy", "copy.zip"])
def test_a_backup_that_breaks_off_leaves_the_one_before(
    lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    full(lib, tmp_path)
    target = tmp_path / name
    for point in ("media", "record", "finish"):
        fresh = tmp_path / f"{point} {name}"
        for place in (fresh, target):
            break_off(lib, place, point, monkeypatch)
        with pytest.raises(CatalogError, match=r"never finished|is no backup"):
            load_backup(fresh, tmp_path / "no")
        if fresh.is_dir():
            with pytest.raises(CatalogError, match="unfinished backup"):
                Library(fresh)
            assert lib.backup(fresh).sounds == len(lib.query("current:any")) + len(lib.trash)  # taken up again
        if point == "media":
            with pytest.raises(CatalogError):
                load_backup(target, tmp_path / "no")
            lib.backup(target)
            sounds = len(lib.query("current:any")) + len(lib.trash)
        lib.add(wav(tmp_path / f"{point}.wav", len(point) + 200))
        assert load_backup(target, tmp_path / f"new {point}").sounds == sounds
    assert not (tmp_path / "no").exists()


def break_off(lib: Library, place: Path, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiolab.library import backupwriting as module

    real, count = Path.read_bytes, 0

    def die(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        return real(*args, **kwargs) if point == "record" else 0

    with monkeypatch.context() as patch:
        if point == "media":
            for kind in (module.FolderWriter, module.ZipWriter):
                patch.setattr(kind, "put_media", die)
        elif point == "record":
            for kind in (module.FolderWriter, module.ZipWriter):
                patch.setattr(kind, "put_record", die)
        else:
            for kind in (module.FolderWriter, module.ZipWriter):
                patch.setattr(kind, "finish", die)
            count = 1
        if point != "finish":
            count = 1
        lib.add(wav(lib.path.parent / f"{place.name}.wav", hash(place.name) % 10_000 + 1000, 0.05))
        with pytest.raises(KeyboardInterrupt):
            lib.backup(place)


def test_what_the_library_has_lost_is_said(lib: Library, tmp_path: Path) -> None:
    full(lib, tmp_path)
    one = lib.query("rating:4")[0]
    one.path.unlink()
    drums = lib.songs[0].stems["drums"]
    data = bytearray(drums.path.read_bytes())
    data[200] ^= 1
    drums.path.write_bytes(bytes(data))
    lib.record_path(drums.result_key or "").unlink()
    for name in ("copy", "copy.zip"):
        report = lib.backup(tmp_path / name)
        assert set(report.missing) == {one.media, drums.media, drums.result_key}
        loaded = load_backup(tmp_path / name, tmp_path / f"new {name}")
        assert loaded.missing == report.missing
        assert {problem.kind for problem in loaded.fsck.problems} == {"missing", "lost record"}


class TestRefusals:
    def test_targets(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        lib.add(wav(tmp_path / "a.wav", 1))
        (tmp_path / "file").write_text("x")
        (tmp_path / "other.zip").write_text("x")
        (tmp_path / "dir.zip").mkdir()
        wav(tmp_path / "music" / "a.wav", 1)
        for bad in (folder, folder / "backups" / "x", tmp_path / "file", tmp_path / "music", tmp_path / "other.zip",
                    tmp_path / "dir.zip"):  # fmt: skip
            before = sorted(path for path in bad.rglob("*") if "library.db" not in path.name) if bad.is_dir() else None
            with pytest.raises(CatalogError):
                lib.backup(bad)
            if before is not None:
                assert sorted(path for path in bad.rglob("*") if "library.db" not in path.name) == before
        with Library(tmp_path / "second") as second:
            second.add(tmp_path / "a.wav")
            second.backup(tmp_path / "theirs")
        with pytest.raises(CatalogError, match="of another library"):
            lib.backup(tmp_path / "theirs")
        with pytest.raises(CatalogError, match="no backup"):
            lib.backup(tmp_path / "second")

    def test_loading(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        full(lib, tmp_path)
        lib.backup(tmp_path / "copy")
        with pytest.raises(CatalogError, match="not empty"):
            load_backup(tmp_path / "copy", tmp_path / "copy")
        for bad in (tmp_path / "nothing", tmp_path / "song.wav"):
            with pytest.raises(CatalogError, match="is no backup"):
                load_backup(bad, tmp_path / "new")
        media = next((tmp_path / "copy" / "media").rglob("*.flac"))
        data = media.read_bytes()
        media.write_bytes(data[:-1] + b"x")
        with pytest.raises(CatalogError, match="1 of its files"):
            load_backup(tmp_path / "copy", tmp_path / "new")
        media.unlink()
        with pytest.raises(CatalogError, match="1 of its files"):
            load_backup(tmp_path / "copy", tmp_path / "new")
        media.write_bytes(data)
        with sqlite3.connect(tmp_path / "copy" / "library.db") as connection:
            connection.execute("UPDATE sound SET name = 'x'")
        connection.close()
        with pytest.raises(CatalogError, match="not the one that was saved"):
            load_backup(tmp_path / "copy", tmp_path / "new")
        assert not (tmp_path / "new").exists()
        assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    @pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "ab" * 32 + "/../x", ".." * 32])
    @pytest.mark.parametrize("where", ["media", "records", "suffix"])
    def test_names_that_lead_out(self, lib: Library, tmp_path: Path, name: str, where: str) -> None:
        lib.add(wav(tmp_path / "a.wav", 1))
        lib.backup(tmp_path / "copy.zip")
        with zipfile.ZipFile(tmp_path / "copy.zip") as archive:
            members = {found: archive.read(found) for found in archive.namelist()}
        place = next(found for found in members if found.startswith("backups/"))
        manifest = json.loads(members[place])
        if where == "media":
            manifest["media"][name] = [".wav", 3]
        elif where == "records":
            manifest["records"][name] = ["ab" * 32, 3]
        else:
            manifest["media"]["cd" * 32] = [f"/{name}", 3]
        members[place] = json.dumps(manifest).encode()
        members[f"media/{name[:2]}/{name}.wav"] = b"bad"
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
            for found, data in members.items():
                archive.writestr(found, data)
        with pytest.raises(CatalogError, match="manifest"):
            load_backup(tmp_path / "evil.zip", tmp_path / "new")
        assert not (tmp_path / "new").exists()
        assert not (tmp_path / "evil").exists()

    def test_an_unreadable_manifest(self, lib: Library, tmp_path: Path) -> None:
        lib.add(wav(tmp_path / "a.wav", 1))
        lib.backup(tmp_path / "copy")
        (place,) = (tmp_path / "copy" / "backups").glob("*.json")
        good = json.loads(place.read_text())
        for bad in (b"", b"[]", b"\xff", b"{}", json.dumps({**good, "format": 2}).encode(),
                    json.dumps({**good, "media": [1]}).encode()):  # fmt: skip
            place.write_bytes(bad)
            with pytest.raises(CatalogError, match="manifest"):
                load_backup(tmp_path / "copy", tmp_path / "new")


def test_referred_files(folder: Path, tmp_path: Path) -> None:
    for seed in range(2):
        wav(tmp_path / "pack" / f"{seed}.wav", seed)
    with Library(folder, files="reference") as lib:
        lib.add(tmp_path / "pack")
        report = lib.backup(tmp_path / "copy")
        assert (report.referred, report.media) == (2, 0)
        report = lib.backup(tmp_path / "copy", with_files=True)
        assert (report.referred, report.media, report.copied) == (0, 2, 2)
    shutil.rmtree(tmp_path / "pack")
    load_backup(tmp_path / "copy", tmp_path / "new")
    with Library(tmp_path / "new") as new:
        assert [sound.audio().frames for sound in new.query()] == [2000, 2000]


@pytest.mark.slow
def test_from_sqlite_to_postgres_and_back(folder: Path, tmp_path: Path, postgres_url: str) -> None:
    with Library(folder, actor="tester") as lib:
        full(lib, tmp_path)
        before = dump(lib, without=CARDS)
        found = lib.query("kick or rim").ids
        lib.backup(tmp_path / "copy")
    with database(postgres_url) as url:
        loaded = load_backup(tmp_path / "copy", tmp_path / "new", database=url)
        assert loaded.fsck.clean, str(loaded)
        assert not (tmp_path / "new" / "library.db").exists()
        with Library(tmp_path / "new", database=url, actor="tester") as new:
            assert dump(new, without=CARDS) == before
            assert new.query("kick or rim").ids == found
            new.add(wav(tmp_path / "later.wav", 70)).tag("kick")  # numbers go on where they were
            new.undo(2)
            before = dump(new, without=CARDS)
            new.backup(tmp_path / "copy 2.zip")
        with pytest.raises(CatalogError, match="holds sounds already"):
            load_backup(tmp_path / "copy", tmp_path / "again", database=url)
    assert load_backup(tmp_path / "copy 2.zip", tmp_path / "back").fsck.clean
    with Library(tmp_path / "back", actor="tester") as back:
        assert dump(back, without=CARDS) == before
