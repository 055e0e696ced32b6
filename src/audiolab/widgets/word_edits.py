"""Correcting timed words: each edit is one overlay on the lyrics of a sound, and one action of its library."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

from audiolab.audio import to_frames
from audiolab.errors import ParameterError
from audiolab.library import HandCut, Sound
from audiolab.library.ops import Op

__all__ = ["LYRICS", "WordEdits", "chops", "is_word_edit", "lyrics_of", "revision_of"]

LYRICS = "lyrics"
Lines: TypeAlias = list[dict[str, Any]]


def lyrics_of(sound: Sound) -> Sound | None:
    """Give the sound whose lyrics they are: itself, or the stem that has some."""
    for carrier in (sound, *sound.stems.values()):
        if (sound.library.effective(carrier.id, LYRICS) or {}).get("segments") is not None:
            return carrier
    return None


def is_word_edit(op: Op) -> bool:
    """Say whether a change is a correction of lyrics."""
    return op.what == "overlay" and (op.after or op.before or {}).get("kind") == LYRICS


def revision_of(lines: Lines) -> str:
    """Give a short hash: a page that shows other words must not change these."""
    return hashlib.blake2b(json.dumps(lines, sort_keys=True).encode(), digest_size=8).hexdigest()


class WordEdits:
    """The lines of a sound, and how they are changed."""

    def __init__(self, carrier: Sound) -> None:
        self.carrier = carrier

    def lines(self) -> Lines:
        """Give the lines as they count now."""
        document = self.carrier.library.effective(self.carrier.id, LYRICS) or {}
        return [dict(segment) for segment in document.get("segments", ())]

    def change(self, revision: str | None, work: Callable[[Lines], None]) -> None:
        """Let `work` change a copy of the lines, and keep it; nothing changes if it raises.

        Raises
        ------
        ParameterError
            If `revision` is given and the words are others by now.
        """
        now = self.lines()
        if revision is not None and revision != revision_of(now):
            raise ParameterError("the words were changed elsewhere meanwhile; they are shown anew, nothing was edited")
        lines = deepcopy(now)
        work(lines)
        if lines != now:
            self.carrier.edit(LYRICS, segments=lines)

    # ---- what can be changed -------------------------------------------------------------------

    def edit(
        self, lines: Lines, line: int, word: int, *, text: str | None, start: float | None, end: float | None
    ) -> None:
        """Give a word another text or other times; a person is sure of it."""
        segment, words = self._words(lines, line, word)
        changed = dict(words[word])
        before = str(changed["word"])
        if text is not None:
            changed["word"] = _kept_space(before, _checked_text(text))
        changed["start"], changed["end"] = self._times(
            changed["start"] if start is None else start, changed["end"] if end is None else end
        )
        _check_order(words, word, changed)
        words[word] = {**changed, "probability": 1.0, "edited": True}
        self._settle(segment)

    def insert(self, lines: Lines, line: int, word: int, text: str, *, start: float, end: float) -> None:
        """Put a new word before another one; `word` may be the number of words."""
        segment = self._line(lines, line)
        words = segment["words"]
        if not 0 <= word <= len(words):
            raise ParameterError(f"line {line + 1} has {len(words)} words; a new one cannot be number {word + 1}")
        first, last = self._times(start, end)
        neighbour = words[max(0, word - 1)] if words else {"word": ""}
        made = {"start": first, "end": last, "word": _kept_space(str(neighbour["word"]), _checked_text(text))}
        words.insert(word, {**made, "probability": 1.0, "edited": True})
        _check_order(words, word, words[word])
        self._settle(segment)

    def remove(self, lines: Lines, line: int, word: int) -> None:
        """Take a word away, and the line if it was its last."""
        segment, words = self._words(lines, line, word)
        del words[word]
        if words:
            self._settle(segment)
        else:
            del lines[line]

    def remove_line(self, lines: Lines, line: int) -> None:
        """Take a whole line away, such as one that was made up."""
        self._line(lines, line)
        del lines[line]

    def accept(self, lines: Lines, line: int) -> None:
        """Say that a line is right: no doubts are left, and its words are sure."""
        segment = self._line(lines, line)
        segment["flags"] = []
        segment["words"] = [{**word, "probability": 1.0} for word in segment["words"]]

    # ---- checks --------------------------------------------------------------------------------

    @staticmethod
    def _line(lines: Lines, line: int) -> dict[str, Any]:
        if not 0 <= line < len(lines):
            raise ParameterError(f"there is no line {line + 1}; there are {len(lines)}")
        lines[line]["words"] = list(lines[line].get("words", ()))
        return lines[line]

    def _words(self, lines: Lines, line: int, word: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        segment = self._line(lines, line)
        if not 0 <= word < len(segment["words"]):
            raise ParameterError(f"line {line + 1} has no word {word + 1}; it has {len(segment['words'])}")
        return segment, segment["words"]

    def _times(self, start: float, end: float) -> tuple[float, float]:
        duration = self.carrier.duration
        if not all(math.isfinite(value) for value in (start, end)) or not 0 <= start < end <= duration + 1e-3:
            raise ParameterError(f"a word lies between 0 and {duration:.2f} s, start before end, not {start} to {end}")
        return round(float(start), 3), round(min(float(end), duration), 3)

    @staticmethod
    def _settle(segment: dict[str, Any]) -> None:
        """Let the line's text and times follow its words."""
        words = segment["words"]
        spaced = any(" " in str(word["word"]) for word in words[1:]) or " " in str(segment.get("text", "")).strip()
        glue = " " if spaced or len(words) == 1 or str(words[0]["word"]).isascii() else ""
        segment["text"] = glue.join(str(word["word"]).strip() for word in words)
        segment["start"] = min(word["start"] for word in words)
        segment["end"] = max(word["end"] for word in words)


def _checked_text(text: str) -> str:
    text = " ".join(str(text).split())
    if not text or len(text) > 200:
        raise ParameterError("a word needs some text, at most 200 signs; to take it away, remove it")
    return text


def _kept_space(before: str, text: str) -> str:
    """Keep the space that some recognisers put before each word."""
    return f" {text}" if before.startswith(" ") else text


def _check_order(words: Sequence[Mapping[str, Any]], at: int, changed: Mapping[str, Any]) -> None:
    around = [words[at - 1] if at else None, words[at + 1] if at + 1 < len(words) else None]
    before, after = around
    if before is not None and changed["start"] < before["start"]:
        raise ParameterError(f"it would begin before {str(before['word']).strip()!r} ({before['start']:.2f} s)")
    if after is not None and changed["start"] > after["start"]:
        raise ParameterError(f"it would begin after {str(after['word']).strip()!r} ({after['start']:.2f} s)")


def chops(
    lines: Lines, chosen: Sequence[Sequence[int]], *, rate: int, frames: int, padding: float, together: bool
) -> list[HandCut]:
    """Turn chosen words into cuts named by them; each is widened by `padding`, at most into the middle of the gap.

    Parameters
    ----------
    chosen : sequence of (line, word)
        Which words.
    together : bool
        Words that follow each other in a line become one cut: a phrase.

    Raises
    ------
    ParameterError
        If nothing is chosen, a word is not there, or lies beyond the end of the sound.
    """
    flat = [(i, j) for i, line in enumerate(lines) for j in range(len(line.get("words", ())))]
    places = {place: number for number, place in enumerate(flat)}
    wanted = sorted({(int(line), int(word)) for line, word in chosen})
    missing = [place for place in wanted if place not in places]
    if missing or not wanted:
        what = f"line {missing[0][0] + 1} has no word {missing[0][1] + 1}" if missing else "choose words first"
        raise ParameterError(f"nothing was cut: {what}")
    runs = [[wanted[0]]]
    for before, place in pairwise(wanted):
        if together and place == (before[0], before[1] + 1):
            runs[-1].append(place)
        else:
            runs.append([place])
    words = [lines[i]["words"][j] for i, j in flat]
    found = []
    for run in runs:
        first, last = places[run[0]], places[run[-1]]
        left = float(words[first - 1]["end"]) if first else -math.inf
        right = float(words[last + 1]["start"]) if last + 1 < len(words) else math.inf
        found.append(_cut(words[first : last + 1], (left, right), rate=rate, frames=frames, padding=padding))
        found[-1] = replace(found[-1], facts={**found[-1].facts, "line": run[0][0] + 1})
    return found


def _cut(
    inside: Sequence[Mapping[str, Any]], around: tuple[float, float], *, rate: int, frames: int, padding: float
) -> HandCut:
    start, stop = min(word["start"] for word in inside), max(word["end"] for word in inside)
    start -= min(padding, max(0.0, (start - around[0]) / 2))
    stop += min(padding, max(0.0, (around[1] - stop) / 2))
    text = " ".join(str(word["word"]).strip() for word in inside)
    first, last = max(0, to_frames(max(0.0, start), rate)), min(frames, to_frames(stop, rate))
    if last <= first:
        raise ParameterError(f"nothing was cut: the word {text!r} lies beyond the end of the sound")
    sure = round(min(float(word.get("probability", 1.0)) for word in inside), 4)
    return HandCut(first, last, text, {"word": text, "word_probability": sure})
