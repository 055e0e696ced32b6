"""A known text, cut into lines and words without losing a sign of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from audiolab.errors import ParameterError
from audiolab.stages.words.matching import UNSPACED, words_of

__all__ = ["KnownLine", "KnownWord", "read_text"]

_PIECES = re.compile(rf"\s*(?:{UNSPACED}|(?:(?!{UNSPACED})\S)+)")
_HEADING = re.compile(r"\[[^\]]*\]:?|\((?:x|×)? ?\d+(?: ?x| ?×| times)?\)", re.IGNORECASE)


@dataclass(frozen=True)
class KnownWord:
    """One word with what stands around it: the words of a line, joined, are the line."""

    text: str
    """With the space before it, as it stands in the line."""

    @cached_property
    def key(self) -> str:
        """What it is compared by."""
        return "".join(words_of(self.text))


@dataclass(frozen=True, slots=True)
class KnownLine:
    """One line of the text."""

    text: str
    words: tuple[KnownWord, ...]
    """Empty for what nobody sings: headings such as [Chorus], and lines of signs only."""


def read_text(text: str) -> list[KnownLine]:
    """Cut a text into lines (empty ones are left out) and words.

    Raises
    ------
    ParameterError
        If it holds no words.
    """
    lines = [
        KnownLine(line, () if _HEADING.fullmatch(line) else _words(line))
        for line in (raw.strip() for raw in text.lstrip("\ufeff").splitlines())
        if line
    ]
    if not any(line.words for line in lines):
        raise ParameterError("text: it holds no words to align")
    return lines


def _words(line: str) -> tuple[KnownWord, ...]:
    """Cut a line at spaces, and between signs of scripts without spaces; what is no word goes with its neighbour."""
    texts: list[str] = []
    waiting = ""
    for piece in _PIECES.findall(line):
        if words_of(piece):
            texts.append(waiting + piece)
            waiting = ""
        elif texts:
            texts[-1] += piece
        else:
            waiting += piece
    return tuple(KnownWord(text) for text in texts)
