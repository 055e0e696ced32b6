"""How good lyrics are: word error rate, and how far words lie from where they are sung.

Conventions
-----------
Texts are compared word by word as `words_of` gives them (case and punctuation do not count, accents do). Times are
seconds; a word's time is its start. Lyrics benchmarks report the same: WER for transcription (e.g. Jam-ALT), mean and
median absolute error and the share of words within 0.3 s for alignment (MIREX, JamendoLyrics).

- `wer`: word error rate
- `word_times`: errors of the words' times
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from audiolab.audio import Seconds
from audiolab.stages.words.matching import edits, matches, words_of

__all__ = ["wer", "word_times"]

_CLOSE_SECONDS = 0.3


def wer(reference: str, hypothesis: str) -> float:
    """Give the word error rate: edits that turn the hypothesis into the reference, over the reference's words.

    Parameters
    ----------
    reference : str
        What was sung.
    hypothesis : str
        What was found.

    Returns
    -------
    float
        0 if all is right; above 1 if more was made up than sung. For a reference without words: the number of words
        that were made up.
    """
    sung = words_of(reference)
    return edits(sung, words_of(hypothesis)) / max(len(sung), 1)


def word_times(
    reference: Sequence[tuple[Seconds, Seconds, str]], hypothesis: Sequence[tuple[Seconds, Seconds, str]]
) -> dict[str, float | None]:
    """Measure how far the words of a hypothesis lie from where they are sung.

    Parameters
    ----------
    reference, hypothesis : sequence of (start, end, word)
        In order. Words are matched by their text (fewest edits; among those the closest in time).

    Returns
    -------
    dict
        `median_abs_s` and `mean_abs_s`: error of the starts of matched words; `within_0_3`: share of matched words
        that start within 0.3 s; `matched`: share of reference words that were matched. The first three are None if no
        word was matched, `matched` is None if the reference has no words.
    """
    sung, found = _keyed(reference), _keyed(hypothesis)
    pairs = matches(
        [word for word, _ in sung],
        [word for word, _ in found],
        ([start for _, start in sung], [start for _, start in found]),
    )
    errors = [abs(sung[i][1] - found[j][1]) for i, j in pairs]
    return {
        "median_abs_s": median(errors) if errors else None,
        "mean_abs_s": fmean(errors) if errors else None,
        "within_0_3": sum(error <= _CLOSE_SECONDS for error in errors) / len(errors) if errors else None,
        "matched": len(errors) / len(sung) if sung else None,
    }


def _keyed(timed: Sequence[tuple[Seconds, Seconds, str]]) -> list[tuple[str, Seconds]]:
    """Give each word's text for comparing and its start; items without a word (dashes, notes) are left out."""
    keyed = (("".join(words_of(word)), float(start)) for start, _, word in timed)
    return [(word, start) for word, start in keyed if word]
