"""Teaching a head: few examples move it a little, many a lot, new words find their place, nothing is by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab.errors import ParameterError
from audiolab.stages.classification.head import Head, load_head
from audiolab.training.head_fitting import HeadSettings, fit_head, merge_groups

DIMENSIONS, LABELS = 12, ("kick", "snare", "hat", "tom")


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def centres() -> np.ndarray:
    """One direction a label, and one more for a word that no head knows."""
    return unit(np.random.default_rng(3).standard_normal((len(LABELS) + 1, DIMENSIONS)))


@pytest.fixture(scope="module")
def base(centres) -> Head:
    weight = (8 * centres[:4].T).astype(np.float32)
    drums = np.ones((DIMENSIONS, 2), np.float32)
    return Head("e" * 64, LABELS, ("kick", "snare"), weight, np.zeros(4, np.float32), drums, np.zeros(2, np.float32),
                1.3, 0.4)  # fmt: skip


def sounds(centres, which: int, n: int, seed: int, spread: float = 0.12) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((n, DIMENSIONS)) * spread
    return unit(centres[which] + noise)


def right(head: Head, vectors: np.ndarray, label: str) -> float:
    return float(np.mean([head.labels[i] == label for i in head.probabilities(vectors).argmax(axis=1)]))


def test_a_few_tags_do_not_destroy_what_the_head_knew(base, centres):
    """Five wrong words are heard near where they were said, and hardly elsewhere."""
    wrong = sounds(centres, 0, 5, 1)
    fit = fit_head(wrong, ["snare"] * 5, list("abcde"), base)
    for number, label in enumerate(LABELS[1:], 1):
        test = sounds(centres, number, 200, 50 + number)
        assert right(fit.head, test, label) >= right(base, test, label) - 0.05
    assert np.array_equal(fit.head.drum_weight, base.drum_weight)
    assert fit.head.unknown_below == base.unknown_below
    assert fit.head.encoder == base.encoder
    assert fit.report.unknown_rule.startswith("kept")


def test_many_tags_that_disagree_change_its_mind(base, centres):
    taught = np.concatenate([sounds(centres, 0, 100, 1), sounds(centres, 1, 100, 2)])
    labels = ["snare"] * 100 + ["kick"] * 100
    fit = fit_head(taught, labels, [f"song {i % 20}" for i in range(200)], base)
    assert right(fit.head, sounds(centres, 0, 200, 9), "snare") > 0.8
    assert fit.report.after["accuracy"] > 0.8
    assert fit.report.before["accuracy"] < 0.2
    assert right(fit.head, sounds(centres, 2, 200, 9), "hat") > 0.9  # nobody spoke of hats


def test_a_new_word_becomes_a_column_and_leaves_the_others_theirs(base, centres):
    vectors = np.concatenate([sounds(centres, 4, 8, 1), sounds(centres, 2, 4, 2)])
    labels = ["shaker"] * 8 + ["hat"] * 4
    fit = fit_head(vectors, labels, [f"song {i % 3}" for i in range(12)], base)
    assert fit.head.labels == (*LABELS, "shaker")
    assert fit.report.new_labels == ("shaker",)
    assert right(fit.head, sounds(centres, 4, 200, 5), "shaker") > 0.8
    for number, label in enumerate(LABELS):
        test = sounds(centres, number, 200, 70 + number)
        assert right(fit.head, test, label) > right(base, test, label) - 0.05
    again = load_head(fit.head.to_bytes(), encoder=base.encoder)
    assert again.labels == fit.head.labels


def test_the_same_examples_in_any_order_give_the_same_head(base, centres):
    vectors = np.concatenate([sounds(centres, i, 6, i) for i in range(5)])
    labels = [word for word in (*LABELS, "shaker") for _ in range(6)]
    groups = [f"song {i % 4}" for i in range(30)]
    first = fit_head(vectors, labels, groups, base)
    assert fit_head(vectors, labels, groups, base).head.to_bytes() == first.head.to_bytes()
    order = np.random.default_rng(0).permutation(30)
    other = fit_head(vectors[order], [labels[i] for i in order], [groups[i] for i in order], base)
    assert np.allclose(other.head.weight, first.head.weight, atol=0.02)


def test_scores_are_of_songs_that_were_not_heard(base, centres):
    """Every song has a sound of its own; a split by sounds would find its twin in the training half."""
    rng = np.random.default_rng(0)
    own = unit(rng.standard_normal((12, DIMENSIONS)))
    vectors = np.repeat(own, 4, axis=0)
    labels = [LABELS[i % 4] for i in range(12) for _ in range(4)]
    groups = [f"song {i}" for i in range(12) for _ in range(4)]
    honest = fit_head(vectors, labels, groups, base, settings=HeadSettings(twin=2.0)).report
    torn = fit_head(vectors, labels, [str(i) for i in range(48)], base, settings=HeadSettings(twin=2.0)).report
    copies = fit_head(vectors, labels, [str(i) for i in range(48)], base).report
    assert torn.after["accuracy"] > honest.after["accuracy"] + 0.2
    assert copies.scored < 12  # a recording that the fit has heard elsewhere is not scored
    assert honest.scored == torn.scored == 48
    assert honest.groups == dict.fromkeys(sorted(LABELS), 3)


def test_labels_that_cannot_be_scored_or_used_are_named(base, centres):
    vectors = np.concatenate(
        [sounds(centres, i, 2, i, 0.4) for i in range(5)] + [np.zeros((1, DIMENSIONS), np.float32)]
    )
    labels = ["kick", "kick", "snare", "snare", "hat", "unknown", "clank", "clank", "buzz", "kick", "kick"]
    groups = ["a", "b", "a", "b", "a", "b", "c", "c", "a", "b", "c"]
    names = [f"file {i}" for i in range(11)]
    report = fit_head(vectors, labels, groups, base, names=names, settings=HeadSettings(twin=2.0)).report
    assert report.counts == {"clank": 2, "hat": 1, "kick": 3, "snare": 2}
    assert report.unscored == ("clank",)
    left = "\n".join(report.left_out)
    assert "file 10: silence" in left
    assert "unknown (1)" in left
    assert "buzz (1): a new label needs 2 examples" in left
    assert sum(report.counts.values()) - report.scored == 2
    assert set(report.to_dict()) >= {"counts", "before", "after", "left_out", "temperature"}


def test_one_song_alone_gives_a_head_but_no_scores(base, centres):
    fit = fit_head(sounds(centres, 0, 4, 1), ["kick"] * 4, ["song"] * 4, base)
    assert fit.report.scored == 0
    assert fit.report.before == fit.report.after == {}
    assert fit.report.temperature == 1.0


@pytest.mark.parametrize("case", ["empty", "silence", "shapes", "groups", "nan", "other"])
def test_bad_input_is_named(base, centres, case):
    good = sounds(centres, 0, 3, 1)
    cases = {
        "empty": (good[:0], [], [], "nothing to learn from"),
        "silence": (0 * good, ["kick"] * 3, ["a"] * 3, "silence"),
        "shapes": (good[:, :5], ["kick"] * 3, ["a"] * 3, "do not fit"),
        "groups": (good, ["kick"] * 3, ["a"], "do not fit"),
        "nan": (good * np.nan, ["kick"] * 3, ["a"] * 3, "NaN"),
        "other": (good, ["x", "y", "unknown"], ["a"] * 3, "a new label needs"),
    }
    vectors, labels, groups, match = cases[case]
    with pytest.raises(ParameterError, match=match):
        fit_head(vectors, labels, groups, base)


def test_unsure_tags_pull_less(base, centres):
    vectors = sounds(centres, 0, 6, 1)
    groups = list("abcdef")
    moved = [
        np.abs(fit_head(vectors, ["snare"] * 6, groups, base, weights=[w] * 6).head.bias - base.bias / base.temperature)
        for w in (0.2, 1.0)
    ]
    assert moved[0].max() < moved[1].max()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 100))
def test_merged_groups_only_ever_join(numbers, seed):
    vectors = unit(np.random.default_rng(seed).standard_normal((len(numbers), 4)))
    vectors = vectors[np.random.default_rng(seed).integers(0, len(numbers), len(numbers))]
    merged = merge_groups(vectors.astype(float), [str(number) for number in numbers])
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            if numbers[i] == numbers[j] or float(vectors[i] @ vectors[j]) > 0.9901:
                assert merged[i] == merged[j]
