"""Resampling keeps length, time and level, and a stream gives what the whole gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.audio import Audio, Resampled, resample, rescale_frames, to_frames, to_seconds
from audiolab.errors import ParameterError

PAIRS = [(44100, 48000), (48000, 44100), (44100, 22050), (8000, 44100), (96000, 44100), (44101, 48000), (39063, 16000)]


@given(st.integers(0, 10**12), st.integers(1, 400_000), st.integers(1, 400_000))
def test_lengths_are_exact_integers(frames: int, old: int, new: int) -> None:
    got = rescale_frames(frames, old, new)
    assert abs(got * old - frames * new) * 2 <= old
    assert rescale_frames(frames, old, old) == frames


@given(st.floats(-1e6, 1e6), st.sampled_from([8000, 22050, 44100, 48000, 192_000]))
def test_seconds_round_to_the_nearest_frame(seconds: float, rate: int) -> None:
    frame = to_frames(seconds, rate)
    assert abs(frame - seconds * rate) <= 0.5 + 1e-6
    assert to_frames(to_seconds(frame, rate), rate) == frame


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_times_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(ParameterError):
        to_frames(bad, 44100)
    with pytest.raises(ParameterError):
        to_frames(1.0, 0)


@pytest.mark.parametrize(("old", "new"), PAIRS)
@pytest.mark.parametrize("channels", [1, 2])
def test_length_time_and_level_are_kept(old: int, new: int, channels: int) -> None:
    frames = old + 17
    t = np.arange(frames) / old
    tone = np.tile(0.5 * np.sin(2 * np.pi * 440 * t), (channels, 1)).astype(np.float32)
    out = resample(Audio(tone, old), new)
    assert (out.sample_rate, out.channels, out.frames) == (new, channels, rescale_frames(frames, old, new))
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(out.frames) / new)
    inner = slice(new // 20, -new // 20)
    assert np.abs(out.samples[:, inner] - expected[inner]).max() < 1e-4


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_an_impulse_stays_at_its_time(old: int, new: int) -> None:
    audio = Audio(np.zeros((1, old), np.float32), old)
    samples = audio.samples.copy()
    samples[0, old // 3] = 1.0
    out = resample(audio.with_(samples), new)
    at = int(np.abs(out.samples[0]).argmax())
    assert abs(at / new - (old // 3) / old) <= 1 / min(old, new)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_stream_equals_the_whole(old: int, new: int) -> None:
    rng = np.random.default_rng(1)
    audio = Audio((0.1 * rng.standard_normal((2, 50_001))).astype(np.float32), old)
    whole = resample(audio, new)
    view = Resampled(audio, new)
    assert view.frames == whole.frames
    for size in (1000, 4096, 1 << 20):
        parts = list(view.blocks(size))
        assert max(part.shape[1] for part in parts) <= size
        np.testing.assert_allclose(np.concatenate(parts, axis=1), whole.samples, atol=1e-6)
    some = np.concatenate(list(view.blocks(997, start=1234, stop=20_000)), axis=1)
    np.testing.assert_allclose(some, whole.samples[:, 1234:20_000], atol=1e-6)


@given(st.integers(1, 5000), st.sampled_from(PAIRS))
@settings(max_examples=40)
def test_any_length_works(frames: int, pair: tuple[int, int]) -> None:
    old, new = pair
    out = resample(Audio(np.full((1, frames), 0.25, np.float32), old), new)
    assert out.frames == rescale_frames(frames, old, new)


def test_a_constant_stays_constant() -> None:
    out = resample(Audio(np.full((1, 44100), 0.5, np.float32), 44100), 48000)
    assert np.abs(out.samples[0, 4800:-4800] - 0.5).max() < 1e-5


def test_the_same_rate_gives_the_same_object() -> None:
    audio = Audio(np.zeros((1, 10), np.float32), 44100)
    assert resample(audio, 44100) is audio
    with pytest.raises(ParameterError):
        resample(audio, 0)
