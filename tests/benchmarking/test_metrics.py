"""Metrics: truth against truth is perfect, known errors give known numbers, mir_eval agrees."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest
from scipy.signal import lfilter

from audiolab.benchmarking.drum_classes import CLASSES, drum_class
from audiolab.benchmarking.pitches import note_scores
from audiolab.benchmarking.rhythm import (
    beat_scores,
    drum_counts,
    drum_f,
    key_score,
    merge_close,
    onset_scores,
    tempo_scores,
)
from audiolab.benchmarking.signals import bss_sdr, sdr, si_sdr
from audiolab.errors import ParameterError


def test_bss_sdr_is_mir_evals(rng):
    sources = rng.standard_normal((2, 4000))
    estimates = np.stack([lfilter([0.7, 0.2, -0.1], 1, sources[0]) + 0.2 * sources[1], sources[1] + 0.3 * sources[0]])
    expected, *_ = mir_eval.separation.bss_eval_sources(sources, estimates, compute_permutation=False)
    assert [bss_sdr(s, e) for s, e in zip(sources, estimates, strict=True)] == pytest.approx(expected, abs=1e-6)


def test_known_distortion_gives_known_ratios(rng):
    s = rng.standard_normal((2, 50_000))
    noise = rng.standard_normal(s.shape)
    for row, other in zip(noise, s, strict=True):  # made orthogonal, so that both ratios are exact
        row -= (row @ other) / (other @ other) * other
        row *= 0.1 * np.sqrt((other @ other) / (row @ row))
    assert sdr(s, s + noise) == pytest.approx(20.0, abs=1e-9)
    assert si_sdr(s, s + noise) == pytest.approx(20.0, abs=1e-9)
    # Half the level: distortion for SDR, none for SI-SDR
    assert sdr(s, 0.5 * s) == pytest.approx(20 * np.log10(2))
    assert si_sdr(s, 0.5 * (s + noise)) == pytest.approx(20.0, abs=1e-9)


def test_an_exact_stem_is_infinitely_good_and_a_silent_one_has_no_ratio(rng):
    s = rng.standard_normal((2, 1000)).astype(np.float32)
    for metric in (sdr, si_sdr, bss_sdr):
        assert metric(s, s) == np.inf
        assert np.isnan(metric(np.zeros_like(s), s))
        assert metric(s, np.zeros_like(s)) <= 0
        with pytest.raises(ParameterError, match="shape"):
            metric(s, s[:, :-1])


def test_truth_against_itself_is_perfect():
    times = np.arange(0.5, 20, 0.5)
    assert onset_scores(times, times) == {"f": 1.0, "precision": 1.0, "recall": 1.0, "start_error_ms": 0.0}
    assert beat_scores(times, times) == {"f": 1.0, "amlt": 1.0}
    assert tempo_scores(120, 120) == {"tempo_accuracy_1": 1.0, "tempo_accuracy_2": 1.0}
    assert key_score("A minor", "A minor") == 1.0
    notes = [(0.0, 1.0, 60.0), (0.5, 1.5, 64.5), (2.0, 2.1, 30.0)]
    assert set(note_scores(notes, notes).values()) == {1.0}
    hits = {"KD": [0.0, 1.0], "CY": [0.0]}
    scores = drum_f(drum_counts(hits, hits, window=0.03))
    assert {scores[name] for name in ("KD", "CY", "all", "precision", "recall")} == {1.0}
    assert np.isnan(scores["TT"])


def test_errors_are_counted():
    assert tempo_scores(120, 60.5) == {"tempo_accuracy_1": 0.0, "tempo_accuracy_2": 1.0}
    assert tempo_scores(120, None) == {"tempo_accuracy_1": 0.0, "tempo_accuracy_2": 0.0}
    assert key_score("A minor", "C major") == 0.3
    assert key_score("A minor", None) == 0.0
    scores = onset_scores([1.0, 2.0, 3.0, 4.0], [1.02, 2.01, 9.0])
    assert (scores["precision"], scores["recall"]) == (pytest.approx(2 / 3), 0.5)
    assert scores["start_error_ms"] == pytest.approx(15.0)
    notes = note_scores([(0.0, 1.0, 60.0), (1.0, 2.0, 62.0)], [(0.01, 0.3, 60.0), (1.0, 2.0, 63.0)])
    assert (notes["onset_f"], notes["f"], notes["offset_f"]) == (1.0, 0.5, 0.0)
    counts = drum_counts({"HH": [1.0, 2.0, 3.0]}, {"HH": [1.0], "SD": [2.0]}, window=0.05)
    assert drum_f(counts)["HH"] == 0.5
    assert drum_f(counts)["SD"] == 0.0
    assert drum_f(counts)["all"] == pytest.approx(2 / 5)


def test_nothing_found_where_nothing_is_and_nothing_found_at_all():
    assert onset_scores([], [])["f"] == 1.0
    assert onset_scores([1.0], [])["f"] == 0.0
    assert note_scores([(0, 1, 60)], [])["f"] == 0.0
    assert beat_scores([1.0, 2.0], [])["f"] == 0.0


def test_short_sounds_are_scored_from_the_start():
    assert beat_scores([0.1, 0.8, 1.5], [0.1, 0.8, 1.5])["f"] == 1.0
    assert beat_scores([0.1, 0.8, 1.5], [0.4, 1.1])["f"] == 0.0


def test_close_onsets_count_once():
    assert merge_close([1.0, 1.02, 1.04, 2.0]).tolist() == [1.0, 1.04, 2.0]


def test_drum_labels():
    assert [drum_class(name) for name in CLASSES] == list(CLASSES)
    assert [drum_class(name) for name in ("Kick", " snare", 42, "46", "ride", "tom", "OT", "voice")] == [
        "KD", "SD", "HH", "HH", "CY", "TT", None, None,
    ]  # fmt: skip
