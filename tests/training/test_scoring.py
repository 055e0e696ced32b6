"""Scores on made-up predictions whose scores are known."""

from __future__ import annotations

import numpy as np
import pytest

from audiolab.errors import ParameterError
from audiolab.training.scoring import calibration_error, fit_temperature, score, softmax, unknown_threshold

LABELS = ("kick", "crash", "ride", "bass", "guitar", "fx")


def sure_of(labels: list[int], p: float = 0.9) -> np.ndarray:
    out = np.full((len(labels), len(LABELS)), (1 - p) / (len(LABELS) - 1))
    out[np.arange(len(labels)), labels] = p
    return out


def test_perfect_predictions_score_one():
    truth = np.array([0, 1, 2, 3, 4, 5])
    result = score(sure_of(truth.tolist(), 1.0), truth, LABELS, ["s"] * 6)
    assert result["labels"]["accuracy"] == result["labels"]["macro_f1"] == result["8 drums"]["accuracy"] == 1
    assert result["ece"] == 0
    assert result["8 drums"]["sounds"] == 3
    assert result["11 classes"]["sounds"] == 6


def test_merged_classes_forgive_confusion_inside_them():
    truth = np.array([1, 2, 3, 0])
    result = score(sure_of([2, 1, 4, 5]), truth, LABELS, ["a", "a", "b", "b"])
    assert result["labels"]["accuracy"] == 0
    assert result["8 drums"]["accuracy"] == pytest.approx(2 / 3)  # crash for ride is right, fx for kick is not
    assert result["11 classes"]["accuracy"] == pytest.approx(3 / 4)


def test_intervals_hold_the_score_and_widen_with_fewer_sources():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 6, 600)
    said = np.where(rng.random(600) < 0.7, truth, (truth + 1) % 6)
    many = score(sure_of(said.tolist()), truth, LABELS, [f"s{i % 60}" for i in range(600)])["labels"]
    few = score(sure_of(said.tolist()), truth, LABELS, [f"s{truth[i]}" for i in range(600)])["labels"]
    for one in (many, few):
        assert one["interval"][0] <= one["accuracy"] <= one["interval"][1]
    assert many["accuracy"] == few["accuracy"]


def test_temperature_is_recovered():
    rng = np.random.default_rng(2)
    logits = rng.standard_normal((20_000, 6)) * 2
    truth = np.array([rng.choice(6, p=p) for p in softmax(logits)])
    assert fit_temperature(3.0 * logits, truth) == pytest.approx(3.0, rel=0.05)
    assert calibration_error(softmax(3.0 * logits), truth) > 0.1
    assert calibration_error(softmax(3.0 * logits, 3.0), truth) < 0.02


def test_unknown_threshold_gives_the_precision_asked_for():
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((5000, 6)) * 2
    truth = np.array([rng.choice(6, p=p) for p in softmax(logits)])
    p = softmax(logits)
    for precision in (0.6, 0.75, 0.9):
        threshold = unknown_threshold(p, truth, precision)
        kept = p.max(axis=1) >= threshold
        assert (p.argmax(axis=1) == truth)[kept].mean() >= precision
        lower = p.max(axis=1) >= threshold - 0.02
        assert threshold == 0 or (p.argmax(axis=1) == truth)[lower].mean() < precision + 0.02
    with pytest.raises(ParameterError, match="precision"):
        unknown_threshold(p[:, ::-1], truth, 0.999)
