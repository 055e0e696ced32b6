"""Exports: exact, complete, self-contained, and never over what is not ours."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiolab.audio import Audio, read_riff, read_tags
from audiolab.errors import Cancelled, ExportError, ParameterError
from audiolab.exporters import Exporter, ExportOptions, export, format_names, registry


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def test_a_song_brings_everything_along(song, tmp_path: Path, tree) -> None:
    report = export(song, tmp_path / "kit")
    assert report.path == tmp_path / "kit"
    assert tree(tmp_path / "kit") == {
        "manifest.json",
        "manifest.csv",
        "samples/kick/My Song_drums_kick_001.wav",
        "samples/kick/My Song_drums_kick_002.wav",
        "samples/kick/My Song_drums_kick_003.wav",
        "samples/snare/My Song_drums_snare_001.wav",
        "samples/closed_hat/My Song_drums_closed_hat_001.wav",
        "stems/My Song_drums.wav",
        "stems/My Song_bass.wav",
        "midi/My Song.mid",
        "midi/My Song_drums.mid",
        "midi/My Song_bass.mid",
        *(f"lyrics/My Song.{kind}" for kind in ("txt", "lrc", "srt", "json")),
    }
    assert {path.relative_to(report.path).as_posix() for path in report.files} == tree(tmp_path / "kit")
    assert all(path.is_file() for path in report.files)
    assert report.counts == {"sample": 5, "stem": 2, "midi": 3, "lyrics": 4}
    assert {path.name for path in tmp_path.iterdir()} == {"kit"}


def test_samples_and_stems_are_equal_to_the_last_bit(maker, tmp_path: Path) -> None:
    song = maker.whole()
    export(song, tmp_path / "kit")
    drums = song.stems["drums"].audio()
    for row in manifest_of(tmp_path / "kit")["files"]:
        if row["kind"] not in {"sample", "stem"}:
            continue
        samples, rate = sf.read(tmp_path / "kit" / row["path"], dtype="float32", always_2d=True)
        sound = maker.library.sound(row["id"])
        np.testing.assert_array_equal(samples.T, sound.audio().samples)
        assert rate == song.sample_rate
        assert sf.info(tmp_path / "kit" / row["path"]).subtype == "PCM_24"
        if row["kind"] == "sample":
            np.testing.assert_array_equal(samples.T, drums.samples[:, row["start"] : row["stop"]])


@pytest.mark.parametrize(("bits", "subtype"), [(16, "PCM_16"), ("16", "PCM_16"), (24, "PCM_24"), ("float", "FLOAT")])
def test_bits(song, tmp_path: Path, bits: object, subtype: str) -> None:
    report = export(song.samples if len(song.samples) else song.stems["drums"].samples, tmp_path / "kit", bits=bits)
    wavs = [path for path in report.files if path.suffix == ".wav"]
    assert len(wavs) == 5
    for path in wavs:
        assert sf.info(path).subtype == subtype


def test_what_is_beyond_full_scale_is_clipped_and_said(maker, tmp_path: Path) -> None:
    song = maker.song()
    maker.stems(song, ("drums",), peak=1.5, bits=0)
    report = export(song, tmp_path / "a")
    assert any("clipped" in note and "float" in note for note in report.notes)
    report = export(song, tmp_path / "b", bits="float")
    assert not report.notes
    back = Audio.from_file(tmp_path / "b" / "stems" / "My Song_drums.wav")
    np.testing.assert_array_equal(back.samples, song.stems["drums"].audio().samples)


def test_samplers_and_people_find_what_they_need_in_the_file(song, tmp_path: Path) -> None:
    export(song, tmp_path / "kit")
    path = tmp_path / "kit" / "samples" / "kick" / "My Song_drums_kick_001.wav"
    riff, tags = read_riff(path), read_tags(path)
    assert riff.acid is not None
    assert riff.acid.one_shot
    assert (tags.one_shot, tags.loop, tags.title) == (True, False, "My Song_drums_kick_001")
    drums = song.stems["drums"]
    comment = json.loads(riff.info["ICMT"])
    assert comment["song"] == {"id": song.id, "name": "My Song"}
    assert (comment["stem"], comment["parent"]) == ("drums", drums.id)
    assert comment["span"] == {"start": 0, "stop": 2205, "sample_rate": song.sample_rate}
    assert comment["engines"] == {"slice": "onsets v1", "separate": "spectral v1"}
    assert json.loads(read_riff(tmp_path / "kit" / "stems" / "My Song_bass.wav").info["ICMT"])["stem"] == "bass"


def test_a_loop_carries_tempo_beats_and_loop_points(maker, tmp_path: Path) -> None:
    song = maker.song()
    maker.tempo(song, 120.0)
    maker.samples(song, [(0, 44100)], kind="loop", root_note=45)
    report = export(song.samples, tmp_path / "kit", template="{label}_{bpm}_{key}_{root_note}")
    (wav,) = [path for path in report.files if path.suffix == ".wav"]
    assert wav.name == "unknown_120_Am_A2.wav"
    tags = read_tags(wav)
    assert (tags.loop, tags.one_shot, tags.bpm, tags.beats, tags.root_note) == (True, False, 120.0, 4, 45)
    assert (tags.loop_start, tags.loop_stop) == (0, 44100)


def test_the_manifest_tells_how_everything_was_made(song, tmp_path: Path, tree) -> None:
    export(song, tmp_path / "kit")
    document = manifest_of(tmp_path / "kit")
    drums = song.stems["drums"]
    row = next(row for row in document["files"] if row["path"].endswith("kick_001.wav"))
    assert (row["label"], row["confidence"], row["song"], row["stem"]) == ("kick", 0.93, "My Song", "drums")
    assert row["label_source"] == "model"
    assert (row["start"], row["stop"], row["bpm"], row["key"]) == (0, 2205, 120.0, "Am")
    made = row["provenance"]
    assert made["made"]["stage"] == "slice"
    assert made["made"]["params"] == {"sensitivity": 0.5}
    parent = document["sources"][made["parent"]]
    assert (parent["id"], parent["stem"], parent["made"]["engine"]) == (drums.id, "drums", "spectral")
    assert document["sources"][parent["parent"]]["file"]["content_id"] == song.content_id
    text = (tmp_path / "kit" / "manifest.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert set(document["made"]) == {
        p.relative_to(tmp_path / "kit").as_posix() for p in (tmp_path / "kit").rglob("*.*")
    }


def test_the_table_reads_back(maker, tmp_path: Path) -> None:
    song = maker.whole('=HYPERLINK("x"),"quoted"\n; ünïcode')
    export(song, tmp_path / "kit")
    with (tmp_path / "kit" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    rows = manifest_of(tmp_path / "kit")["files"]
    assert len(table) == len(rows) == 14
    for cells, row in zip(table, rows, strict=True):
        assert cells["path"] == row["path"]
        assert (tmp_path / "kit" / cells["path"]).is_file()
        assert cells["id"] == row["id"]
        assert cells["label"] == (row["label"] or "")
        assert cells["start"] == ("" if row["start"] is None else str(row["start"]))
        assert json.loads(cells["provenance"]) == row["provenance"]
        assert cells["song"] == "'" + row["song"]  # a spreadsheet must not run it


def test_midi_holds_the_notes_at_their_times(song, tmp_path: Path) -> None:
    import pretty_midi

    report = export(song, tmp_path / "midi", format="midi")
    names = {path.name for path in report.files}
    assert names == {"My Song.mid", "My Song_drums.mid", "My Song_bass.mid", "manifest.json", "manifest.csv"}
    whole = pretty_midi.PrettyMIDI(str(tmp_path / "midi" / "My Song.mid"))
    assert {(track.name, track.is_drum, len(track.notes)) for track in whole.instruments} == {
        ("drums", True, 3),
        ("bass", False, 2),
    }
    bass = pretty_midi.PrettyMIDI(str(tmp_path / "midi" / "My Song_bass.mid")).instruments[0]
    assert [note.pitch for note in bass.notes] == [40, 43]
    assert [note.start for note in bass.notes] == pytest.approx([0.25, 0.75], abs=1e-3)
    assert bass.program == 33


def test_midi_needs_notes(maker, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no notes"):
        export(maker.song(), tmp_path / "midi", format="midi")
    assert not (tmp_path / "midi").exists()


def test_lyrics_are_what_was_heard(song, tmp_path: Path) -> None:
    export(song, tmp_path / "kit")
    folder = tmp_path / "kit" / "lyrics"
    assert (folder / "My Song.txt").read_text(encoding="utf-8").strip() == "Größe und <Klang>"
    assert "00:00:00,500 --> 00:00:01,500" in (folder / "My Song.srt").read_text(encoding="utf-8")
    assert json.loads((folder / "My Song.json").read_text(encoding="utf-8"))["language"] == "de"


def test_several_songs_get_a_folder_each(maker, tmp_path: Path, tree) -> None:
    one, two = maker.whole("Same Name", 1), maker.song("same name", 2)
    report = export([one, two], tmp_path / "kit")
    files = tree(tmp_path / "kit")
    assert "Same Name/stems/Same Name_drums.wav" in files
    assert "same name_2/same name.wav" in files  # not processed: the song itself
    assert any("not processed" in note for note in report.notes)


def test_a_collection_keeps_its_order_and_counts_by_name(maker, tmp_path: Path) -> None:
    song = maker.whole()
    samples = list(song.stems["drums"].samples)
    kit = maker.library.collection("kit").add([samples[4], samples[0], samples[1], song.stems["bass"]])
    export(kit, tmp_path / "kit")
    document = manifest_of(tmp_path / "kit")
    assert document["title"] == "kit"
    ids = {row["id"]: row["path"] for row in document["files"] if row["kind"] == "sample"}
    assert ids[samples[4].id].endswith("kick_001.wav")
    assert ids[samples[0].id].endswith("kick_002.wav")
    assert (tmp_path / "kit" / "stems" / "My Song_bass.wav").is_file()


def test_a_query_can_be_exported(maker, tmp_path: Path) -> None:
    maker.whole()
    report = export(maker.library.query("label:kick"), tmp_path / "kit")
    assert report.counts == {"sample": 3}


def test_parts_can_be_left_out(song, tmp_path: Path, tree) -> None:
    export(song, tmp_path / "kit", include=("stems", "mix"))
    assert tree(tmp_path / "kit") == {
        "manifest.json", "manifest.csv", "stems/My Song_drums.wav", "stems/My Song_bass.wav", "My Song.wav",
    }  # fmt: skip


# ---- hostile names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../x", "CON", "🥁 emoji", "x" * 300, "<script>alert(1)</script>", "a/b\\c", ".", "\n"]
)
def test_hostile_song_names_and_labels(maker, tmp_path: Path, name: str) -> None:
    song = maker.song("plain")
    song.rename(name if name.strip() else "blank")
    maker.stems(song)
    maker.samples(song.stems["drums"], [(0, 100), (200, 300)])
    for sample in song.stems["drums"].samples:
        sample.tag(name[:255] if name.strip() else "blank", role="label")
    outside = {path for path in tmp_path.rglob("*") if "lib" not in path.parts}
    report = export(song, tmp_path / "kit")
    assert {path for path in tmp_path.rglob("*") if "lib" not in path.parts and "kit" not in path.parts} == outside
    for path in report.files:
        relative = path.relative_to(tmp_path / "kit")
        assert path.is_file()
        assert all(len(part.encode()) <= 160 for part in relative.parts)
        assert len(relative.as_posix()) < 330
        assert not any(part.split(".")[0].lower() in {"con", "..", ""} for part in relative.parts)
    assert len(report.files) == len({str(path).casefold() for path in report.files}) == 6
    rows = manifest_of(tmp_path / "kit")["files"]
    assert rows[0]["song"] == song.name


# ---- zip -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "zip_"), [("kit.zip", False), ("kit", True), ("kit.zip", True), ("KIT.ZIP", False)])
def test_a_zip_holds_the_same_files(song, tmp_path: Path, tree, target: str, zip_: bool) -> None:
    export(song, tmp_path / "folder")
    report = export(song, tmp_path / target, zip=zip_)
    assert report.path.suffix.lower() == ".zip"
    with zipfile.ZipFile(report.path) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == tree(tmp_path / "folder")
        assert archive.namelist() == sorted(archive.namelist())
        assert {str(path) for path in report.files} == set(archive.namelist())
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "folder" / name).read_bytes(), name


def test_equal_exports_are_equal_bytes(song, tmp_path: Path) -> None:
    one, two = export(song, tmp_path / "one.zip"), export(song, tmp_path / "two.zip")
    assert one.path.read_bytes() == two.path.read_bytes()


# ---- what is there already ---------------------------------------------------------------------------------


def test_a_folder_with_something_in_it_is_refused(song, tmp_path: Path, tree) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ExportError, match="other things"):
            export(song, tmp_path / "kit", overwrite=overwrite)
    assert tree(tmp_path / "kit") == {"mine.txt"}


def test_an_empty_folder_is_fine(song, tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    assert export(song, tmp_path / "kit").files


def test_overwrite_replaces_only_what_an_export_made(song, tmp_path: Path, tree) -> None:
    export(song, tmp_path / "kit")
    before = tree(tmp_path / "kit")
    mine = tmp_path / "kit" / "samples" / "kick" / "mine.wav"
    mine.write_bytes(b"my own")
    with pytest.raises(ExportError, match="overwrite"):
        export(song, tmp_path / "kit")
    changed = tmp_path / "kit" / "stems" / "My Song_bass.wav"
    changed.write_bytes(b"")
    export(song, tmp_path / "kit", overwrite=True)
    assert tree(tmp_path / "kit") == before | {"samples/kick/mine.wav"}
    assert changed.stat().st_size > 1000
    # A smaller export takes away what is no longer part of it, and empty folders; not what is mine.
    export(song, tmp_path / "kit", overwrite=True, include=("midi",))
    assert tree(tmp_path / "kit") == {
        "manifest.json", "manifest.csv", "midi/My Song.mid", "midi/My Song_bass.mid", "midi/My Song_drums.mid",
        "samples/kick/mine.wav",
    }  # fmt: skip
    assert not (tmp_path / "kit" / "stems").exists()
    assert mine.read_bytes() == b"my own"


def test_a_file_of_the_users_in_the_way_is_kept(song, tmp_path: Path, tree) -> None:
    export(song, tmp_path / "kit", include=("midi",))
    stem = tmp_path / "kit" / "stems" / "My Song_bass.wav"
    stem.parent.mkdir()
    stem.write_bytes(b"mine")
    before = tree(tmp_path / "kit")
    with pytest.raises(ExportError, match="not made by an export"):
        export(song, tmp_path / "kit", overwrite=True)
    assert stem.read_bytes() == b"mine"
    assert tree(tmp_path / "kit") == before
    assert {path.name for path in tmp_path.iterdir()} == {"kit"}


def test_a_manifest_that_points_elsewhere_harms_nothing(song, tmp_path: Path) -> None:
    export(song, tmp_path / "kit", include=("midi",))
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    document = manifest_of(tmp_path / "kit")
    document["made"] += ["../victim.txt", str(victim), "a/../../victim.txt", "C:\\x", "midi", ""]
    (tmp_path / "kit" / "manifest.json").write_text(json.dumps(document))
    export(song, tmp_path / "kit", overwrite=True, include=("stems",))
    assert victim.read_text() == "precious"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_not_followed(song, tmp_path: Path) -> None:
    export(song, tmp_path / "kit", include=("midi",))
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "kit" / "stems").symlink_to(outside)
    with pytest.raises(ExportError, match="in the way"):
        export(song, tmp_path / "kit", overwrite=True, include=("stems",))
    assert list(outside.iterdir()) == []


def test_zips_are_replaced_only_if_ours(song, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("a.txt", "mine")
    before = foreign.read_bytes()
    for content in (before, b"no zip at all"):
        foreign.write_bytes(content)
        with pytest.raises(ExportError, match="other things"):
            export(song, foreign, overwrite=True)
        assert foreign.read_bytes() == content
    export(song, tmp_path / "kit.zip")
    with pytest.raises(ExportError, match="overwrite"):
        export(song, tmp_path / "kit.zip")
    export(song, tmp_path / "kit.zip", overwrite=True, include=("midi",))
    with zipfile.ZipFile(tmp_path / "kit.zip") as archive:
        assert not any(name.endswith(".wav") for name in archive.namelist())


def test_a_file_where_the_folder_should_be(maker, tmp_path: Path) -> None:
    (tmp_path / "kit").write_text("a file")
    with pytest.raises(ExportError, match="is a file"):
        export(maker.whole(), tmp_path / "kit")
    (tmp_path / "kit.zip").mkdir()
    with pytest.raises(ExportError, match="not a file"):
        export(maker.library.songs[0], tmp_path / "kit.zip")


# ---- what goes wrong ----------------------------------------------------------------------------------------


def test_unknown_formats_and_options_are_listed(maker, tmp_path: Path) -> None:
    song = maker.song()
    with pytest.raises(ParameterError, match=r"'als'.*folder, midi"):
        export(song, tmp_path / "kit", format="als")
    with pytest.raises(ParameterError, match="template, bits, include"):
        export(song, tmp_path / "kit", quality=3)
    with pytest.raises(ParameterError, match="bits"):
        export(song, tmp_path / "kit", bits=12)
    with pytest.raises(ParameterError, match="fields are"):
        export(song, tmp_path / "kit", template="{tempo}")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "lib"}


@pytest.mark.parametrize("what", ["kit", b"kit", 5, None, ["a"], [1]])
def test_what_are_no_sounds_is_refused(maker, tmp_path: Path, what: object) -> None:
    with pytest.raises(ParameterError, match="sounds"):
        export(what, tmp_path / "kit")


def test_nothing_to_export_is_said(maker, tmp_path: Path) -> None:
    for nothing in ([], maker.library.collection("empty"), maker.library.query("label:kick")):
        with pytest.raises(ExportError, match="nothing to export"):
            export(nothing, tmp_path / "kit")


def test_a_damaged_sound_leaves_nothing(maker, tmp_path: Path) -> None:
    song = maker.song()
    maker.stems(song)
    path = song.stems["bass"].path
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ExportError, match="bass"):
        export(song, tmp_path / "kit")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "lib"}


def test_cancelling_leaves_nothing(song, tmp_path: Path) -> None:
    seen = []

    def progress(done: float, total: float) -> None:
        seen.append((done, total))
        if done >= 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        export(song, tmp_path / "kit", progress=progress)
    assert seen == [(1, 7), (2, 7)]
    assert {path.name for path in tmp_path.iterdir()} == set()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX resource limits")
@pytest.mark.parametrize("target", ["kit", "kit.zip"])
def test_a_full_disk_leaves_nothing(maker, tmp_path: Path, target: str) -> None:
    maker.whole()
    code = """
import resource, signal, sys
from audiolab.errors import ExportError
from audiolab.exporters import export
from audiolab.library import Library
library = Library(sys.argv[1])
song = library.songs[0]
list(song.stems.values())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = 150_000 if sys.argv[2].endswith("kit") else 500_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    export(song, sys.argv[2])
except ExportError as error:
    print("refused:", error)
"""
    maker.library.close()
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "lib"), str(tmp_path / target)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "refused:" in run.stdout, run.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"in", "lib"}


def test_a_folder_that_cannot_be_made(maker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="cannot export"):
        export(maker.song(), tmp_path / "file" / "below" / "kit")


# ---- further formats -----------------------------------------------------------------------------------------


def test_entry_points_add_formats(maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiolab.exporters.base import ExportJob, Item

    class Options(ExportOptions):
        word: str = "hello"

    class Text(Exporter):
        name, summary, options = "text", "a text", Options

        def run(self, job: ExportJob, options: ExportOptions) -> list[Item]:
            assert isinstance(options, Options)
            path = job.names.claim("", "hello", ".txt")
            (job.folder / path).write_text(options.word)
            return [Item(path, "text", job.cards.of(job.choice.sounds[0]))]

    class Point:
        name = "text"

        def load(self) -> type:
            return Text

    monkeypatch.setattr(registry, "entry_points", lambda group: [Point()] if group == "audiolab.exporters" else [])
    registry.get_format.cache_clear()
    assert format_names() == ("folder", "midi", "jams", "text")
    export(maker.song(), tmp_path / "out", format="text", word="bye")
    assert (tmp_path / "out" / "hello.txt").read_text() == "bye"
    registry.get_format.cache_clear()
