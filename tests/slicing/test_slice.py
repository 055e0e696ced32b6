from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile as sf
from rendered_loops import PATTERNS, merge_close, render_loop

from audiolab.audio import Audio
from audiolab.errors import AudioError, Cancelled, ParameterError
from audiolab.stages.base import SoundInput, StageInput
from audiolab.stages.slicing import PRESETS, Slice, SliceParams, cut_sound, slice
from audiolab.synth import noise, pulse_train, silence, tone

RATE = 44100


def starts(audio: Audio, **params: object) -> list[int]:
    return [cut.start for cut in cut_sound(audio, SliceParams(**params))]


@pytest.fixture(scope="module")
def loop() -> Audio:
    made = render_loop("breakbeat", bpm=120, bars=2, channels=2, noise_db=None, seed=5, lead_in=0.2)
    return Audio(made.samples, made.sample_rate, "loop.wav")


# ---- truth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("bpm", "swing", "rate"), [(95, 0.0, 44100), (128, 0.35, 48000), (140, 0.0, 22050)])
def test_rendered_loops_are_cut_at_their_exact_onsets(pattern, bpm, swing, rate):
    import mir_eval

    made = render_loop(pattern, bpm=bpm, swing=swing, jitter=0.003, rate=rate, seed=42)
    truth = np.array(merge_close([frame / rate for frame in made.onsets], 0.03))
    found = np.array(starts(Audio(made.samples, rate))) / rate
    f, _, _ = mir_eval.onset.f_measure(truth, found, window=0.05)
    errors = [found[j] - truth[i] for i, j in mir_eval.util.match_events(truth, found, 0.05)]
    assert f >= 0.95
    assert np.median(np.abs(errors)) < 0.001
    assert np.percentile(np.abs(errors), 90) < 0.005


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192000])
def test_single_clicks_are_found_to_the_frame_at_any_rate(rate):
    times = [0.1, 0.5, 1.3, 1.4]
    clicks = pulse_train(times, 2.0, rate)
    assert starts(clicks) == [round(time * rate) for time in times]


def test_soft_attacks_are_cut_near_their_beginning():
    time = np.arange(RATE) / RATE
    note = np.sin(2 * np.pi * 220 * time) * np.minimum(1, time / 0.02) * np.exp(-time / 0.3)
    samples = np.zeros(3 * RATE)
    for start in (5000, 60000):
        samples[start : start + RATE] += 0.5 * note
    found = starts(Audio(samples.astype("f4"), RATE), preset="notes")
    assert len(found) == 2
    assert np.abs(np.array(found) - (5000, 60000)).max() < 0.006 * RATE


# ---- nothing to cut -------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_gives_no_cuts(channels):
    assert starts(silence(3.0, RATE, channels)) == []


def test_dither_gives_no_cuts():
    rng = np.random.default_rng(0)
    assert starts(Audio((rng.integers(-1, 2, RATE * 2) / 2**15 / 2).astype("f4"), RATE)) == []


def test_one_sample_is_enough_of_a_sound():
    assert starts(Audio(np.array([0.5], "f4"), RATE)) in ([], [0])


def test_one_click_is_one_cut():
    samples = np.zeros((2, 2 * RATE), "f4")
    samples[:, 30000] = 0.9
    (cut,) = cut_sound(Audio(samples, RATE), SliceParams())
    assert cut.start == 30000
    assert cut.facts["peak_db"] == pytest.approx(20 * np.log10(0.9), abs=1e-4)
    assert 0 < cut.facts["onset_strength"] <= 1


@pytest.mark.parametrize("offset", [0.3, -0.05, 1.0])
def test_a_constant_is_no_sound(offset):
    assert starts(Audio(np.full(RATE * 2, offset, "f4"), RATE)) == []


def test_an_offset_changes_nothing(loop):
    moved = loop.with_(loop.samples * 0.5 + np.float32(0.2))
    assert starts(moved) == starts(loop.with_(loop.samples * 0.5))


def test_a_held_tone_and_steady_noise_are_cut_at_most_at_their_beginning():
    assert starts(tone(440, 4.0)) == [1]  # a sine is zero on its first frame
    assert starts(tone(440, 4.0), preset="notes") == [1]
    assert starts(noise(4.0, amplitude=0.2), preset="notes") == [0]
    assert len(starts(noise(8.0, amplitude=0.2))) < 8


def test_a_sound_that_breaks_off_begins_only_once():
    samples = np.pad(tone(440, 1.0).samples, ((0, 0), (1000, RATE)))
    assert starts(Audio(samples, RATE)) == [1001]


# ---- relations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 219, 44100, 99_991])
def test_leading_silence_moves_every_cut_by_its_length(loop, frames):
    padded = loop.with_(np.pad(loop.samples, ((0, 0), (frames, 0))))
    before = cut_sound(loop, SliceParams())
    after = cut_sound(padded, SliceParams())
    assert [(c.start + frames, c.stop + frames, dict(c.facts)) for c in before] == [
        (c.start, c.stop, dict(c.facts)) for c in after
    ]


@pytest.mark.parametrize("gain", [0.1, 0.5, 4.0])
def test_gain_changes_no_cut(loop, gain):
    scaled = cut_sound(loop.with_(loop.samples * np.float32(gain)), SliceParams())
    plain = cut_sound(loop, SliceParams())
    assert [(c.start, c.stop) for c in scaled] == [(c.start, c.stop) for c in plain]
    for left, right in zip(scaled, plain, strict=True):
        assert left.facts["onset_strength"] == pytest.approx(right.facts["onset_strength"], abs=1e-3)
        assert left.facts["peak_db"] == pytest.approx(right.facts["peak_db"] + 20 * np.log10(gain), abs=1e-3)


def test_an_inverted_side_does_not_hide_the_sound(loop):
    middle = loop.mono().samples
    twisted = Audio(np.concatenate((middle, -middle)), RATE)
    assert starts(twisted) == starts(Audio(middle, RATE))


def test_more_sensitivity_never_gives_fewer_cuts(loop):
    counts = [len(starts(loop, sensitivity=s)) for s in (0.0, 0.3, 0.5, 0.7, 1.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_cuts_are_ordered_apart_and_inside(loop):
    for params in ({}, {"sensitivity": 1.0}, {"min_gap": 0.2}, {"max_length": 0.05}, {"preset": "notes"}):
        cuts = cut_sound(loop, SliceParams(**params))
        assert all(0 <= c.start < c.stop <= loop.frames for c in cuts)
        assert all(left.stop <= right.start for left, right in pairwise(cuts))


def test_limits_are_kept(loop):
    gap = [b - a for a, b in pairwise(starts(loop, min_gap=0.25))]
    assert min(gap) >= 0.25 * RATE
    assert max(c.stop - c.start for c in cut_sound(loop, SliceParams(max_length=0.04))) <= 0.04 * RATE


def test_ends_follow_the_decay():
    samples = np.zeros(4 * RATE)
    time = np.arange(2 * RATE) / RATE
    samples[RATE : 3 * RATE] = np.sin(2 * np.pi * 300 * time) * np.exp(-time / 0.1)
    lengths = [
        (c.stop - c.start) / RATE
        for decay_db in (20, 40, 60)
        for c in cut_sound(Audio(samples.astype("f4"), RATE), SliceParams(decay_db=decay_db))
    ]
    # exp(-t / 0.1) loses 86.9 dB a second
    np.testing.assert_allclose(lengths, np.array([20, 40, 60]) / 86.86, atol=0.02)


# ---- stage and files ------------------------------------------------------------------------------


def test_the_stage_gives_cuts_and_a_document(loop, tmp_path):
    stage = Slice()
    seen: list[float] = []
    sound = SoundInput("key", "loop", "stem", loop, stem="bass")
    job = StageInput((sound,), tmp_path, progress=lambda done, total: seen.append(done / total))
    out = stage.run(job, stage.resolve(SliceParams()))
    assert out.cuts
    assert out.document["preset"] == "notes"
    assert out.document["min_gap"] == PRESETS["notes"].min_gap
    assert [(s["start"], s["stop"]) for s in out.document["samples"]] == [(c.start, c.stop) for c in out.cuts]
    assert seen == sorted(seen)
    assert seen[-1] == 1
    json.dumps(out.document, allow_nan=False)
    drums = stage.run(
        StageInput((SoundInput("k", "loop", "stem", loop, stem="drums"),), tmp_path), stage.resolve(SliceParams())
    )
    assert drums.document["preset"] == "drums"
    assert stage.takes.accepts("stem", "drums")
    assert not stage.takes.accepts("sample", None)


def test_silent_stems_give_an_empty_set(tmp_path):
    stage = Slice()
    job = StageInput((SoundInput("k", "quiet", "stem", silence(1.0), stem="vocals"),), tmp_path)
    out = stage.run(job, stage.resolve(SliceParams()))
    assert out.cuts == ()
    assert out.document["samples"] == []


def test_cancel_passes_through(loop, tmp_path):
    def stop(done: float, total: float) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        slice(loop, progress=stop)


def test_written_cuts_are_the_source_to_the_bit(tmp_path):
    made = render_loop("rock", bars=1, channels=2, seed=3)
    path = tmp_path / "my loop.wav"
    sf.write(path, (made.samples.T * 2**23).astype(np.int32) << 8, RATE, subtype="PCM_24")
    result = slice(path, to=tmp_path / "cuts")
    whole = Audio.from_file(path)
    assert [file.name for file in result.files] == [f"my loop_{n:03d}.wav" for n in range(1, len(result) + 1)]
    for cut, file in zip(result.cuts, result.files, strict=True):
        assert sf.info(str(file)).subtype == "PCM_24"
        np.testing.assert_array_equal(Audio.from_file(file).samples, whole.samples[:, cut.start : cut.stop])


def test_cuts_of_a_sound_beyond_full_scale_are_float(tmp_path, loop):
    loud = loop.with_(loop.samples * 3)
    result = slice(loud, to=tmp_path)
    assert sf.info(str(result.files[0])).subtype == "FLOAT"
    np.testing.assert_array_equal(
        Audio.from_file(result.files[0]).samples, loud.samples[:, result.cuts[0].start : result.cuts[0].stop]
    )


def test_the_document_has_the_agreed_shape(tmp_path, loop):
    path = loop.write(tmp_path / "loop.wav")
    result = slice(path, sensitivity=0.6)
    written = json.loads(result.to_json(tmp_path / "out.json").read_text())
    assert set(written) == {"path", "sample_rate", "samples"}
    assert written["path"] == str(path)
    for sample in written["samples"]:
        assert set(sample) == {"start", "stop", "start_s", "stop_s", "onset_strength"}
        assert sample["start_s"] == pytest.approx(sample["start"] / RATE)


def test_bad_parameters_and_sounds_are_refused(loop):
    with pytest.raises(ParameterError, match="sensitivity"):
        slice(loop, sensitivity=2)
    with pytest.raises(ParameterError, match="sensitivty"):
        slice(loop, sensitivty=0.5)
    with pytest.raises(AudioError, match="channels"):
        slice(Audio(np.zeros((6, 1000), "f4"), RATE))
