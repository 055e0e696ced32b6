"""One-shot or loop? A rule on strong onsets, no model.

A loop is a sound of at least a second in which something is struck, plucked or sung anew at least three times
after the start, spread over what was heard. Onsets are peaks of the spectral flux of log-compressed band
energies (as in Boeck and Widmer's SuperFlux, 2013, without its maximum filter).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.classification.preparing import Heard
from audiolab.stages.classification.results import Kind

__all__ = ["one_shot_or_loop", "strong_onsets"]

MIN_SECONDS = 1.0
MIN_ONSETS = 3
"""Strong onsets after the first."""
_HOP = 0.010
_WINDOW = 0.023
_BANDS = 20
_GAP = 0.09  # nearer ones are one event: a flam, the bursts of a clap
_RISE_DB = 5.0  # mean rise over all bands within 30 ms that counts as strong
_REACH_DB = 24.0  # an onset's level must come this near to the loudest moment


def strong_onsets(mono: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Give the times of strong onsets in seconds.

    Parameters
    ----------
    mono : ndarray [float32, shape=(n,)]
        A sound at its own rate.
    sample_rate : int
        Its rate in hertz.
    """
    hop, size = max(1, round(_HOP * sample_rate)), max(8, round(_WINDOW * sample_rate))
    peak = np.abs(mono).max(initial=0.0)
    if mono.size < 4 * size or not peak > 0:
        return np.zeros(0)
    mono = mono / peak
    padded = np.concatenate((np.zeros(size, np.float32), mono))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * np.hanning(size).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    top = min(16_000.0, sample_rate / 2)
    edges = np.unique(np.round(np.geomspace(60.0, top, _BANDS + 1) * size / sample_rate).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    total = bands.sum(axis=1)
    if total.max() <= 0:
        return np.zeros(0)
    level = 10 * np.log10(total / total.max() + 1e-12)
    decibels = 10 * np.log10(bands / bands.max() + 10**-6.0)
    reach = 3  # frames: 30 ms
    rise = np.zeros(len(decibels))
    rise[reach:] = np.maximum(decibels[reach:] - decibels[:-reach], 0).mean(axis=1)
    gap = round(_GAP / _HOP)
    found: list[int] = []
    for index in np.argsort(-rise, kind="stable"):
        if rise[index] < _RISE_DB:
            break
        if level[index : index + reach + 1].max() < -_REACH_DB:
            continue
        if all(abs(index - other) > gap for other in found):
            found.append(int(index))
    return np.sort(np.array(found, np.float64)) * _HOP


def one_shot_or_loop(heard: Heard) -> Kind:
    """Decide by the rule above."""
    if heard.duration < MIN_SECONDS or heard.mono.size == 0:
        return "one-shot"
    onsets = strong_onsets(heard.mono, heard.sample_rate)
    if len(onsets) < MIN_ONSETS + 1:
        return "one-shot"
    listened = heard.mono.size / heard.sample_rate
    return "loop" if onsets[-1] - onsets[0] >= 0.4 * listened else "one-shot"
