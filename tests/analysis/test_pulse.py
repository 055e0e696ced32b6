from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio, View
from audiolab.stages.analysis.bars import DIVISIONS, METERS, layouts
from audiolab.stages.analysis.chroma import FINE_BINS, fold_to_semitones, tuning_of
from audiolab.stages.analysis.features import BANDS, FRAME_RATE, gather
from audiolab.stages.analysis.framing import frame_batches, log_bands, magnitudes, survey
from audiolab.stages.analysis.judging import ROW_SIZE, read_rhythm, shipped_judge
from audiolab.stages.analysis.mapping import map_beats, straight_line
from audiolab.stages.analysis.pulse import CUES, accents, candidate_periods, correlogram, parabola, tempo_cues, to_bpm
from audiolab.stages.analysis.tracking import extend_beats, local_periods, track_beats
from audiolab.synth import metronome, render_song, tone


def pulses(period: float, frames: int, start: float = 0.0) -> np.ndarray:
    """Triangles one frame wide on each side, so that fractions of a frame show."""
    out = np.zeros(frames)
    for at in np.arange(start, frames - 1, period):
        left = int(at)
        out[left] += 1 - (at - left)
        out[left + 1] += at - left
    return out


# ---- framing --------------------------------------------------------------------------------------


@given(st.integers(1, 3000), st.integers(1, 700), st.sampled_from([(64, 16), (128, 50), (32, 32)]), st.integers(1, 9))
def test_frames_are_those_of_the_padded_signal(frames, size, shape, batch):
    n_fft, hop = shape
    signal = np.arange(1, frames + 1, dtype=np.float32)
    got = np.concatenate(list(frame_batches(Audio(signal, 8000).blocks(size), n_fft, hop, batch=batch)))
    count = -(-frames // hop)
    assert got.shape == (count, n_fft)
    padded = np.concatenate((np.zeros(n_fft // 2), signal, np.zeros(n_fft + hop)))
    for index in range(count):
        np.testing.assert_array_equal(got[index], padded[index * hop : index * hop + n_fft])


def test_a_full_scale_sine_reads_one():
    frames = np.sin(2 * np.pi * 32 * np.arange(1024) / 1024).astype(np.float32)[None]
    spectrum = magnitudes(frames, np.hanning(1025)[:-1].astype(np.float32))
    assert spectrum[0, 32] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 192000])
def test_log_bands_are_whole_and_in_order(rate):
    filters, centres = log_bands(rate, 2048, per_octave=24, low=27.5, high=17000.0)
    np.testing.assert_allclose(filters.sum(axis=0), 1.0, rtol=1e-5)
    assert (np.diff(centres) > 0).all()
    assert centres[-1] <= min(17000, rate / 2)


@given(st.integers(0, 5000), st.floats(0.01, 1.0), st.integers(1, 2))
def test_the_survey_finds_where_sound_begins(lead, gain, channels):
    samples = np.zeros((channels, lead + 3000), np.float32)
    samples[:, lead:] = gain * np.sin(0.3 * np.arange(3000) + 1.0)
    heard = survey(Audio(samples, 8000))
    assert heard.first == lead
    assert heard.level == pytest.approx(gain / np.sqrt(2), rel=0.03)
    assert heard.peak == pytest.approx(gain, rel=0.02)


def test_the_survey_takes_away_an_offset():
    heard = survey(Audio(tone(300, 1.0).samples + np.float32(0.25), 44100))
    assert heard.offset == pytest.approx(0.25, abs=1e-3)
    assert heard.peak == pytest.approx(0.5, abs=2e-3)


# ---- features -------------------------------------------------------------------------------------


def test_features_do_not_depend_on_where_blocks_end(short_song):
    source = short_song.mix.cut_seconds(0, 6)

    class Odd:
        name, sample_rate, channels, frames = source.name, source.sample_rate, source.channels, source.frames

        def blocks(self, _size=0, *, start=0, stop=None):
            return source.blocks(7919, start=start, stop=stop)

    heard = survey(source)
    one, two = gather(source, heard), gather(Odd(), heard)
    np.testing.assert_allclose(one.flux, two.flux, atol=1e-5)
    np.testing.assert_allclose(one.power, two.power, rtol=1e-4)
    assert one.flux.shape == (len(BANDS), -(-(6 * 22050) // 220))
    assert one.pitch.shape == (FINE_BINS, 60)


def test_bands_hear_their_own_instruments():
    kick, hat = (np.zeros(44100, np.float32) for _ in range(2))
    time = np.arange(8000) / 44100
    kick[20000:28000] = 0.8 * np.sin(2 * np.pi * 60 * time) * np.exp(-time / 0.05) * np.minimum(1, time / 0.004)
    noise = np.random.default_rng(0).standard_normal(8000)
    hat[20000:28000] = 0.2 * np.diff(noise, n=3, prepend=0, append=(0, 0)) * np.exp(-time / 0.02)
    for wave, band in ((kick, 0), (hat, 4)):
        audio = Audio(wave, 44100)
        flux = gather(audio, survey(audio)).flux.max(axis=1)
        assert int(flux.argmax()) == band
        assert flux[4 - band] < 0.5 * flux[band]


def test_fine_pitch_classes_are_folded_at_their_tuning():
    fine = np.zeros((FINE_BINS, 1), np.float32)
    fine[3 * 10 + 3] = 1.0  # D#, 30 cents sharp
    assert fold_to_semitones(fine, 0.3)[3, 0] == pytest.approx(1.0)
    assert fold_to_semitones(fine, 0.0)[3, 0] < 0.5
    assert tuning_of(np.exp(2j * np.pi * 0.3)) == pytest.approx(0.3)


# ---- tempo and beats ------------------------------------------------------------------------------


@given(st.floats(45.0, 240.0))
def test_a_pulse_is_among_the_candidates_to_a_thousandth(bpm):
    strength = pulses(to_bpm(bpm), 3000).astype(np.float32)
    found = correlogram(np.tile(strength, (5, 1)))
    periods = candidate_periods(found.total, 3000)
    assert min(abs(to_bpm(period) / bpm - 1) for period in periods) < 1e-3
    assert all(np.isfinite(tempo_cues(found, period, 0.02)).all() for period in periods)


def test_nothing_gives_no_candidates():
    assert candidate_periods(correlogram(np.zeros((5, 500), np.float32)).total, 5000) == []


@given(st.floats(-1, 1), st.floats(0.1, 5))
def test_the_parabola_finds_its_own_summit(shift, height):
    shift /= 2
    values = [height - (x - shift) ** 2 for x in (-1, 0, 1)]
    assert parabola(*values) == pytest.approx(shift, abs=1e-6)


@given(st.floats(28.0, 110.0), st.floats(0.0, 25.0))
def test_a_steady_pulse_is_followed(period, start):
    beats = track_beats(pulses(period, 2400, start), period)
    truth = np.arange(start, 2399, period)
    assert len(beats) >= len(truth) - 2
    for beat in beats:
        assert np.abs(truth - beat).min() < 0.75


def test_an_accelerating_pulse_is_followed():
    intervals = np.linspace(60, 46, 90)
    truth = 10 + np.cumsum(intervals)
    strength = np.zeros(int(truth[-1]) + 20)
    strength[np.round(truth).astype(int)] = 1.0
    local = local_periods(strength, 53.0)
    assert local[500] > 55
    assert local[-500] < 50
    beats = track_beats(strength, 53.0)
    assert np.mean([np.abs(beats - time).min() < 2 for time in truth]) > 0.95


@given(st.floats(10, 90), st.floats(0, 300), st.integers(3, 30))
def test_beats_are_extended_to_both_ends(period, first, count):
    beats = first + period * np.arange(count)
    frames = beats[-1] + 3.3 * period
    whole = extend_beats(beats, frames)
    np.testing.assert_allclose(np.diff(whole), period, rtol=1e-6)
    assert -0.5 * period - 1e-6 <= whole[0] < 0.5 * period + 1e-6
    assert frames - 0.5 * period - 1e-6 <= whole[-1] <= frames + 0.5 * period + 1e-6


def test_a_line_is_hardly_moved_by_outliers(rng):
    x = np.arange(60.0)
    y = 0.3 + 0.5 * x + rng.normal(0, 0.004, 60)
    y[::9] += 0.2
    slope, origin = straight_line(x, y)
    assert slope == pytest.approx(0.5, abs=2e-4)
    assert origin == pytest.approx(0.3, abs=0.005)


# ---- bars and judge -------------------------------------------------------------------------------


def test_layouts_turn_with_their_offset():
    song = render_song(bars=8, lead_in=0.0, sample_rate=22050)
    features = gather(song.mix, survey(song.mix))
    accent = accents(features.flux)
    beats = song.tempo_map.beats(song.mix.duration) * FRAME_RATE
    found = {(bar.meter, bar.offset): bar.profile for bar in layouts(features, accent, beats)}
    assert {meter for meter, _ in found} == set(METERS)
    bands, places = len(BANDS), 6
    plain = found[4, 0][: bands * 4 * places].reshape(bands, 4, places)
    later = found[4, DIVISIONS][: bands * 4 * places].reshape(bands, 4, places)
    np.testing.assert_allclose(np.roll(plain, -1, axis=1), later)
    snare = plain[3, :, 0]
    assert min(snare[1], snare[3]) > max(snare[0], snare[2])


def test_the_shipped_judge_fits_the_rows():
    judge = shipped_judge()
    clicks = metronome(120, 8.0)
    found = correlogram(accents(gather(clicks, survey(clicks)).flux))
    assert len(tempo_cues(found, 50.0, 0.02)) + 6 == CUES == len(judge.first)
    assert judge.linear.shape == (ROW_SIZE,)
    assert judge.hidden.shape == (ROW_SIZE, len(judge.bias)) == (ROW_SIZE, len(judge.output))
    rows = np.zeros((2, ROW_SIZE), np.float32)
    assert np.isfinite(judge.score(rows)).all()


def test_a_view_of_a_song_has_the_song_s_beats(short_song):
    mix = short_song.mix
    start = round(float(short_song.tempo_map.time_at(4)) * mix.sample_rate)
    view = View(mix, start, mix.frames)
    verdict = read_rhythm(gather(view, survey(view)))
    times = verdict.beats / FRAME_RATE
    tempo_map, steady = map_beats(times, verdict, view.frames / mix.sample_rate)
    assert steady
    assert tempo_map.bpm() == pytest.approx(short_song.bpm, rel=1e-3)
    assert tempo_map.downbeats(2)[0] == pytest.approx(0.0, abs=0.015)
