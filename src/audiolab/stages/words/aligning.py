"""A known text: only its times are found.

First the sound is transcribed as always. Words that were recognised as the text has them (fewest edits) are anchors;
all others get a first place between them, counted in sung time. So it is known which words belong to which window, and
the engine aligns exactly those with the window's sound (for Whisper: the decoder is made to say the text, and its
cross attention is followed by dynamic time warping, as the package itself does it). Where nothing was recognised,
words keep their first place and their lines are flagged `unaligned`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean, median

from audiolab.audio import BlockSource, Seconds, require_stereo
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.words.hearing import Aligner, HeardWord, Transcriber
from audiolab.stages.words.known import KnownLine, KnownWord, read_text
from audiolab.stages.words.matching import matches, words_of
from audiolab.stages.words.sheet import Line, Word
from audiolab.stages.words.timeline import Timeline, spread
from audiolab.stages.words.transcribing import find_language, hear, listen, window_audio
from audiolab.stages.words.voice import OVERLAP_SECONDS, Window

__all__ = ["align_text"]

_SHORT_KEY = 3
_PASSES = 2
"""Where words lie roughly decides which of several same lines was recognised; then that is known better."""
_LONG_WORD = 0.7
_LOG_PROBABILITY = -1.0


@dataclass(slots=True)
class _Place:
    """Where a word is thought to lie, and how sure that is."""

    start: Seconds
    end: Seconds
    probability: float = 0.0
    found: bool = False


def align_text(
    source: BlockSource,
    engine: Transcriber,
    text: str,
    *,
    language: str | None = None,
    gate_db: float = 30.0,
    downmix: bool = False,
    progress: Progress = no_progress,
) -> tuple[list[Line], str | None, float | None]:
    """Find when a known text is sung.

    Parameters
    ----------
    source : BlockSource
        Best a vocal stem; mono or stereo, any rate.
    engine : Transcriber
        With its model loaded; one that is an `Aligner` times every word, others only those that they recognise.
    text : str
        The lyrics; each line becomes a line.
    language, gate_db, downmix, progress
        See `transcribe`.

    Returns
    -------
    lines, language, probability
        As `transcribe` gives them; the lines and words are those of the text, all of them, in order.

    Raises
    ------
    ParameterError
        If the text holds no words.
    """
    known = read_text(text)
    words = [word for line in known for word in line.words]
    source = require_stereo(source, downmix=downmix)
    windows = listen(source, gate_db, lambda done, total: progress(0.05 * done / max(total, 1), 1.0))
    duration = source.frames / source.sample_rate
    if not windows:
        progress(1.0, 1.0)
        places = [_Place(start, end) for start, end in spread(words, {}, duration)]
        return _lines(known, places, duration), language, None
    probability = None
    if language is None:
        language, probability = find_language(source, windows, engine)
    progress(0.1, 1.0)
    heard = [
        word
        for line in hear(source, engine, windows, language, lambda done, total: progress(0.1 + 0.6 * done / total, 1))
        for word in line.words
    ]
    timeline, starts = Timeline(windows), _line_starts(known)
    sung_words = [(timeline.sung(word.start), timeline.sung(word.end)) for word in heard]
    anchors: list[tuple[int, int]] = []
    rough = spread(words, {}, timeline.duration)
    for _ in range(_PASSES):
        anchors = _anchors(words, heard, rough, sung_words)
        rough = spread(
            words,
            _rising({i: sung_words[j] for i, j in anchors}),
            timeline.duration,
            line_starts=starts,
            pauses=timeline.pauses,
        )
    sung = {i for i, _ in anchors}
    places = [_Place(*timeline.place(start, end)) for start, end in rough]
    for i, j in anchors:
        places[i] = _Place(heard[j].start, heard[j].end, heard[j].probability, found=True)
    if isinstance(engine, Aligner):
        for index, window in enumerate(windows):
            chosen = _Choice.of(index, windows, timeline, rough)
            if any(i in sung for i in chosen.own):
                texts = _texts(words, chosen, starts)
                pieces = engine.align(window_audio(source, window), "".join(texts), language=language)
                timed = None if pieces is None else _by_text(texts, pieces)
                if timed is not None:
                    _settle(window, chosen, timed, starts, places)
            progress(0.7 + 0.3 * (index + 1) / len(windows), 1.0)
    progress(1.0, 1.0)
    return _lines(known, places, duration), language, probability


def _line_starts(known: Sequence[KnownLine]) -> set[int]:
    """Give the indices of the words that begin a line."""
    edges = accumulate((len(line.words) for line in known), initial=0)
    return {edge for edge, line in zip(edges, known, strict=False) if line.words}


def _anchors(
    words: Sequence[KnownWord],
    heard: Sequence[Word],
    rough: Sequence[tuple[Seconds, Seconds]],
    sung: Sequence[tuple[Seconds, Seconds]],
) -> list[tuple[int, int]]:
    """Pair words of the text with recognised ones; short words that match alone prove nothing."""
    keys = [word.key for word in words]
    times = ([start for start, _ in rough], [start for start, _ in sung])
    pairs = matches(keys, ["".join(words_of(word.word)) for word in heard], times)
    both = set(pairs)

    def company(i: int, j: int) -> bool:
        return any((i + di, j + dj) in both for di in (-2, -1, 1, 2) for dj in (-2, -1, 1, 2) if di * dj > 0)

    trusted = [(i, j) for i, j in pairs if len(keys[i]) > _SHORT_KEY or company(i, j)]
    return trusted or pairs


def _rising(sung: dict[int, tuple[Seconds, Seconds]]) -> dict[int, tuple[Seconds, Seconds]]:
    """Make anchors' times rise, whatever the engine said."""
    last = 0.0
    made = {}
    for index, (start, end) in sorted(sung.items()):
        start = max(start, last)
        last = max(end, start)
        made[index] = (start, last)
    return made


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which words a window is aligned with: its own, and those that it also hears beyond its cuts."""

    own: range
    all: range

    @classmethod
    def of(
        cls,
        index: int,
        windows: Sequence[Window],
        timeline: Timeline,
        rough: Sequence[tuple[Seconds, Seconds]],
    ) -> _Choice:
        middles = [(start + end) / 2 for start, end in rough]
        own = [i for i, middle in enumerate(middles) if timeline.window(middle) == index]
        if not own:
            return cls(range(0), range(0))
        first, last = own[0], own[-1]
        low, high = middles[first], middles[last]
        parts = [k for k, part in enumerate(timeline.parts) if part[2] == index]
        begin, stop = timeline.sung(timeline.parts[parts[0]][0]), timeline.sung(timeline.parts[parts[-1]][1])
        if windows[index].overlapping:
            low = begin - OVERLAP_SECONDS
        if index + 1 < len(windows) and windows[index + 1].overlapping:
            high = stop + OVERLAP_SECONDS
        heard = [i for i, middle in enumerate(middles) if low <= middle <= high]
        return cls(range(first, last + 1), range(min(first, heard[0]), max(last, heard[-1]) + 1))


def _texts(words: Sequence[KnownWord], chosen: _Choice, line_starts: set[int]) -> list[str]:
    """Give what the engine is to say, word by word."""
    texts = [words[i].text for i in chosen.all]
    return [
        f" {text}" if (i in line_starts or i == chosen.all[0]) and not text.startswith(" ") else text
        for i, text in zip(chosen.all, texts, strict=True)
    ]


def _settle(
    window: Window,
    chosen: _Choice,
    timed: Sequence[tuple[Seconds, Seconds, float]],
    line_starts: set[int],
    places: list[_Place],
) -> None:
    """Put the window's own words where the engine found them."""
    longest = 2 * min(_LONG_WORD, median([end - start for start, end, _ in timed if end > start] or [_LONG_WORD]))
    for i, (start, end, p) in zip(chosen.all, timed, strict=True):
        if i not in chosen.own:
            continue
        if i in line_starts or i == chosen.all[0]:
            # The first word after a pause would take the whole pause: upstream shortens it so, too.
            start = max(start, end - longest)
        span, begin = window.place(start)
        places[i] = _Place(begin, max(window.within(span, end), begin), p, found=True)


def _by_text(texts: Sequence[str], pieces: Sequence[HeardWord]) -> list[tuple[Seconds, Seconds, float]] | None:
    """Give each text the times of the pieces that it is made of; None if the pieces do not make up the texts."""
    if "".join(piece.word for piece in pieces) != "".join(texts):
        return None
    owner = [index for index, piece in enumerate(pieces) for _ in piece.word]
    found, at = [], 0
    for text in texts:
        # The space before a word may belong to a piece of its own.
        inner = [owner[at + k] for k, sign in enumerate(text) if not sign.isspace()]
        own = [pieces[index] for index in dict.fromkeys(inner)]
        found.append((own[0].start, max(own[-1].end, own[0].start), fmean(piece.probability for piece in own)))
        at += len(text)
    return found


def _lines(known: Sequence[KnownLine], places: Sequence[_Place], duration: Seconds) -> list[Line]:
    """Make the lines of the text, times rising; headings stand where the next line begins."""
    starts: list[Seconds] = []
    for place in places:
        starts.append(min(max(place.start, starts[-1] if starts else 0.0), duration))
    following = [*starts[1:], duration]
    ends = [min(max(p.end, s), n) for p, s, n in zip(places, starts, following, strict=True)]
    made: list[Line] = []
    at = 0
    for line in known:
        if not line.words:
            time = starts[at] if at < len(starts) else ends[-1]
            made.append(Line(time, time, line.text, (), ("unaligned",)))
            continue
        rows = range(at, at + len(line.words))
        words = tuple(
            Word(starts[i], ends[i], word.text, places[i].probability) for i, word in zip(rows, line.words, strict=True)
        )
        at += len(line.words)
        flags = []
        if not any(places[i].found for i in rows):
            flags.append("unaligned")
        elif fmean(math.log(max(word.probability, 1e-10)) for word in words) < _LOG_PROBABILITY:
            flags.append("low-probability")
        made.append(Line(words[0].start, max(word.end for word in words), line.text, words, tuple(flags)))
    return made
