"""Wrong labels that were planted are found, counted and weighed down."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.training.manifest import Entry
from audiolab.training.noise import (
    class_thresholds,
    confident_joint,
    detection,
    estimate_noise,
    find_suspects,
    noise_weights,
    plant_noise,
    suspects_by,
    write_suspects,
)  # fmt: skip

LABELS = ("kick", "snare", "tom", "ride")


def world(n: int = 800, rate: float = 0.1, sharpness: float = 3.0, seed: int = 0):
    """Sounds whose true label a model sees through some fog, and labels of which a share is wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(LABELS), n)
    logits = rng.standard_normal((n, len(LABELS)))
    logits[np.arange(n), truth] += sharpness
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels, planted = plant_noise(truth, len(LABELS), rate, rng)
    entries = [Entry(Path(f"s{i % 5}/{i}.wav"), f"s{i % 5}", LABELS[label]) for i, label in enumerate(labels)]
    return entries, p, planted, truth


def test_planting_changes_as_many_labels_as_asked():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 500)
    changed, planted = plant_noise(labels, 4, 0.05, rng)
    assert planted.sum() == 25
    assert (changed != labels).tolist() == planted.tolist()
    towards = np.zeros((4, 4))
    towards[:, 2] = 1
    changed, planted = plant_noise(labels, 4, 0.2, rng, towards=towards)
    assert set(changed[planted & (labels != 2)].tolist()) == {2}
    with pytest.raises(ParameterError, match="rate"):
        plant_noise(labels, 4, 1.5, rng)


def test_planted_noise_is_found_and_its_rate_estimated():
    entries, p, planted, truth = world(rate=0.1)
    suspects = find_suspects(entries, p, LABELS)
    found = np.zeros(len(entries), bool)
    found[[s.index for s in suspects]] = True
    result = detection(found, planted)
    assert result["recall"] > 0.6
    assert result["precision"] > 0.6
    right = [LABELS.index(s.suggested) == truth[s.index] for s in suspects if planted[s.index]]
    assert np.mean(right) > 0.9
    assert abs(estimate_noise(entries, p, LABELS).rate - 0.1) < 0.05
    clean = [replace(entry, label=LABELS[t]) for entry, t in zip(entries, truth, strict=True)]
    assert estimate_noise(clean, p, LABELS).rate < estimate_noise(entries, p, LABELS).rate - 0.05


def test_more_noise_is_estimated_as_more():
    rates = [estimate_noise(*world(rate=rate)[:2], LABELS).rate for rate in (0.0, 0.1, 0.2, 0.3)]
    assert rates == sorted(rates)


def test_the_surest_come_first_and_the_joint_is_a_distribution():
    entries, p, _, _ = world()
    suspects = find_suspects(entries, p, LABELS)
    assert [s.confidence for s in suspects] == sorted((s.confidence for s in suspects), reverse=True)
    estimate = estimate_noise(entries, p, LABELS)
    assert estimate.joint.sum() == pytest.approx(1)
    sizes = np.array([sum(e.label == label for e in entries) for label in LABELS]) / len(entries)
    assert estimate.joint.sum(axis=1) == pytest.approx(sizes)


def test_a_hand_made_case():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.95, 0.05]])
    labels = np.array([0, 0, 1, 1, 1])
    assert class_thresholds(p, labels) == pytest.approx([0.85, (0.9 + 0.8 + 0.05) / 3])
    assert confident_joint(p, labels).tolist() == [[1, 0], [1, 2]]
    entries = [Entry(Path(f"{i}.wav"), "s", LABELS[label]) for i, label in enumerate(labels)]
    [suspect] = find_suspects(entries, p, LABELS[:2])
    assert (suspect.index, suspect.suggested) == (4, "kick")
    assert suspect.confidence == pytest.approx(0.9)
    assert noise_weights(entries, p, LABELS[:2]).tolist() == pytest.approx([1, 1, 1, 1, 0.1])


def test_weights_fall_on_planted_labels_and_spare_what_is_only_strange():
    entries, p, planted, _ = world(rate=0.1)
    weights = noise_weights(entries, p, LABELS)
    assert weights.min() >= 0.1
    assert weights.max() == 1
    assert weights[planted].mean() < weights[~planted].mean() - 0.4
    # a source whose every tom is called a ride: it may be another kind of tom
    strange = [Entry(Path(f"x{i}.wav"), "strange", "tom") for i in range(10)]
    q = np.tile([0.02, 0.02, 0.06, 0.9], (10, 1))
    both = noise_weights([*entries, *strange], np.concatenate((p, q)), LABELS)
    assert (both[-10:] == 1).all()
    harsh = noise_weights([*entries, *strange], np.concatenate((p, q)), LABELS, whole_cells=1.0)
    assert (harsh[-10:] < 0.2).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(0, 10_000))
def test_weights_hold_for_any_probabilities(n, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(len(LABELS), 0.3), n)
    entries = [Entry(Path(f"{i}"), f"s{rng.integers(3)}", LABELS[rng.integers(4)]) for i in range(n)]
    weights = noise_weights(entries, p.reshape(n, 4), LABELS, least=0.0)
    assert weights.shape == (n,)
    assert ((weights >= 0) & (weights <= 1)).all()


def test_counts_and_file(tmp_path: Path):
    entries, p, _, _ = world()
    suspects = find_suspects(entries, p, LABELS)
    by_source = suspects_by(entries, suspects, "source")
    assert sum(row[0] for row in by_source.values()) == len(suspects)
    assert sum(row[1] for row in by_source.values()) == len(entries)
    shares = [row[2] for row in suspects_by(entries, suspects, "label").values()]
    assert shares == sorted(shares, reverse=True)
    write_suspects(tmp_path / "runs/suspects.csv", suspects, Path("s1"))
    with (tmp_path / "runs/suspects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["given"] for row in rows] == [s.entry.label for s in suspects]
    assert list(rows[0]) == ["path", "source", "given", "suggested", "confidence"]


def test_what_does_not_fit_is_refused():
    entries, p, _, _ = world(20)
    with pytest.raises(ParameterError, match="one column a label"):
        find_suspects(entries, p[:, :3], LABELS)
    with pytest.raises(ParameterError, match="logits"):
        find_suspects(entries, p - 1, LABELS)
    with pytest.raises(ParameterError, match="no column"):
        find_suspects([replace(entries[0], label="kazoo"), *entries[1:]], p, LABELS)
    with pytest.raises(ParameterError, match="no sounds"):
        estimate_noise([], np.zeros((0, 4)), LABELS)
    with pytest.raises(ParameterError, match="source or label"):
        suspects_by(entries, [], "colour")
