"""Long singing is cut into windows: every word comes out once, where it was sung, at constant memory."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audiolab.stages.words import Line, Word, transcribe
from audiolab.stages.words.joining import join

from .coded import CodedSound, Listener, Sung

lengths = st.integers(15, 300)
gaps = st.one_of(st.just(0), st.integers(1, 45), st.integers(60, 500))
texts = st.sampled_from(["la", "na", "love", None])


def laid_out(rows) -> list[Sung]:
    words, at = [], 30
    for number, (gap, length, text) in enumerate(rows):
        at += gap
        words.append(Sung(at, at + length, text or f"word{number}"))
        at += length
    return words


def check(words: list[Sung], jitter: float, tolerance: float) -> Listener:
    listener = Listener(words, jitter)
    lines, _, _ = transcribe(CodedSound(words, words[-1].stop / 100 + 0.7), listener, language="en")
    found = [word for line in lines for word in line.words]
    assert [word.word.strip() for word in found] == [word.text for word in words]
    times = np.array([(word.start, word.end) for word in found])
    assert np.abs(times - np.array([(word.start, word.stop) for word in words]) / 100).max() <= tolerance
    for line in lines:
        assert "".join(word.word for word in line.words).strip() == line.text
    return listener


@settings(max_examples=60)
@given(st.lists(st.tuples(gaps, lengths, texts), min_size=1, max_size=90), st.sampled_from([0.0, 0.06]))
@example([(0, 100, "la")] * 90, 0.06)  # one and a half minutes of "la" without a breath
@example([(0, 299, None)] * 40, 0.06)
@example([(0, 15, "na")] * 400, 0.05)
@example([(5, 60, None)] * 100, 0.0)
def test_every_word_comes_out_once_where_it_was_sung(rows, jitter):
    check(laid_out(rows), jitter, 2 * jitter + 0.02)


def test_words_longer_than_the_overlap_are_made_whole():
    words = [Sung(30 + 520 * i, 550 + 520 * i, f"melisma{i}") for i in range(30)]
    check(words, 0.0, 0.02)


@pytest.mark.parametrize("seed", range(8))
def test_pauses_save_the_overlap(seed):
    rng = np.random.default_rng(seed)
    rows = [(30 if i % 8 == 0 else int(rng.integers(0, 8)), int(rng.integers(15, 90)), None) for i in range(200)]
    words = laid_out(rows)
    listener = check(words, 0.0, 0.02)
    # There is a breath of 0.3 s every eight words, and so no second is heard twice.
    assert listener.seconds <= words[-1].stop / 100 + 0.5


@pytest.mark.slow
def test_two_hours_at_constant_memory():
    def peak(seconds):
        rng = np.random.default_rng(1)
        rows, total = [], 0
        while total < (seconds - 10) * 100:
            gap = int(rng.choice([0, 0, 0, 10, 40, 800], p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05]))
            rows.append((gap, int(rng.integers(15, 120)), None if rng.random() < 0.5 else "la"))
            total += rows[-1][0] + rows[-1][1]
        words = laid_out(rows)
        tracemalloc.start()
        try:
            listener = check(words, 0.03, 0.1)
            return tracemalloc.get_traced_memory()[1], listener.windows
        finally:
            tracemalloc.stop()

    short, _ = peak(600)
    long, windows = peak(7200)
    assert windows > 200
    # Twelve times as long: only the words and one number for each 20 ms are kept.
    assert long < short + 25e6


# ---- the seam itself -----------------------------------------------------------------------------


def line(*items: tuple[float, float, str]) -> Line:
    words = tuple(Word(start, end, f" {text}", 0.5) for start, end, text in items)
    return Line(words[0].start, words[-1].end, " ".join(text for _, _, text in items), words)


def said(lines) -> str:
    return " ".join(line.text for line in lines)


def test_the_seam():
    before = [
        line((17, 18, "one"), (19, 19.6, "two")),
        line((19.7, 20.4, "three"), (20.5, 21, "four"), (21.8, 22, "f")),
    ]
    after = [
        line((18.1, 18.4, "o"), (19.1, 19.6, "Two,"), (19.7, 20.5, "three"), (20.5, 21, "four"), (21.8, 22.9, "five"))
    ]
    left, right = join(before, after, cut=20.0, reach=2.0)
    assert said(left) == "one two"
    assert said(right) == "three four five"
    assert right[0].words[0] == Word(19.7, 20.5, " three", 0.5)
    assert left[0].end == left[0].words[-1].end


def test_one_word_heard_differently_stays_once():
    left, right = join([line((18.9, 20.9, "loving"))], [line((19.2, 20.9, "living"))], cut=20.0, reach=2.0)
    assert said([*left, *right]) in ("loving", "living")
    left, right = join([line((19.0, 20.8, "whole"))], [line((19.5, 22.5, "hole"))], cut=20.0, reach=2.0)
    assert said([*left, *right]) == "hole"


def test_lines_without_word_times_go_by_their_middle():
    a, b = Line(10, 18.5, "early", ()), Line(18.6, 21.9, "both hear this", ())
    left, right = join([a, b], [Line(18.6, 21.9, "both hear this", ()), Line(22, 25, "late", ())], cut=20.0, reach=2.0)
    assert said([*left, *right]) == "early both hear this late"
    assert join([], [], cut=1.0, reach=2.0) == ([], [])


word_rows = st.lists(st.tuples(st.floats(16, 24), st.floats(0, 3), st.sampled_from("abc")), max_size=12)


@given(word_rows, word_rows)
def test_nothing_is_made_up_at_a_seam(one, other):
    before, after = ([line(*[(s, s + d, t) for s, d, t in sorted(rows)])] if rows else [] for rows in (one, other))
    left, right = join(before, after, cut=20.0, reach=2.0)
    for made, given_ in ((left, before), (right, after)):
        kept = [word.word for line in made for word in line.words]
        source = iter(word.word for line in given_ for word in line.words)
        assert all(word in source for word in kept)  # in order
    for line_ in (*left, *right):
        assert line_.words
        assert all(a.start <= a.end for a in line_.words)
        assert "".join(word.word for word in line_.words).strip() == line_.text
    assert all(a.start <= b.start + 4 for a, b in pairwise(left))
