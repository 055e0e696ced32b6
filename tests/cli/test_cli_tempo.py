from __future__ import annotations

from audiolab.audio import TempoMap
from audiolab.library import Library, Record
from audiolab.synth import metronome


def test_a_tempo_is_shown_corrected_and_given_back(cli, tmp_path):
    lib = Library(tmp_path / "library")
    song = lib.add(metronome(120, 4.0).write(tmp_path / "click.wav"), kind="song")
    tempo_map = TempoMap.constant(60)
    document = {
        "duration": 4.0, "tempo": {"bpm": 60.0, "confidence": 0.5, "candidates": []}, "meter": "4/4",
        "beats": tempo_map.beats(4).tolist(), "downbeats": [0.0], "tempo_map": tempo_map.to_dict(),
    }  # fmt: skip
    lib.fold(Record(key="1" * 64, stage="analyze", version=1, sound_id=song.id, document=document, facts={"bpm": 60.0}))
    where = ("--library", tmp_path / "library")
    assert cli("tempo", song.id, *where, "--json").json["tempo"]["bpm"] == 60
    said = cli("tempo", song.id, "--factor", "2", "--downbeat", "0.5", *where, "--json").json
    assert said["tempo"]["bpm"] == 120
    assert said["downbeats"] == [0.5, 2.5]
    assert said["correction"]["tempo_factor"] == 2
    assert "120.000 bpm, 4/4, first bar at 0.500 s" in cli("tempo", song.id, *where).out
    assert cli("tempo", song.id, "--reset", *where, "--json").json["tempo"]["bpm"] == 60
    wrong = cli("tempo", song.id, "--factor", "2", "--bpm", "90", *where)
    assert wrong.code != 0
    assert "not both" in wrong.err
