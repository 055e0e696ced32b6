"""`analyze` on rendered music with known truth, and on what has none."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from audiolab.audio import Audio, TempoMap
from audiolab.stages import analyze
from audiolab.synth import metronome, noise, render_song, silence, tone


@pytest.mark.parametrize(
    ("bpm", "tonic", "mode", "swing"),
    [(84.0, "D", "minor", 0.0), (112.0, "A", "minor", 0.0), (126.5, "F", "major", 0.0), (96.0, "G", "minor", 0.8)],
)
def test_rendered_songs(bpm, tonic, mode, swing):
    song = render_song(bpm=bpm, tonic=tonic, mode=mode, swing=swing, bars=10, seed=int(bpm))
    found = analyze(song.mix).to_dict()
    duration = song.mix.duration
    assert found["tempo"]["bpm"] == pytest.approx(bpm, rel=0.005)
    assert found["tempo"]["confidence"] > 0.5
    assert found["meter"] == "4/4"
    beats, downbeats = np.array(found["beats"]), np.array(found["downbeats"])
    assert mir_eval.beat.f_measure(song.tempo_map.beats(duration), beats) > 0.95
    assert mir_eval.beat.f_measure(song.tempo_map.downbeats(duration), downbeats) > 0.9
    errors = np.abs(beats[:, None] - song.tempo_map.beats(duration)[None]).min(axis=1)
    assert np.median(errors) < 0.01
    assert (found["key"]["tonic"], found["key"]["mode"]) == (tonic, mode)
    again = TempoMap.from_dict(found["tempo_map"])
    assert np.allclose(again.beats(duration), beats)


def test_gain_and_rate_change_nothing(short_song):
    first = analyze(short_song.mix).to_dict()
    quiet = analyze(short_song.mix.with_(short_song.mix.samples * np.float32(0.1))).to_dict()
    other = analyze(short_song.mix.resample(48000)).to_dict()
    assert quiet["tempo"]["bpm"] == pytest.approx(first["tempo"]["bpm"], rel=1e-3)
    assert quiet["key"]["tonic"] == first["key"]["tonic"]
    assert quiet["lufs"] == pytest.approx(first["lufs"] - 20, abs=0.05)
    assert other["tempo"]["bpm"] == pytest.approx(first["tempo"]["bpm"], rel=2e-3)
    assert other["lufs"] == pytest.approx(first["lufs"], abs=0.1)


def test_half_and_double_are_among_the_candidates(short_song):
    candidates = [item["bpm"] for item in analyze(short_song.mix).to_dict()["tempo"]["candidates"]]
    for factor in (1, 2, 0.5):
        assert any(abs(bpm / (112 * factor) - 1) < 0.04 for bpm in candidates), factor


def test_a_metronome_has_a_tempo_and_hardly_a_key():
    found = analyze(metronome(100, 20)).to_dict()
    assert found["tempo"]["bpm"] in (pytest.approx(100, rel=0.01), pytest.approx(50, rel=0.01))


@pytest.mark.parametrize("sound", [silence(3.0), Audio(np.zeros((2, 1), "f4"), 44100)])
def test_silence_has_nothing(sound):
    found = analyze(sound).to_dict()
    assert found["tempo"]["bpm"] is None
    assert found["tempo"]["confidence"] == 0
    assert found["beats"] == []
    assert found["key"]["tonic"] is None
    assert found["lufs"] is None


@pytest.mark.parametrize("sound", [noise(8.0), tone(220, 6.0), noise(0.3)])
def test_what_has_no_pulse_is_not_trusted(sound):
    assert analyze(sound).to_dict()["tempo"]["confidence"] < 0.6


def test_camelot_codes():
    from audiolab.synth import chord

    parts = [chord(notes, 1.0).samples for notes in ([60, 64, 67], [65, 69, 72], [67, 71, 74], [60, 64, 67])]
    found = analyze(Audio(np.concatenate(parts * 2, axis=1), 44100)).to_dict()["key"]
    assert (found["tonic"], found["mode"], found["camelot"]) == ("C", "major", "8B")
