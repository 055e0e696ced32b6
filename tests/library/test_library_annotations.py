"""Annotations of other programs in the catalog, on every database; more in tests/exporters/test_jams.py."""

from __future__ import annotations

import json

import library_making as making
import pytest

from audiolab.errors import CatalogError


def written(path, rows):
    annotations = [
        {"namespace": name, "data": [{"time": t, "duration": d, "value": v, "confidence": 0.5} for t, d, v in data],
         "annotation_metadata": {"data_source": source}}
        for name, source, data in rows
    ]  # fmt: skip
    document = {"annotations": annotations, "file_metadata": {"title": "take", "duration": 4.0}, "sandbox": {}}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def song(lib, tmp_path):
    return lib.add(making.wav(tmp_path / "take.wav", 3, 4.0), kind="song")


def test_what_is_imported_is_found_by_queries_and_can_be_undone(lib, song, tmp_path):
    beats = [(0.5 * i, 0.0, i % 4 + 1) for i in range(8)]
    path = written(
        tmp_path / "take.jams",
        [
            ("beat", "manual", beats),
            ("key_mode", "manual", [(0.0, 4.0, "D:minor")]),
            ("note_midi", "program", [(0.0, 0.5, 60), (0.5, 0.5, 64.2)]),
            ("lyrics", "manual", [(0.0, 1.0, "hello wide world")]),
            ("tag_open", "manual", [(0.0, 4.0, "dusty")]),
            ("tag_open", "program", [(0.0, 4.0, "bass")]),
        ],
    )
    report = lib.import_jams(path)
    assert len(report.taken) == 5
    assert (song.bpm, song.key) == (pytest.approx(120.0), "Dm")
    assert song.tempo_map.downbeats(4.0) == pytest.approx([0.0, 2.0])
    assert [note["pitch"] for note in song.notes] == [60, 64]
    assert song.lyrics["segments"][0]["text"] == "hello wide world"
    assert lib.query("bpm:120 key:Dm tag:dusty label:bass source:import").ids == [song.id]
    assert lib.query("^bpm:120").ids == []
    assert len(lib.undo()) == 1
    assert (song.bpm, song.key, song.notes, song.lyrics, song.tags) == (None, None, [], None, [])
    lib.redo()
    assert (song.bpm, song.label, len(song.tags)) == (pytest.approx(120.0), "bass", 2)
    assert lib.import_jams(path, song).taken == []


def test_a_later_analysis_does_not_change_what_a_person_wrote(lib, song, tmp_path):
    lib.import_jams(written(tmp_path / "x.jams", [("tempo", "human", [(0.0, 4.0, 90.0)])]), song)
    making.keep(lib, making.analysis(song, 140.0))
    assert song.bpm == 90.0
    assert song.tempo_map.bpm() == pytest.approx(90.0)
    beats = lib.effective(song.id, "analyze")["beats"]
    assert beats[1] - beats[0] == pytest.approx(60 / 90)
    lib.import_jams(written(tmp_path / "k.jams", [("key_mode", "human", [(0.0, 4.0, "C:major")])]), song)
    assert (song.bpm, song.key) == (90.0, "C")
    with pytest.raises(CatalogError):
        lib.import_jams(written(tmp_path / "x.jams", [("tempo", "", [(0.0, 4.0, 91.0)])]), "no such sound")
    assert lib.fsck().clean
