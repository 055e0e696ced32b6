from __future__ import annotations

import json

import mir_eval
import numpy as np
import pytest
from rendered_styles import render_style

from audiolab.audio import Audio, TempoMap
from audiolab.errors import AudioError, Cancelled, ParameterError
from audiolab.stages.analysis import Analysis, Analyze, AnalyzeParams, analyze
from audiolab.stages.base import SoundInput, StageInput
from audiolab.synth import metronome, noise, pulse_train, render_song, silence, tone


def beats_f(truth: np.ndarray, found: list[float]) -> float:
    trim = mir_eval.beat.trim_beats
    return float(mir_eval.beat.f_measure(trim(np.asarray(truth)), trim(np.asarray(found))))


@pytest.fixture(scope="module")
def song():
    return render_song(bpm=104.0, tonic="D", mode="major", bars=12, seed=7, lead_in=0.4)


@pytest.fixture(scope="module")
def analysis(song) -> Analysis:
    return analyze(song.mix)


# ---- truth ----------------------------------------------------------------------------------------


def test_a_rendered_song_is_understood_exactly(song, analysis):
    document = analysis.to_dict()
    assert document["tempo"]["bpm"] == pytest.approx(104.0, abs=0.02)
    assert document["tempo"]["confidence"] > 0.8
    assert document["meter"] == "4/4"
    assert document["steady"] is True
    duration = song.mix.duration
    truth = song.tempo_map.downbeats(duration)
    np.testing.assert_allclose(document["downbeats"][: len(truth)], truth, atol=0.005)
    assert beats_f(song.tempo_map.beats(duration), document["beats"]) > 0.99
    assert (document["key"]["tonic"], document["key"]["mode"], document["key"]["camelot"]) == ("D", "major", "10B")
    assert document["key"]["confidence"] > 0.5


@pytest.mark.parametrize("rate", [22050, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_rate_and_channels_change_nothing(song, analysis, rate, channels):
    sound = song.mix.cut_seconds(0, 20).resample(rate)
    found = analyze(sound if channels == 2 else sound.mono())
    assert found.bpm == pytest.approx(analysis.bpm, rel=0.001)
    assert found.tempo_map.downbeats(10)[0] == pytest.approx(song.tempo_map.downbeats(10)[0], abs=0.006)
    assert found.key == analysis.key


@pytest.mark.parametrize("bpm", [64.0, 90.0, 120.0, 150.0, 174.0])
def test_a_metronome_is_followed_to_the_millisecond(bpm):
    clicks = metronome(bpm, 16.0)
    found = analyze(clicks)
    ratio = found.bpm / bpm
    assert min(abs(ratio / factor - 1) for factor in (0.5, 1.0, 2.0)) < 1e-4
    true = np.arange(0, 16.0, 60 / bpm)
    if round(ratio) == 1:
        np.testing.assert_allclose(found.to_dict()["beats"][: len(true)], true, atol=0.003)


@pytest.mark.parametrize("bars", [1, 2, 4])
@pytest.mark.parametrize("bpm", [87.0, 124.0, 140.0])
def test_loops_have_exact_tempos_and_begin_with_a_bar(bars, bpm):
    piece = render_style("rock", bpm=bpm, seconds=12, start=0.0, seed=3, rate=44100)
    frames = round(bars * 4 * 60 / bpm * 44100)
    found = analyze(Audio(piece.samples[:, :frames], 44100))
    assert found.bpm == pytest.approx(bars * 4 * 60 / (frames / 44100), rel=1e-6)
    assert found.to_dict()["downbeats"][0] == pytest.approx(0.0, abs=0.012)


def test_a_drifting_tempo_gives_a_bent_map():
    beats = np.concatenate(([0.5], 0.5 + np.cumsum(np.linspace(0.5, 0.62, 60))))
    found = analyze(pulse_train(np.sort(np.concatenate((beats, beats[:-1] + np.diff(beats) / 2))), beats[-1] + 0.5))
    document = found.to_dict()
    assert document["steady"] is False
    assert len(found.tempo_map.segments) > 1
    octave = round(np.median(np.diff(beats)) / np.median(np.diff(document["beats"])))
    assert octave in (1, 2)
    assert beats_f(beats, document["beats"][::octave]) > 0.9 or beats_f(beats, document["beats"][1::octave]) > 0.9


def test_a_waltz_has_three_beats():
    piece = render_style("waltz", seed=5, bpm=120.0, seconds=25)
    found = analyze(Audio(piece.samples, piece.sample_rate))
    assert found.to_dict()["meter"] == "3/4"
    assert found.bpm == pytest.approx(120, rel=0.04)


# ---- little or nothing to find --------------------------------------------------------------------


@pytest.mark.parametrize("sound", [silence(2.0), silence(0.01), tone(440, 3.0), pulse_train([0.5], 1.0)])
def test_no_rhythm_gives_no_tempo(sound):
    document = analyze(sound).to_dict()
    assert document["tempo"] == {"bpm": None, "confidence": 0.0, "candidates": []}
    assert document["beats"] == document["downbeats"] == []
    assert document["meter"] is None
    assert "tempo_map" not in document
    assert document["key"]["confidence"] < 0.2
    json.dumps(document, allow_nan=False)


def test_silence_has_no_key_and_no_loudness():
    document = analyze(silence(1.0)).to_dict()
    assert document["key"] == {"tonic": None, "mode": None, "camelot": None, "confidence": 0.0}
    assert document["lufs"] is None


def test_one_frame_is_a_sound_too():
    assert analyze(Audio(np.array([0.5], "f4"), 44100)).bpm is None


def test_noise_and_random_clicks_are_doubtful(rng):
    assert analyze(noise(20.0)).to_dict()["tempo"]["confidence"] < 0.3
    clicks = pulse_train(np.sort(rng.uniform(0, 30, 60)), 30.0)
    assert analyze(clicks).to_dict()["tempo"]["confidence"] < 0.4


# ---- shape ----------------------------------------------------------------------------------------


def test_the_document_has_the_agreed_shape(song, analysis, tmp_path):
    document = json.loads(analysis.to_json(tmp_path / "out.json").read_text())
    assert {"path", "duration", "tempo", "meter", "beats", "downbeats", "key", "lufs", "true_peak_db"} <= set(document)
    assert set(document["tempo"]) == {"bpm", "confidence", "candidates"}
    assert document["duration"] == pytest.approx(song.mix.duration)
    tempos = [item["bpm"] for item in document["tempo"]["candidates"]]
    for factor in (0.5, 1.0, 2.0):
        assert any(abs(tempo / (104 * factor) - 1) < 0.02 for tempo in tempos)
    shares = [item["confidence"] for item in document["tempo"]["candidates"]]
    assert max(shares) == shares[0]
    assert sum(shares) <= 1.001
    loaded = TempoMap.from_dict(document["tempo_map"])
    np.testing.assert_allclose(loaded.beats(document["duration"]), document["beats"])


def test_the_stage_gives_facts_and_document(song, analysis, tmp_path):
    stage, seen = Analyze(), []
    job = StageInput(
        (SoundInput("key", "song", "song", song.mix),), tmp_path, progress=lambda done, total: seen.append(done / total)
    )
    out = stage.run(job, stage.resolve(AnalyzeParams()))
    assert set(out.facts) == {"bpm", "key", "camelot", "lufs", "lra", "true_peak_db", "duration"}
    assert out.facts["key"] == "D major"
    assert out.document["tempo"] == analysis.to_dict()["tempo"]
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert stage.takes.accepts("song", None)


def test_silence_has_facts_without_holes(tmp_path):
    stage = Analyze()
    out = stage.run(StageInput((SoundInput("k", "x", "song", silence(1.0)),), tmp_path), stage.resolve(AnalyzeParams()))
    assert None not in out.facts.values()
    assert out.notes


def test_two_runs_agree(song, analysis):
    assert analyze(song.mix).to_dict() == analysis.to_dict()


def test_cancel_passes_through(song):
    def stop(done: float, total: float) -> None:
        if done > 0.3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        analyze(song.mix, progress=stop)


def test_more_channels_need_a_downmix(song):
    wide = Audio(np.repeat(song.mix.cut_seconds(0, 8).mono().samples, 6, axis=0), song.sample_rate)
    with pytest.raises(AudioError, match="channels"):
        analyze(wide)
    assert analyze(wide, downmix=True).bpm == pytest.approx(104, rel=0.01)
    with pytest.raises(ParameterError, match="downmixed"):
        analyze(wide, downmixed=True)


def test_gain_and_offset_change_no_tempo(song, analysis):
    moved = analyze(song.mix.with_(song.mix.samples * np.float32(0.05) + np.float32(0.1)))
    assert moved.bpm == pytest.approx(analysis.bpm, rel=1e-3)
    assert moved.key == analysis.key
