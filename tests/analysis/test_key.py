from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio
from audiolab.stages.analysis import analyze, camelot_of
from audiolab.stages.analysis.key import MODES, TONICS, key_fits
from audiolab.synth import chord, noise, render_song

WHEEL = {
    "8B": ("C", "major"), "9B": ("G", "major"), "10B": ("D", "major"), "11B": ("A", "major"), "12B": ("E", "major"),
    "1B": ("B", "major"), "2B": ("F#", "major"), "3B": ("C#", "major"), "4B": ("G#", "major"), "5B": ("D#", "major"),
    "6B": ("A#", "major"), "7B": ("F", "major"), "8A": ("A", "minor"), "9A": ("E", "minor"), "10A": ("B", "minor"),
    "11A": ("F#", "minor"), "12A": ("C#", "minor"), "1A": ("G#", "minor"), "2A": ("D#", "minor"), "3A": ("A#", "minor"),
    "4A": ("F", "minor"), "5A": ("C", "minor"), "6A": ("G", "minor"), "7A": ("D", "minor"),
}  # fmt: skip
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7)}
CADENCES = {
    "major": ((0, "major"), (5, "major"), (7, "major"), (0, "major")),
    "minor": ((0, "minor"), (5, "minor"), (7, "major"), (0, "minor")),
}


def cadence(tonic: int, mode: str, *, rate: int = 44100, cents: float = 0.0) -> Audio:
    parts = []
    for step, kind in CADENCES[mode]:
        pitches = [48 + tonic + step + note + cents / 100 for note in TRIADS[kind]]
        parts.append(chord([pitches[0] - 12, *pitches], 1.2, rate).samples)
    return Audio(np.concatenate(parts, axis=1), rate)


@pytest.mark.parametrize("code", WHEEL)
def test_the_camelot_wheel(code):
    assert camelot_of(*WHEEL[code]) == code


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("mode", MODES)
def test_cadences_name_their_key(tonic, mode):
    found = analyze(cadence(tonic, mode)).findings.key
    assert (found.tonic, found.mode) == (TONICS[tonic], mode)
    assert found.confidence > 0.4


@pytest.mark.parametrize("cents", [-40.0, -20.0, 15.0, 35.0])
def test_a_tuning_apart_from_440_hz_is_followed(cents):
    found = analyze(cadence(7, "major", cents=cents)).findings.key
    assert found.name == "G major"
    assert found.tuning == pytest.approx(cents, abs=6)


@pytest.mark.parametrize("rate", [22050, 96000])
def test_the_sample_rate_changes_nothing(rate):
    assert analyze(cadence(3, "minor", rate=rate)).findings.key.name == "D# minor"


def test_relative_keys_are_told_apart_by_the_tonic_chord():
    """The progressions i VI III VII and I V vi IV hold the same notes as those of the relative key."""
    for tonic, mode in (("A", "minor"), ("E", "minor"), ("C", "major"), ("F", "major")):
        song = render_song(tonic=tonic, mode=mode, bars=9, seed=3, sample_rate=22050)
        assert analyze(song.mix).key == f"{tonic} {mode}"


def test_noise_and_single_notes_have_no_clear_key():
    assert analyze(noise(5.0)).findings.key.confidence < 0.1
    assert analyze(chord([60], 2.0)).findings.key.confidence < 0.2


@given(st.lists(st.floats(0.0, 1.0), min_size=12, max_size=12).filter(lambda v: np.std(v) > 0.01), st.integers(0, 11))
def test_fits_turn_with_the_pitch_classes(classes, steps):
    plain, turned = key_fits(np.array(classes)), key_fits(np.roll(classes, steps))
    for mode in range(2):
        np.testing.assert_allclose(
            np.roll(plain[12 * mode : 12 * mode + 12], steps), turned[12 * mode :][:12], atol=1e-9
        )
