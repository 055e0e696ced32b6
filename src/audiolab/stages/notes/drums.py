"""Drum stems to General MIDI: every drum class that is likely enough at an onset becomes a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audiolab.audio import Audio, BlockSource, View, to_frames
from audiolab.errors import ParameterError
from audiolab.stages.notes.midi_file import Note

__all__ = ["CYMBAL", "DRUM_KEYS", "DRUM_THRESHOLDS", "drum_notes", "drum_thresholds", "tom_key"]

DRUM_KEYS: Mapping[str, int] = {
    "kick": 36,
    "rim": 37,
    "snare": 38,
    "clap": 39,
    "closed_hat": 42,
    "open_hat": 46,
    "tom": 47,
    "crash": 49,
    "ride": 51,
    "cowbell": 56,
    "percussion": 63,
}
"""General MIDI percussion keys; a tom is 45, 47 or 50 by its pitch, percussion is "open high conga"."""
CYMBAL = "cymbal"
"""The classifier's one class for crash and ride; its labels tell them apart."""

DRUM_THRESHOLDS: Mapping[str, float] = {
    "kick": 0.61,
    "snare": 0.63,
    "clap": 0.18,
    "rim": 0.4,
    "closed_hat": 0.65,
    "open_hat": 0.57,
    "cymbal": 0.45,
    "tom": 0.69,
    "percussion": 0.57,
}
"""Least probability of each class at an onset: the best F0.5 on rendered loops whose sounds the head had not heard
(`python -m audiolab.training.drum_head`, which writes them into the model's scores.json as `drum_loops`)."""

_LONGEST = 0.1
"""Seconds: drum samplers ignore a note's end, and short notes are easy to edit."""
_LOWEST_TOM, _HIGHEST_TOM = 50.0, 400.0
_LOW_TOM, _HIGH_TOM = 110.0, 165.0
"""Fundamentals in hertz: floor toms lie below 110, high rack toms above 165."""


def drum_notes(
    slices: Mapping[str, Any],
    labels: Mapping[str, Any],
    source: BlockSource | None,
    *,
    threshold: float | Mapping[str, float],
) -> list[Note]:
    """Make notes of cuts and of what they were taken for.

    Parameters
    ----------
    slices : mapping
        The document of `slice`: sample_rate, and samples with start and stop in frames.
    labels : mapping
        The document of `classify`: items aligned with the samples, each with `drums` {class: probability}
        and a label.
    source : BlockSource or None
        The stem, to tell toms by their pitch; without it each is a middle tom.
    threshold : float or mapping
        Least probability, one for all classes or one each (see `drum_thresholds`).

    Returns
    -------
    list of Note
        In order of time. Velocity follows the cut's peak level within the stem; the likeliest class has all
        of it, others less by their probability. A cut whose best label is a drum gives at least that one.

    Raises
    ------
    ParameterError
        If the two documents do not belong together.
    """
    samples: Sequence[Mapping[str, Any]] = slices["samples"]
    items: Sequence[Mapping[str, Any]] = labels["items"]
    if len(samples) != len(items):
        raise ParameterError(
            f"{len(samples)} slices but {len(items)} labels: they are of different runs; slice and classify again"
        )
    thresholds = dict.fromkeys((*DRUM_KEYS, CYMBAL), threshold) if isinstance(threshold, float) else threshold
    rate = int(slices["sample_rate"])
    velocities = _velocities(samples)
    notes = []
    for sample, item, velocity in zip(samples, items, velocities, strict=True):
        start, stop = sample["start"] / rate, sample["stop"] / rate
        likely = _classes(item, thresholds)
        best = max(likely.values(), default=1.0)
        for name, probability in likely.items():
            key = DRUM_KEYS[name]
            if name == "tom" and source is not None:
                key = tom_key(source, int(sample["start"]), int(sample["stop"]))
            strength = max(1, min(127, round(velocity * (0.5 + 0.5 * probability / best))))
            notes.append(Note(start, min(stop, start + _LONGEST), key, strength))
    return sorted(notes, key=lambda note: (note.start, note.pitch))


def drum_thresholds(one: float | None, each: Mapping[str, float] | None) -> dict[str, float]:
    """Give the least probability of each class: `each` where it names the class, else `one`, else the default.

    Raises
    ------
    ParameterError
        If `each` names a class that there is not, or a value outside 0 to 1.
    """
    found = {name: value if one is None else one for name, value in DRUM_THRESHOLDS.items()}
    for name, value in (each or {}).items():
        if name not in found:
            raise ParameterError(f"drum_thresholds: no drum class {name!r}; there are {', '.join(found)}")
        if not 0 < value <= 1:
            raise ParameterError(f"drum_thresholds: {name} must be above 0 and at most 1, not {value:g}")
        found[name] = float(value)
    return found


def _classes(item: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, float]:
    """Pick the drum classes of one cut, likeliest first."""
    drums = {name: float(p) for name, p in (item.get("drums") or {}).items()}
    thresholds = dict(thresholds)
    if CYMBAL in drums:
        labels = dict(item.get("top") or ())
        which = "ride" if labels.get("ride", 0.0) > labels.get("crash", 0.0) else "crash"
        drums[which] = max(drums.pop(CYMBAL), drums.get(which, 0.0))
        thresholds[which] = thresholds[CYMBAL]
    probabilities = {name: p for name, p in drums.items() if name in DRUM_KEYS}
    likely = {name: p for name, p in probabilities.items() if p >= thresholds.get(name, thresholds["percussion"])}
    label = item.get("label")
    if not likely and label in DRUM_KEYS:
        likely[str(label)] = probabilities.get(str(label), float(item.get("confidence", 1.0)))
    # Hats are open or closed, not both.
    if {"closed_hat", "open_hat"} <= likely.keys():
        del likely[min("closed_hat", "open_hat", key=lambda name: likely[name] / thresholds[name])]
    return dict(sorted(likely.items(), key=lambda pair: -pair[1]))


def _velocities(samples: Sequence[Mapping[str, Any]]) -> list[float]:
    """Map levels to velocities, 127 for the loudest cut: 40 dB a decade, the inverse of General MIDI's usual curve."""
    if not samples:
        return []
    if all("peak_db" in sample for sample in samples):
        level = np.array([float(sample["peak_db"]) for sample in samples])
        return [float(v) for v in np.clip(127 * 10.0 ** ((level - level.max()) / 40.0), 1, 127)]
    strength = np.array([float(sample.get("onset_strength", 1.0)) for sample in samples])
    return [float(v) for v in np.clip(127 * np.sqrt(strength / max(strength.max(), 1e-9)), 1, 127)]


def tom_key(source: BlockSource, start: int, stop: int) -> int:
    """Tell a low (45), middle (47) or high (50) tom by the strongest partial of its first 150 ms."""
    rate = source.sample_rate
    # A cut may start a little after the stem's end if it was made from another version of it.
    start, stop = min(start, source.frames), min(stop, source.frames, start + to_frames(0.15, rate))
    if stop - start < to_frames(0.02, rate):
        return DRUM_KEYS["tom"]
    samples = Audio.from_source(View(source, start, stop)).mono().samples[0]
    length = 1 << max(15, (4 * len(samples)).bit_length())
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), length))
    hertz = np.fft.rfftfreq(length, 1 / rate)
    band = (hertz >= _LOWEST_TOM) & (hertz <= _HIGHEST_TOM)
    if not band.any() or spectrum[band].max() <= 0:
        return DRUM_KEYS["tom"]
    pitch = hertz[band][spectrum[band].argmax()]
    return 45 if pitch < _LOW_TOM else 50 if pitch > _HIGH_TOM else 47
