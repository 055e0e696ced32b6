"""Levels against pyloudnorm and against what the standards' own test signals must give."""

from __future__ import annotations

import numpy as np
import pytest

from audiolab.audio import (
    Audio,
    integrated_lufs,
    loudness_range,
    measure_levels,
    momentary_lufs,
    sample_peak_db,
    true_peak_db,
)

RATES = [8000, 11025, 22050, 44100, 48000, 96000, 192_000]


def sine(rate: int, *, hz: float = 997.0, db: float = -20.0, seconds: float = 5.0, channels: int = 1) -> Audio:
    wave = 10 ** (db / 20) * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    return Audio(np.tile(wave, (channels, 1)).astype(np.float32), rate)


@pytest.mark.parametrize("rate", RATES)
def test_a_sine_of_997_hz_has_its_nominal_loudness(rate: int) -> None:
    # BS.1770-4: 997 Hz at 0 dBFS in one channel reads -3.01 LKFS; the same in both channels 3.01 more.
    # The bilinear transform bends the shelf near half the rate, in pyloudnorm as here.
    tolerance = {8000: 0.25, 11025: 0.15, 22050: 0.07}.get(rate, 0.05)
    assert integrated_lufs(sine(rate)) == pytest.approx(-23.01, abs=tolerance)
    assert integrated_lufs(sine(rate, channels=2)) == pytest.approx(-20.0, abs=tolerance)


def test_the_ebu_gating_signals() -> None:
    # EBU Tech 3341, cases 3 and 4: stretches at -36 and -72 LUFS must not pull -23 LUFS down.
    def stereo(*parts: tuple[float, float]) -> Audio:
        pieces = [sine(48000, hz=1000, db=db, seconds=seconds, channels=2).samples for db, seconds in parts]
        return Audio(np.concatenate(pieces, axis=1), 48000)

    assert integrated_lufs(stereo((-23, 20))) == pytest.approx(-23.0, abs=0.1)
    assert integrated_lufs(stereo((-36, 10), (-23, 60), (-36, 10))) == pytest.approx(-23.0, abs=0.1)
    assert integrated_lufs(stereo((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10))) == pytest.approx(
        -23.0, abs=0.1
    )


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
@pytest.mark.parametrize("seconds", [0.45, 1.02, 1.07, 3.33, 9.9])
def test_it_equals_pyloudnorm(rate: int, seconds: float) -> None:
    import pyloudnorm

    rng = np.random.default_rng(int(seconds * 100))
    frames = int(seconds * rate)
    swell = np.abs(np.sin(np.arange(frames) / frames * 7)) ** 2
    audio = Audio((0.2 * rng.standard_normal((2, frames)) * swell).astype(np.float32), rate)
    reference = pyloudnorm.Meter(rate).integrated_loudness(audio.samples.T.astype(np.float64))
    assert integrated_lufs(audio) == pytest.approx(reference, abs=0.05)


def test_silence_and_too_quiet_have_no_loudness() -> None:
    for audio in (Audio(np.zeros((2, 48000)), 48000), sine(48000, db=-90), Audio(np.zeros((1, 0)), 48000)):
        levels = measure_levels(audio)
        assert levels.lufs is None
        assert integrated_lufs(audio) is None
    assert measure_levels(Audio(np.zeros((2, 100)), 8000)).true_peak_db == -240.0


@pytest.mark.parametrize("frames", [1, 7, 400, 4000, 19_199])
def test_sounds_shorter_than_a_block_count_as_one(frames: int) -> None:
    rng = np.random.default_rng(0)
    audio = Audio((0.3 * rng.standard_normal((1, frames))).astype(np.float32), 48000)
    value = integrated_lufs(audio)
    assert value is not None
    twice = integrated_lufs(audio.with_(audio.samples * 2))
    assert twice == pytest.approx(value + 6.0206, abs=1e-3)


def test_a_constant_offset_has_no_loudness_but_a_peak() -> None:
    audio = Audio(np.full((1, 48000 * 5), 0.5, np.float32), 48000)
    levels = measure_levels(audio)
    assert levels.lufs is None or levels.lufs < -30
    assert levels.sample_peak_db == pytest.approx(-6.02, abs=0.01)


def test_scaling_moves_every_level_alike() -> None:
    audio = sine(44100, hz=440, seconds=2)
    one, two = measure_levels(audio), measure_levels(audio.with_(audio.samples * 4))
    assert one.lufs is not None
    assert two.lufs == pytest.approx(one.lufs + 12.0412, abs=1e-3)
    assert two.true_peak_db == pytest.approx(one.true_peak_db + 12.0412, abs=1e-3)
    assert two.sample_peak_db == pytest.approx(one.sample_peak_db + 12.0412, abs=1e-3)


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_true_peak_sees_between_the_samples(rate: int) -> None:
    # A sine of a quarter of the rate, sampled at 45 degrees: samples 3.01 dB below its peak.
    n = np.arange(rate)
    fade = np.minimum(1, np.minimum(n, n[::-1]) / (rate / 10))
    audio = Audio((0.5 * fade * np.sin(2 * np.pi * n / 4 + np.pi / 4)).astype(np.float32), rate)
    assert sample_peak_db(audio) == pytest.approx(-9.03, abs=0.01)
    assert true_peak_db(audio) == pytest.approx(-6.02, abs=0.1)


class InBlocks:
    """A source that hands out blocks of its own size, whatever is asked."""

    def __init__(self, audio: Audio, size: int) -> None:
        self.audio, self.size = audio, size
        self.name, self.sample_rate = audio.name, audio.sample_rate
        self.channels, self.frames = audio.channels, audio.frames

    def blocks(self, size: int = 0, *, start: int = 0, stop: int | None = None):
        return self.audio.blocks(self.size, start=start, stop=stop)


@pytest.mark.parametrize("size", [1, 333, 4410, 65536])
def test_block_size_changes_nothing(size: int, noise) -> None:
    audio = noise(frames=4001 if size == 1 else 120_001)
    whole, parts = measure_levels(InBlocks(audio, audio.frames)), measure_levels(InBlocks(audio, size))
    assert parts.lufs == pytest.approx(whole.lufs, abs=1e-6)
    assert parts.true_peak_db == pytest.approx(whole.true_peak_db, abs=1e-4)
    assert parts.sample_peak_db == whole.sample_peak_db
    assert parts.lra == pytest.approx(whole.lra, abs=1e-6) if whole.lra is not None else parts.lra is None
    np.testing.assert_allclose(momentary_lufs(InBlocks(audio, size)), momentary_lufs(audio), atol=1e-6)


def test_momentary_loudness_follows_the_sound() -> None:
    loud, quiet = sine(48000, db=-20, seconds=2), sine(48000, db=-40, seconds=2)
    curve = momentary_lufs(Audio(np.concatenate([quiet.samples, loud.samples], axis=1), 48000))
    assert len(curve) == 37
    assert curve[3] == pytest.approx(-43.05, abs=0.1)
    assert curve[30] == pytest.approx(-23.05, abs=0.1)


def test_six_channels_have_the_weights_of_surround_sound() -> None:
    front = np.zeros((6, 48000 * 3), np.float32)
    tone = sine(48000, seconds=3).samples[0]
    front[0] = tone
    rear, lfe = np.roll(front, 4, axis=0), np.roll(front, 3, axis=0)
    reference = integrated_lufs(Audio(front, 48000))
    assert reference is not None
    assert integrated_lufs(Audio(rear, 48000)) == pytest.approx(reference + 10 * np.log10(1.41), abs=1e-3)
    assert integrated_lufs(Audio(lfe, 48000)) is None


def test_streaming_needs_little_memory() -> None:
    import tracemalloc

    class Endless:
        name, sample_rate, channels, frames = "long", 48000, 2, 48000 * 120

        def blocks(self, size: int = 1 << 16, *, start: int = 0, stop: int | None = None):
            block = (0.1 * np.random.default_rng(0).standard_normal((2, size))).astype(np.float32)
            left = self.frames
            while left:
                yield block[:, : min(size, left)]
                left -= min(size, left)

    integrated_lufs(sine(48000, seconds=1))  # imports are not the measurement's memory
    tracemalloc.start()
    measure_levels(Endless())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20


def _stretches(*parts: tuple[float, float], rate: int = 48000) -> Audio:
    pieces = [sine(rate, hz=1000, db=db, seconds=seconds, channels=2).samples for db, seconds in parts]
    return Audio(np.concatenate(pieces, axis=1), rate)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((-20, 20), (-30, 20)), 10),
        (((-20, 20), (-15, 20)), 5),
        (((-40, 20), (-20, 20)), 20),
        (((-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)), 15),
    ],
)
def test_the_ebu_loudness_range_signals(parts, expected) -> None:
    # EBU Tech 3342, table 1, cases 1 to 4, each within 1 LU.
    assert loudness_range(_stretches(*parts)) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
@pytest.mark.parametrize("seconds", [8, 40])
def test_the_loudness_range_equals_pyloudnorm(rate: int, seconds: int) -> None:
    import pyloudnorm

    rng = np.random.default_rng(seconds)
    frames = seconds * rate
    swell = 10 ** (np.interp(np.arange(frames), np.linspace(0, frames, 12), rng.uniform(-30, 0, 12)) / 20)
    audio = Audio((0.2 * rng.standard_normal((2, frames)) * swell).astype(np.float32), rate)
    meter = pyloudnorm.Meter(rate)
    meter._append_silence = lambda data, **_: data  # see the docstring: the sound as it is
    expected = meter.loudness_range(audio.samples.T.astype(np.float64))
    assert expected > 3
    assert loudness_range(audio) == pytest.approx(expected, abs=0.15)
    assert measure_levels(audio).lra == loudness_range(audio)


def test_a_steady_sound_has_no_range_and_a_short_one_none() -> None:
    assert loudness_range(sine(44100, seconds=5)) == pytest.approx(0.0, abs=0.01)
    assert loudness_range(sine(44100, seconds=2.9)) is None
    assert loudness_range(Audio(np.zeros((1, 44100 * 5)), 44100)) is None
    audio = _stretches((-20, 6), (-30, 6))
    louder = audio.with_(audio.samples * 3)
    assert loudness_range(louder) == pytest.approx(loudness_range(audio), abs=1e-3)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_true_peak_equals_an_oversampled_reference(rate: int) -> None:
    from scipy.signal import butter, firwin, resample_poly, sosfiltfilt

    rng = np.random.default_rng(0)
    # Flat tops, of which much lies between the samples, without what lies between soxr's pass band and half the rate.
    flat = sosfiltfilt(butter(10, 0.75, output="sos"), np.clip(rng.standard_normal((2, rate)), -0.5, 0.5), axis=1)
    fade = np.minimum(1, np.minimum(np.arange(rate), np.arange(rate)[::-1]) / 2000)  # a hard end rings, too
    tones = 0.4 * fade * np.sin(2 * np.pi * np.cumsum(np.linspace(100, 0.4 * rate, rate)) / rate)
    flat = flat * fade
    sharp = firwin(4 * 400 + 1, 1 / 4, window=("kaiser", 12.0))
    for samples in (0.8 * flat, tones[None]):
        audio = Audio(samples.astype(np.float32), rate)
        reference = np.abs(resample_poly(audio.samples.astype(np.float64), 4, 1, axis=1, window=sharp)).max()
        assert true_peak_db(audio) == pytest.approx(20 * np.log10(reference), abs=0.02)
        assert true_peak_db(audio) >= sample_peak_db(audio)
