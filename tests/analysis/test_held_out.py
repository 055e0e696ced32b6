"""Loops and keys that the judges were not fitted to; benchmarks/bench_analyze.py measures many more."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cut_loops import cut_loop
from rendered_keys import FIT, HELD_OUT, chord_of, render_keyed

from audiolab.audio import Audio
from audiolab.stages.analysis import analyze
from audiolab.stages.analysis.features import FRAME_RATE, gather
from audiolab.stages.analysis.framing import survey
from audiolab.stages.analysis.key import TONICS, find_key, profile_classes
from audiolab.stages.analysis.pulse import loop_cues
from audiolab.stages.analysis.tonality import VIEW_SIZE, Tonality, key_fits, tonality

STYLES = ("rock", "house", "funk", "disco", "country", "metal", "motown", "hiphop")


def test_loops_get_the_tempo_of_their_length():
    right = exact = 0
    for number, style in enumerate(STYLES):
        for bars in (1, 2, 4):
            loop = cut_loop(style, seed=9000 + number, bars=bars, tail=False)
            found = analyze(Audio(loop.samples, loop.sample_rate))
            ratio = (found.bpm or 0) / loop.bpm
            right, exact = right + (abs(ratio - 1) < 0.04), exact + (abs(ratio - 1) < 1e-3)
    assert right >= 19  # of 24
    assert exact >= 17


def test_a_ringing_tail_is_no_part_of_the_bars():
    right = 0
    for number, style in enumerate(STYLES):
        loop = cut_loop(style, seed=9100 + number, bars=4, tail=True)
        right += abs((analyze(Audio(loop.samples, loop.sample_rate)).bpm or 0) / loop.bpm - 1) < 0.04
    assert right >= 6  # of 8


@pytest.mark.parametrize("beats", [4, 8, 16])
def test_loop_cues_tell_whole_bars(beats):
    period = 50.0
    fits, fours, doubled, threes, opened, started = loop_cues(beats * period, period * 1.002, 0.8)
    assert min(fits, fours, doubled) > 0.9
    assert threes == 0
    assert opened == pytest.approx(0.8 * fours)
    assert started == pytest.approx(0.8 * fits)
    assert max(loop_cues((beats + 0.5) * period, period, 1.0)) < 0.2
    assert loop_cues(40 * FRAME_RATE, 40 * FRAME_RATE / 64, 1.0) == [0.0] * 6  # a song is no loop


def test_numerals_are_read():
    assert chord_of("I") == (0, (0, 4, 7))
    assert chord_of("bVII") == (10, (0, 4, 7))
    assert chord_of("iio") == (2, (0, 3, 6))
    assert chord_of("ii7") == (2, (0, 3, 7, 10))
    assert chord_of("Imaj7") == (0, (0, 4, 7, 11))
    assert chord_of("vi7") == (9, (0, 3, 7, 10))


def test_no_progression_is_both_fitted_and_tested():
    assert len({p.chords for p in FIT + HELD_OUT}) == len(FIT + HELD_OUT)
    for p in FIT + HELD_OUT:
        assert all(math.isfinite(chord_of(numeral)[0]) for numeral in p.chords.split())
    assert any(not p.chords.startswith(("I", "i ")) for p in HELD_OUT)


def test_keys_over_progressions_never_fitted_to():
    right = profiles = 0
    for progression in HELD_OUT:
        song = render_keyed(progression, seed=4000, seconds=20)
        audio = Audio(song.samples, song.sample_rate)
        features = gather(audio, survey(audio))
        right += find_key(features).name == f"{TONICS[song.tonic]} {song.mode}"
        best = int(key_fits(profile_classes(tonality(features))).argmax())
        profiles += (best % 12, ("major", "minor")[best // 12]) == (song.tonic, song.mode)
    assert right >= 23  # of 28
    assert right >= profiles


def test_a_view_turns_with_the_tonic(rng):
    pitch, bass = rng.random((2, 12, 60)).astype("f4")
    found = Tonality(pitch, bass)
    for steps in (1, 7):
        turned = Tonality(np.roll(pitch, steps, axis=0), np.roll(bass, steps, axis=0))
        assert turned.view(steps).shape == (VIEW_SIZE,)
        np.testing.assert_allclose(turned.view(steps), found.view(0), atol=1e-6)
        np.testing.assert_allclose(turned.view((3 + steps) % 12), found.view(3), atol=1e-6)


def test_an_empty_sound_has_a_view():
    view = Tonality(np.zeros((12, 0), "f4"), np.zeros((12, 0), "f4")).view(0)
    assert view.shape == (VIEW_SIZE,)
    assert not view.any()
