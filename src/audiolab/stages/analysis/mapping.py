"""From followed beats to a tempo map: one straight line where the music is steady, else as few bends as needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Seconds, TempoMap, to_frames
from audiolab.stages.analysis.attacks import refine_starts
from audiolab.stages.analysis.features import FRAME_RATE
from audiolab.stages.analysis.judging import Verdict

__all__ = ["beat_times", "map_beats"]

Array = NDArray[np.float64]
LATENCY = 0.002
"""Seconds by which accents usually follow their onsets (median over rendered pieces)."""
SUPPORTED = 0.3
WANDER = 0.012
"""Largest smooth departure in seconds from a straight line that counts as steady."""
TOLERANCE = 0.025
LOOP_SECONDS, LOOP_SLACK, LOOP_START = 40.0, 0.03, 0.04
ALIGNED_BEATS = 200


def beat_times(verdict: Verdict, source: BlockSource) -> Array:
    """Give the beats in seconds, set on the attacks themselves.

    The summit of an accent lies some milliseconds off its onset, depending on the sound. So the attacks at the
    best supported beats are looked up in the waveform, and all beats move by the median difference.

    Parameters
    ----------
    verdict : Verdict
        Beats in frames.
    source : BlockSource
        The sound, folded to one channel.
    """
    rate = source.sample_rate
    times = verdict.beats / FRAME_RATE - LATENCY
    clear = (verdict.support > SUPPORTED) & (times >= 0) & (times < source.frames / rate)
    if not clear.any():
        return times
    threshold = np.sort(verdict.support[clear])[-ALIGNED_BEATS:][0]
    chosen = times[clear & (verdict.support >= threshold)]
    starts = refine_starts(source, [to_frames(float(time), rate) for time in chosen])
    late = np.array([start / rate - time for start, time in zip(starts, chosen, strict=True) if start is not None])
    return times + float(np.median(late)) if len(late) else times


def map_beats(times: Array, verdict: Verdict, duration: Seconds) -> tuple[TempoMap, bool]:
    """Make the tempo map.

    Parameters
    ----------
    times : ndarray [shape=(n,)]
        Beats in seconds, from `beat_times`; they may begin before 0 and end after the sound.
    verdict : Verdict
        Meter, downbeat and support.
    duration : float
        Of the sound. A steady short sound that begins on a beat and lasts a whole number of beats within
        30 ms is taken for a loop, whose tempo is then exact.

    Returns
    -------
    TempoMap
        Beat 0 is a downbeat.
    steady : bool
        Whether one constant tempo holds throughout.
    """
    downbeat = verdict.downbeat % verdict.meter
    if downbeat >= len(times):
        downbeat = 0
    numbers = np.arange(len(times), dtype=float)
    clear = verdict.support > SUPPORTED
    if clear.sum() < 2:
        clear = np.ones(len(times), bool)
    period, origin = straight_line(numbers[clear], times[clear])
    if _is_steady((times - origin - period * numbers)[clear]):
        period, origin = _as_loop(period, origin, duration, verdict.meter)
        first = _not_before_the_start(origin + downbeat * period, period)
        return TempoMap.constant(60.0 / period, first_downbeat=first, beats_per_bar=verdict.meter), True
    bent = _smooth(np.interp(numbers, numbers[clear], times[clear]), clear, times)
    return (
        TempoMap.from_beats(bent, first_downbeat=downbeat, beats_per_bar=verdict.meter, tolerance=TOLERANCE),
        False,
    )


def straight_line(x: Array, y: Array) -> tuple[float, float]:
    """Fit y = origin + slope x, hardly moved by outliers (iteratively reweighted, Cauchy weights)."""
    slope, origin = np.polyfit(x, y, 1)
    for _ in range(20):
        rest = y - origin - slope * x
        scale = max(1e-4, 1.4826 * float(np.median(np.abs(rest - np.median(rest)))))
        slope, origin = np.polyfit(x, y, 1, w=np.sqrt(1.0 / (1.0 + (rest / (2 * scale)) ** 2)))
    return float(slope), float(origin)


def _is_steady(rest: Array) -> bool:
    """Say whether the residuals are mere jitter: their running median stays close to zero."""
    from scipy.ndimage import median_filter

    if len(rest) < 4:
        return True
    size = min(15, len(rest) // 2 * 2 - 1)
    return bool(np.abs(median_filter(rest, size, mode="nearest")).max() <= WANDER)


def _as_loop(period: Seconds, origin: Seconds, duration: Seconds, meter: int) -> tuple[Seconds, Seconds]:
    """Give the exact period of a loop, or the line as it is."""
    count = round(duration / period)
    off_beat = (origin + period / 2) % period - period / 2
    whole = count >= 1 and abs(count * period - duration) < min(LOOP_SLACK, 0.1 * period)
    if duration > LOOP_SECONDS or abs(off_beat) > LOOP_START or not whole:
        return period, origin
    exact = duration / count
    if count % meter == 0:  # whole bars: whoever cut them cut on the beat
        return exact, origin - off_beat
    middle = count // 2  # keep the beats where they were on average
    return exact, origin + (period - exact) * middle


def _not_before_the_start(beat: Seconds, period: Seconds) -> Seconds:
    """Move the grid on if one of its beats would fall a few milliseconds before the sound."""
    nearest = (beat + period / 2) % period - period / 2
    return beat - nearest if -LOOP_START / 2 < nearest < 0 else beat


def _smooth(times: Array, clear: NDArray[np.bool_], followed: Array, reach: int = 3) -> Array:
    """Take the jitter out of the beats by local straight lines through those that have an accent."""
    numbers = np.arange(len(times), dtype=float)
    times = np.where(
        clear | (numbers < np.argmax(clear)) | (numbers > len(clear) - 1 - np.argmax(clear[::-1])), followed, times
    )
    smooth = np.empty_like(times)
    for index in range(len(times)):
        low, high = max(0, index - reach), min(len(times), index + reach + 1)
        slope, origin = np.polyfit(numbers[low:high], times[low:high], 1)
        smooth[index] = origin + slope * index
    for index in range(1, len(smooth)):
        smooth[index] = max(smooth[index], smooth[index - 1] + 0.02)
    return smooth
