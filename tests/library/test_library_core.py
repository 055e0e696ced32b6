"""Opening, copying, tags, collections, history, runs, sounds."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from library_making import (
    analysis,
    classifying,
    dump,
    embedding,
    keep,
    key_of,
    made,
    noise,
    separation,
    song_with_samples,
    wav,
)

import audiolab.library as library_package
from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library, Record
from audiolab.library.ids import derived_id, hash_text, set_id, view_id
from audiolab.library.models import Base
from audiolab.library.places import network_filesystem
from audiolab.library.store import HEAD


def _ours(name: str | None, kind: str, _: object) -> bool:
    """Leave the text index out: it is no plain table, and the database makes more of its own beside it."""
    return kind != "table" or not (name or "").startswith("card_text")


class TestOpening:
    @pytest.mark.parametrize("lib", ["sqlite"], indirect=True)
    def test_layout(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        song_with_samples(lib, tmp_path / "song.wav")
        names = {path.name for path in folder.iterdir()} - {"library.db-wal", "library.db-shm"}
        assert names == {"library.db", "media", "records", "tmp", "cache"}
        for path in (folder / "media").rglob("*.*"):
            assert path.parent.name == path.name[:2]

    def test_relative_paths_start_at_home(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from audiolab.config import get_settings

        monkeypatch.chdir(tmp_path)
        with Library("data/mine") as lib:
            assert lib.path == get_settings().home / "data" / "mine"
        with Library() as lib:
            assert lib.path == get_settings().home / "data" / "library"

    def test_a_closed_library_copies_and_works_anywhere(self, folder: Path, tmp_path: Path) -> None:
        with Library(folder) as lib:
            _, drums = song_with_samples(lib, tmp_path / "song.wav")
            keep(lib, classifying(drums.samples, {"kick": 0.9}))
            before, sound_id = dump(lib), drums.samples[1].id
            samples = drums.samples[1].audio().samples
        assert {path.name for path in folder.iterdir()} == {"library.db", "media", "records", "tmp", "cache"}
        other = tmp_path / "else where" / "it's #1? 100%"
        shutil.copytree(folder, other)
        shutil.rmtree(folder)
        with Library(other) as lib:
            assert dump(lib) == before
            assert np.array_equal(lib.sound(sound_id).audio().samples, samples)
            assert lib.fsck(deep=True).clean
            assert lib.add(tmp_path / "song.wav") == lib.songs[0]
        for path in [other / "library.db", *(other / "records").rglob("*.json")]:
            assert str(tmp_path).encode() not in path.read_bytes()

    def test_other_things_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(CatalogError, match="is a file"):
            Library(tmp_path / "file")
        music = tmp_path / "music"
        wav(music / "a.wav", 1)
        with pytest.raises(CatalogError, match="not a library and not empty"):
            Library(music)
        assert [path.name for path in music.iterdir()] == ["a.wav"]
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "library.db").write_bytes(b"not a database at all" * 100)
        with pytest.raises(CatalogError, match="not a database"):
            Library(broken)
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        with sqlite3.connect(foreign / "library.db") as connection:
            connection.execute("CREATE TABLE albums (id INTEGER)")
        with pytest.raises(CatalogError, match="no audiolab catalog"):
            Library(foreign)
        with pytest.raises(CatalogError):
            Library(tmp_path / ("x" * 300))

    def test_a_newer_schema_is_refused_and_left_alone(self, folder: Path) -> None:
        Library(folder).close()
        with sqlite3.connect(folder / "library.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        before = (folder / "library.db").read_bytes()
        with pytest.raises(CatalogError, match="newer audiolab"):
            Library(folder)
        assert (folder / "library.db").read_bytes() == before

    def test_migrations_end_where_the_models_are(self, lib: Library) -> None:
        script = ScriptDirectory(str(Path(library_package.__file__).parent / "migrations"))
        assert script.get_heads() == [HEAD]
        with lib.store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _ours})
            assert compare_metadata(context, Base.metadata) == []

    def test_a_closed_library_says_so(self, folder: Path) -> None:
        lib = Library(folder)
        lib.close()
        lib.close()
        with pytest.raises(CatalogError, match="closed"):
            lib.query()

    def test_importing_the_package_loads_no_database(self) -> None:
        code = (
            "import sys, audiolab.library; print([m for m in ('sqlalchemy', 'alembic', 'numpy') if m in sys.modules])"
        )
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert out.stdout.strip() == "[]"

    def test_a_worker_needs_no_database(self) -> None:
        code = (
            "import sys, audiolab.library.records, audiolab.library.media, audiolab.library.ids;"
            "print([m for m in ('sqlalchemy', 'alembic') if m in sys.modules])"
        )
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert out.stdout.strip() == "[]"


MOUNTS = """/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /home nfs4 rw 0 0
/dev/sdb1 /home/me/fast xfs rw 0 0
//nas/music /mnt/my\\040music cifs rw 0 0
me@host:/x /mnt/ssh fuse.sshfs rw 0 0
C:\\134 /mnt/c 9p rw 0 0
/dev/sdc1 /mnt/usb fuseblk rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/lib", None), ("/tmp/lib", None), ("/home/you/lib", "nfs4"), ("/home", "nfs4"),
        ("/home/me/fast/lib", None),
        ("/homeless/lib", None), ("/mnt/my music/lib", "cifs"), ("/mnt/ssh/a/b", "fuse.sshfs"), ("/mnt/c/Users", "9p"),
        ("/mnt/usb/lib", None),
    ],
)  # fmt: skip
def test_network_file_systems(path: str, kind: str | None) -> None:
    assert network_filesystem(path, MOUNTS) == kind


def test_a_library_on_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("audiolab.library.places.network_filesystem", lambda path, mounts: "nfs4")
    with pytest.raises(CatalogError, match="network file system"):
        Library(tmp_path / "lib")
    assert not (tmp_path / "lib").exists()


class TestFinding:
    def test_by_id_prefix_and_name(self, lib: Library, tmp_path: Path) -> None:
        a, b = lib.add(wav(tmp_path / "a b.wav", 1)), lib.add(wav(tmp_path / "in" / "other.wav", 2))
        assert lib.sound(a.id) == lib.sound(a.id[:8]) == lib.sound("a b") == lib.sound("a b.wav") == a
        lib.add(wav(tmp_path / "more" / "other.wav", 3))
        with pytest.raises(CatalogError, match="may be several"):
            lib.sound("other")
        for nothing in ("A B", "", "zzzz", "%", a.id[:3], "0" * 64):
            with pytest.raises(CatalogError, match="no sound"):
                lib.sound(nothing)
        assert b.rename("deadbeef").name == "deadbeef"
        assert lib.sound("deadbeef") == b


class TestIds:
    """Ids are on disk: they must never change."""

    def test_golden(self) -> None:
        assert derived_id("ab" * 32, "drums") == "ef366f71a89d2229080c3478b617b6195f78cdd52c13ba46065c7d8a48e66008"
        assert view_id("cd" * 32, 0, 44_100) == "b9680ca792d32e81a38ac97c0b046ecaf79739a43bb5a5c286eb7806bef9bd7d"
        assert set_id("ab" * 32) == "119bb02b2bcebffc2037e7eed76fda063d3dac4a124dbcae87110215142f97e1"

    @given(st.lists(st.text(max_size=5), min_size=1, max_size=4), st.lists(st.text(max_size=5), min_size=1, max_size=4))
    def test_parts_never_run_together(self, left: list[str], right: list[str]) -> None:
        assert (hash_text(*left) == hash_text(*right)) == (left == right)

    @pytest.mark.parametrize(("start", "stop"), [(5, 5), (6, 5), (-1, 5)])
    def test_empty_views_are_refused(self, start: int, stop: int) -> None:
        with pytest.raises(ParameterError):
            view_id("ab" * 32, start, stop)


class TestTags:
    def test_roles(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        assert sound.tag("favourite").label is None
        assert sound.tag("kick").label == "kick"
        assert sound.tag("vinyl noise", role="label").label == "vinyl noise"
        assert sound.tag("snare", 0.5).confidence == 0.5
        assert {tag.label for tag in sound.tags} == {"favourite", "kick", "vinyl noise", "snare"}
        assert sound.untag("snare").label == "vinyl noise"
        for bad in ("", "  ", "x" * 256):
            with pytest.raises(ParameterError):
                sound.tag(bad)
        with pytest.raises(ParameterError):
            sound.tag("x", 1.5)

    def test_words_of_a_model_are_labels(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, classifying(drums.samples, {"zap": 0.9}))
        lib.add(wav(tmp_path / "a.wav", 9)).tag("zap")
        assert lib.sound("a").label == "zap"

    def test_unknown_sounds(self, lib: Library) -> None:
        for act in (
            lambda: lib.tag("ab" * 32, "x"),
            lambda: lib.untag("ab" * 32, "x"),
            lambda: lib.delete("ab" * 32),
            lambda: lib.rename("ab" * 32, "x"),
        ):
            with pytest.raises(CatalogError, match="no sound"):
                act()
        assert lib.ops() == []

    def test_hostile_labels(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        for label in ("<script>alert(1)</script>", "'; DROP TABLE tag; --", "a\0b", "x\ud800y", "🥁"):
            sound.tag(label)
        assert len(sound.tags) == 5
        assert "<script" not in sound._repr_html_()
        assert sound.untag("a\0b").tags


class TestCollections:
    def test_order_is_kept(self, lib: Library, tmp_path: Path) -> None:
        sounds = [lib.add(wav(tmp_path / f"{seed}.wav", seed)) for seed in range(5)]
        kit = lib.collection("kit")
        assert len(kit) == 0
        assert "kit" not in lib.collections
        kit.add(sounds[3]).add([sounds[1], sounds[3].id, sounds[0]])
        assert [s.name for s in kit] == ["3", "1", "0"]
        assert kit[1] == sounds[1]
        assert sounds[1] in kit
        assert sounds[4] not in kit
        kit.remove(sounds[1]).add(sounds[1])
        assert [s.name for s in lib.collection("kit")] == ["3", "0", "1"]
        lib.collection("other").add(lib.query())
        assert [(name, len(found)) for name, found in lib.collections.items()] == [("kit", 3), ("other", 5)]
        assert "kit" in lib.collections
        assert lib.collections["kit"].to_frame()["name"].tolist() == ["3", "0", "1"]
        with pytest.raises(CatalogError, match="already"):
            kit.rename("other")
        kit.rename("best <b>kit</b>")
        assert [s.name for s in lib.collection("best <b>kit</b>")] == ["3", "0", "1"]
        assert "<b>kit" not in lib.collections._repr_html_() + kit._repr_html_()
        kit.delete()
        assert list(lib.collections) == ["other"]
        assert len(lib.query()) == 5
        with pytest.raises(KeyError, match="no collection"):
            lib.collections["kit"]
        for bad in ("", " ", "x" * 256):
            with pytest.raises(ParameterError):
                lib.collection(bad)
        with pytest.raises(CatalogError, match="no sound"):
            lib.collection("new").add("nothing")
        assert "new" not in lib.collections


class TestHistory:
    def test_every_change_is_written_down(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        sound.tag("kick").untag("kick").rename("b").edit("analyze", tempo_factor=2)
        lib.collection("kit").add(sound).remove(sound).rename("kat").delete()
        lib.delete(sound)
        lib.restore(sound)
        found = [(op.what, op.actor) for op in reversed(lib.ops())]
        assert [what for what, _ in found] == [
            "add", "tag", "untag", "rename", "overlay", "collect", "uncollect", "rename", "delete", "delete", "restore",
        ]  # fmt: skip
        assert {actor for _, actor in found} == {"tester"}
        tagged = next(op for op in lib.ops(target=sound.id) if op.what == "tag")
        assert tagged.before is None
        assert {"label": "kick", "role": "label", "denied": False, "confidence": 1.0}.items() <= tagged.after.items()
        renamed = next(op for op in lib.ops(target=sound.id) if op.what == "rename")
        assert (renamed.before, renamed.after) == ({"name": "a", "given": False}, {"name": "b", "given": True})
        assert len(lib.ops(limit=3)) == 3

    def test_machines_write_no_history(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, classifying(drums.samples, {"kick": 0.9}))
        assert [op.what for op in lib.ops()] == ["add"]


class TestTrash:
    def test_a_family_goes_and_comes_back_together(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        everything = set(lib.query().ids)
        first = drums.samples[0]
        assert lib.delete(first) == 1
        assert lib.delete(song) == len(everything) - 1
        assert lib.query().ids == []
        assert len(lib.trash) == len(everything)
        assert lib.restore(song) == len(everything) - 1  # what was deleted before stays deleted
        assert everything - set(lib.query().ids) == {first.id}
        assert lib.restore(first) == 1
        assert set(lib.query().ids) == everything

    def test_sample_sets_hide_what_is_in_it(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        lib.delete(drums.samples[1])
        assert [sample.start for sample in drums.samples] == [0, 2000, 4000]
        assert len(lib.sample_set(drums.samples.result_key)) == 4  # jobs see all, so that results stay aligned

    def test_adding_again_takes_it_out(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        lib.delete(sound)
        report = lib.add_report(tmp_path / "a.wav")
        assert report.sound == sound
        assert "out of the trash" in report.lines[0].why
        assert lib.query().ids == [sound.id]


class TestSounds:
    def test_explain_goes_back_to_the_file(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, analysis(song))
        keep(lib, embedding(lib, drums.samples, key_of("e")))
        told = drums.samples[1].explain()
        assert told.cut == (1000, 1800)
        assert told.made.stage == "slice"
        assert told.parent.made.engine == "spectral"
        assert told.parent.made.params == {"tag": "1"}
        assert told.parent.made.profile == {"device": "cpu"}
        assert told.original.id == song.id
        assert told.original.made is None
        assert told.original.file["name"] == "song.wav"
        assert [step.stage for step in told.original.results] == ["analyze", "separate"]
        text = str(told)
        for word in (
            "frames 1000 to 1800",
            "slice v1",
            "separate v1",
            "engine spectral",
            "device cpu",
            "tag=1",
            "song.wav",
            made(1).strftime("%Y-%m-%d"),
        ):
            assert word in text, word
        keep(lib, classifying(drums.samples, {"kick": 0.9}))
        drums.samples[1].tag("rim")
        said = drums.samples[1].explain().tags
        assert said[0] == "rim (human)"
        assert said[1].startswith("kick (model 0.90, classify head@1:")
        document = told.to_dict()
        assert document["parent"]["made"]["made_at"] == made(1).isoformat()
        assert document["parent"]["parent"]["file"]["name"] == "song.wav"

    def test_notes_and_lyrics_of_stems(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        bass = song.stems["bass"]
        for stem, notes in ((bass, [{"start": 1.0, "pitch": 40}]), (drums, [{"start": 0.5, "pitch": 36}])):
            keep(
                lib,
                Record(
                    key=key_of("midi", stem.id), stage="midi", version=1, sound_id=stem.id, document={"notes": notes}
                ),
            )
        keep(lib, Record(key=key_of("l"), stage="lyrics", version=1, sound_id=bass.id, document={"language": "en"}))
        assert song.notes == [{"start": 0.5, "pitch": 36, "stem": "drums"}, {"start": 1.0, "pitch": 40, "stem": "bass"}]
        assert bass.notes == [{"start": 1.0, "pitch": 40}]
        assert song.lyrics == {"language": "en"}
        assert drums.lyrics is None
        assert song.tempo_map is None

    def test_it_shows_what_happened_meanwhile(self, lib: Library, folder: Path, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "a.wav", 1, 16))
        with Library(folder) as other:
            keep(other, analysis(other.songs[0]))
            other.songs[0].tag("kick").rename("new")
        assert (song.bpm, song.key, song.label, song.name, song.facts["lufs"]) == (120.0, "Am", "kick", "new", -14.0)

    def test_errors_name_the_sound(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "my kick.wav", 1))
        assert sound.source().name == "my kick"
        sound.path.unlink()
        with pytest.raises(CatalogError, match="my kick"):
            sound.audio()

    def test_looks(self, lib: Library, tmp_path: Path) -> None:
        song, drums = song_with_samples(lib, tmp_path / "song.wav")
        assert repr(song) == f"Sound(song 'song', 16.0 s, {song.id[:10]})"
        assert "2 stems" in song.stems._repr_html_()
        assert "4 samples" in drums.samples._repr_html_()
        assert "drums @0.125" in drums.samples._repr_html_()
        assert len({song, lib.sound(song.id)}) == 1
        assert str(lib.path) in repr(lib)

    def test_stats(self, lib: Library, tmp_path: Path) -> None:
        _, drums = song_with_samples(lib, tmp_path / "song.wav")
        keep(lib, classifying(drums.samples, [("kick", 0.9), ("snare", 0.5)]))
        stats = lib.stats()
        assert (stats["song"], stats["stem"], stats["sample"]) == (1, 2, 4)
        assert stats["labels"] == {"kick": 2, "snare": 2}
        assert stats["song_seconds"] == 16.0
        assert stats["media_bytes"] == sum(file.size for file in lib.media.files())
        assert len(lib) == 7
        assert "kick 2" in lib._repr_html_()


class TestRuns:
    def test_rows(self, lib: Library, folder: Path) -> None:
        run = lib.create_run("full", {"name": "full", "steps": []}, ["ab" * 32])
        row = lib.run_row(run)
        assert (row.status, row.sound_ids, row.recipe["name"], row.cancel_requested) == (
            "queued",
            ["ab" * 32],
            "full",
            False,
        )
        lib.update_run(run, status="running", report={"n": np.float32(1)}, started_at=made(1))
        assert lib.run_row(run[:6]).started_at == made(1)
        lib.update_run(run, finished_at=made(2).isoformat())
        assert lib.run_row(run).finished_at == made(2)
        assert not lib.cancel_requested(run)
        with Library(folder) as other:
            other.request_cancel(run)
        assert lib.cancel_requested(run)
        assert [found.id for found in lib.run_rows()] == [run]
        with pytest.raises(CatalogError, match="no run"):
            lib.run_row("nothing")
        with pytest.raises(CatalogError, match="no run"):
            lib.update_run("nothing", status="done")
        with pytest.raises(ParameterError, match="no column 'colour'"):
            lib.update_run(run, colour=1)
        with pytest.raises(ParameterError, match="cannot be"):
            lib.update_run(run, status="finished")

    def test_jobs(self, lib: Library) -> None:
        run = lib.create_run("full", {}, [])
        lib.set_jobs(run, [{"id": "b", "stage": "separate", "status": "waiting"}, {"id": "a", "stage": "slice"}])
        lib.set_jobs(run, [{"id": "b", "stage": "separate", "status": "done", "seconds": 2.5, "notes": ["x"]}])
        rows = lib.job_rows(run)
        assert [(row.id, row.stage, row.status, row.seconds, row.notes) for row in rows] == [
            ("b", "separate", "done", 2.5, ["x"]),
            ("a", "slice", "waiting", None, []),
        ]
        with pytest.raises(ParameterError, match="cannot be"):
            lib.set_jobs(run, [{"id": "c", "stage": "x", "status": "lost"}])
        with pytest.raises(ParameterError, match="needs an id"):
            lib.set_jobs(run, [{"stage": "x"}])
        with pytest.raises(CatalogError, match="no run"):
            lib.set_jobs("nothing", [])
        assert len(lib.job_rows(run)) == 2


def test_separations_of_mono_and_stereo_keep_lengths(lib: Library, tmp_path: Path) -> None:
    song = lib.add(wav(tmp_path / "s.wav", 1, 16.0, channels=2))
    keep(lib, separation(lib, song, stems=("drums", "bass", "other", "vocals")))
    assert list(song.stems) == ["drums", "bass", "other", "vocals"]
    assert all(stem.frames == song.frames and stem.channels == 2 for stem in song.stems.values())
    assert noise(1, 16.0, 2).frames == song.frames
