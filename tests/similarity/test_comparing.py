"""One recording or two: copies with known differences, and takes that are only alike."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf
import soxr
from hypothesis import given
from hypothesis import strategies as st

from audiolab.similarity.comparing import compare_recordings, prepare_recording
from audiolab.similarity.grouping import group_pairs
from audiolab.synth import instruments as play

RATE = 44_100
DRUMS = ("kick", "snare", "clap", "closed_hat", "open_hat", "tom", "crash")


def hit(what: str, seed: int = 0) -> np.ndarray:
    return 0.5 * np.asarray(getattr(play, what)(RATE, np.random.default_rng(seed)), np.float32)


def compare(a, b, rate_a=RATE, rate_b=RATE):
    return compare_recordings(prepare_recording(a, rate_a), prepare_recording(np.asarray(b, np.float32), rate_b))


def coded(wave: np.ndarray, container: str, subtype: str) -> np.ndarray:
    file = io.BytesIO()
    sf.write(file, wave, RATE, format=container, subtype=subtype)
    file.seek(0)
    return sf.read(file, dtype="float32")[0]


@pytest.mark.parametrize("what", DRUMS)
def test_copies_are_told_with_their_differences(what):
    wave = hit(what)
    level = compare(wave, 0.25 * wave)
    assert level.same
    assert level.gain_db == pytest.approx(-12.04, abs=0.05)
    assert level.offset == 0
    padded = compare(wave, np.concatenate([np.zeros(882, np.float32), wave]))
    assert padded.same
    assert padded.offset == pytest.approx(-0.02, abs=1e-4)
    assert compare(wave, wave[: len(wave) * 2 // 3]).same
    other_rate = compare(wave, soxr.resample(wave, RATE, 32_000), RATE, 32_000)
    assert other_rate.same
    assert other_rate.agreement > 0.99
    inverted = compare(wave, -wave)
    assert inverted.same
    assert inverted.inverted
    assert compare(wave, coded(wave, "OGG", "VORBIS")).same
    assert compare(wave, coded(wave, "MP3", "MPEG_LAYER_III")).same


@pytest.mark.parametrize("what", DRUMS)
def test_another_take_of_the_drum_is_no_copy(what):
    assert not compare(hit(what, 0), hit(what, 1)).same


@given(first=st.sampled_from(DRUMS), second=st.sampled_from(DRUMS), gain=st.floats(0.05, 1), seed=st.integers(0, 5))
def test_it_does_not_matter_which_comes_first_or_how_loud_they_are(first, second, gain, seed):
    a, b = hit(first), hit(second, seed)
    there, back, scaled = compare(a, b), compare(b, a), compare(a, gain * b)
    assert there.same == back.same
    assert there.agreement == pytest.approx(back.agreement, abs=0.06)
    assert scaled.agreement == pytest.approx(there.agreement, abs=1e-3)


def test_silence_and_nothing_are_copies_of_nothing():
    for quiet in (np.zeros(0, np.float32), np.zeros(9000, np.float32), np.zeros(30, np.float32)):
        assert not compare(hit("kick"), quiet).same
        assert not compare(quiet, quiet).same


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_groups_are_the_connected_parts(pairs):
    groups = group_pairs(10, pairs)
    every = [member for group in groups for member in group]
    assert len(every) == len(set(every))
    where = {member: number for number, group in enumerate(groups) for member in group}
    for a, b in pairs:
        assert a == b or where[a] == where[b]
    assert set(every) == {member for a, b in pairs if a != b for member in (a, b)}
