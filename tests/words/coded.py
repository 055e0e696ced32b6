"""Sound that says which moment it is, and a recogniser that knows when which word is sung.

Each sample's size tells the hundredth of a second that it belongs to, so the recogniser can tell what it was given
however that was cut and joined.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from audiolab.stages.words import Heard, HeardWord
from audiolab.stages.words.matching import matches, words_of

RATE = 16_000
CELL = RATE // 100
_STEP = 2.0**-24


@dataclass(frozen=True)
class Sung:
    """A word with its true times, in hundredths of a second."""

    start: int
    stop: int
    text: str


class CodedSound:
    """A source that makes its blocks when asked; silent where nothing is sung."""

    sample_rate, channels, name = RATE, 1, "coded"

    def __init__(self, words: list[Sung], seconds: float):
        self.frames = round(seconds * RATE)
        on = np.zeros(self.frames // CELL + 2, bool)
        for word in words:
            on[word.start : word.stop] = True
        self.on = on

    def blocks(self, size=1 << 16, *, start=0, stop=None):
        stop = self.frames if stop is None else min(stop, self.frames)
        for first in range(start, stop, size):
            index = np.arange(first, min(first + size, stop))
            cell = index // CELL
            wave = np.where(self.on[cell], 0.25 + cell * _STEP, 0) * (1 - 2 * (index % 2))
            yield wave.astype(np.float32)[None]


class Listener:
    """Hears each word that it is given most of; of one cut in half it makes something up."""

    name = "listener"

    def __init__(self, words: list[Sung], jitter: float = 0.0):
        self.words, self.jitter = words, jitter
        self.starts = [word.start for word in words]
        self.longest = max((word.stop - word.start for word in words), default=0)
        self.windows = 0
        self.seconds = 0.0

    def languages(self, audio):
        return {"en": 1.0}

    def transcribe(self, audio, *, language, seed):
        self.windows += 1
        self.seconds += len(audio) / RATE
        assert len(audio) <= 28 * RATE
        code = np.rint((np.abs(audio.astype(np.float64)) - 0.25) / _STEP).astype(np.int64)
        given = np.flatnonzero(code >= 0)
        if len(given) == 0:
            return []
        code = code[given]
        assert (np.diff(code) >= 0).all()  # nothing twice in one window
        heard = []
        first = bisect_left(self.starts, int(code[0]) - self.longest)
        for number in range(first, bisect_left(self.starts, int(code[-1]) + 1)):
            word = self.words[number]
            a, b = np.searchsorted(code, [word.start, word.stop])
            share = (b - a) / CELL / (word.stop - word.start)
            if share < 0.2:
                continue
            off = self.jitter * np.sin(number * 12.9898 + seed * 78.233)
            text = word.text if share >= 0.6 else word.text[::-1] + "~"
            start, end = given[a] / RATE + off, (given[b - 1] + 1) / RATE + off
            heard.append(HeardWord(max(start, 0.0), end, f" {text}", 0.9))
        if not heard:
            return []
        return [Heard(heard[0].start, heard[-1].end, "".join(word.word for word in heard), tuple(heard))]


class BadListener(Listener):
    """Mishears, or does not hear at all, some of the words."""

    def __init__(self, words: list[Sung], misheard=(), unheard=()):
        super().__init__(words)
        self.misheard, self.unheard = set(misheard), set(unheard)

    def transcribe(self, audio, *, language, seed):
        kept = self.words
        self.words = [
            Sung(word.start, word.stop, "hmm" if i in self.misheard else "" if i in self.unheard else word.text)
            for i, word in enumerate(kept)
        ]
        try:
            heard = super().transcribe(audio, language=language, seed=seed)
        finally:
            self.words = kept
        found = []
        for one in heard:
            words = tuple(word for word in one.words if word.word.strip(" ~"))
            if words:
                found.append(Heard(words[0].start, words[-1].end, "".join(word.word for word in words), words))
        return found


class AligningListener(BadListener):
    """Also times a given text: every word that is sung in the window, in order; others go in between."""

    def align(self, audio, text, *, language):
        assert text.startswith(" ")
        segments = Listener(self.words).transcribe(audio, language=language, seed=0)
        heard = [word for segment in segments for word in segment.words]
        given = [f" {word}" for word in text[1:].split(" ")]
        keys = [["".join(words_of(word)) for word in side] for side in (given, [word.word for word in heard])]
        pairs = dict(matches(*keys))
        pieces, at = [], 0.0
        for i, word in enumerate(given):
            if i in pairs:
                one = heard[pairs[i]]
                pieces.append(HeardWord(one.start, one.end, word, 0.8))
                at = one.end
            else:
                pieces.append(HeardWord(at, at, word, 0.01))
        return pieces
