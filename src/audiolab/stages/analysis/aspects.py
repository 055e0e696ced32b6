"""What of a sound can be compared beside its timbre, as 24 numbers: how it rises and falls, and its pitch.

The layout is fixed; vectors of `ASPECTS` compare with each other only. A vector of zeros is silence.

======  =====================================================================================================
0       1 (there is something to hear)
1       length: log2 of seconds from the first to the last moment within 40 dB of the peak, of the first 4 s
2       attack: log2 of seconds from 10 % to 90 % of the peak
3 - 5   decay: log2 of seconds from the loudest moment until the level stays 10, 20, 40 dB below it
6 - 21  course: energy in 16 spans of time from the attack on, each longer than the one before (5 ms to 1 s),
        in units of 60 dB below the strongest span: 1 strongest, 0 gone
22      pitch in MIDI notes (69 is 440 Hz), 0 if none
23      how sure it is that there is one pitch, 0 to 1
======  =====================================================================================================
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.analysis.pitch import NO_PITCH, Pitch

__all__ = ["ASPECTS", "DIMENSIONS", "envelope_features", "measure_aspects", "pitch_features"]

ASPECTS = "0" * 16 + "a59ec75" + "1"
"""Stands where an encoder's hash stands; sixteen zeros say that this was measured and not learned."""
DIMENSIONS = 24
_SPANS = 16
_EDGES = np.concatenate(([0.0], 0.005 * 1.5 ** np.arange(_SPANS)))
"""Seconds: 0, 5, 7.5, 11 ms ... 2.2 s."""
_RANGE_DB = 60.0
_SHORT, _LONG = 0.001, 4.0
_WINDOW = 0.002
# What counts as one step of difference: 12 dB of the course, two octaves of attack, one of length and decay.
_COURSE_STEP, _ATTACK_STEP, _TIME_STEP = 12.0 / _RANGE_DB, 2.0, 1.0
_Mono = NDArray[np.float32]


def measure_aspects(
    mono: _Mono, rate: int, pitch: Pitch = NO_PITCH, attack_s: float | None = None
) -> NDArray[np.float32]:
    """Measure the aspects of a sound.

    Parameters
    ----------
    mono : ndarray [float32, shape=(n,)]
        Its first seconds.
    rate : int
        Its rate.
    pitch : Pitch
        What `find_pitch` says of it.
    attack_s : float, optional
        What `attack_and_decay` says of it.

    Returns
    -------
    ndarray [float32, shape=(24,)]
    """
    out = np.zeros(DIMENSIONS, np.float32)
    level = _level(mono, rate)
    if not level.size or not level.max() > 0:
        return out
    decibels = 20 * np.log10(np.maximum(level / level.max(), 1e-6))
    step = _WINDOW / 2
    loud = np.flatnonzero(decibels >= -40.0)
    start, top = int(loud[0]), int(np.argmax(level))
    out[0] = 1.0
    out[1] = _log_time((loud[-1] - start + 1) * step)
    out[2] = _log_time(attack_s or 0.0)
    for place, fall in enumerate((10.0, 20.0, 40.0), start=3):
        above = np.flatnonzero(decibels >= -fall)
        out[place] = _log_time((above[-1] - top + 1) * step)
    out[6:22] = _course(mono, rate, round(start * step * rate))
    if pitch.hz is not None and pitch.hz > 0:
        out[22] = 69 + 12 * math.log2(pitch.hz / 440)
        out[23] = min(max(pitch.confidence, 0.0), 1.0)
    return out


def envelope_features(aspects: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give what of some aspects [shape=(n, 24)] is compared as envelope: 21 numbers, 1 a clear difference each way.

    The course counts half, the times count half, whatever number of values each has.
    """
    times = aspects[:, 1:6] / np.array([_TIME_STEP, _ATTACK_STEP, *[_TIME_STEP] * 3], np.float32)
    times *= np.sqrt(np.array([1 / 3, 1 / 3, 1 / 9, 1 / 9, 1 / 9], np.float32))
    course = aspects[:, 6:22] / _COURSE_STEP / math.sqrt(_SPANS)
    return np.concatenate([times, course], axis=1) * np.float32(math.sqrt(0.5))


def pitch_features(aspects: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give what of some aspects [shape=(n, 24)] is compared as pitch: note and confidence."""
    return np.ascontiguousarray(aspects[:, 22:24])


def _log_time(seconds: float) -> float:
    return math.log2(min(max(seconds, _SHORT), _LONG))


def _level(mono: _Mono, rate: int) -> NDArray[np.float64]:
    """Give the level every millisecond: the largest sample of two milliseconds."""
    hop = max(1, round(_WINDOW / 2 * rate))
    count = -(-len(mono) // hop)
    blocks = np.pad(np.abs(mono), (0, count * hop - len(mono))).reshape(count, hop).max(axis=1, initial=0.0)
    return np.asarray(np.maximum(blocks, np.append(blocks[1:], 0.0)), np.float64) if count else np.zeros(0)


def _course(mono: _Mono, rate: int, start: int) -> NDArray[np.float32]:
    energy = np.concatenate(([0.0], np.cumsum(np.square(mono[start:], dtype=np.float64))))
    frames = np.minimum(np.round(_EDGES * rate).astype(int), len(energy) - 1)
    widths = np.maximum(np.diff(np.round(_EDGES * rate)), 1)
    power = np.maximum(np.diff(energy[frames]), 0.0) / widths
    decibels = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-30), 1e-12))
    return np.asarray(np.clip(1 + decibels / _RANGE_DB, 0.0, 1.0), np.float32)
