"""Cuts by arithmetic: beats, bars, grid, loops and equal parts. No audio is read here.

Positions are computed in beats from the first downbeat and rounded once, each by itself, so that nothing
drifts: a start lies within half a frame of where the tempo map puts it, however long the song.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

from audiolab.audio import Frames, TempoMap, to_frames
from audiolab.stages.base import Cut
from audiolab.stages.slicing.params import SliceParams, step_of

__all__ = ["equal_parts", "loops", "musical_cuts", "tiles"]

_CRUMB = 1e-6
"""Beats: a position this little before the start counts as the start."""


def musical_cuts(params: SliceParams, tempo_map: TempoMap, frames: Frames, rate: int) -> list[Cut]:
    """Cut by beats, bars, grid or loops, as the parameters say; see `tiles` and `loops`."""
    meter = tempo_map.beats_per_bar
    if params.mode == "loops":
        return loops(tempo_map, frames, rate, bars=params.bars, partial=params.keeps_partial)
    if params.mode == "bars":
        step = Fraction(meter * params.bars)
    else:
        step = Fraction(1) if params.mode == "beats" else step_of(params.division) or Fraction(1, 4)
    return tiles(tempo_map, frames, rate, step=step, partial=params.keeps_partial)


def tiles(tempo_map: TempoMap, frames: Frames, rate: int, *, step: Fraction, partial: bool = True) -> list[Cut]:
    """Cut a sound at every `step` beats.

    Parameters
    ----------
    tempo_map : TempoMap
        Of the sound.
    frames, rate : int
        Length and rate of the sound.
    step : Fraction
        Distance in beats; a multiple of it lies on the first downbeat.
    partial : bool
        Keep the incomplete parts at both ends. The cuts then join to the whole sound.

    Returns
    -------
    list of Cut
        In order, each beginning where the one before it ends. Facts: bar and beat of the start, counted from 1 as
        musicians do (bar 0 lies before the first downbeat), and bpm, the mean tempo of the part.
    """
    meter = tempo_map.beats_per_bar
    first = math.ceil(float(tempo_map.beat_at(0.0)) / float(step) - _CRUMB)
    last = math.floor(float(tempo_map.beat_at(frames / rate)) / float(step) + _CRUMB)
    positions = [index * step for index in range(first, last + 1)]
    times = tempo_map.time_at([float(position) for position in positions])
    edges: dict[Frames, Fraction] = {}
    for position, time in zip(positions, times, strict=True):
        edges.setdefault(min(max(0, to_frames(float(time), rate)), frames), position)
    if partial and frames > 0:
        if 0 not in edges:
            edges = {0: (first - 1) * step, **edges}
        edges.setdefault(frames, (last + 1) * step)
    cuts = []
    for (start, position), (stop, _) in pairwise(edges.items()):
        beats = float(tempo_map.beat_at(stop / rate) - tempo_map.beat_at(start / rate))
        bar, beat = divmod(position, meter)
        facts: dict[str, Any] = {"bar": int(bar) + 1, "beat": _number(beat + 1)}
        cuts.append(Cut(start, stop, {**facts, "bpm": round(beats * 60 * rate / (stop - start), 4)}))
    return cuts


def loops(tempo_map: TempoMap, frames: Frames, rate: int, *, bars: int, partial: bool = False) -> list[Cut]:
    """Cut a sound into loops of whole bars, from its first downbeat on.

    Every loop has exactly its musical length, rounded to a frame; at a constant tempo all are equally long.
    Since every start is rounded by itself, neighbours may share one frame or leave one out.

    Parameters
    ----------
    partial : bool
        Keep what remains before the first and after the last whole loop; it is no loop.

    Returns
    -------
    list of Cut
        Facts: kind (`loop`), bpm, bars, beats, and bar, the number of its first.
    """
    meter = tempo_map.beats_per_bar
    beats = meter * bars
    end_beat = float(tempo_map.beat_at((frames + 0.5) / rate))  # a file of one loop has its length rounded, too
    origin = math.ceil(float(tempo_map.beat_at(0.0)) / meter - _CRUMB) * meter
    count = max(0, math.floor((end_beat - origin) / beats + _CRUMB))
    times = [float(time) for time in tempo_map.time_at([origin + index * beats for index in range(count + 1)])]
    cuts: list[Cut] = []
    for index, (begin, end) in enumerate(pairwise(times)):
        length = to_frames(round(end - begin, 9), rate)  # without the crumbs of subtraction: equal bars, equal loops
        start = max(0, to_frames(begin, rate))
        start = min(start, frames - length) if start + length <= frames + 1 else start
        if start < 0 or start + length > frames:
            continue
        bar = (origin + index * beats) // meter + 1
        facts = {"kind": "loop", "bpm": round(beats * 60 / (end - begin), 4), "bars": bars, "beats": beats, "bar": bar}
        cuts.append(Cut(start, start + length, facts))
    if partial and frames > 0:
        head = cuts[0].start if cuts else frames
        tail = cuts[-1].stop if cuts else frames
        cuts = (
            [Cut(0, head, {"partial": True})] * (head > 0)
            + cuts
            + [Cut(tail, frames, {"partial": True})] * (tail < frames)
        )
    return cuts


def equal_parts(frames: Frames, parts: int) -> list[Cut]:
    """Cut a sound into `parts` parts whose lengths differ by one frame at most; fewer if it has fewer frames."""
    parts = min(parts, frames)
    edges = [index * frames // parts for index in range(parts + 1)] if parts else []
    return [Cut(a, b, {"part": i, "parts": parts}) for i, (a, b) in enumerate(pairwise(edges), start=1)]


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else round(float(value), 6)
