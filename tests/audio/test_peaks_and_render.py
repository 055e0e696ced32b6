"""Outlines enclose the sound; renders do what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.audio import Audio, Peaks, Render, Rendered, apply_render
from audiolab.audio.peaks import BINS
from audiolab.errors import AudioError, ParameterError


def random_audio(frames: int, scale: float = 0.3, channels: int = 2) -> Audio:
    rng = np.random.default_rng(frames)
    return Audio((scale * rng.standard_normal((channels, frames))).astype(np.float32), 44100)


@pytest.mark.parametrize("frames", [1, 255, 256, 257, 65536, 200_003])
@pytest.mark.parametrize("scale", [0.01, 0.3, 30.0])
def test_bins_hold_minimum_and_maximum(frames: int, scale: float) -> None:
    audio = random_audio(frames, scale)
    peaks = Peaks.from_source(audio)
    step = peaks.scale / 32767
    for size, level in peaks.levels.items():
        assert level.shape == (2, -(-frames // size), 2)
        for index in {0, level.shape[1] // 2, level.shape[1] - 1}:
            part = audio.samples[:, index * size : (index + 1) * size]
            low, high = level[:, index, 0] * step, level[:, index, 1] * step
            assert (low <= part.min(axis=1) + 1e-6 * scale).all()
            assert (low >= part.min(axis=1) - step * 1.01).all()
            assert (high >= part.max(axis=1) - 1e-6 * scale).all()
            assert (high <= part.max(axis=1) + step * 1.01).all()


def test_block_size_of_the_source_does_not_matter(tmp_path: Path) -> None:
    audio = random_audio(300_001)
    path = audio.write(tmp_path / "a.wav", subtype="FLOAT")
    from audiolab.audio import open_source

    one, two = Peaks.from_source(audio), Peaks.from_source(open_source(path))
    for size in BINS:
        np.testing.assert_array_equal(one.levels[size], two.levels[size])


@given(st.integers(1, 90_000), st.data())
@settings(max_examples=60, deadline=None)
def test_a_slice_encloses_what_it_draws(frames: int, data: st.DataObject) -> None:
    audio = random_audio(frames, channels=1)
    peaks = Peaks.from_source(audio)
    start = data.draw(st.integers(0, frames - 1))
    stop = data.draw(st.integers(start + 1, frames))
    width = data.draw(st.integers(1, 900))
    drawn = peaks.slice(start, stop, width)
    assert drawn.shape == (1, width, 2)
    assert (drawn[..., 0] <= drawn[..., 1]).all()
    part = audio.samples[0, start:stop]
    assert drawn[..., 0].min() <= part.min() + 1e-6
    assert drawn[..., 1].max() >= part.max() - 1e-6
    edges = start + (stop - start) * np.arange(width + 1) // width
    for pixel in range(0, width, max(1, width // 7)):
        inside = audio.samples[0, edges[pixel] : edges[pixel + 1]]
        if len(inside):
            assert drawn[0, pixel, 0] <= inside.min() + 1e-6
            assert drawn[0, pixel, 1] >= inside.max() - 1e-6


def test_a_slice_is_no_wider_than_two_bins(tmp_path: Path) -> None:
    audio = Audio(np.zeros((1, 1 << 20), np.float32), 44100)
    samples = audio.samples.copy()
    samples[0, 500_000] = 1.0
    peaks = Peaks.from_source(audio.with_(samples))
    drawn = peaks.slice(0, 1 << 20, 1024)
    lit = np.flatnonzero(drawn[0, :, 1] > 0.5)
    assert 1 <= len(lit) <= 2
    assert 500_000 * 1024 // (1 << 20) in lit


def test_saving_and_loading(tmp_path: Path) -> None:
    peaks = Peaks.from_source(random_audio(70_001))
    back = Peaks.load(peaks.save(tmp_path / "a.npz"))
    assert (back.sample_rate, back.frames, back.scale, back.channels) == (44100, 70_001, peaks.scale, 2)
    for size in BINS:
        np.testing.assert_array_equal(back.levels[size], peaks.levels[size])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_damaged_peaks_are_refused(tmp_path: Path) -> None:
    path = Peaks.from_source(random_audio(70_001)).save(tmp_path / "a.npz")
    data = path.read_bytes()
    bad = tmp_path / "b.npz"
    for content in (data[: len(data) // 2], b"", b"not a zip", b"\x93NUMPY" + bytes(40)):
        bad.write_bytes(content)
        with pytest.raises(AudioError, match=r"b\.npz"):
            Peaks.load(bad)
    np.savez(bad, head=np.array([1, 44100, 5]), scale=1.0, **{f"level_{size}": np.zeros((1, 9, 2)) for size in BINS})
    with pytest.raises(AudioError, match=r"b\.npz"):
        Peaks.load(bad)


def test_senseless_slices_are_refused() -> None:
    peaks = Peaks.from_source(random_audio(1000))
    for span in ((0, 0, 5), (-1, 5, 5), (0, 1001, 5), (0, 1000, 0)):
        with pytest.raises(ParameterError):
            peaks.slice(*span)


# ---- renders -----------------------------------------------------------------------------------------


def test_nothing_to_do_gives_the_same_object() -> None:
    audio = random_audio(1000)
    assert apply_render(audio, None) is audio
    assert apply_render(audio, {}) is audio
    assert apply_render(audio, {"gain_db": 0.0, "reverse": False}) is audio


def test_gain_reverse_and_fades() -> None:
    audio = Audio(np.ones((2, 1000), np.float32) * np.linspace(0.1, 0.5, 1000, dtype=np.float32), 1000)
    louder = apply_render(audio, {"gain_db": 6.0206})
    np.testing.assert_allclose(louder.samples, audio.samples * 2, rtol=1e-5)
    backwards = apply_render(audio, {"reverse": True})
    np.testing.assert_array_equal(backwards.samples, audio.samples[:, ::-1])
    np.testing.assert_array_equal(apply_render(backwards, {"reverse": True}).samples, audio.samples)
    faded = apply_render(audio, {"fade_in_s": 0.1, "fade_out_s": 0.2})
    assert faded.samples[0, 0] == 0
    assert faded.samples[0, -1] == 0
    assert faded.samples[0, 50] == pytest.approx(audio.samples[0, 50] / 2, rel=1e-4)
    np.testing.assert_array_equal(faded.samples[:, 100:800], audio.samples[:, 100:800])
    rising = (faded.samples[0, :100] / audio.samples[0, :100]).astype(float)
    assert (np.diff(rising) > 0).all()


def test_a_fade_longer_than_the_sound_covers_it() -> None:
    audio = Audio(np.ones((1, 100), np.float32), 1000)
    faded = apply_render(audio, {"fade_in_s": 10.0})
    assert faded.frames == 100
    assert (np.diff(faded.samples[0]) > 0).all()


def test_an_empty_sound_renders_to_an_empty_sound() -> None:
    empty = Audio(np.zeros((1, 0), np.float32), 8000)
    assert apply_render(empty, {"reverse": True, "fade_in_s": 1.0, "gain_db": 3.0}).frames == 0


@pytest.mark.parametrize(
    "document",
    [
        {"gain": 3},
        {"dc": 0.1},
        {"dc": ["x"]},
        {"dc": [float("inf")]},
        {"mono": 1},
        {"gain_db": "loud"},
        {"gain_db": float("nan")},
        {"gain_db": 200},
        {"fade_in_s": -1},
        {"reverse": 1},
    ],
)
def test_senseless_renders_are_refused(document: dict) -> None:
    with pytest.raises(ParameterError):
        Render.from_dict(document)


def test_json_form_round_trips() -> None:
    for render in (
        Render(dc=(0.1, -0.2), mono=True),
        Render(),
        Render(gain_db=-3.5, reverse=True),
        Render(fade_in_s=0.25, fade_out_s=1.0),
    ):
        assert Render.from_dict(render.to_dict()) == render
    assert Render().to_dict() == {}


def test_offsets_go_before_the_mix_to_mono() -> None:
    audio = random_audio(1000)
    moved = audio.with_(audio.samples + np.array([[0.25], [-0.5]], np.float32))
    np.testing.assert_allclose(apply_render(moved, {"dc": [0.25, -0.5]}).samples, audio.samples, atol=1e-7)
    mono = apply_render(moved, {"dc": [0.25, -0.5], "mono": True})
    np.testing.assert_allclose(mono.samples, audio.mono().samples, atol=1e-7)
    one_for_all = apply_render(audio, {"dc": [0.1]})
    np.testing.assert_allclose(one_for_all.samples, audio.samples - 0.1, atol=1e-7)
    with pytest.raises(ParameterError, match="3 offsets"):
        apply_render(audio, {"dc": [0.1, 0.2, 0.3]})


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_rendered_stream_is_the_rendered_whole(data: st.DataObject) -> None:
    audio = random_audio(data.draw(st.integers(1, 3000)))
    seconds = st.floats(0, 0.1)
    render = Render(
        gain_db=data.draw(st.floats(-60, 20)),
        fade_in_s=data.draw(seconds),
        fade_out_s=data.draw(seconds),
        reverse=data.draw(st.booleans()),
        dc=data.draw(st.sampled_from([(), (0.1,), (0.1, 0.2)])),
        mono=data.draw(st.booleans()),
    )
    whole = apply_render(audio, render)
    start = data.draw(st.integers(0, audio.frames))
    stop = data.draw(st.integers(start, audio.frames))
    blocks = list(Rendered(audio, render).blocks(data.draw(st.integers(1, 500)), start=start, stop=stop))
    joined = np.concatenate([np.zeros((whole.channels, 0), np.float32), *blocks], axis=1)
    np.testing.assert_array_equal(joined, whole.samples[:, start:stop])


def test_fades_take_the_steps_at_the_edges_away() -> None:
    audio = random_audio(4000)
    faded = apply_render(audio, {"fade_in_s": 0.01, "fade_out_s": 0.01})
    for frame in (0, -1):
        assert np.abs(audio.samples[:, frame]).max() > 0.01
        assert np.abs(faded.samples[:, frame]).max() == 0
