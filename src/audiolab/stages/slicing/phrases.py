"""Cuts by what is sung or played in one breath: phrases between silences, and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Frames, to_frames
from audiolab.stages.analysis.framing import Folded, Survey
from audiolab.stages.base import Cut, Progress, no_progress

__all__ = ["cut_words", "find_phrases", "pad_spans", "sounding_runs"]

_HOP = 0.005
"""Seconds between levels."""
_HOLD = 2
"""Hops on both sides whose loudest counts: a zero crossing of a low note is no silence."""


def find_phrases(
    source: BlockSource,
    heard: Survey,
    *,
    silence_db: float,
    min_silence: float,
    padding: float,
    progress: Progress = no_progress,
) -> list[Cut]:
    """Find the stretches between silences.

    Parameters
    ----------
    source : BlockSource
        Any number of channels, any rate; read once.
    heard : Survey
        From `survey(source)`; silence is relative to its level.
    silence_db : float
        A stretch of 5 ms is silent if its RMS lies this far below the usual level.
    min_silence : float
        Seconds; a shorter pause belongs to the phrase.
    padding : float
        Seconds kept before and after each phrase, at most half of the pause.

    Returns
    -------
    list of Cut
        In order and apart. Facts: phrase, counted from 1, and pause_s, the silence before it.
    """
    rate = source.sample_rate
    hop = max(1, round(_HOP * rate))
    level = _levels(Folded(source, heard.weights, heard.offset), hop, progress)
    loud = level >= heard.level * 10.0 ** (-silence_db / 20.0)
    runs = sounding_runs(loud, min_silence=max(1, round(min_silence * rate / hop)))
    spans = [(begin * hop, min(end * hop, source.frames)) for begin, end in runs]
    padded = pad_spans(spans, to_frames(padding, rate), source.frames)
    ends = [0, *(stop for _, stop in spans)]
    return [
        Cut(start, stop, {"phrase": number, "pause_s": round((spans[number - 1][0] - ends[number - 1]) / rate, 4)})
        for number, (start, stop) in enumerate(padded, start=1)
    ]


def _levels(source: BlockSource, hop: Frames, progress: Progress) -> NDArray[np.float64]:
    """Give the RMS of every hop, the last one perhaps shorter."""
    sums: list[NDArray[np.float64]] = []
    rest = np.zeros(0)
    done = 0
    for block in source.blocks():
        power = np.concatenate((rest, np.square(block[0], dtype=np.float64)))
        whole = len(power) // hop * hop
        sums.append(power[:whole].reshape(-1, hop).mean(axis=1))
        rest = power[whole:]
        done += block.shape[1]
        progress(done, source.frames)
    if len(rest):
        sums.append(np.array([rest.mean()]))
    return np.sqrt(np.concatenate(sums)) if sums else np.zeros(0)


def sounding_runs(loud: NDArray[np.bool_], *, min_silence: int) -> list[tuple[int, int]]:
    """Give runs of hops (end exclusive) that are loud, joined where less than `min_silence` hops part them."""
    held = loud.copy()
    for shift in range(1, _HOLD + 1):
        held[shift:] |= loud[:-shift]
        held[:-shift] |= loud[shift:]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], held.astype(np.int8), [0]))))
    runs: list[tuple[int, int]] = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and begin - runs[-1][1] < min_silence:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((begin, end))
    return runs


def pad_spans(spans: Sequence[tuple[Frames, Frames]], padding: Frames, frames: Frames) -> list[tuple[Frames, Frames]]:
    """Widen spans (by increasing start) by `padding` on both sides, each at most into the middle of the gap."""
    gaps = [right[0] - left[1] for left, right in pairwise(spans)]
    before = [spans[0][0] * 2, *gaps] if spans else []
    after = [*gaps, (frames - spans[-1][1]) * 2] if spans else []
    return [
        (start - max(0, min(padding, left // 2)), stop + max(0, min(padding, right // 2)))
        for (start, stop), left, right in zip(spans, before, after, strict=True)
    ]


def cut_words(document: Mapping[str, Any], frames: Frames, rate: int, *, padding: float) -> list[Cut]:
    """Cut at the words of a lyrics document.

    Parameters
    ----------
    document : mapping
        As `lyrics` gives it: segments with words, each with start, end (seconds), word, probability.
    frames, rate : int
        Length and rate of the sound; words beyond its end are left out.
    padding : float
        Seconds kept before and after each word, at most half of the gap.

    Returns
    -------
    list of Cut
        By start; words that the engine lets overlap still do. Facts: word, line (from 1), word_probability.
    """
    found: dict[Frames, tuple[Frames, dict[str, Any]]] = {}
    for line, start_s, end_s, item in _words(document):
        start = max(0, to_frames(start_s, rate))
        stop = min(frames, max(to_frames(end_s, rate), start + 1))
        text = str(item.get("word", "")).strip()
        if start >= frames or not text:
            continue
        if start in found:  # two words on one frame cannot be parted: they are one cut
            text = f"{found[start][1]['word']} {text}"
            stop = max(stop, found[start][0])
        facts: dict[str, Any] = {"word": text, "line": line}
        if isinstance(item.get("probability"), (int, float)):
            facts["word_probability"] = round(float(item["probability"]), 4)
        found[start] = (stop, facts)
    starts = sorted(found)
    padded = pad_spans([(start, found[start][0]) for start in starts], to_frames(padding, rate), frames)
    return [Cut(max(0, a), min(b, frames), found[start][1]) for start, (a, b) in zip(starts, padded, strict=True)]


def _words(document: Mapping[str, Any]) -> Iterable[tuple[int, float, float, Mapping[str, Any]]]:
    for number, segment in enumerate(document.get("segments", ()), start=1):
        for item in segment.get("words", ()):
            yield number, float(item["start"]), float(item["end"]), item
