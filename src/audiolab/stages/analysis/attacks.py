"""From a hop to the frame: where exactly an attack begins.

Around each peak the native-rate signal is read again. The break is where the power of the next 10 ms
stands highest over that of the last 10 ms, looked for in the signal and in its difference (which shows a
hat over a ringing kick); the start is then where the signal first leaves what was there before by 5 % of
the attack's rise. So a breath of bleed or pre-echo in front of the hit is not cut along with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block, BlockSource, Frames

__all__ = ["attack_start", "read_spans", "refine_starts"]

Array = NDArray[np.float64]
BACK, AHEAD = 0.025, 0.012
"""Seconds before and after the peak of the detection function in which the start is looked for."""
MEMORY = 0.010
"""Seconds compared before and after the break."""
RISE = 0.05
PATIENCE = 0.020
_AN_ATTACK, _A_STOP = float(np.log(2.0)), float(np.log(16.0))
"""Natural logarithms of power ratios: 3 and 12 dB."""


def read_spans(source: BlockSource, spans: Sequence[tuple[Frames, Frames]]) -> Iterator[Block]:
    """Read spans (by increasing start, overlapping or not) in one pass over the source.

    Frames outside the source are zeros. One pass, because seeking is slow or inexact in some formats.

    Yields
    ------
    ndarray [float32, shape=(channels, stop - start)]
    """
    if not spans:
        return
    position = max(0, min(spans[0][0], source.frames))
    blocks = source.blocks(start=position)
    held = np.zeros((source.channels, 0), np.float32)
    for start, stop in spans:
        left, right = max(0, start), min(stop, source.frames)
        if left >= right:
            yield np.zeros((source.channels, stop - start), np.float32)
            continue
        while position + held.shape[1] < right:
            if position + held.shape[1] <= left:
                position, held = position + held.shape[1], held[:, :0]
            elif left > position:
                held, position = held[:, left - position :], left
            held = np.concatenate((held, next(blocks)), axis=1)
        part = held[:, left - position : right - position]
        yield np.pad(part, ((0, 0), (left - start, stop - right)))


def refine_starts(source: BlockSource, guesses: Sequence[Frames]) -> list[Frames | None]:
    """Move each guess (increasing) to the frame where its attack begins, or give None where a sound only stops.

    Parameters
    ----------
    source : BlockSource
        One channel.
    guesses : sequence of int
        Frames within some 20 ms of an attack.

    Returns
    -------
    list of int or None
        Starts, inside the source, in the order of the guesses (not necessarily increasing).
    """
    rate = source.sample_rate
    before = round((BACK + 2 * MEMORY) * rate)
    after = round((AHEAD + PATIENCE) * rate) + 1
    spans = [(guess - before, guess + after) for guess in guesses]
    starts: list[Frames | None] = []
    for guess, block in zip(guesses, read_spans(source, spans), strict=True):
        signal = block[0].astype(np.float64)
        at, jump, fall = attack_start(signal, before, rate)
        start = min(max(0, guess - before + at), source.frames - 1)
        # A sound that stops, or a file that ends in a sound, splashes over the spectrum like an attack.
        stops = fall < -_A_STOP or guess + after > source.frames
        starts.append(None if stops and (jump < _AN_ATTACK or _nothing_follows(signal, at, rate)) else start)
    return starts


def attack_start(signal: Array, guess: Frames, rate: int) -> tuple[Frames, float, float]:
    """Find the first frame of the attack near `guess` in a short stretch of one channel.

    Returns
    -------
    start : int
        Frame in the stretch.
    jump : float
        Natural logarithm of the ratio of power after to power before.
    fall : float
        The least such ratio near the guess: far below zero where a sound stops.
    """
    lowest, highest = guess - round(BACK * rate), min(len(signal) - 1, guess + round(AHEAD * rate))
    best = (-np.inf, guess, signal)
    fall = np.inf
    for view in (signal, np.diff(signal, prepend=signal[:1])):
        jump = _power_jump(view, max(1, round(MEMORY * rate)))[lowest : highest + 1]
        where = int(np.argmax(jump))
        fall = min(fall, float(jump.min())) if view is signal else fall
        if jump[where] > best[0]:
            best = (float(jump[where]), lowest + where, view)
    return _leave_the_past(best[2], best[1], rate), best[0], fall


def _power_jump(signal: Array, reach: Frames) -> Array:
    """Log ratio of the mean power of the next `reach` frames and the last, for every frame."""
    power = np.concatenate(([0.0], np.cumsum(signal**2)))
    index = np.arange(len(signal))
    low, high = np.maximum(0, index - reach), np.minimum(len(signal), index + reach)
    past = (power[index] - power[low]) / np.maximum(1, index - low)
    coming = (power[high] - power[index]) / (high - index)
    crumbs = 1e-9 * float((signal**2).max(initial=0.0)) + 1e-30
    return np.asarray(np.log((coming + crumbs) / (np.maximum(past, 0.0) + crumbs)))


def _leave_the_past(signal: Array, start: Frames, rate: int) -> Frames:
    """Go on from the break until the signal exceeds twice its past by 5 % of the rise, if it soon does."""
    size = np.abs(signal)
    past = float(np.sqrt((size[max(0, start - round(MEMORY * rate)) : max(1, start)] ** 2).mean()))
    coming = size[start : start + round(PATIENCE * rate)]
    rise = float(coming.max(initial=0.0)) - 2 * past
    above = np.flatnonzero(coming >= 2 * past + RISE * rise) if rise > 0 else coming[:0]
    return start + int(above[0]) if len(above) else start


def _nothing_follows(signal: Array, start: Frames, rate: int) -> bool:
    """Say whether nothing is left a millisecond after the break but a step."""
    reach, skip = round(MEMORY * rate), max(2, round(0.001 * rate))

    def falls(view: Array, ratio: float) -> bool:
        past, coming = view[max(0, start - reach) : start], view[start + skip : start + reach]
        return bool((coming**2).mean() * ratio < (past**2).mean()) if len(past) else False

    return falls(signal, 16.0) and falls(np.diff(signal, prepend=signal[:1]), 1.0)
