"""One-shot or loop."""

from __future__ import annotations

import numpy as np
import pytest
from drum_sounds import RATE, bass_note, closed_hat, kick, loop, saw_chord, snare

from audiolab.audio import Audio
from audiolab.stages import classify
from audiolab.stages.classification.looping import one_shot_or_loop, strong_onsets
from audiolab.stages.classification.preparing import listen


def kind(samples: np.ndarray, rate: int = RATE) -> str:
    return one_shot_or_loop(listen(Audio(samples, rate)))


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
@pytest.mark.parametrize("beats", [8, 32])
def test_a_drum_loop_is_a_loop(rate, beats):
    assert kind(loop(rate, beats), rate) == "loop"


@pytest.mark.parametrize("make", [kick, snare, closed_hat, saw_chord, bass_note])
def test_single_sounds_are_one_shots(make):
    padded = np.concatenate((make(), np.zeros(2 * RATE, np.float32)))
    assert kind(make()) == kind(padded) == "one-shot"


def test_a_long_decay_and_steady_noise_are_one_shots():
    noise = np.random.default_rng(0).standard_normal(3 * RATE)
    t = np.arange(noise.size) / RATE
    assert kind(0.1 * noise) == "one-shot"
    assert kind(noise * np.exp(-2 * t)) == "one-shot"


def test_onsets_lie_where_the_hits_are():
    found = strong_onsets(loop(), RATE)
    truth = np.arange(8) * 0.25
    assert len(found) == len(truth)
    assert np.abs(found - truth).max() < 0.035


def test_the_result_says_loop():
    assert classify((loop(), RATE))[0].kind == "loop"
