"""Bars: what happens on average at each place of a bar, for every way to lay bars over the beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.chroma import fold_to_semitones, tuning_of
from audiolab.stages.analysis.features import FRAME_RATE, PITCH_RATE, Features

__all__ = ["DIVISIONS", "METERS", "Layout", "layouts"]

FloatArray = NDArray[np.float32]
Array = NDArray[np.float64]
METERS = (3, 4)
"""Beats a bar that are told apart; bars of two are half bars of four."""
DIVISIONS = 12
"""Places a beat: both sixteenths and triplets fall on them."""
PLACES = (0, 3, 4, 6, 8, 9)
"""Places described by accents; also the places where the true beat may lie if the path missed it."""
HARMONY_PLACES = (0, 6)


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to lay bars: `meter` beats each, the first downbeat at place `offset` after the first beat."""

    meter: int
    offset: int
    profile: Array
    """Accents by band, beat and place, then changes of harmony, of bass and of power by beat and half beat."""


def layouts(features: Features, accent: FloatArray, beats: Array) -> list[Layout]:
    """Describe all ways to lay bars over beats.

    Parameters
    ----------
    features : Features
        For the harmony.
    accent : ndarray [shape=(bands, n)]
        From `accents`.
    beats : ndarray [shape=(k,)]
        In frames, from one end of the sound to the other.

    Returns
    -------
    list of Layout
        All meters, all offsets at which a beat may lie; empty for less than a bar.
    """
    places = np.interp(np.arange((len(beats) - 1) * DIVISIONS) / DIVISIONS, np.arange(len(beats)), beats)
    strength = _sample(accent, places)
    change = _changes(features, places)
    found = []
    for meter in METERS:
        size = meter * DIVISIONS
        if strength.shape[1] < size:
            continue
        accent_bar, change_bar = _average_bar(strength, size), _average_bar(change, size)
        beat_places = [beat * DIVISIONS + place for beat in range(meter) for place in PLACES]
        harmony_places = [beat * DIVISIONS + place for beat in range(meter) for place in HARMONY_PLACES]
        for offset in range(size):
            if offset % DIVISIONS in PLACES:
                profile = np.concatenate(
                    (
                        np.roll(accent_bar, -offset, axis=1)[:, beat_places].ravel(),
                        np.roll(change_bar, -offset, axis=1)[:, harmony_places].ravel(),
                    )
                )
                found.append(Layout(meter, offset, profile))
    return found


def _sample(accent: FloatArray, places: Array) -> Array:
    """Largest accent around each place, in deviations from the band's mean; unknown outside the sound."""
    from scipy.ndimage import maximum_filter1d

    step = float(np.median(np.diff(places))) * DIVISIONS
    widened = maximum_filter1d(accent, max(3, round(step / 10) | 1), axis=1)
    frames = accent.shape[1]
    sampled = widened[:, np.clip(np.round(places).astype(int), 0, frames - 1)].astype(np.float64)
    sampled[:, (places < 0) | (places > frames - 1)] = np.nan
    return _standard(sampled)


def _changes(features: Features, places: Array) -> Array:
    """How much harmony, bass and power differ between the beat before and the beat after each place."""
    times = places / FRAME_RATE
    beat = float(np.median(np.diff(times))) * DIVISIONS
    tuning = tuning_of(features.deviation)
    rows = []
    for fine in (features.pitch, features.bass):
        before, after = (
            _means(fold_to_semitones(fine, tuning), times - beat, times),
            _means(fold_to_semitones(fine, tuning), times, times + beat),
        )
        norm = np.sqrt((before**2).sum(axis=0) * (after**2).sum(axis=0))
        rows.append(1.0 - (before * after).sum(axis=0) / (norm + 1e-9))
    power = np.log(features.power + 1e-3)
    rows.append(np.abs(_means(power, times, times + beat) - _means(power, times - beat, times)).mean(axis=0))
    changes = np.array(rows)
    changes[:, (times < beat) | (times > features.duration - beat)] = np.nan
    return _standard(changes)


def _means(values: NDArray[np.floating], start: Array, stop: Array) -> Array:
    """Means of rows over spans of seconds, counting parts of frames."""
    frames = values.shape[1]
    running = np.concatenate((np.zeros((len(values), 1)), np.cumsum(values, axis=1, dtype=np.float64)), axis=1)

    def upto(times: Array) -> Array:
        at = np.clip(times * PITCH_RATE + 0.5, 0, frames)
        whole = np.minimum(at.astype(int), frames - 1)
        return np.asarray(running[:, whole] + (at - whole) * (running[:, whole + 1] - running[:, whole]))

    return (upto(stop) - upto(start)) / np.maximum((stop - start) * PITCH_RATE, 1e-9)


def _standard(values: Array) -> Array:
    known = ~np.isnan(values[0])
    if not known.any():
        return np.zeros_like(values)
    inside = values[:, known]
    return np.asarray((values - inside.mean(axis=1, keepdims=True)) / (inside.std(axis=1, keepdims=True) + 1e-6))


def _average_bar(values: Array, size: int) -> Array:
    """Mean over all bars, the last one perhaps unfinished, of the values that are known."""
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % size)), constant_values=np.nan)
    bars = padded.reshape(len(values), -1, size)
    known = ~np.isnan(bars)
    mean = np.where(known, bars, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(mean - mean.mean(axis=1, keepdims=True))
