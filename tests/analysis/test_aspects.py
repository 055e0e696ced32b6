"""Aspects of known sounds: lengths, attacks, decays and pitches, whatever the level and the silence in front."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio
from audiolab.stages.analysis.aspects import (
    ASPECTS,
    DIMENSIONS,
    envelope_features,
    measure_aspects,
    pitch_features,
)
from audiolab.stages.analysis.oneshot import describe_sound

RATE = 44_100


def decaying(tau: float, seconds: float = 2.0, hertz: float = 220.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * time) * np.exp(-time / tau), np.float32)


@given(tau=st.floats(0.02, 0.3))
def test_decay_times_are_those_of_an_exponential(tau):
    aspects = measure_aspects(decaying(tau), RATE)
    for place, fall in ((3, 10), (4, 20), (5, 40)):
        truth = tau * fall * np.log(10) / 20
        assert 2 ** float(aspects[place]) == pytest.approx(truth, rel=0.15, abs=0.006)
    assert 2 ** float(aspects[1]) == pytest.approx(tau * 40 * np.log(10) / 20, rel=0.15, abs=0.006)
    course = aspects[6:22]
    assert (np.diff(course) <= 0.02).all()
    assert course.max() == 1


@given(gain=st.floats(0.01, 1.9), lead=st.integers(0, 5000), tau=st.floats(0.02, 0.3))
def test_neither_level_nor_silence_in_front_matter(gain, lead, tau):
    wave = decaying(tau)
    other = np.concatenate([np.zeros(lead, np.float32), np.float32(gain) * wave])
    apart = envelope_features(measure_aspects(wave, RATE)[None]) - envelope_features(measure_aspects(other, RATE)[None])
    assert np.linalg.norm(apart) < 0.35


def test_shorter_is_further_away():
    features = envelope_features(np.stack([measure_aspects(decaying(tau), RATE) for tau in (0.2, 0.15, 0.05, 0.02)]))
    distances = np.linalg.norm(features - features[0], axis=1)
    assert distances[0] == 0
    assert (np.diff(distances) > 0.2).all()


def test_pitch_and_confidence_come_from_the_description():
    described = describe_sound(Audio(decaying(0.5)[None, :], RATE)).aspects
    note, sure = pitch_features(described[None])[0]
    assert note == pytest.approx(57, abs=0.1)
    assert sure > 0.8
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)[None, :] * np.float32(0.1)
    assert pitch_features(describe_sound(Audio(noise, RATE)).aspects[None])[0, 1] < 0.5


def test_silence_is_the_zero_vector():
    for frames in (0, 1, 5000):
        assert not measure_aspects(np.zeros(frames, np.float32), RATE).any()
        assert describe_sound(Audio(np.zeros((1, frames), np.float32), RATE)).aspects.shape == (DIMENSIONS,)


def test_the_name_is_no_hash_of_an_encoder():
    assert ASPECTS.startswith("0" * 16)
    assert int(ASPECTS, 16)
    assert len(ASPECTS) >= 8
