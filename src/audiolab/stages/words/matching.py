"""Two sequences of words laid beside each other: the alignment with the fewest edits.

References
----------
V. Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966. One row of the
table is computed at once: the best way along a row is a running minimum of what the rows above allow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNSPACED", "edits", "matches", "words_of"]

_WORD = re.compile(r"\w+(?:'\w+)*")
# Scripts that put no spaces between words: every character counts as one, as is usual for error rates.
UNSPACED = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]"
_UNSPACED = re.compile(f"({UNSPACED})")
_DIAGONAL, _UP, _LEFT = 0, 1, 2


def words_of(text: str) -> list[str]:
    """Give the words of a text as they are compared.

    Lower case, without punctuation but with accents and with the apostrophe inside a word ("don't" is one word,
    "good-bye" two); in scripts without spaces every character is a word.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("ʼ", "'")
    return _WORD.findall(_UNSPACED.sub(r" \1 ", plain))


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Count the fewest substitutions, deletions and insertions that turn one into the other."""
    left, right = _numbered(reference, hypothesis)
    row = np.arange(len(right) + 1, dtype=np.float64)
    for index, word in enumerate(left):
        row, _ = _next_row(row, index, (right != word).astype(np.float64))
    return round(float(row[-1]))


def matches(
    reference: Sequence[str],
    hypothesis: Sequence[str],
    times: tuple[Sequence[float], Sequence[float]] | None = None,
) -> list[tuple[int, int]]:
    """Find which words of two sequences are the same ones.

    Parameters
    ----------
    reference, hypothesis : sequence of str
        Words, see `words_of`.
    times : pair of sequences of float, optional
        When each word is said, in seconds: of all alignments with the fewest edits the one is taken whose pairs lie
        closest together, so that a chorus is not matched with another one. Never costs an edit.

    Returns
    -------
    list of (int, int)
        Indices of equal words, rising in both.

    Notes
    -----
    Needs one byte for each pair of words (a song of 1000 words: 1 MB).
    """
    left, right = _numbered(reference, hypothesis)
    moves = np.zeros((len(left), len(right)), np.uint8)
    row = np.arange(len(right) + 1, dtype=np.float64)
    # All penalties together stay under one edit.
    small = 0.5 / (len(left) + len(right) + 1)
    far = 1.0 if times is None else max(float(np.ptp([*times[0], *times[1], 0.0])), 1e-9)
    for index, word in enumerate(left):
        cost = (right != word).astype(np.float64)
        if times is not None:
            apart = np.abs(np.asarray(times[1], np.float64) - times[0][index])
            cost += np.where(cost == 0, small * apart / far, 0.0)
        row, moves[index] = _next_row(row, index, cost)
    pairs = []
    i, j = len(left), len(right)
    while i and j:
        move = moves[i - 1, j - 1]
        if move == _DIAGONAL and left[i - 1] == right[j - 1]:
            pairs.append((i - 1, j - 1))
        i, j = i - (move != _LEFT), j - (move != _UP)
    return pairs[::-1]


def _numbered(left: Sequence[str], right: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*left, *right]))}
    return (
        np.array([numbers[word] for word in left], np.int64),
        np.array([numbers[word] for word in right], np.int64),
    )


def _next_row(
    above: NDArray[np.float64], index: int, cost: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    diagonal, up = above[:-1] + cost, above[1:] + 1.0
    best = np.minimum(diagonal, up)
    steps = np.arange(len(above), dtype=np.float64)
    row: NDArray[np.float64] = np.minimum.accumulate(np.concatenate([[index + 1.0], best]) - steps) + steps
    # Rounding must not hide that a cell was reached from its left.
    moves = np.where(row[1:] < best - 1e-9, _LEFT, np.where(diagonal <= up, _DIAGONAL, _UP))
    return row, moves.astype(np.uint8)
