from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.stages.words.matching import edits, matches, words_of
from audiolab.stages.words.measuring import wer, word_times


def test_words_are_compared_without_case_and_punctuation():
    assert words_of("Don’t STOP – the “music”, good-bye!") == ["don't", "stop", "the", "music", "good", "bye"]
    assert words_of("  J'vois pas l'intérêt ") == ["j'vois", "pas", "l'intérêt"]
    assert words_of("君と夜 hello") == ["君", "と", "夜", "hello"]
    assert words_of("♪ – ...") == []


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rate"),
    [
        ("the cat sat on the mat", "The cat sat on the mat.", 0),
        ("the cat sat on the mat", "the cat sit on mat", 2 / 6),  # one wrong, one missing
        ("the cat", "the big fat cat", 1),  # two made up
        ("a b", "c d e", 1.5),
        ("hello", "", 1),
        ("", "", 0),
        ("", "thanks for watching", 3),
    ],
)
def test_word_error_rate(reference, hypothesis, rate):
    assert wer(reference, hypothesis) == pytest.approx(rate)


def levenshtein(a, b):
    """Straight from the definition."""

    @cache
    def cost(i, j):
        if i == 0 or j == 0:
            return i + j
        return min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, cost(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return cost(len(a), len(b))


texts = st.lists(st.sampled_from("abcd"), max_size=12)


@given(texts, texts, st.randoms(use_true_random=False))
def test_alignments_are_optimal(a, b, random):
    least = levenshtein(tuple(a), tuple(b))
    assert edits(a, b) == least
    times = ([random.uniform(0, 200) for _ in a], [random.uniform(0, 200) for _ in b])
    for pairs in (matches(a, b), matches(a, b, times)):
        assert all(a[i] == b[j] for i, j in pairs)
        assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
        # What lies between two matches costs the longer of both stretches.
        edges = [(-1, -1), *pairs, (len(a), len(b))]
        between = sum(max(k - i - 1, m - j - 1) for (i, j), (k, m) in pairwise(edges))
        assert between == least


def timed(text, start=0.0, step=1.0):
    return [(start + step * i, start + step * i + 0.5, word) for i, word in enumerate(text.split())]


def test_times_of_the_same_words():
    found = word_times(timed("soy un fantasma que"), timed("Soy, un fantasma! que", start=0.1))
    assert found == {
        "median_abs_s": pytest.approx(0.1), "mean_abs_s": pytest.approx(0.1), "within_0_3": 1, "matched": 1,
    }  # fmt: skip


def test_times_of_matched_words_only():
    reference = timed("a b c d e")
    hypothesis = [(0.0, 0.5, "a"), (1.2, 1.5, "b"), (1.3, 1.5, "x"), (2.9, 3.0, "d")]
    found = word_times(reference, hypothesis)
    assert found["matched"] == pytest.approx(3 / 5)
    assert found["median_abs_s"] == pytest.approx(0.1, abs=0.11)
    assert found["mean_abs_s"] == pytest.approx((0 + 0.2 + 0.1) / 3)
    assert word_times(timed("a"), [(0.31, 1, "a")])["within_0_3"] == 0


def test_a_missing_chorus_is_not_matched_with_another():
    chorus = "love me do"
    reference = timed(chorus) + timed(chorus, 40) + timed(chorus, 80)
    for kept in (0, 40, 80):
        found = word_times(reference, timed(chorus, kept + 0.05))
        assert found["median_abs_s"] == pytest.approx(0.05)
        assert found["matched"] == pytest.approx(1 / 3)


def test_nothing_to_compare():
    assert word_times([], []) == {"median_abs_s": None, "mean_abs_s": None, "within_0_3": None, "matched": None}
    assert word_times(timed("a"), [])["matched"] == 0
    assert word_times([(0, 1, "♪")], timed("a"))["matched"] is None
