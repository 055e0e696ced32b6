"""The engine `spectral`: its parts against references, and the whole on songs with known stems."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import median_filter
from separation_cases import song

from audiolab.audio import Audio
from audiolab.benchmarking.signals import si_sdr
from audiolab.stages.separation.spectral import Spectral
from audiolab.stages.separation.spectral.bass import bass_pitch, off_bass
from audiolab.stages.separation.spectral.features import MARGIN, analyse
from audiolab.stages.separation.spectral.grid import Grid
from audiolab.stages.separation.spectral.masks import FITTED, STEMS, masks
from audiolab.stages.separation.spectral.medians import median_across, median_along_bins, median_along_time
from audiolab.stages.separation.spectral.repetition import describe_frames, repeated, similar_frames

RATE = 11025
"""Low, so that the tests are quick; the grid is the same in seconds and hertz at every rate."""


def separated(mix: np.ndarray, rate: int = RATE) -> np.ndarray:
    blocks = list(Spectral().blocks(Audio(mix, rate)))
    return np.stack([np.concatenate([block[name] for block in blocks], axis=1) for name in STEMS])


@given(count=st.sampled_from([1, 3, 5, 7, 9, 13, 15]), seed=st.integers(0, 50))
def test_median_across_is_the_median(count: int, seed: int) -> None:
    arrays = np.random.default_rng(seed).integers(0, 9, (count, 4, 6)).astype(np.float32)
    assert np.array_equal(median_across(list(arrays)), np.median(arrays, axis=0))


@pytest.mark.parametrize("width", [3, 17, 41])
def test_running_medians_equal_scipy(width: int) -> None:
    values = np.random.default_rng(0).random((60, 70)).astype(np.float32)
    assert np.array_equal(median_along_bins(values, width), median_filter(values, (1, width), mode="mirror"))
    assert np.array_equal(median_along_time(values, width), median_filter(values, (width, 1), mode="mirror"))


@pytest.mark.parametrize("rate", [1000, 8000, 11025, 44100, 48000, 96000, 192000])
def test_grid_is_the_same_in_seconds_and_hertz(rate: int) -> None:
    grid = Grid.at(rate)
    assert grid.hop % 4 == 0
    assert grid.hop / rate == pytest.approx(1024 / 44100, rel=0.1)
    assert grid.hertz[1] == pytest.approx(10.8, rel=0.1)
    assert len(grid.hertz) == grid.bins
    assert grid.hertz[-1] <= min(rate / 2, 22050) + 1e-3


def test_transform_and_back_is_the_identity() -> None:
    grid = Grid.at(8000)
    sound = np.random.default_rng(0).standard_normal((2, 40 * grid.hop)).astype(np.float32)
    spectra = grid.transform(sound, size=grid.size, step=grid.hop, count=37)
    into = np.zeros((2, 40 * grid.hop), np.float32)
    grid.add_up(spectra, into)
    inner = slice(3 * grid.hop, 37 * grid.hop)
    assert np.abs(into[:, inner] - sound[:, inner]).max() < 1e-5


@given(seed=st.integers(0, 99), spread=st.sampled_from([0.1, 3.0, 50.0]))
def test_masks_are_shares(seed: int, spread: float) -> None:
    grid = Grid.at(8000)
    rng = np.random.default_rng(seed)
    features = {name: (spread * rng.standard_normal((3, grid.bins))).astype(np.float32) for name in FITTED.coefficients}
    made = np.stack(list(masks(grid, features)))
    assert made.shape == (4, 3, grid.bins)
    assert made.min() >= 0
    assert np.allclose(made.sum(axis=0), 1, atol=1e-5)


def test_stems_add_up_before_folding() -> None:
    mix = song(5.0, RATE)
    assert np.abs(separated(mix).sum(axis=0) - mix).max() < 1e-5


def test_two_equal_channels_are_one() -> None:
    mix = song(4.0, RATE, 1)
    one, two = separated(mix), separated(np.repeat(mix, 2, axis=0))
    assert np.abs(two[:, 0] - one[:, 0]).max() < 1e-4
    assert np.array_equal(two[:, 0], two[:, 1])


def test_where_the_chunks_begin_does_not_matter() -> None:
    """Silence of any number of frames put before a song moves the stems and changes nothing else: no seams."""
    hop = Grid.at(RATE).hop
    mix = song(30.0, RATE)
    plain = separated(mix)
    for frames in (100, 251):
        moved = separated(np.pad(mix, ((0, 0), (frames * hop, 0))))[:, :, frames * hop :]
        # Only three of the four windows reach the first 23 ms; which of two equally similar frames is taken may change.
        assert np.abs(moved - plain)[:, :, hop:].max() < 1e-2 * np.abs(mix).max()
        assert np.sqrt(np.mean((moved - plain)[:, :, hop:] ** 2)) < 5e-3 * np.sqrt(np.mean(plain**2))


def test_what_comes_much_later_does_not_matter() -> None:
    """The first chunk is the same whether the song goes on for half a minute or a minute."""
    mix = song(60.0, RATE)
    seconds = 8
    short, long = separated(mix[:, : 30 * RATE]), separated(mix)
    assert np.array_equal(short[:, :, : seconds * RATE], long[:, :, : seconds * RATE])


def test_gain_hardly_matters() -> None:
    mix = song(6.0, RATE)
    full, tenth = separated(mix), separated(0.1 * mix) * 10
    for a, b in zip(full, tenth, strict=True):
        assert si_sdr(a, b) > 25


def test_bass_pitch_of_a_bass_line() -> None:
    grid, pitches = Grid.at(RATE), (41.2, 55.0, 82.4, 110.0, 164.8)
    t = np.arange(2 * RATE) / RATE
    line = np.concatenate([sum(np.sin(2 * np.pi * h * f * t) / h for h in range(1, 6)) for f in pitches])
    count = line.size // grid.hop
    margin = 8 * grid.hop
    spectra = grid.transform(
        np.pad(line, margin)[None].astype(np.float32), size=4 * grid.size, step=grid.hop, count=count
    )
    found = bass_pitch(grid, np.abs(spectra[0]))
    for index, pitch in enumerate(pitches):
        middle = found[round((2 * index + 1) * RATE / grid.hop)]
        assert middle == pytest.approx(pitch, rel=0.03)
    away = off_bass(grid, np.array([100.0], np.float32))[0]
    at = [int(np.argmin(np.abs(grid.hertz - f))) for f in (50, 100, 150, 200, 250, 300, 700)]
    assert np.all(away[at][[0, 1, 6]] == 0)
    assert np.all(away[at][[3, 5]] < 0.3)
    assert np.all(away[at][[2, 4]] > 0.9)


def test_similar_frames_of_a_loop_are_a_period_apart_and_repeat_fully() -> None:
    grid, count, period = Grid.at(8000), 120, 40
    rng = np.random.default_rng(0)
    pattern = rng.random((period, grid.bins)).astype(np.float32) ** 4
    magnitude = np.tile(pattern, (9, 1))
    found = similar_frames(describe_frames(grid, magnitude), count)
    rows = np.arange(count)[:, None] + count
    used = found >= 0
    assert used[:, :4].all()
    assert np.mean((found - rows)[:, :4] % period == 0) > 0.95
    first = found[:, 0] - rows[:, 0]
    assert np.all(first % period == 0)
    assert np.all(np.abs(found - rows)[used] <= count)
    share = repeated(magnitude[count : 2 * count], magnitude, found, count)
    assert np.median(share) > -0.01


def test_a_sound_that_comes_once_does_not_repeat() -> None:
    grid, count = Grid.at(8000), 120
    rng = np.random.default_rng(0)
    magnitude = np.tile(rng.random((40, grid.bins)).astype(np.float32) ** 4, (9, 1))
    magnitude[180, 50:60] += 30
    found = similar_frames(describe_frames(grid, magnitude), count)
    share = repeated(magnitude[count : 2 * count], magnitude, found, count)
    assert share[60, 50:60].max() < -2


def test_side_tells_the_middle_from_the_sides() -> None:
    grid = Grid.at(RATE)
    frames = 8 + 2 * MARGIN
    t = np.arange(frames * grid.hop) / RATE
    low, high = np.sin(2 * np.pi * 500 * t), np.sin(2 * np.pi * 2000 * t)
    sound = np.stack([low + high, low]).astype(np.float32)
    side = analyse(grid, sound, 8).features["side"]
    at = [int(np.argmin(np.abs(grid.hertz - f))) for f in (500, 2000)]
    assert np.abs(side[:, at[0]]).max() < 0.05
    assert side[:, at[1]] == pytest.approx(1.0, abs=0.05)


def test_every_stem_of_the_rendered_song_comes_out_far_better_than_the_mix() -> None:
    from audiolab.synth import render_song

    rendered = render_song(bars=8)
    made = separated(rendered.mix.samples, rendered.sample_rate)
    gains = {
        name: si_sdr(rendered.stems[name].samples, made[i]) - si_sdr(rendered.stems[name].samples, rendered.mix.samples)
        for i, name in enumerate(STEMS)
    }
    assert min(gains.values()) > 4, gains


@pytest.mark.shared
@pytest.mark.slow
def test_beats_naive_separation_and_the_mixture_on_real_songs(shared_data: Path) -> None:
    """Mean over songs for every stem; the way of measuring is that of benchmarks/bench_separation.py."""
    import librosa
    from scipy.signal import butter, sosfiltfilt

    scores: dict[str, list[list[float]]] = {"spectral": [], "hpss": [], "mix": []}
    for path in sorted((shared_data / "music" / "mdb").glob("*/mix.flac")):
        mix = Audio.from_file(path)
        truth = [Audio.from_file(path.parent / f"{name}.flac").samples for name in STEMS]
        harmonic, percussive = librosa.effects.hpss(mix.samples)
        low = sosfiltfilt(butter(4, 200, output="sos", fs=mix.sample_rate), harmonic)
        for way, made in (
            ("spectral", separated(mix.samples, mix.sample_rate)),
            ("hpss", [percussive, low, harmonic, harmonic]),
            ("mix", [mix.samples] * 4),
        ):
            scores[way].append([si_sdr(t, m) for t, m in zip(truth, made, strict=True)])
    means = {way: np.mean(values, axis=0) for way, values in scores.items()}
    assert np.all(means["spectral"] > means["hpss"] + 0.5)
    assert np.all(means["spectral"] > means["mix"] + 2)


def test_progress_comes_at_least_every_ten_seconds_of_audio() -> None:
    seen: list[float] = []
    list(Spectral().blocks(Audio(song(60.0, 8000, 1), 8000), progress=lambda done, total: seen.append(done / 8000)))
    assert all(b - a <= 10 for a, b in pairwise([0.0, *seen]))
