"""Adding: whatever comes, a right result or a clear reason; originals are never touched."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from library_making import RATE, dump, keep, noise, read_all, separation, wav, write
from sqlalchemy import select

from audiolab.audio import Audio, write_audio
from audiolab.errors import AudioError, AudiolabError, Cancelled, CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.media import FileMediaStore, hash_file
from audiolab.library.models import SoundRow

HOSTILE = [
    'it\'s "quoted".wav',
    "new\nline\ttab.wav",
    "drum 🥁 émoji – ünïcode.wav",
    "<script>alert(1)<script>.wav",
    "'; DROP TABLE sound; --.wav",
    "%s%d{0}%00.wav",
    "-rf.wav",
    "日本語の歌.wav",
    "\u05d0\u05d1\u202egpj.wav",
    "..wav.wav",
    "a" * 240 + ".wav",
    " .wav",
]


class TestKinds:
    def test_a_song_and_a_sample_by_length(self, lib: Library, tmp_path: Path) -> None:
        song, sample = lib.add(wav(tmp_path / "long.wav", 1, 15.0)), lib.add(wav(tmp_path / "short.wav", 2, 14.9))
        assert (song.kind, sample.kind) == ("song", "sample")
        assert (song.name, song.original_name) == ("long", "long.wav")
        assert song.song == song
        assert sample.song is None
        assert sample.parent is None

    @pytest.mark.parametrize("chunk", ["acid", "smpl"])
    def test_a_long_file_marked_as_loop_is_a_sample(self, lib: Library, tmp_path: Path, chunk: str) -> None:
        path = wav(tmp_path / "loop.wav", 1, 16.0)
        body = {
            "acid": struct.pack("<IHHfIHHf", 0, 60, 0, 0.0, 16, 4, 4, 128.0),
            "smpl": struct.pack("<9I", 0, 0, 0, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 0, 0, 0, 1000, 0, 0),
        }[chunk]
        data = path.read_bytes() + chunk.encode() + struct.pack("<I", len(body)) + body
        path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
        sound = lib.add(path)
        assert sound.kind == "sample"
        assert sound.facts["loop"] is True
        assert sound.bpm == (128.0 if chunk == "acid" else None)

    def test_kinds_asked_for(self, lib: Library, tmp_path: Path) -> None:
        assert lib.add(wav(tmp_path / "a.wav", 1), kind="song").kind == "song"
        stem = lib.add(wav(tmp_path / "My Song - Bass.wav", 2), kind="stem")
        assert (stem.kind, stem.stem) == ("stem", "bass")
        with pytest.raises(ParameterError, match="kind"):
            lib.add(wav(tmp_path / "b.wav", 3), kind="loop")

    def test_another_kind_asked_for_later_wins(self, lib: Library, tmp_path: Path) -> None:
        path = wav(tmp_path / "a.wav", 1)
        assert lib.add(path).kind == "sample"
        assert lib.add(path, kind="song").kind == "song"
        assert lib.add(path).kind == "song"
        assert [op.what for op in lib.ops()] == ["kind", "add"]

    def test_more_than_two_channels_are_kept(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(write(tmp_path / "six.wav", noise(1, channels=6)))
        assert sound.channels == 6
        assert sound.audio().samples.shape == (6, sound.frames)

    @pytest.mark.parametrize("rate", [8000, 192_000])
    @pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".ogg", ".mp3"])
    def test_formats(self, lib: Library, tmp_path: Path, rate: int, suffix: str) -> None:
        if suffix in {".mp3", ".ogg"}:
            rate = 48_000
        path = write_audio(tmp_path / f"a{suffix}", noise(1, 1.0, rate=rate), subtype=None)
        sound = lib.add(path)
        assert (sound.sample_rate, sound.suffix) == (rate, suffix)
        assert sound.path.read_bytes() == path.read_bytes()
        assert sound.audio().frames == sound.frames


class TestIdentity:
    def test_the_original_is_kept_and_not_touched(self, lib: Library, tmp_path: Path) -> None:
        path = wav(tmp_path / "a.wav", 1)
        path.chmod(0o444)
        before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        sound = lib.add(path)
        assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before
        assert sound.path.read_bytes() == before[0]
        assert sound.path.parent.parent.parent == lib.path
        assert hash_file(sound.path) == sound.media == sound.path.stem

    def test_the_same_audio_is_one_sound_whatever_its_name_and_format(self, lib: Library, tmp_path: Path) -> None:
        first = lib.add(wav(tmp_path / "a.wav", 1))
        copy = tmp_path / "renamed.wav"
        copy.write_bytes((tmp_path / "a.wav").read_bytes())
        flac = write(tmp_path / "as flac.flac", noise(1))
        assert lib.add(copy) == first
        assert lib.add(flac) == first
        report = lib.add([copy, flac, wav(tmp_path / "other.wav", 2)])
        assert [line.status for line in report.lines] == ["existing", "existing", "added"]
        assert "'a'" in report.lines[0].why
        assert "2 existing" in str(report)
        assert len(list(lib.media.files())) == 2
        assert lib.fsck().clean

    def test_a_retagged_file_is_the_same_sound(self, lib: Library, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "a.mp3", noise(1, 2.0, rate=44_100), subtype=None)
        first = lib.add(path)
        tagged = tmp_path / "b.mp3"
        tagged.write_bytes(path.read_bytes() + b"TAG" + b"New Title".ljust(125, b"\0"))
        assert lib.add(tagged) == first

    def test_an_exported_stem_is_recognised(self, lib: Library, tmp_path: Path) -> None:
        song = lib.add(wav(tmp_path / "song.wav", 1, 16))
        keep(lib, separation(lib, song))
        drums = song.stems["drums"]
        exported = write(tmp_path / "x.wav", drums.audio(), "PCM_24")
        assert lib.add(exported) == drums
        assert lib.add(exported, kind="song") != drums
        assert lib.add(exported, kind="song").kind == "song"

    def test_adding_again_decodes_nothing(self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = wav(tmp_path / "a.wav", 1)
        first = lib.add(path)
        monkeypatch.setattr("audiolab.library.intake.content_id", lambda _: pytest.fail("decoded again"))
        assert lib.add(path) == first

    def test_a_lost_file_comes_back_by_adding_it_again(self, lib: Library, tmp_path: Path) -> None:
        sound = lib.add(wav(tmp_path / "a.wav", 1))
        sound.path.unlink()
        assert not lib.fsck().clean
        assert lib.add(tmp_path / "a.wav") == sound
        assert lib.fsck().clean

    def test_embedded_tags_are_kept_and_searched(self, lib: Library, tmp_path: Path) -> None:
        path = tmp_path / "x.wav"
        with sf.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
            file.title, file.artist = "Große Töne", "The <b>Band</b>"
            file.write(noise(3).samples.T)
        sound = lib.add(path)
        assert sound.embedded["title"] == "Große Töne"
        assert lib.query("grosse")[0] == sound
        assert "<b>Band" not in sound._repr_html_()


class TestBadInput:
    @pytest.fixture
    def bad(self, tmp_path: Path) -> dict[str, Path]:
        folder = tmp_path / "bad"
        folder.mkdir()
        good = wav(tmp_path / "good.wav", 1, 1.0).read_bytes()
        contents = {
            "empty": b"",
            "no frames": wav(tmp_path / "z.wav", 1, 0.0).read_bytes(),
            "cut off": good[: len(good) // 2],
            "text": b"this is not audio at all\n" * 20,
            "random": np.random.default_rng(0).bytes(5000),
            "html": b"<!doctype html><html>not found</html>",
        }
        for name, content in contents.items():
            (folder / f"{name}.wav").write_bytes(content)
        for name, value in (("nan", np.nan), ("inf", np.inf)):
            samples = noise(5).samples.T.copy()
            samples[1000] = value
            sf.write(folder / f"{name}.wav", samples, RATE, "FLOAT")
        flac = write(tmp_path / "x.flac", noise(2, 2.0)).read_bytes()
        (folder / "damaged.flac").write_bytes(flac[: len(flac) // 2])
        return {path.stem: path for path in folder.iterdir()}

    def test_each_says_what_is_wrong_and_leaves_nothing(self, lib: Library, bad: dict[str, Path]) -> None:
        before = dump(lib)
        for name, path in bad.items():
            with pytest.raises(AudioError, match=path.name):
                lib.add(path)
            assert dump(lib) == before, name
        assert list(lib.media.files()) == []
        assert list(lib.tmp_dir.iterdir()) == []
        assert lib.fsck(deep=True).clean

    def test_one_bad_file_does_not_stop_the_others(self, lib: Library, bad: dict[str, Path]) -> None:
        folder = bad["empty"].parent
        wav(folder / "a good.wav", 10)
        wav(folder / "z good.wav", 11)
        (folder / "notes.txt").write_text("hello")
        (folder / ".hidden.wav").write_bytes(b"x")
        report = lib.add(folder)
        assert [sound.name for sound in report.added] == ["a good", "z good"]
        assert {Path(item.path).stem for item in report.failed} == set(bad)
        assert {Path(item.path).name for item in report.skipped} == {"notes.txt", ".hidden.wav"}
        assert all(item.why for item in report.failed + report.skipped)

    def test_one_that_cannot_be_stored_does_not_stop_its_batch(
        self, lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for seed in range(8):
            wav(tmp_path / "in" / f"{seed}.wav", seed)
        bad = hash_file(tmp_path / "in" / "5.wav")
        put_all = FileMediaStore.put_all

        def put(store: FileMediaStore, files: list) -> None:
            if any(media == bad for _, _, media in files):
                raise CatalogError("cannot store '5.wav': no luck")
            put_all(store, files)

        monkeypatch.setattr(FileMediaStore, "put_all", put)
        report = lib.add(tmp_path / "in")
        assert [(Path(note.path).name, note.why) for note in report.failed] == [
            ("5.wav", "cannot store '5.wav': no luck")
        ]
        assert len(report.added) == 7
        assert lib.fsck(deep=True).clean
        assert list(lib.tmp_dir.iterdir()) == []

    def test_things_that_are_not_there(self, lib: Library, tmp_path: Path) -> None:
        for what in (tmp_path / "none.wav", tmp_path / ("x" * 300), "a\0b.wav", ""):
            with pytest.raises(AudiolabError):
                lib.add(what)
        with pytest.raises(ParameterError):
            lib.add()
        empty = tmp_path / "empty"
        empty.mkdir()
        assert str(lib.add(empty)) == "nothing found"

    def test_a_fifo_does_not_block(self, lib: Library, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.wav")
        with pytest.raises(AudioError):
            lib.add(tmp_path / "pipe.wav")
        assert [item.why for item in lib.add(tmp_path).skipped if "pipe" in item.path] == ["not a file"]

    @pytest.mark.parametrize(
        "samples", [np.zeros(2000), np.ones(2000) * 0.5, np.array([0.25])], ids=["silence", "dc", "one sample"]
    )
    def test_odd_but_right(self, lib: Library, tmp_path: Path, samples: np.ndarray) -> None:
        sound = lib.add(write(tmp_path / "x.wav", Audio(samples.astype("f4"), RATE)))
        assert np.array_equal(sound.audio().samples[0], samples.astype("f4"))


class TestNames:
    def test_hostile_names_are_data(self, lib: Library, tmp_path: Path) -> None:
        for seed, name in enumerate(HOSTILE):
            sound = lib.add(wav(tmp_path / "in" / name, seed))
            assert sound.original_name == name
            assert lib.sound(sound.id).name == sound.name
            assert lib.query(
                f'name:"{sound.name.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
            ).ids == [sound.id]
            for text in (
                sound._repr_html_(),
                lib.query()._repr_html_(),
                lib._repr_html_(),
                lib.collections._repr_html_(),
            ):
                assert "<script" not in text
        assert {path.name for path in (lib.path / "media").rglob("*.*")} == {f"{s.media}.wav" for s in lib.query()}
        assert len(lib.query()) == len(HOSTILE)
        assert lib.fsck().clean

    def test_undecodable_bytes(self, lib: Library, tmp_path: Path) -> None:
        raw = os.fsencode(tmp_path) + b"/caf\xe9 \xff.wav"
        wav(tmp_path / "x.wav", 1).rename(os.fsdecode(raw))
        sound = lib.add(tmp_path).sound
        assert sound.name == "caf\ufffd \ufffd"
        assert lib.query("caf").ids == [sound.id]
        assert sound.audio().frames == sound.frames

    def test_a_suffix_is_never_a_path(self, lib: Library, tmp_path: Path) -> None:
        path = tmp_path / "x.wav"
        wav(path, 1).rename(tmp_path / "x.w;v $(id)")
        sound = lib.add(tmp_path / "x.w;v $(id)")
        assert sound.suffix == ".bin"
        assert sound.path.name == f"{sound.media}.bin"


class TestFolders:
    def test_sorted_recursive_with_origins(self, lib: Library, tmp_path: Path) -> None:
        pack = tmp_path / "My Pack"
        for seed, name in enumerate(["b/2.wav", "b/1.wav", "a.wav", "c/d/e.wav"]):
            wav(pack / name, seed)
        report = lib.add(pack)
        assert [s.origin for s in report.added] == [
            "My Pack/a.wav",
            "My Pack/b/1.wav",
            "My Pack/b/2.wav",
            "My Pack/c/d/e.wav",
        ]
        assert not any(str(tmp_path) in str(row) for row in dump(lib).values())

    def test_link_loops_and_broken_links(self, lib: Library, tmp_path: Path) -> None:
        pack = tmp_path / "pack"
        wav(pack / "a.wav", 1)
        (pack / "loop").symlink_to(pack)
        (pack / "up").symlink_to(tmp_path)
        (pack / "gone.wav").symlink_to(tmp_path / "nothing")
        (pack / "z.wav").symlink_to(pack / "a.wav")
        report = lib.add(pack)
        assert len(report.added) == 1
        assert ("pack/gone.wav", "a broken link") in report.skipped

    def test_a_library_is_not_added_to_itself(self, lib: Library, tmp_path: Path) -> None:
        lib.add(wav(tmp_path / "a.wav", 1))
        report = lib.add(tmp_path)
        assert [item for item in report.skipped if "library" in item.why] == [
            (f"{tmp_path.name}/lib", "it is an audiolab library")
        ]
        assert len(lib.query()) == 1

    def test_progress_and_cancel(self, lib: Library, tmp_path: Path) -> None:
        for seed in range(4):
            wav(tmp_path / "in" / f"{seed}.wav", seed)
        calls: list[tuple[float, float]] = []
        lib.add(tmp_path / "in", progress=lambda done, total: calls.append((done, total)))
        assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]

        def stop(done: float, total: float) -> None:
            if done == 2:
                raise Cancelled("enough")

        for seed in range(4):
            wav(tmp_path / "more" / f"{seed}.wav", 50 + seed)
        with pytest.raises(Cancelled):
            lib.add(tmp_path / "more", progress=stop)
        assert 6 <= len(lib.query()) <= 8  # what was said to be done is kept; the batch that it was in may be, too
        assert lib.fsck().clean
        assert list(lib.tmp_dir.iterdir()) == []


class TestStems:
    def test_a_song_of_its_stems(self, lib: Library, tmp_path: Path) -> None:
        parts = {"drums": noise(1, 2.0, 2), "bass": noise(2, 2.0, 1), "lead vox": noise(3, 2.0, 2)}
        for name, audio in parts.items():
            write(tmp_path / "Song" / f"Song_{name}.wav", audio)
        (tmp_path / "Song" / "readme.txt").write_text("hi")
        song = lib.add(stems=tmp_path / "Song")
        assert (song.kind, song.name) == ("song", "Song")
        assert list(song.stems) == ["drums", "bass", "vocals"]
        total = sum(audio.samples.astype("f8") for audio in parts.values())
        assert np.array_equal(song.audio().samples, total.astype("f4"))
        assert song.format == "FLAC"
        assert song.facts["made_from"] == "sum of the stems"
        assert all(stem.song == song and stem.kind == "stem" for stem in song.stems.values())
        before = dump(lib)
        assert lib.add(stems=tmp_path / "Song") == song
        assert dump(lib) == before
        assert lib.fsck(deep=True).clean

    def test_true_stems_come_before_estimates(self, lib: Library, tmp_path: Path) -> None:
        for seed, name in enumerate(["drums", "bass"]):
            wav(tmp_path / "S" / f"{name}.wav", seed, 1.0)
        song = lib.add(stems=tmp_path / "S")
        true = song.stems["drums"]
        keep(lib, separation(lib, song))
        assert song.stems["drums"] == true
        assert len(lib.query("kind:stem")) == 4

    def test_beyond_full_scale_the_sum_stays_float(self, lib: Library, tmp_path: Path) -> None:
        for seed, name in enumerate(["drums", "bass"]):
            write(tmp_path / "S" / f"{name}.wav", Audio(noise(seed, 1.0).samples * 3.9, RATE))
        song = lib.add(stems=tmp_path / "S")
        total = sum(read_all(tmp_path / "S" / f"{name}.wav") for name in ("drums", "bass"))
        assert np.abs(total).max() > 1
        assert song.subtype == "FLOAT"
        assert np.array_equal(song.audio().samples, total)

    def test_a_mix_among_them_or_given(self, lib: Library, tmp_path: Path) -> None:
        for seed, name in enumerate(["drums", "bass", "mixture"]):
            wav(tmp_path / "S" / f"{name}.wav", seed, 1.0)
        song = lib.add(stems=tmp_path / "S")
        assert (song.name, song.original_name) == ("S", "mixture.wav")
        assert list(song.stems) == ["drums", "bass"]
        for seed, name in enumerate(["drums", "bass"]):
            wav(tmp_path / "T" / f"{name}.wav", 10 + seed, 1.0)
        other = lib.add(wav(tmp_path / "t.wav", 20, 1.0), stems=tmp_path / "T")
        assert other.name == "t"
        assert len(other.stems) == 2

    def test_equal_stems_of_two_songs_are_two_sounds(self, lib: Library, tmp_path: Path) -> None:
        silence = Audio(np.zeros((1, RATE), np.float32), RATE)
        for song in ("A", "B"):
            wav(tmp_path / song / "drums.wav", ord(song), 1.0)
            write(tmp_path / song / "vocals.wav", silence)
        a, b = (lib.add(stems=tmp_path / song) for song in ("A", "B"))
        assert a.stems["vocals"].content_id == b.stems["vocals"].content_id
        assert a.stems["vocals"].song == a
        assert b.stems["vocals"].song == b

    @pytest.mark.parametrize(
        ("other", "words"), [({"rate": 16_000}, "sample rate"), ({"seconds": 1.5}, "equally long")]
    )
    def test_unequal_stems_are_refused(self, lib: Library, tmp_path: Path, other: dict, words: str) -> None:
        wav(tmp_path / "S" / "drums.wav", 1, 1.0)
        wav(tmp_path / "S" / "bass.wav", 2, **{"seconds": 1.0, **other})
        before = dump(lib)
        with pytest.raises(AudioError, match=words):
            lib.add(stems=tmp_path / "S")
        assert dump(lib) == before
        assert list(lib.media.files()) == []

    def test_a_folder_of_many_songs(self, lib: Library, tmp_path: Path) -> None:
        for number, song in enumerate(["train/A - One", "train/B - Two", "test/C - Three"]):
            for seed, stem in enumerate(["drums", "bass"]):
                wav(tmp_path / "set" / song / f"{stem}.wav", 10 * number + seed, 1.0)
        # One song with a folder for each stem; a mix beside a folder of stems.
        for seed, name in enumerate(["Drums/kit.wav", "Bass/di.wav"]):
            wav(tmp_path / "set" / "test" / "D - Four" / name, 100 + seed, 1.0)
        for seed, name in enumerate(["mix.wav", "Stems/drums.wav", "Stems/bass.wav"]):
            wav(tmp_path / "set" / "test" / "E - Five" / name, 200 + seed, 1.0)
        report = lib.add(stems=tmp_path / "set")
        songs = [sound for sound in report.added if sound.kind == "song"]
        names = ["C - Three", "D - Four", "E - Five", "A - One", "B - Two"]
        assert [song.name for song in songs] == names
        assert [len(song.stems) for song in songs] == [2] * 5
        assert lib.add(stems=tmp_path / "set" / "test" / "D - Four") == songs[1]
        assert len(lib.add(stems=tmp_path / "set").existing) == 15

    def test_one_bad_song_of_many(self, lib: Library, tmp_path: Path) -> None:
        for number, song in enumerate(["A", "B"]):
            for seed, stem in enumerate(["drums", "bass"]):
                wav(tmp_path / "set" / song / f"{stem}.wav", 10 * number + seed, 1.0 + number * seed)
        report = lib.add(stems=tmp_path / "set")
        assert [(note.path, "equally long" in note.why) for note in report.failed] == [("set/B", True)]
        assert [sound.name for sound in report.added if sound.kind == "song"] == ["A"]

    def test_a_zip_of_stems(self, lib: Library, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "My Song.zip", "w") as archive:
            for seed, stem in enumerate(["drums", "bass"]):
                archive.write(wav(tmp_path / f"{stem}.wav", seed, 1.0), f"{stem}.wav")
        song = lib.add(stems=tmp_path / "My Song.zip")
        assert (song.name, list(song.stems)) == ("My Song", ["drums", "bass"])

    def test_no_stems(self, lib: Library, tmp_path: Path) -> None:
        (tmp_path / "S").mkdir()
        with pytest.raises(AudioError, match="no stems"):
            lib.add(stems=tmp_path / "S")


def test_sizes_are_recorded(lib: Library, tmp_path: Path) -> None:
    lib.add(wav(tmp_path / "a.wav", 1))
    with lib.store.transaction(write=False) as session:
        row = session.scalars(select(SoundRow)).one()
    assert row.size == (tmp_path / "a.wav").stat().st_size


@pytest.mark.shared
def test_real_music(lib: Library, tmp_path: Path, shared_data: Path) -> None:
    report = lib.add(
        [shared_data / "music" / name for name in ("odd_formats", "songs", "vocadito", "waveform_playlist_stems")]
    )
    assert report.failed == []
    assert {sound.suffix for sound in report.added} >= {".mp4", ".mp3", ".ogg", ".wav"}
    streams = [sound for sound in report.added if "import_notes" in sound.facts]
    assert [sound.facts["import_notes"] for sound in streams] == [["first of 5 audio streams used"]]
    for sound in report.added:
        assert sound.path.read_bytes()[:64]
        assert sound.audio().frames == sound.frames
    song = lib.add(stems=shared_data / "music" / "mdb" / "Punk")
    assert list(song.stems) == ["drums", "bass", "other", "vocals"]
    total = sum(stem.audio().samples for stem in song.stems.values())
    assert np.abs(total - song.audio().samples).max() < 1e-6
    assert lib.fsck(deep=True).clean
