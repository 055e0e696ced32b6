"""JAMS: valid by its own package, and out and in again without loss."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.audio.jams import JamsAnnotation
from audiolab.errors import AnnotationError, CatalogError
from audiolab.exporters import export, format_names, jams
from audiolab.exporters.jams import to_jams
from audiolab.library import Library, annotating


@pytest.fixture
def whole(maker):
    """A song with everything, tags of three sources included."""
    song = maker.whole("Größe / <b>Straße</b>")
    maker.keep(stage="judge", sound_id=song.id, tags=[{"sound_id": song.id, "label": "techno", "confidence": 0.7}])
    song.tag("banger").tag("synth", 0.5)
    song.tag("wrong")
    song.untag("wrong")
    return song


def read(path):
    package = pytest.importorskip("jams")
    return package.load(str(path), validate=True, strict=True)


def test_a_song_becomes_one_valid_file(whole, tmp_path):
    assert "jams" in format_names()
    report = export(whole, tmp_path / "out", format="jams")
    (path,) = (path for path in report.files if path.suffix == ".jams")
    assert path.name == "Größe _ _b_Straße__b_.jams"
    file = read(path)
    assert file.file_metadata.title == whole.name
    assert file.file_metadata.duration == whole.duration
    found = {annotation.namespace for annotation in file.annotations}
    assert found == {"beat", "tempo", "key_mode", "onset", "segment_open", "note_midi", "lyrics", "tag_open"}
    beats = file.search(namespace="beat")[0]
    assert [o.time for o in beats.data] == whole.tempo_map.beats(whole.duration).tolist()
    downbeats = whole.tempo_map.downbeats(whole.duration).tolist()
    assert [o.time for o in beats.data if o.value == 1] == downbeats
    assert beats.annotation_metadata.annotator.stage == "analyze"
    assert beats.annotation_metadata.data_source == "program"
    assert file.search(namespace="key_mode")[0].data[0].value == "A:minor"
    segments = file.search(namespace="segment_open")[0]
    assert [o.value for o in segments.data] == [s.label for s in whole.stems["drums"].samples]
    tags = {
        a.annotation_metadata.data_source: {o.value: o.confidence for o in a.data}
        for a in file.search(namespace="tag_open")
    }
    assert tags == {"manual annotation": {"banger": 1.0, "synth": 0.5}, "program": {"techno": 0.7}}


def test_stems_and_samples_have_files_too(whole, tmp_path):
    sample = whole.stems["drums"].samples[0]
    report = export([whole.stems["drums"], sample], tmp_path / "out", format="jams")
    files = [read(path) for path in report.files if path.suffix == ".jams"]
    assert [file.sandbox.audiolab["kind"] for file in files] == ["stem", "sample"]
    assert files[1].file_metadata.duration == pytest.approx(sample.duration)
    assert files[1].search(namespace="tag_open")[0].annotation_metadata.annotator.model.startswith("onnx@1:wwww")


def test_out_and_in_again(whole, tmp_path):
    """A fresh library with the same file knows the same afterwards."""
    (path,) = (p for p in export(whole, tmp_path / "out", format="jams").files if p.suffix == ".jams")
    with Library(tmp_path / "fresh") as other:
        song = other.add(tmp_path / "in" / "file1.wav", "song")
        report = other.import_jams(path)
        assert report.sound_id == song.id
        assert report.found_by == "content"
        old, new = (lib.effective(song.id, "analyze") for lib in (whole.library, other))
        assert new["beats"] == whole.tempo_map.beats(whole.duration).tolist()
        assert new["tempo_map"] == old["tempo_map"]
        assert song.tempo_map == whole.tempo_map
        assert (song.bpm, song.key) == (whole.bpm, whole.key) == (120.0, "Am")
        assert song.notes == whole.notes
        assert len(song.notes) == 5
        assert song.lyrics == whole.lyrics
        said = {(tag.label, tag.confidence, tag.role) for tag in whole.tags if not tag.denied}
        assert {(tag.label, tag.confidence, tag.role) for tag in song.tags} == said
        assert {tag.label: tag.source for tag in song.tags} == {"banger": "human", "synth": "human", "techno": "import"}
        assert song.label == whole.label == "synth"
        assert {line.split(":")[0].split(" (")[0] for line in report.left} == {"onset", "segment_open"}
        groups = (
            {op.group for op in other.ops() if op.what in {"overlay", "tag", "import"}}
            if hasattr(other.ops()[0], "group")
            else {1}
        )
        assert len(groups) == 1
        again = other.import_jams(path)
        assert again.taken == []
        assert len(again.same) == 5
        other.undo()
        assert (song.bpm, song.key, song.notes, song.lyrics, song.tags) == (None, None, [], None, [])
        other.redo()
        assert (song.bpm, song.notes, song.lyrics) == (120.0, whole.notes, whole.lyrics)
        assert {(tag.label, tag.confidence, tag.role) for tag in song.tags} == said
        # What came in goes out again.
        second = to_jams(song)
        first = json.loads(path.read_text(encoding="utf-8"))
        for namespace in ("beat", "key_mode", "lyrics"):
            wanted = [a["data"] for a in first["annotations"] if a["namespace"] == namespace]
            assert [a["data"] for a in second["annotations"] if a["namespace"] == namespace] == wanted


def test_in_the_same_library_there_is_nothing_to_take(whole, tmp_path):
    (path,) = (p for p in export(whole, tmp_path / "out", format="jams").files if p.suffix == ".jams")
    before = whole.library.ops()
    report = whole.library.import_jams(path, whole)
    assert report.taken == []
    assert whole.library.ops() == before


def test_a_corrected_tempo_goes_out_as_corrected(whole, tmp_path):
    whole.correct_tempo(factor=2)
    (path,) = (p for p in export(whole, tmp_path / "out", format="jams").files if p.suffix == ".jams")
    file = read(path)
    assert file.search(namespace="tempo")[0].data[0].value == 240.0
    assert "by hand" in file.search(namespace="beat")[0].annotation_metadata.data_source
    with Library(tmp_path / "fresh") as other:
        song = other.add(tmp_path / "in" / "file1.wav", "song")
        other.import_jams(path)
        assert song.bpm == 240.0
        assert song.tempo_map.bpm() == 240.0


spans = st.tuples(st.floats(0, 1e4), st.floats(1e-6, 1e3)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@settings(max_examples=200, deadline=None)
@given(span=spans.filter(lambda span: span[1] > span[0]), pitch=st.integers(0, 127), velocity=st.integers(0, 127))
def test_any_note_comes_back_to_the_last_bit(span, pitch, velocity):
    note = {"start": span[0], "end": span[1], "pitch": pitch, "velocity": velocity}
    row, more = jams._timed(note, "pitch")
    data = json.loads(json.dumps([{**row, "confidence": None}]))
    read = JamsAnnotation("x", "note_midi", {}, {"fields": [more]}, data)
    assert annotating.notes(read, read.observations()) == [note]


def foreign(path, annotations, **about):
    document = {"annotations": annotations, "file_metadata": {"title": "", "duration": 3.0, **about}, "sandbox": {}}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def annotation(namespace, rows, source="manual", **more):
    data = [{"time": t, "duration": d, "value": v, "confidence": c} for t, d, v, c in rows]
    return {"namespace": namespace, "data": data, "annotation_metadata": {"data_source": source}, **more}


def test_a_file_of_another_program(maker, tmp_path):
    song = maker.song("My Song")
    beats = [(0.3 + 0.4 * i, 0.0, (i + 2) % 3 + 1, None) for i in range(6)]
    path = foreign(
        tmp_path / "my song.jams",
        [
            annotation("beat", beats),
            annotation("key_mode", [(0, 3, "Bb:minor", 0.9)]),
            annotation("note_hz", [(0.5, 0.5, 440.0, None)], source="pYIN"),
            annotation("lyrics", [(0.5, 0.2, "la", None), (0.8, 0.2, "li", None), (2.5, 0.2, "lo", None)]),
            annotation("tag_gtzan", [(0, 3, "rock", 0.8)], source="program"),
            annotation("chord_harte", [(0, 3, "C:maj", 1.0)]),
        ],
    )
    report = maker.library.import_jams(path)
    assert report.found_by == "name"
    assert song.tempo_map.bpm() == pytest.approx(150)
    assert song.tempo_map.beats_per_bar == 3
    document = maker.library.effective(song.id, "analyze")
    assert document["downbeats"] == pytest.approx([0.7, 1.9])
    assert document["beats"] == pytest.approx([0.3 + 0.4 * i for i in range(6)])
    assert song.key == "A#m"
    assert song.notes == [{"start": 0.5, "end": 1.0, "pitch": 69, "velocity": 80}]
    assert [line["text"] for line in song.lyrics["segments"]] == ["la li", "lo"]
    assert [(tag.label, tag.source) for tag in song.tags] == [("rock", "import")]
    assert any(line.startswith("chord_harte") for line in report.left)


def test_a_persons_word_stays_before_an_import(maker, tmp_path):
    song = maker.song("x")
    song.tag("synth")
    path = foreign(
        tmp_path / "x.jams", [annotation("tag_open", [(0, 3, "bass", 1.0), (0, 3, "kick", 1.0)], "algorithm")]
    )
    maker.library.import_jams(path, song.id[:10])
    assert song.label == "synth"
    assert {tag.label: tag.source for tag in song.tags} == {"synth": "human", "bass": "import", "kick": "import"}


def test_the_sound_is_found_by_length_or_asked_for(maker, tmp_path):
    first, second = maker.song("one", 1), maker.song("two", 2, seconds=2.0)
    rows = [annotation("tempo", [(0, 3, 99.0, 1.0)])]
    assert maker.library.import_jams(foreign(tmp_path / "a.jams", rows)).found_by == "length"
    assert first.bpm == 99.0
    assert second.bpm is None
    with pytest.raises(CatalogError, match="no sound here has this name or length"):
        maker.library.import_jams(foreign(tmp_path / "b.jams", rows, duration=77.0))
    maker.song("three", 3)
    with pytest.raises(CatalogError, match="may describe several sounds"):
        maker.library.import_jams(foreign(tmp_path / "c.jams", rows))
    assert maker.library.import_jams(foreign(tmp_path / "c.jams", rows), second).found_by == "given"
    with pytest.raises(CatalogError):
        maker.library.import_jams(foreign(tmp_path / "c.jams", rows), "nobody")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([annotation("beat", [(0.5, 0, 1, None), (0.5, 0, 2, None)])], "two beats lie at one time"),
        ([annotation("beat", [(0.5, 0, 1, None), (9.5, 0, 2, None)])], "beyond the sound's end"),
        ([annotation("beat", [(0.5, 0, True, None), (0.9, 0, 2, None)])], "no place in a bar"),
        ([annotation("tempo", [(0, 3, "fast", 1)])], "between 5 and 1000 bpm"),
        ([annotation("note_midi", [(0, 0, 60, None)])], "has no length"),
        ([annotation("note_midi", [(0, 1, 200, None)])], "beyond MIDI"),
        ([annotation("note_midi", [(0, 1, None, None)])], "pitch None"),
        ([annotation("lyrics", [(0, 1, 5, None)])], "no text"),
        ([annotation("key_mode", [(0, 1, 5, None)])], "no key"),
        ([{"namespace": "beat", "data": [{"at": 1}]}], "observation 1"),
        ([{"namespace": "beat", "data": {"time": [1, 2], "value": [1]}}], "different lengths"),
        ([{"namespace": "beat", "data": 5}], "neither a list nor columns"),
        ([], "no annotations"),
    ],
)
def test_bad_files_change_nothing(maker, tmp_path, rows, said):
    song = maker.song("x")
    before = maker.library.ops()
    rows = [annotation("tag_open", [(0, 3, "rock", 1.0)]), *rows] if rows else []
    with pytest.raises(AnnotationError, match=said) as error:
        maker.library.import_jams(foreign(tmp_path / "x.jams", rows))
    assert "x.jams" in str(error.value)
    assert maker.library.ops() == before
    assert song.tags == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"annotations": 5}', "\ufffe", "[" * 100_000])
def test_what_is_no_jams_is_said(maker, tmp_path, text):
    (tmp_path / "x.jams").write_text(text, encoding="utf-8")
    with pytest.raises(AnnotationError, match=r"x\.jams"):
        maker.library.import_jams(tmp_path / "x.jams")


def test_keys_and_numbers_that_mean_nothing_here_are_left(maker, tmp_path):
    song = maker.song("x")
    rows = [
        annotation("key_mode", [(0, 3, "D:dorian", 1.0)]),
        annotation("beat", [(0.5, 0, 1, None)]),
        annotation("lyrics", []),
    ]
    report = maker.library.import_jams(foreign(tmp_path / "x.jams", rows))
    assert report.taken == []
    assert len(report.left) == 3
    assert song.key is None
