"""One-shots: pitch, attack, decay, brightness, noisiness; loops: tempo. Truth by construction."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.audio import Audio
from audiolab.errors import AudioError, ParameterError
from audiolab.stages import describe
from audiolab.stages.analysis import Describe, DescribeParams
from audiolab.stages.analysis.loop_tempo import loop_tempo
from audiolab.stages.analysis.oneshot import attack_and_decay, brightness, describe_sound, noisiness
from audiolab.stages.analysis.pitch import NO_PITCH, Pitch, find_pitch, note_name
from audiolab.stages.base import SoundInput, StageInput
from audiolab.synth import noise, silence

RATE = 44100


def hertz(note: float) -> float:
    return 440.0 * 2 ** ((note - 69) / 12)


def wave(shape: str, hz: float, seconds: float = 1.0, rate: int = RATE, decay: float | None = None) -> np.ndarray:
    """A tone without aliases: harmonics up to 0.45 of the rate."""
    time = np.arange(round(seconds * rate)) / rate
    highest = max(1, int(0.45 * rate / hz))
    weights = {
        "sine": {1: 1.0},
        "saw": {k: 1 / k for k in range(1, highest + 1)},
        "square": {k: 1 / k for k in range(1, highest + 1, 2)},
        "no fundamental": dict.fromkeys(range(2, min(highest, 9) + 1), 1.0),
        "strong octave": {1: 0.2, 2: 1.0, 3: 0.3, 4: 0.5},
    }[shape]
    x = sum(w * np.sin(2 * np.pi * k * hz * time + 0.7 * k) for k, w in weights.items() if k <= highest)
    if decay:
        x = x * np.exp(-time / decay)
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


# ---- pitch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["sine", "saw", "square", "no fundamental", "strong octave"])
def test_every_note_of_a_keyboard_is_found(shape):
    for note in range(28, 97, 4):
        found = find_pitch(wave(shape, hertz(note + 0.2), 0.7, decay=0.3), RATE)
        assert found.note == note, (shape, note, found)
        assert found.cents == pytest.approx(20, abs=6)
        assert found.confidence > 0.9


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000])
def test_the_rate_does_not_matter(rate):
    for note in (36, 60, 81):
        found = find_pitch(wave("saw", hertz(note), 0.5, rate), rate)
        assert found.note == note
        assert abs(found.cents) < 5


@given(st.floats(30, 90), st.floats(0.02, 30), st.integers(0, 4000))
@settings(max_examples=12, deadline=None)
def test_gain_and_leading_silence_do_not_matter(note, gain, lead):
    plain = wave("saw", hertz(note), 0.4, decay=0.2)
    before = find_pitch(plain, RATE)
    after = find_pitch(np.concatenate([np.zeros(lead, np.float32), plain * np.float32(gain)]), RATE)
    assert after.hz == pytest.approx(before.hz, rel=0.003)


def test_short_notes_have_a_pitch_and_clicks_have_none():
    assert find_pitch(wave("saw", 220.0, 0.06), RATE).note == 57
    for nothing in (np.zeros(0, np.float32), np.ones(300, np.float32), np.zeros(5000, np.float32)):
        assert find_pitch(nothing, RATE) == NO_PITCH


def test_noise_has_no_pitch():
    rng = np.random.default_rng(1)
    for seconds in (0.05, 0.3, 2.0):
        x = (0.3 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)
        assert find_pitch(x, RATE).confidence < 0.35
        (found,) = describe((x, RATE))
        assert found.root_note is None
        assert found.to_dict()["root_name"] is None


def test_notes_have_their_names():
    assert [note_name(note) for note in (0, 21, 60, 61, 69, 127)] == ["C-1", "A0", "C4", "C#4", "A4", "G9"]
    pitch = Pitch(442.0, 1.0)
    assert (pitch.note, pitch.name) == (69, "A4")
    assert pitch.cents == pytest.approx(7.85, abs=0.01)
    assert (NO_PITCH.note, NO_PITCH.cents, NO_PITCH.name) == (None, None, None)


# ---- rise, fall, colour ---------------------------------------------------------------------------


@pytest.mark.parametrize("ramp", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("tau", [0.05, 0.2])
def test_attack_and_decay_are_those_of_the_envelope(ramp, tau):
    time = np.arange(2 * RATE) / RATE
    envelope = np.where(time < ramp, time / ramp, np.exp(-(time - ramp) / tau))
    x = (envelope * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    attack, decay = attack_and_decay(x, RATE)
    assert attack == pytest.approx(0.8 * ramp, abs=0.002)
    assert decay == pytest.approx(tau * np.log(10), abs=0.003)


def test_low_tones_rise_no_slower_than_high_ones():
    for hz in (50, 200, 3000):
        attack, _ = attack_and_decay(wave("sine", hz, 1.0), RATE)
        assert attack < 0.25 / hz + 0.001  # to the first crest


def test_a_decay_that_is_not_heard_to_its_end_is_not_known():
    held = wave("saw", 110, 1.0)
    assert attack_and_decay(held, RATE, ends=False)[1] is None
    assert attack_and_decay(held, RATE, ends=True)[1] > 0.9
    assert describe_sound(Audio(wave("saw", 110, 6.0), RATE)).decay_s is None


def test_brightness_is_the_centre_of_the_spectrum():
    for hz in (200, 1000, 8000):
        assert brightness(wave("sine", hz), RATE) == pytest.approx(hz, rel=0.05)
    assert brightness(noise(1.0).samples[0], RATE) == pytest.approx(RATE / 4, rel=0.03)
    assert brightness(wave("saw", 200), RATE) > brightness(wave("sine", 200), RATE)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 1.0])
def test_noisiness_runs_from_tones_to_noise(seconds):
    from scipy.signal import butter, sosfilt

    x = noise(seconds, amplitude=0.2).samples[0]
    assert noisiness(x, RATE) > 0.85
    dark = sosfilt(butter(2, 400, fs=RATE, output="sos"), x).astype(np.float32)
    assert noisiness(dark, RATE) > 0.6  # coloured noise is noise
    tone = wave("saw", 220, seconds)
    assert noisiness(tone, RATE) < (0.1 if seconds > 0.1 else 0.35)  # bins of a short window are wide
    mixed = noisiness(0.2 * tone + 0.5 * x, RATE)
    assert noisiness(tone, RATE) < mixed < noisiness(x, RATE)


# ---- the whole description --------------------------------------------------------------------------


def test_a_plucked_note_is_a_one_shot_with_its_note():
    (found,) = describe((wave("saw", hertz(45), 1.5, decay=0.2), RATE))
    document = found.to_dict()
    assert document["kind"] == "one-shot"
    assert (document["root_note"], document["root_name"]) == (45, "A2")
    assert document["root_hz"] == pytest.approx(110, rel=0.002)
    assert document["decay_s"] == pytest.approx(0.46, abs=0.02)
    assert document["bpm"] is None
    assert document["true_peak_db"] > -6.1
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("hz", [33.0, 44.0, 60.0])
def test_a_low_held_note_is_no_loop(hz):
    assert describe_sound(Audio(wave("saw", hz, 3.0), RATE)).kind == "one-shot"


def test_silence_is_described_as_nothing():
    (found,) = describe(silence(1.0))
    document = found.to_dict()
    assert document["kind"] == "one-shot"
    assert document["lufs"] is None
    assert all(document[name] is None for name in ("root_note", "attack_s", "decay_s", "brightness_hz", "noisiness"))
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("frames", [1, 2, 50, 441])
def test_the_shortest_sounds_are_described(frames):
    (found,) = describe(Audio(np.full((2, frames), 0.5, np.float32), RATE))
    document = found.to_dict()
    assert document["kind"] == "one-shot"
    assert document["root_note"] is None
    json.dumps(document, allow_nan=False)


def _beat(bpm: float, beats: int) -> Audio:
    rng = np.random.default_rng(3)
    frames = round(beats * 60 / bpm * RATE)
    out = np.zeros(frames)
    for step in range(2 * beats):
        at = round(step * 30 / bpm * RATE)
        length = min(RATE // 10, frames - at)
        strong = 0.8 if step % 2 == 0 else 0.4
        out[at : at + length] += strong * rng.standard_normal(length) * np.exp(-np.arange(length) / (0.02 * RATE))
    return Audio((0.3 * out).astype(np.float32), RATE)


@pytest.mark.parametrize(("bpm", "beats"), [(90, 4), (100, 8), (120, 8), (128, 16), (140, 8), (97.3, 4)])
def test_a_loop_has_its_tempo(bpm, beats):
    found = describe_sound(_beat(bpm, beats))
    assert found.kind == "loop"
    assert found.beats == beats
    assert found.bpm == pytest.approx(bpm, abs=0.01)
    assert found.facts()["beats"] == beats
    assert "root_note" not in found.facts()


@given(st.lists(st.floats(0, 20), max_size=30), st.floats(0.1, 20))
def test_any_onsets_give_a_usual_tempo_of_whole_beats_or_none(onsets, duration):
    found = loop_tempo(np.array(sorted(onsets)), duration)
    if found is not None:
        bpm, beats = found
        assert 60 - 1e-3 <= bpm <= 200 + 1e-3
        assert bpm * duration / 60 == pytest.approx(beats, abs=1e-3)
    if len(onsets) < 2:
        assert found is None


# ---- stage and files ------------------------------------------------------------------------------


def test_the_stage_gives_facts_for_each_sample(tmp_path):
    stage = Describe()
    sounds = (
        SoundInput("a", "note", "sample", Audio(wave("saw", hertz(57), 0.5), RATE)),
        SoundInput("b", "hiss", "sample", noise(0.2)),
        SoundInput("c", "loop", "sample", _beat(100, 4), facts={"kind": "loop", "bpm": 99.5, "beats": 4}),
    )
    seen: list[float] = []
    job = StageInput(sounds, tmp_path, progress=lambda done, total: seen.append(done / total))
    out = stage.run(job, stage.resolve(DescribeParams()))
    assert [facts.get("root_note") for facts in out.each] == [57, None, None]
    assert [facts["kind"] for facts in out.each] == ["one-shot", "one-shot", "loop"]
    assert out.each[2]["bpm"] == 99.5  # what the slicer knows exactly is kept
    assert out.facts == {"loops": 1, "pitched": 1}
    assert len(out.document["items"]) == 3
    assert seen == sorted(seen)
    assert seen[-1] == 1
    json.dumps(out.document, allow_nan=False)
    assert stage.run(StageInput((), tmp_path), stage.resolve(DescribeParams())).each == ()


def test_files_and_mistakes(tmp_path):
    path = Audio(wave("sine", 440.0, 0.5), RATE).write(tmp_path / "a.wav")
    results = describe([path, noise(0.1)])
    assert results[0].to_dict()["path"] == str(path)
    assert results[0].root_note == 69
    rough = wave("sine", 440.0, 0.5) + noise(0.5, amplitude=0.1).samples[0]
    assert describe((rough, RATE), min_confidence=0.5)[0].root_note == 69
    assert describe((rough, RATE), min_confidence=1.0)[0].root_note is None
    with pytest.raises(ParameterError, match="min_confidence"):
        describe(path, min_confidence=3)
    with pytest.raises(ParameterError, match="confidance"):
        describe(path, confidance=0.3)
    with pytest.raises(AudioError, match="channels"):
        describe(Audio(np.zeros((6, 100), np.float32), RATE))
    assert describe(Audio(np.zeros((6, 100), np.float32), RATE), downmix=True)


@pytest.mark.shared
def test_notes_of_real_instruments():
    import os
    from pathlib import Path

    home = Path(os.environ.get("AUDIOLAB_SHARED", Path(__file__).parents[3] / "shared"))
    folder = home / "data" / "oneshots" / "shinyguitar" / "guitar"
    if not folder.is_dir():
        pytest.skip("needs the one-shots in ../shared/data")
    import re

    names = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
    files = sorted(folder.glob("*.flac"))
    right = 0
    for file in files:
        letter, flat, octave = re.search(r"__([a-g])(b?)(\d)_", file.name).groups()
        note = names[letter] - bool(flat) + 12 * (int(octave) + 1)
        right += describe(file)[0].description.pitch.note == note
    assert right >= len(files) - 1
