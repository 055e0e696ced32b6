"""The rendered song tells the truth about itself."""

from __future__ import annotations

import numpy as np
import pytest

from audiolab.audio import quantize
from audiolab.errors import ParameterError
from audiolab.synth import demo_song, metronome, pulse_train, render_song


def test_mix_is_the_exact_sum_of_stems_on_the_24_bit_grid(short_song):
    total = np.sum([stem.samples.astype(np.float64) for stem in short_song.stems.values()], axis=0)
    assert np.array_equal(total, short_song.mix.samples)
    for stem in (*short_song.stems.values(), short_song.mix):
        assert np.array_equal(quantize(stem.samples, 24), stem.samples)


def test_levels_are_those_of_a_song(short_song):
    assert 0.8 < np.abs(short_song.mix.samples).max() < 0.95
    for stem in short_song.stems.values():
        assert -32 < 20 * np.log10(np.sqrt(np.mean(stem.samples**2))) < -15


def test_same_seed_same_bytes_other_seed_other_song():
    first, again, other = (render_song(bars=2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.mix.samples, again.mix.samples)
    assert not np.array_equal(first.mix.samples, other.mix.samples)


@pytest.mark.parametrize("stem", ["drums", "bass", "other", "vocals"])
def test_every_onset_is_a_rise_at_that_very_frame(short_song, stem):
    """Energy right after each true onset exceeds what was there right before."""
    mono = short_song.stems[stem].samples.astype(np.float64).mean(axis=0)
    rate = short_song.sample_rate
    steps = np.diff(mono, prepend=0)  # differences see attacks over what still rings
    rises = []
    for frame in short_song.onsets(stem):
        before = np.sqrt(np.mean(steps[max(frame - rate // 200, 0) : frame] ** 2)) if frame else 0.0
        after = np.sqrt(np.mean(steps[frame : frame + rate // 50] ** 2))
        rises.append(after > before)
    assert np.mean(rises) > 0.95


def test_nothing_sounds_before_the_first_downbeat(short_song):
    first = round(short_song.tempo_map.segments[0].time * short_song.sample_rate)
    assert not short_song.mix.samples[:, :first].any()


def test_hits_lie_on_the_grid_and_swing_moves_only_off_eighths():
    straight, swung = (render_song(bars=2, swing=s) for s in (0.0, 1.0))
    beats = straight.tempo_map.beat_at(np.array([h.frame for h in straight.hits]) / straight.sample_rate)
    assert np.allclose(beats * 4, np.round(beats * 4), atol=1e-3)
    late = {h.frame for h in swung.hits} - {h.frame for h in straight.hits}
    moved = swung.tempo_map.beat_at(np.array(sorted(late)) / swung.sample_rate) % 1
    assert len(late) > 0
    assert np.allclose(moved, 2 / 3, atol=1e-3)


def test_demo_song_is_what_the_demo_promises():
    song = demo_song()
    assert 35 < song.mix.duration < 42
    assert song.bpm == pytest.approx(112)
    assert song.key == ("A", "minor")
    assert {hit.label for hit in song.hits} >= {"kick", "snare", "closed_hat", "open_hat", "tom", "crash"}


def test_unknown_key_is_refused():
    with pytest.raises(ParameterError, match="no key H minor"):
        render_song(tonic="H")


def test_pulses_start_at_their_frame():
    times = [0.1, 0.25, 0.7]
    audio = pulse_train(times, 1.0, 8000)
    starts = np.flatnonzero(np.abs(audio.samples[0]) > 0.5)
    assert starts[0] == 800
    assert np.array_equal(metronome(60, 2.0, 8000).samples[0][:8000], metronome(60, 2.0, 8000).samples[0][8000:])
