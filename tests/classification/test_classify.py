"""The stage `classify` on synthetic drums, bad input and views."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from drum_sounds import RATE, bass_note, closed_hat, kick, saw_chord, snare

from audiolab.audio import Audio, View, open_source, write_audio
from audiolab.errors import AudioError, Cancelled, ParameterError
from audiolab.stages import classify, get_stage
from audiolab.stages.base import SoundInput, StageInput
from audiolab.stages.classification import UNKNOWN, get_head, load_taxonomy


def one(samples: np.ndarray, rate: int = RATE, **params: object):
    [result] = classify((np.asarray(samples, np.float32), rate), **params)
    return result


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
@pytest.mark.parametrize(
    ("make", "family", "label"),
    [(kick, "drums", "kick"), (snare, "drums", "snare"), (closed_hat, "cymbals", "closed_hat")],
)
def test_plain_drums_are_recognized_at_any_rate(make, family, label, rate):
    result = one(make(rate), rate)
    assert (result.label, result.family) == (label, family)
    assert result.drums[label] > 0.5
    assert result.kind == "one-shot"


@pytest.mark.parametrize("make", [saw_chord, bass_note])
def test_tones_are_tonal_and_no_drums(make):
    result = one(make())
    assert load_taxonomy().family(result.top[0][0]) == "tonal"
    assert max(result.drums.values()) < 0.5


def test_two_drums_at_once_are_both_heard():
    hit, tick = kick(), closed_hat()
    alone = one(hit).drums
    hit[: tick.size] += tick
    both = one(hit).drums
    assert both["kick"] > 0.5
    assert both["closed_hat"] > 0.5
    assert both["closed_hat"] > 10 * alone["closed_hat"]
    assert both["snare"] < 0.5


def test_level_polarity_and_leading_silence_change_little():
    plain = one(snare())
    for changed in (0.003 * snare(), -snare(), np.concatenate((np.zeros(RATE), snare())), np.stack((snare(), snare()))):
        other = one(changed)
        assert other.label == plain.label
        assert abs(other.confidence - plain.confidence) < 0.05


def test_channels_that_cancel_are_still_heard():
    assert one(np.stack((kick(), -kick()))).label == "kick"


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE),
        np.zeros(0),
        np.ones(1),
        np.full(RATE, 0.5),
        np.full(3 * RATE, -1.0),
        np.zeros((2, 500)),
        1e-6 * np.ones(5000),
        np.eye(1, 100)[0],
    ],
    ids=["silence", "empty", "one sample", "dc", "full scale dc", "short stereo silence", "tiny dc", "click"],
)
def test_nothing_to_hear_is_unknown_with_low_confidence(samples):
    result = one(samples)
    assert (result.label, result.family) == (UNKNOWN, UNKNOWN)
    assert result.confidence < 0.1
    assert len(result.top) == 5
    assert all(p == 0 for p in result.drums.values())
    assert result.kind == "one-shot"


@pytest.mark.parametrize("rate", [8_000, 192_000])
@pytest.mark.parametrize("seconds", [0.006, 0.3, 12.0])
def test_odd_rates_and_lengths_give_finite_results(rate, seconds):
    noise = np.random.default_rng(3).standard_normal(round(seconds * rate)) * 0.2
    result = one(noise, rate)
    values = [result.confidence, *(p for _, p in result.top), *result.drums.values()]
    assert np.isfinite(values).all()
    assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize("gain", [1e-4, 1e6, 1e30])
def test_extreme_levels_stay_finite(gain):
    with np.errstate(over="raise", invalid="raise"):
        result = one(np.float32(gain) * kick())
    assert result.top[0][0] == "kick"


def test_a_list_equals_single_calls_and_repeats_are_equal():
    sounds = [(make(), RATE) for make in (kick, snare, closed_hat, saw_chord, bass_note)] * 9  # more than one batch
    together = classify(sounds)
    again = classify(sounds)
    assert together == again
    for sound, result in zip(sounds[:5], together[:5], strict=True):
        [alone] = classify(sound)
        assert alone.label == result.label
        assert np.allclose([p for _, p in alone.top], [p for _, p in result.top], atol=1e-5)


def test_json_has_the_agreed_shape(tmp_path: Path):
    path = write_audio(tmp_path / "it's a \N{DRUM WITH DRUMSTICKS}.wav", Audio(kick(), RATE))
    [result] = classify(path)
    document = json.loads(json.dumps(result.to_dict(path)))
    assert list(document) == ["path", "label", "family", "confidence", "top", "drums", "kind"]
    assert document["path"] == str(path)
    assert document["top"][0] == ["kick", document["confidence"]]
    assert len(document["top"]) == 5
    assert set(document["drums"]) == set(get_head().drums)
    assert document["kind"] in {"one-shot", "loop"}


def test_unknown_rule_keeps_the_top():
    strict = one(saw_chord(), unknown_below=1.0)
    loose = one(saw_chord(), unknown_below=0.0)
    assert strict.label == UNKNOWN
    assert strict.top == loose.top
    assert loose.label == loose.top[0][0]
    assert strict.confidence == loose.confidence


def test_wrong_parameters_and_files_say_what_is_wrong(tmp_path: Path):
    with pytest.raises(ParameterError, match="unknown_below"):
        classify((kick(), RATE), unknown=0.3)
    with pytest.raises(ParameterError, match="classify"):
        classify((kick(), RATE), unknown_below=2)
    text = tmp_path / "notes.wav"
    text.write_text("not audio at all " * 50)
    with pytest.raises(AudioError, match=r"notes\.wav"):
        classify(text)
    with pytest.raises(AudioError, match="folder"):
        classify(tmp_path)
    with pytest.raises(AudioError, match="4 channels"):
        classify((np.zeros((4, 1000), np.float32), RATE))
    assert classify((np.tile(kick(), (4, 1)), RATE), downmix=True)[0].label == "kick"


def stage_input(sources, scratch: Path, **more) -> StageInput:
    sounds = tuple(SoundInput(f"k{i}", f"s{i}", "sample", source) for i, source in enumerate(sources))
    return StageInput(sounds, scratch, **more)


def test_stage_takes_views_of_one_stem(tmp_path: Path):
    hits = [kick(), snare(), closed_hat(), kick()]
    starts = [10_000, 60_000, 110_000, 170_001]
    stem = np.zeros(230_000, np.float32)
    for start, hit in zip(starts, hits, strict=True):
        stem[start : start + hit.size] = hit
    source = open_source(write_audio(tmp_path / "drums.flac", Audio(0.9 * stem, RATE)))
    views = [View(source, start, start + hit.size) for start, hit in zip(starts, hits, strict=True)]
    stage = get_stage("classify")
    done = []
    output = stage.run(
        stage_input(views, tmp_path, progress=lambda d, t: done.append((d, t))), stage.resolve(stage.params())
    )
    assert [tag.label for tag in output.tags] == ["kick", "snare", "closed_hat", "kick"]
    assert [tag.sound for tag in output.tags] == [0, 1, 2, 3]
    assert [item["label"] for item in output.document["items"]] == [tag.label for tag in output.tags]
    assert output.facts == {"labels": {"closed_hat": 1, "kick": 2, "snare": 1}}
    assert all(tag.top[0] == (tag.label, tag.confidence) for tag in output.tags)
    assert done[-1] == (4, 4)
    json.dumps(output.document)
    assert not list(tmp_path.glob("*.npy"))


def test_stage_with_no_sounds_gives_no_tags(tmp_path: Path):
    stage = get_stage("classify")
    output = stage.run(stage_input([], tmp_path), stage.resolve(stage.params()))
    assert output.tags == ()
    assert output.document["items"] == []


def test_cancel_passes_through(tmp_path: Path):
    stage = get_stage("classify")

    def stop(done: float, total: float) -> None:
        raise Cancelled("asked to stop")

    with pytest.raises(Cancelled):
        stage.run(stage_input([Audio(kick(), RATE)], tmp_path, progress=stop), stage.resolve(stage.params()))


def test_resolve_names_weights_and_profile_without_loading():
    stage = get_stage("classify")
    resolved = stage.resolve(stage.params())
    assert len(resolved.weights) == 64
    assert {"device", "dtype", "threads", "onnxruntime"} <= set(resolved.profile)
    assert stage.unit == "set"
    assert stage.takes.accepts("sample", None)
    assert not stage.takes.accepts("song", None)


@dataclasses.dataclass
class Counting:
    """Endless-looking source that counts what is read of it."""

    frames: int = RATE * 3600
    sample_rate: int = RATE
    channels: int = 1
    name: str = "an hour"
    read: int = 0

    def blocks(self, size: int = 1 << 16, *, start: int = 0, stop: int | None = None):
        hit = np.zeros(self.frames if self.frames < 10 * RATE else 10 * RATE, np.float32)
        hit[: kick().size] = kick()
        for left in range(start, self.frames if stop is None else stop, size):
            block = hit[left : left + size] if left < hit.size else np.zeros(size, np.float32)
            self.read += block.size
            yield block[None, :]


def test_only_the_first_seconds_are_read():
    source = Counting()
    [result] = classify(source)
    assert result.label == "kick"
    assert source.read <= 5 * RATE
