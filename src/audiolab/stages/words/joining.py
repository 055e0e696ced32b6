"""Two windows that overlap, made one: every word once.

Where singing goes on for longer than a window, the next one begins some seconds before the last one ended. Words that
both heard are found by text and time; the earlier window knows best where such a word begins, the later one where it
ends. What only one of them heard counts on its own side of the cut, since near its edge a window hears half words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audiolab.audio import Seconds
from audiolab.stages.words.matching import matches, words_of
from audiolab.stages.words.sheet import Line, Word

__all__ = ["join"]

_TOLERANCE = 0.15
"""Seconds by which two hearings of one word may miss each other."""


@dataclass(slots=True)
class _Heard:
    """A word (or a line without word times) near the cut."""

    line: int
    word: int | None
    start: Seconds
    end: Seconds
    text: str
    probability: float
    keep: bool = True

    @property
    def middle(self) -> Seconds:
        return (self.start + self.end) / 2


def join(
    before: Sequence[Line], after: Sequence[Line], *, cut: Seconds, reach: Seconds
) -> tuple[list[Line], list[Line]]:
    """Take from the lines of two overlapping windows what both of them heard twice.

    Parameters
    ----------
    before, after : sequence of Line
        What the two windows gave, times in the sound.
    cut : float
        Where the one hands over to the other, in seconds.
    reach : float
        The first window hears until so many seconds after the cut, the second from so many before it.

    Returns
    -------
    before, after : list of Line
        With every word once.
    """
    left = [heard for heard in _near(before) if heard.end > cut - reach]
    right = [heard for heard in _near(after) if heard.start < cut + reach]
    paired = _pair(left, right, cut)
    lonely_left = [heard for i, heard in enumerate(left) if i not in {i for i, _ in paired}]
    lonely_right = [heard for j, heard in enumerate(right) if j not in {j for _, j in paired}]
    for heard in lonely_left:
        heard.keep = heard.middle < cut
    for heard in lonely_right:
        heard.keep = heard.middle >= cut
    for one in lonely_left:
        for other in lonely_right:
            if one.keep and other.keep and _same_moment(one, other):
                # Heard differently: whoever heard it further from its edge.
                first = cut + reach - one.end >= other.start - (cut - reach)
                one.keep, other.keep = first, not first
    return _rebuilt(before, left), _rebuilt(after, right)


def _near(lines: Sequence[Line]) -> list[_Heard]:
    found = []
    for index, line in enumerate(lines):
        if not line.words:
            found.append(_Heard(index, None, line.start, line.end, line.text, 0.0))
        for number, word in enumerate(line.words):
            found.append(_Heard(index, number, word.start, word.end, word.word, word.probability))
    return found


def _pair(left: Sequence[_Heard], right: Sequence[_Heard], cut: Seconds) -> list[tuple[int, int]]:
    """Find the words that both heard, give each the times of both, and let it stand on one side only."""
    keys = [["".join(words_of(heard.text)) or heard.text.strip() for heard in side] for side in (left, right)]
    times = ([heard.middle for heard in left], [heard.middle for heard in right])
    found = []
    for i, j in matches(keys[0], keys[1], times):
        one, other = left[i], right[j]
        if one.start > other.end + _TOLERANCE or other.start > one.end + _TOLERANCE:
            continue
        start, end = min(one.start, other.end), max(other.end, one.start)
        for heard in (one, other):
            heard.start, heard.end = start, end
            heard.probability = max(one.probability, other.probability)
        one.keep = one.middle < cut
        other.keep = not one.keep
        found.append((i, j))
    return found


def _same_moment(one: _Heard, other: _Heard) -> bool:
    """Say whether they share more than half of the shorter one."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > 0.5 * min(one.end - one.start, other.end - other.start)


def _rebuilt(lines: Sequence[Line], near: Sequence[_Heard]) -> list[Line]:
    changed: dict[int, dict[int | None, _Heard]] = {}
    for heard in near:
        changed.setdefault(heard.line, {})[heard.word] = heard
    made = []
    for index, line in enumerate(lines):
        touched = changed.get(index, {})
        if None in touched and not touched[None].keep:
            continue
        words = _kept(line.words, touched)
        if line.words and not words:
            continue
        if words == line.words:
            made.append(line)
            continue
        whole = len(words) == len(line.words)
        text = line.text if whole else "".join(word.word for word in words).strip()
        made.append(replace(line, start=words[0].start, end=max(w.end for w in words), text=text, words=words))
    return made


def _kept(words: tuple[Word, ...], touched: dict[int | None, _Heard]) -> tuple[Word, ...]:
    kept = []
    for number, word in enumerate(words):
        heard = touched.get(number)
        if heard is None:
            kept.append(word)
        elif heard.keep:
            kept.append(Word(heard.start, heard.end, word.word, heard.probability))
    return tuple(kept)
