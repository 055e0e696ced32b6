"""The stage `midi` and the function for plain files."""

from __future__ import annotations

import json

import mido
import numpy as np
import pytest

from audiolab.audio import Audio, TempoMap, View
from audiolab.errors import MissingDependency, ParameterError
from audiolab.stages import notes
from audiolab.stages.base import SoundInput, StageInput, StageSkipped
from audiolab.stages.notes import Midi, MidiParams, notes_of
from audiolab.stages.registry import get_stage

from .conftest import tune


def run(sound, *, stem=None, kind="stem", needs=None, tmp_path, **params):
    stage = get_stage("midi")
    resolved = stage.resolve(stage.params(**params))
    job = StageInput((SoundInput("key", "a sound", kind, sound, stem),), tmp_path, needs or {})
    return stage.run(job, resolved)


def test_the_declarations():
    stage = get_stage("midi")
    assert isinstance(stage, Midi)
    assert stage.takes.accepts("stem", "drums")
    assert stage.takes.accepts("song", None)
    assert {(need.stage, need.of, need.required) for need in stage.needs} == {
        ("analyze", "song", False), ("slice", "self", False), ("classify", "self", False),
    }  # fmt: skip
    resolved = stage.resolve(MidiParams())
    assert len(resolved.weights) == 64
    assert resolved.profile["onnxruntime"]


def test_a_stem_becomes_notes_at_the_songs_tempo(tmp_path):
    tempo_map = TempoMap.constant(97.5, first_downbeat=0.4)
    sound = tune(44100)
    output = run(sound, stem="other", needs={"analyze": {"tempo_map": tempo_map.to_dict()}}, tmp_path=tmp_path)
    document = json.loads(json.dumps(output.document))
    assert document["bpm"] == pytest.approx(97.5)
    assert document["drums"] is False
    assert document["preset"] == "other"
    assert output.facts == {"notes": len(document["notes"])}
    assert {60, 64, 67, 72, 45, 69} <= {note["pitch"] for note in document["notes"]}
    assert document["notes"] == sorted(document["notes"], key=lambda note: note["start"])
    assert all(0 <= n["start"] < n["end"] <= sound.duration and 1 <= n["velocity"] <= 127 for n in document["notes"])
    assert output.notes == ()
    back = notes_of(document)
    assert [(n.pitch, n.velocity) for n in back] == [(n["pitch"], n["velocity"]) for n in document["notes"]]


def test_the_stems_name_chooses_range_program_and_bends(tmp_path):
    sound = tune(22050, 4.5, 1)
    bass = run(sound, stem="bass", tmp_path=tmp_path).document
    assert (bass["preset"], bass["program"]) == ("bass", 33)
    assert {note["pitch"] for note in bass["notes"]} >= {45}
    assert max(note["pitch"] for note in bass["notes"]) < 67
    assert all("bend" in note for note in bass["notes"])
    vocals = run(sound, stem="vocals", tmp_path=tmp_path).document
    assert vocals["program"] == 53
    assert run(sound, stem="piano", tmp_path=tmp_path).document["program"] == 0
    assert run(sound, stem="bass", preset="other", program=7, tmp_path=tmp_path).document["program"] == 7
    plain = run(sound, kind="song", tmp_path=tmp_path).document
    assert not any("bend" in note for note in plain["notes"])


def test_without_a_tempo_it_says_what_it_assumes(tmp_path):
    output = run(tune(22050, 2.0, 1), stem="other", tmp_path=tmp_path)
    assert output.document["bpm"] == 120
    assert any("120 bpm assumed" in note for note in output.notes)
    output = run(tune(22050, 2.0, 1), stem="other", needs={"analyze": {"tempo_map": None}}, tmp_path=tmp_path)
    assert any("120 bpm assumed" in note for note in output.notes)


def test_drums_come_from_slices_and_labels(tmp_path):
    sound = Audio(np.zeros((2, 44100 * 2), np.float32), 44100)
    needs = {
        "slice": {"sample_rate": 44100, "samples": [{"start": 0, "stop": 9000}, {"start": 44100, "stop": 50000}]},
        "classify": {"items": [{"label": "kick", "confidence": 0.9, "drums": {"kick": 0.9, "crash": 0.7}},
                               {"label": "snare", "confidence": 0.8, "drums": {"snare": 0.8}}]},
    }  # fmt: skip
    output = run(sound, stem="drums", needs=needs, tmp_path=tmp_path)
    assert output.document["drums"] is True
    assert [(n["start"], n["pitch"]) for n in output.document["notes"]] == [(0, 36), (0, 49), (1, 38)]


def test_the_real_stages_hand_over_to_each_other(short_song, tmp_path):
    stem = short_song.stems["drums"]

    def of(name, sounds, needs=None):
        found = get_stage(name)
        return found.run(StageInput(tuple(sounds), tmp_path, needs or {}), found.resolve(found.params()))

    drums = SoundInput("key", "drums", "stem", stem, "drums")
    analyzed = of("analyze", [SoundInput("song", "song", "song", short_song.mix)])
    sliced = of("slice", [drums])
    views = [View(stem, cut.start, cut.stop) for cut in sliced.cuts]
    labelled = of("classify", [SoundInput(str(i), str(i), "sample", view) for i, view in enumerate(views)])
    documents = {"analyze": analyzed.document, "slice": sliced.document, "classify": labelled.document}
    output = of("midi", [drums], json.loads(json.dumps(documents)))
    assert output.document["bpm"] == pytest.approx(short_song.bpm, rel=0.01)
    assert len(output.document["notes"]) >= 0.9 * len(sliced.cuts)
    starts = {round(cut.start / stem.sample_rate, 6) for cut in sliced.cuts}
    assert {note["start"] for note in output.document["notes"]} <= starts


@pytest.mark.parametrize("given", [(), ("slice",), ("classify",)])
def test_drums_without_slices_or_labels_are_skipped(tmp_path, given):
    needs = {"slice": {"sample_rate": 1, "samples": []}, "classify": {"items": []}}
    missing = " and ".join(name for name in needs if name not in given)
    with pytest.raises(StageSkipped, match=f"no result of {missing}"):
        run(tune(22050, 1.0), stem="drums", needs={name: needs[name] for name in given}, tmp_path=tmp_path)


def test_without_basic_pitch_drums_still_work(tmp_path, monkeypatch):
    from audiolab.stages.notes import model

    monkeypatch.setattr(model, "find_spec", lambda name: None)
    needs = {"slice": {"sample_rate": 22050, "samples": []}, "classify": {"items": []}}
    assert run(tune(22050, 1.0), stem="drums", needs=needs, tmp_path=tmp_path).document["notes"] == []
    with pytest.raises(MissingDependency):
        run(tune(22050, 1.0), stem="bass", tmp_path=tmp_path)


# ---- plain files ---------------------------------------------------------------------------------


def test_a_file_becomes_a_midi_file(tmp_path):
    path = tune(44100).write(tmp_path / "my tune.wav")
    found = notes.midi(path, to=tmp_path / "out", tempo_map=TempoMap.constant(97.5, first_downbeat=0.2))
    assert found.midi == tmp_path / "out" / "my tune.mid"
    document = json.loads(json.dumps(found.to_dict()))
    assert document["path"] == str(path)
    assert json.loads(found.to_json(tmp_path / "notes.json").read_text("utf-8")) == document
    assert document["midi"] == str(found.midi)
    assert document["bpm"] == pytest.approx(97.5)
    assert set(document["notes"][0]) == {"start", "end", "pitch", "velocity"}
    assert len(found) == len(document["notes"]) > 5
    assert "remarks" not in document
    events = [m for m in mido.MidiFile(found.midi).tracks[1] if m.type == "note_on"]
    assert len(events) == len(found.notes)
    named = notes.midi(path, to=tmp_path / "x.mid", bpm=100)
    assert named.midi == tmp_path / "x.mid"
    assert named.bpm == 100


def test_the_tempo_is_asked_of_analyze(short_song, tmp_path):
    found = notes.midi(short_song.mix, to=tmp_path / "a.mid", preset="bass")
    assert found.bpm == pytest.approx(short_song.bpm, rel=0.01)
    assert found.remarks == ()
    assert found.to_dict()["bpm"] == pytest.approx(short_song.bpm, rel=0.01)


def test_a_sound_without_a_tempo_says_so():
    found = notes.midi((np.zeros((1, 44100), np.float32), 44100))
    assert found.bpm == 120
    assert found.remarks == ("no tempo was found: 120 bpm assumed",)
    assert found.to_dict()["remarks"] == ["no tempo was found: 120 bpm assumed"]


@pytest.mark.parametrize("samples", [np.zeros((1, 1)), np.ones((2, 1)), np.full((1, 30000), 0.3), np.zeros((1, 100))])
@pytest.mark.parametrize("rate", [8000, 192000])
def test_odd_sounds_all_the_way_to_the_file(tmp_path, samples, rate):
    found = notes.midi((samples.astype(np.float32), rate), to=tmp_path / "odd.mid")
    assert found.notes == ()
    assert mido.MidiFile(found.midi).length == pytest.approx(samples.shape[1] / rate, abs=2e-3)


def test_a_drum_file_is_sliced_and_labelled_first(short_song, tmp_path):
    found = notes.midi(short_song.stems["drums"], to=tmp_path, preset="drums", bpm=112)
    kicks = [hit.frame / short_song.sample_rate for hit in short_song.hits if hit.label == "kick"]
    heard = [note.start for note in found.notes if note.pitch == 36]
    assert sum(any(abs(a - b) < 0.03 for b in heard) for a in kicks) > 0.7 * len(kicks)
    assert found.document["drums"] is True
    assert mido.MidiFile(found.midi).tracks[1][1].channel == 9


def test_more_than_two_channels(tmp_path):
    sound = Audio(np.tile(tune(22050, 2.0, 1).samples, (6, 1)), 22050)
    assert notes.midi(sound, bpm=120, downmix=True).notes


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"presett": "bass"}, "presett"),
        ({"preset": "guitar"}, "preset"),
        ({"onset_threshold": 0}, "onset_threshold"),
        ({"minimum_frequency": 500, "maximum_frequency": 100}, "below"),
        ({"bpm": 1}, "5 to|between 5"),
        ({"bpm": 100, "tempo_map": 100}, "not both"),
    ],
)
def test_parameters_that_make_no_sense(params, message):
    with pytest.raises(ParameterError, match=message):
        notes.midi(tune(22050, 0.5), **{"bpm": 120, **params} if "tempo_map" not in params else params)


def test_the_written_notes_are_the_found_ones(tmp_path):
    found = notes.midi(tune(22050, 5.0, 1), to=tmp_path / "a.mid", bpm=131.7)
    assert found.write(tmp_path / "b.mid").read_bytes() == found.midi.read_bytes()
    assert "notes" in repr(found)
