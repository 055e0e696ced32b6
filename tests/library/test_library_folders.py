"""Files referred to where they lie; folders scanned again, moved, relinked."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from library_making import dump, keep, noise, separation, wav, write

from audiolab.audio import write_audio
from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.addreport import AddReport
from audiolab.library.media import FileMediaStore
from audiolab.library.models import FileRow


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """Six different sounds in three folders."""
    for seed, name in enumerate(
        ["a.wav", "kicks/1.wav", "kicks/2.wav", "hats/1.wav", "hats/x y.wav", "hats/deep/z.wav"]
    ):
        wav(tmp_path / "packs" / name, seed)
    return tmp_path / "packs"


@pytest.fixture
def referring(folder: Path) -> Iterator[Library]:
    """A library that copies nothing."""
    with Library(folder, actor="tester", files="reference") as library:
        yield library


def stored(lib: Library) -> list[str]:
    return [file.hash for file in FileMediaStore(lib.path / "media").files()]


def statuses(report: AddReport) -> dict[str, str]:
    return {line.path.split("/", 1)[-1]: line.status for line in report.lines}


def older(path: Path, seconds: float = 100) -> Path:
    at = time.time() - seconds
    os.utime(path, (at, at))
    return path


class TestReference:
    def test_nothing_is_copied_and_everything_works(self, referring: Library, packs: Path, tmp_path: Path) -> None:
        report = referring.add(packs)
        assert len(report.added) == 6
        assert stored(referring) == []
        for sound in report.added:
            assert packs in sound.path.parents
            assert sound.audio().frames == sound.frames
        assert not any(str(tmp_path) in str(row) for row in dump(referring).values())
        again = referring.add(packs)
        assert (len(again.existing), len(again.added)) == (6, 0)
        assert list(referring.tmp_dir.iterdir()) == []

    def test_what_stages_make_goes_to_the_store(self, referring: Library, tmp_path: Path) -> None:
        song = referring.add(wav(tmp_path / "in" / "song.wav", 1, 16.0))
        keep(referring, separation(referring, song))
        assert sorted(stored(referring)) == sorted(stem.media for stem in song.stems.values())
        assert song.path == tmp_path / "in" / "song.wav"

    def test_the_mode_is_settled_when_the_library_is_made(self, tmp_path: Path) -> None:
        for mode, other in (("reference", "copy"), ("copy", "reference")):
            Library(tmp_path / mode, files=mode).close()
            with Library(tmp_path / mode) as lib:
                assert lib.files == mode
            with pytest.raises(CatalogError, match=mode):
                Library(tmp_path / mode, files=other)
        with pytest.raises(ParameterError, match="copy"):
            Library(tmp_path / "third", files="link")

    def test_changed_and_missing_files_are_said(self, referring: Library, packs: Path) -> None:
        sounds = {sound.name: sound for sound in referring.add(packs / "kicks").added}
        wav(packs / "kicks" / "1.wav", 99)
        (packs / "kicks" / "2.wav").unlink()
        with pytest.raises(CatalogError, match=r"'1\.wav' in the folder 'kicks' was changed"):
            _ = sounds["1"].path
        with pytest.raises(CatalogError, match=r"'2\.wav' .* is missing"):
            _ = sounds["2"].path
        assert not referring.media.exists(sounds["1"].media)

    def test_a_disk_carried_elsewhere(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        wav(disk / "samples" / "kick.wav", 1)
        with Library(disk / "lib", files="reference") as lib:
            lib.add(disk / "samples")
        disk.rename(tmp_path / "plugged in there")
        with Library(tmp_path / "plugged in there" / "lib") as lib:
            sound = lib.query()[0]
            assert sound.path == tmp_path / "plugged in there" / "samples" / "kick.wav"
            assert sound.audio().frames == sound.frames
        (tmp_path / "plugged in there" / "samples").rename(tmp_path / "moved")
        with Library(tmp_path / "plugged in there" / "lib") as lib:
            with pytest.raises(CatalogError, match="plug the disk in"):
                _ = lib.query()[0].path
            with pytest.raises(CatalogError, match="none of the 1 files"):
                lib.move_folder("samples", tmp_path)
            report = lib.move_folder("samples", tmp_path / "moved")
            assert (report.unchanged, report.lines) == (1, [])
            assert lib.query()[0].path == tmp_path / "moved" / "kick.wav"

    def test_collected_files_make_it_self_contained(self, referring: Library, packs: Path) -> None:
        sounds = referring.add(packs).added
        with pytest.raises(CatalogError, match="refers to 6 files"):
            referring.forget_folder("packs")
        (packs / "a.wav").unlink()
        report = referring.collect_files()
        assert sorted(line.status for line in report.lines) == ["collected"] * 5 + ["failed"]
        wav(packs / "a.wav", 0)
        referring.rescan("packs", settle=0)
        assert [line.status for line in referring.collect_files().lines] == ["collected"]
        shutil.rmtree(packs)
        referring.forget_folder("packs")
        assert {sound.path.parent.parent for sound in sounds} == {referring.path / "media"}
        assert referring.fsck(deep=True).clean
        assert referring.collect_files().lines == []

    def test_a_file_tagged_anew_stays_the_same_sound(self, referring: Library, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        path = write_audio(tmp_path / "in" / "a.mp3", noise(1, 2.0, rate=44_100), subtype=None)
        sound = referring.add(path)
        sound.tag("mine")
        path.write_bytes(path.read_bytes() + b"TAG" + b"New Title".ljust(125, b"\0"))
        report = referring.rescan("in", settle=0)
        assert [line.status for line in report.lines] == ["existing"]
        again = referring.sound(sound.id)
        assert again.path == path
        assert again.embedded["title"] == "New Title"
        assert [tag.label for tag in again.tags] == ["mine"]
        assert referring.query("new title").ids == [sound.id]

    def test_zips_and_odd_names_are_copied(self, referring: Library, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        with zipfile.ZipFile(tmp_path / "in" / "pack.zip", "w") as archive:
            archive.write(wav(tmp_path / "x.wav", 1), "kick.wav")
        raw = os.fsencode(tmp_path / "in") + b"/caf\xe9.wav"
        wav(tmp_path / "y.wav", 2).rename(os.fsdecode(raw))
        assert len(referring.add(tmp_path / "in").added) == 2
        assert len(stored(referring)) == 2

    def test_an_orphan_of_the_store_comes_back_as_its_own(self, referring: Library, tmp_path: Path) -> None:
        media = referring.media.put(wav(tmp_path / "x.wav", 7), ".wav")
        sound = referring.add(referring.media.local(media))
        assert referring.folders == []
        assert sound.path == FileMediaStore(referring.path / "media").local(media)
        assert referring.fsck(deep=True).clean

    def test_two_places_of_one_sound(self, referring: Library, packs: Path) -> None:
        shutil.copy(packs / "a.wav", packs / "copy of a.wav")
        report = referring.add(packs)
        assert (len(report.added), len(report.existing)) == (6, 0)
        assert [line.status for line in report.lines].count("existing") == 1
        sound = next(sound for sound in report.added if sound.name == "a")
        (packs / "a.wav").unlink()
        assert sound.path == packs / "copy of a.wav"

    def test_fsck_looks_at_files_outside(self, referring: Library, packs: Path) -> None:
        sounds = {sound.origin: sound for sound in referring.add(packs).added}
        assert referring.fsck(deep=True).clean
        (packs / "a.wav").unlink()
        path = packs / "kicks" / "1.wav"
        status, data = path.stat(), bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(bytes(data))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # nobody could see it from outside
        gone, damaged = sounds["packs/a.wav"].media, sounds["packs/kicks/1.wav"].media
        assert {(problem.kind, problem.what) for problem in referring.fsck().problems} == {("missing", gone)}
        assert {(problem.kind, problem.what) for problem in referring.fsck(deep=True).problems} == {
            ("missing", gone),
            ("changed", damaged),
        }

    def test_nothing_of_the_user_is_ever_removed(self, referring: Library, packs: Path) -> None:
        before = {path: path.read_bytes() for path in packs.rglob("*.wav")}
        sounds = referring.add(packs).added
        referring.delete(sounds)
        referring.purge()
        assert len(referring.query("")) == len(referring.trash) == 0
        assert {path: path.read_bytes() for path in packs.rglob("*.wav")} == before
        assert referring.fsck(deep=True).clean
        assert len(referring.add(packs).added) == 6

    def test_damaged_places_are_said(self, referring: Library, packs: Path) -> None:
        sound = referring.add(packs / "a.wav")
        (referring.path / "places.json").write_text("{")
        with pytest.raises(CatalogError, match=r"places\.json"):
            _ = sound.path


class TestRescan:
    def test_only_what_is_new_or_changed_is_opened(
        self, lib: Library, packs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert lib.watch(packs) == "packs"
        assert len(lib.rescan(settle=0).added) == 6
        with monkeypatch.context() as patch:
            patch.setattr("audiolab.library.taking.take_bytes", lambda *a, **k: pytest.fail("opened"))
            report = lib.rescan(settle=0)
        assert (report.unchanged, report.lines) == (6, [])
        assert str(report) == "6 unchanged"

    @pytest.mark.parametrize("mode", ["copy", "reference"])
    def test_each_kind_of_change(self, tmp_path: Path, packs: Path, mode: str) -> None:
        with Library(tmp_path / "lib", files=mode) as lib:
            lib.watch(packs)
            before = {sound.origin: sound for sound in lib.rescan(settle=0).added}
            wav(packs / "new.wav", 50)
            wav(packs / "kicks" / "1.wav", 51)  # another sound under an old name
            (packs / "hats" / "1.wav").rename(packs / "hats" / "renamed.wav")
            (packs / "hats" / "x y.wav").unlink()
            (packs / "bad.wav").write_bytes(b"RIFF no")
            os.utime(packs / "a.wav")  # only touched
            seen: list[str] = []
            report = lib.rescan(settle=0, each=lambda line: seen.append(line.status))
            assert statuses(report) == {
                "new.wav": "added",
                "kicks/1.wav": "changed",
                "hats/renamed.wav": "moved",
                "hats/x y.wav": "missing",
                "bad.wav": "failed",
                "a.wav": "existing",
            }
            assert sorted(seen) == sorted(line.status for line in report.lines)
            assert report.unchanged == 2
            old = before["packs/kicks/1.wav"]
            assert lib.sound(old.id).id == old.id
            assert report.changed[0] != old
            assert report.moved == [before["packs/hats/1.wav"]]
            if mode == "reference":
                assert report.moved[0].path == packs / "hats" / "renamed.wav"
                assert before["packs/a.wav"].path == packs / "a.wav"
            else:
                assert lib.fsck(deep=True).clean
            # A bad file is not tried again before it changes; a missing one is said again.
            again = lib.rescan(settle=0)
            assert statuses(again) == {"hats/x y.wav": "missing"}
            wav(packs / "bad.wav", 60)
            wav(packs / "hats" / "x y.wav", 4)
            assert statuses(lib.rescan(settle=0)) == {"bad.wav": "added", "hats/x y.wav": "existing"}

    def test_a_folder_that_is_not_there_loses_nothing(self, lib: Library, packs: Path) -> None:
        lib.watch(packs)
        lib.rescan(settle=0)
        packs.rename(packs.parent / "away")
        report = lib.rescan()
        assert [line.status for line in report.lines] == ["failed"]
        assert "plug the disk in" in report.lines[0].why
        with pytest.raises(CatalogError, match="plug the disk in"):
            lib.rescan("packs")
        (packs.parent / "away").rename(packs)
        assert lib.rescan().unchanged == 6

    def test_an_empty_mount_point_loses_nothing(self, referring: Library, packs: Path) -> None:
        referring.watch(packs)
        referring.rescan(settle=0)
        packs.rename(packs.parent / "away")
        packs.mkdir()
        with pytest.raises(CatalogError, match="is its disk mounted"):
            referring.rescan("packs")
        assert [folder.files for folder in referring.folders] == [{"here": 6}]
        referring.forget_folder("packs")  # nothing is left of it that could be lost
        assert len(referring.query()) == 6
        assert len(referring.relink(packs.parent / "away").relinked) == 6
        assert referring.fsck(deep=True).clean

    def test_what_is_in_the_trash_stays_there(self, lib: Library, packs: Path) -> None:
        lib.watch(packs)
        sound = next(sound for sound in lib.rescan(settle=0).added if sound.name == "a")
        sound_id = sound.id
        lib.delete(sound)
        os.utime(packs / "a.wav", (5, 5))
        report = lib.rescan(settle=0)
        assert [line.status for line in report.lines] == ["existing"]
        assert "stays in the trash" in report.lines[0].why
        assert [found.id for found in lib.trash] == [sound_id]
        assert lib.add(packs / "a.wav").id == sound_id
        assert len(lib.trash) == 0

    def test_a_subfolder_that_cannot_be_read_loses_nothing(
        self, lib: Library, packs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lib.watch(packs)
        lib.rescan(settle=0)
        scandir = os.scandir

        def refuse(path: object) -> object:
            if str(path).endswith("hats"):
                raise PermissionError(13, "Permission denied")
            return scandir(path)  # type: ignore[call-overload]

        monkeypatch.setattr("audiolab.library.finding.os.scandir", refuse)
        assert statuses(lib.rescan(settle=0)) == {"hats": "failed"}

    def test_half_copied_files_wait(self, lib: Library, tmp_path: Path) -> None:
        inbox = tmp_path / "inbox"
        inbox.mkdir()
        lib.watch(inbox)
        data = write_audio(tmp_path / "a.mp3", noise(1, 4.0, rate=44_100), subtype=None).read_bytes()
        done = threading.Event()

        def copy() -> None:
            with (inbox / "a.mp3").open("wb", buffering=0) as file:
                for at in range(0, len(data), len(data) // 30):
                    file.write(data[at : at + len(data) // 30])
                    time.sleep(0.05)
            done.set()

        thread = threading.Thread(target=copy)
        thread.start()
        while not (inbox / "a.mp3").exists():
            time.sleep(0.01)
        report = lib.rescan(settle=0.3)
        assert statuses(report) == {"a.mp3": "skipped"}
        assert "still being written" in report.lines[0].why
        thread.join()
        assert done.is_set()
        assert statuses(lib.rescan(settle=0.3)) == {"a.mp3": "added"}
        assert lib.query()[0].path.read_bytes() == data

    def test_an_interrupted_scan_goes_on(self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for seed in range(10):
            wav(tmp_path / "in" / f"{seed}.wav", seed)
        lib.watch(tmp_path / "in")
        monkeypatch.setattr("audiolab.library.taking.BATCH", 3)

        def stop(done: float, total: float) -> None:
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            lib.rescan(settle=0, progress=stop)
        assert list(lib.tmp_dir.iterdir()) == []
        kept = len(lib.query())
        assert 4 <= kept < 10
        report = lib.rescan(settle=0)
        assert (report.unchanged, len(report.added)) == (kept, 10 - kept)
        assert lib.fsck(deep=True).clean

    def test_zips_in_it_are_opened_once(self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "in" / "sub").mkdir(parents=True)
        with zipfile.ZipFile(tmp_path / "in" / "sub" / "pack.zip", "w") as archive:
            for seed in range(3):
                archive.write(wav(tmp_path / f"{seed}.wav", seed), f"kicks/{seed}.wav")
        lib.watch(tmp_path / "in", rule="{pack}/{label}/{name}")
        report = lib.rescan(settle=0)
        assert [sound.origin for sound in report.added] == [f"in/sub/pack.zip/kicks/{seed}.wav" for seed in range(3)]
        assert {(sound.label, sound.facts["pack"]) for sound in report.added} == {("kick", "pack")}
        monkeypatch.setattr("audiolab.library.rescanning.candidates", lambda *_: pytest.fail("opened"))
        assert lib.rescan(settle=0).unchanged == 1

    def test_folders_are_known_by_name_and_path(self, lib: Library, packs: Path, tmp_path: Path) -> None:
        other = tmp_path / "other" / "packs"
        wav(other / "b.wav", 30)
        assert (lib.watch(packs), lib.watch(other), lib.watch(packs, kind="song")) == ("packs", "packs 2", "packs")
        assert [(f.name, f.path, f.watched, f.kind) for f in lib.folders] == [
            ("packs", packs, True, "song"),
            ("packs 2", other, True, "auto"),
        ]
        assert len(lib.rescan(other, settle=0).added) == 1
        lib.unwatch("packs")
        assert lib.rescan(settle=0).unchanged == 1
        with pytest.raises(CatalogError, match="it knows 'packs', 'packs 2'"):
            lib.rescan(tmp_path)
        with pytest.raises(CatalogError, match="not a folder"):
            lib.watch(tmp_path / "nothing")
        with pytest.raises(CatalogError, match="inside the library"):
            lib.watch(lib.path / "media")
        with pytest.raises(ParameterError):
            lib.watch(packs, rule="{what}")
        assert json.loads((lib.path / "places.json").read_text())["folders"]["packs"]["relative"] == "../packs"
        lib.forget_folder("packs 2")
        assert [f.name for f in lib.folders] == ["packs"]
        with lib.store.transaction(write=False) as session:
            assert session.query(FileRow).count() == 0

    def test_names_in_every_script(self, referring: Library, tmp_path: Path) -> None:
        names = ["日本語/歌.wav", "مرحبا.wav", "ünï/çödé 🥁.wav", "x" * 250 + ".wav", "it's 'q'; DROP TABLE file;.wav"]
        deep = "/".join(["d" * 80] * 6) + "/deep.wav"
        for seed, name in enumerate([*names, deep]):
            wav(tmp_path / "in" / name, seed)
        referring.watch(tmp_path / "in")
        assert len(referring.rescan(settle=0).added) == 6
        assert referring.rescan(settle=0).unchanged == 6
        for sound in referring.query():
            assert sound.audio().frames == sound.frames


class TestRelink:
    def test_lost_copies_come_back_under_any_name_and_tags(self, lib: Library, tmp_path: Path) -> None:
        kick, hat = lib.add(wav(tmp_path / "in" / "kick.wav", 1)), lib.add(wav(tmp_path / "in" / "hat.wav", 2))
        mp3 = write_audio(tmp_path / "in" / "s.mp3", noise(3, 2.0, rate=44_100), subtype=None)
        song = lib.add(mp3)
        gone = lib.add(wav(tmp_path / "in" / "gone.wav", 9))
        for sound in (kick, hat, song, gone):
            sound.path.unlink()
        there = tmp_path / "elsewhere"
        (there / "sub").mkdir(parents=True)
        (tmp_path / "in" / "kick.wav").rename(there / "sub" / "renamed.wav")
        write(there / "hat.flac", noise(2))  # the same samples in another format
        (there / "s.mp3").write_bytes(mp3.read_bytes() + b"TAG" + b"New".ljust(125, b"\0"))
        (there / "notes.txt").write_text("x")
        (there / "bad.wav").write_bytes(b"RIFF bad")
        wav(there / "unrelated.wav", 77)
        report = lib.relink(there)
        assert {(line.sound.id, line.status) for line in report.lines if line.sound} == {
            (sound.id, "relinked") for sound in (kick, hat, song)
        }
        assert [(note.path, line.status) for note, line in zip(report.missing, report.lines[-1:], strict=True)] == [
            ("gone", "missing")
        ]
        for sound in (kick, hat, song):
            assert lib.sound(sound.id).audio().frames == sound.frames
        assert np.array_equal(lib.sound(hat.id).audio().samples, noise(2).samples)
        assert {problem.kind for problem in lib.fsck(deep=True).problems} == {"missing"}
        assert len(lib.query()) == 4

    def test_references_follow_the_files(self, referring: Library, packs: Path, tmp_path: Path) -> None:
        sounds = {sound.name: sound for sound in referring.add(packs).added}
        (tmp_path / "new place").mkdir()
        (packs / "a.wav").rename(tmp_path / "new place" / "b.wav")
        report = referring.relink(tmp_path / "new place")
        assert [line.status for line in report.lines] == ["relinked"]
        assert sounds["a"].path == tmp_path / "new place" / "b.wav"
        assert stored(referring) == []
        assert referring.rescan("packs", settle=0).lines == []
        assert referring.relink(tmp_path / "new place").lines == []

    def test_what_stages_made_goes_back_into_the_store(self, referring: Library, tmp_path: Path) -> None:
        song = referring.add(wav(tmp_path / "in" / "song.wav", 1, 16.0))
        keep(referring, separation(referring, song))
        drums, bass = song.stems.values()
        (tmp_path / "kept").mkdir()
        drums.path.rename(tmp_path / "kept" / "a.flac")
        write(tmp_path / "kept" / "b.wav", bass.audio(), "PCM_24")  # the same samples, but not the file of the result
        bass.path.unlink()
        report = referring.relink(tmp_path / "kept")
        assert [line.status for line in report.lines] == ["relinked", "missing"]
        assert stored(referring) == [drums.media]
        assert [problem.what for problem in referring.fsck(deep=True).problems] == [bass.media]

    def test_a_whole_folder_becomes_known_once(self, referring: Library, packs: Path, tmp_path: Path) -> None:
        referring.add(packs)
        packs.rename(tmp_path / "elsewhere")
        assert len(referring.relink(tmp_path / "elsewhere").relinked) == 6
        assert [(folder.name, folder.files) for folder in referring.folders] == [
            ("elsewhere", {"here": 6}),
            ("packs", {"here": 6}),  # its disk may come back
        ]
        assert referring.fsck(deep=True).clean

    def test_nothing_is_lost_or_nowhere(self, lib: Library, packs: Path, tmp_path: Path) -> None:
        lib.add(packs)
        assert lib.relink(packs).lines == []
        with pytest.raises(CatalogError, match="does not exist"):
            lib.relink(tmp_path / "nothing")

    def test_damaged_media_is_not_taken_for_the_sound(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "in" / "kick.wav", 1))
        sound.path.unlink()
        data = bytearray((tmp_path / "in" / "kick.wav").read_bytes())
        data[200] ^= 1
        (tmp_path / "in" / "kick.wav").write_bytes(bytes(data))
        assert [line.status for line in lib.relink(tmp_path / "in").lines] == ["missing"]
