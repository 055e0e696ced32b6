"""From a sound to its lines: voice spans, windows, the engine, and its times mapped back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio, BlockSource, Mono, Resampled, Seconds, View, require_stereo
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.words.flags import FLAGS, doubts, repeats
from audiolab.stages.words.hearing import ENGINE_RATE, Heard, Transcriber
from audiolab.stages.words.joining import join
from audiolab.stages.words.sheet import Evidence, Line, Word
from audiolab.stages.words.voice import (
    OVERLAP_SECONDS,
    Window,
    frame_levels,
    pack,
    thresholds,
    voice_spans,
)

__all__ = ["find_language", "hear", "listen", "transcribe", "window_audio"]

_LISTEN_FOR_LANGUAGE = 3
"""Windows that the language is taken from: those with the most voice."""
_SPLIT_SECONDS = 1.0
"""No line runs across a pause of this length that the engine did not hear."""
_SLACK_SECONDS = 0.1


def transcribe(
    source: BlockSource,
    engine: Transcriber,
    *,
    language: str | None = None,
    gate_db: float = 30.0,
    downmix: bool = False,
    progress: Progress = no_progress,
) -> tuple[list[Line], str | None, float | None]:
    """Transcribe a sound.

    Parameters
    ----------
    source : BlockSource
        Best a vocal stem; mono or stereo, any rate.
    engine : Transcriber
        With its model loaded.
    language : str, optional
        Two-letter code. Default: found once for the whole sound.
    gate_db : float
        See `voice_spans`.
    downmix : bool
        Take more than two channels, mixed to stereo.
    progress : Progress
        Called with the share done, of 1.

    Returns
    -------
    lines : list of Line
        In order; empty if there is no voice.
    language : str or None
        None if there is no voice and none was given.
    probability : float or None
        Of the language, if it was found here.
    """
    source = require_stereo(source, downmix=downmix)
    windows = listen(source, gate_db, lambda done, total: progress(0.05 * done / max(total, 1), 1.0))
    if not windows:
        progress(1.0, 1.0)
        return [], language, None
    probability = None
    if language is None:
        language, probability = find_language(source, windows, engine)
    progress(0.1, 1.0)
    lines = hear(source, engine, windows, language, lambda done, total: progress(0.1 + 0.9 * done / total, 1.0))
    return _mark_repeats(lines), language, probability


def hear(
    source: BlockSource,
    engine: Transcriber,
    windows: Sequence[Window],
    language: str,
    progress: Progress = no_progress,
) -> list[Line]:
    """Transcribe windows and join their lines, times in the sound."""
    lines: list[Line] = []
    last: list[Line] = []
    for index, window in enumerate(windows):
        found = []
        for heard in engine.transcribe(window_audio(source, window), language=language, seed=index):
            found += _lines(heard, window)
        if window.overlapping:
            last, found = join(last, found, cut=window.cut / source.sample_rate, reach=OVERLAP_SECONDS)
        lines += last
        last = found
        progress(index + 1, len(windows))
    return _in_order(lines + last)


def listen(source: BlockSource, gate_db: float, progress: Progress = no_progress) -> list[Window]:
    """Find where a sound holds voice, and pack that into windows."""
    levels = frame_levels(source, progress)
    bounds = thresholds(levels, gate_db)
    if bounds is None:
        return []
    spans = voice_spans(levels, source.sample_rate, source.frames, gate_db=gate_db)
    return pack(spans, levels, source.sample_rate, closing_db=bounds[1])


def window_audio(source: BlockSource, window: Window) -> NDArray[np.float32]:
    """Read a window: mono, 16 kHz, its spans joined."""
    pieces = [
        Audio.from_source(Resampled(Mono(View(source, span.start, span.stop)), ENGINE_RATE)).samples[0]
        for span in window.spans
    ]
    return np.concatenate(pieces)


def find_language(source: BlockSource, windows: Sequence[Window], engine: Transcriber) -> tuple[str, float]:
    """Ask about the windows with the most voice and weigh the answers by their length."""
    chosen = sorted(windows, key=lambda window: -window.duration)[:_LISTEN_FOR_LANGUAGE]
    votes: dict[str, float] = {}
    for window in chosen:
        for code, p in engine.languages(window_audio(source, window)).items():
            votes[code] = votes.get(code, 0.0) + p * window.duration
    total = sum(window.duration for window in chosen)
    code, weight = max(votes.items(), key=lambda pair: (pair[1], pair[0]))
    return code, float(weight / total)


def _lines(heard: Heard, window: Window) -> list[Line]:
    """Map a segment to the sound's time; where it runs across a long pause between spans it is split."""
    text = heard.text.strip()
    if not text:
        return []
    outside = window.duration + _SLACK_SECONDS
    evidence = Evidence(heard.average_log_probability, heard.compression_ratio, heard.no_speech_probability)
    if not heard.words:
        index, start = window.place(heard.start)
        flags = [*doubts(heard, text), *(["outside-voice"] if heard.start > outside else [])]
        return [Line(start, max(window.within(index, heard.end), start), text, (), _sorted(flags), evidence)]
    groups: list[list[Word]] = []
    last_index = None
    strayed = False
    for word in heard.words:
        index, start = window.place(word.start)
        end = max(window.within(index, word.end), start)
        strayed = strayed or word.start > outside
        if last_index is None or (index != last_index and _pause(window, last_index, index) >= _SPLIT_SECONDS):
            groups.append([])
        groups[-1].append(Word(start, end, word.word, word.probability))
        last_index = index
    lines = []
    for words in groups:
        own = "".join(word.word for word in words).strip() if len(groups) > 1 else text
        flags = [*doubts(heard, own), *(["outside-voice"] if strayed else [])]
        lines.append(Line(words[0].start, max(word.end for word in words), own, tuple(words), _sorted(flags), evidence))
    return lines


def _pause(window: Window, before: int, after: int) -> Seconds:
    """Give the longest pause between spans that lies between two of them, in seconds of the sound."""
    pairs = zip(window.spans[before:after], window.spans[before + 1 : after + 1], strict=True)
    return max((right.start - left.stop) / window.sample_rate for left, right in pairs) if after > before else 0.0


def _sorted(flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(flag for flag in FLAGS if flag in flags)


def _in_order(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (line.start, line.end))


def _mark_repeats(lines: list[Line]) -> list[Line]:
    marks = repeats([line.text for line in lines])
    return [
        replace(line, flags=_sorted([*line.flags, "repeat"])) if mark else line
        for line, mark in zip(lines, marks, strict=True)
    ]
