"""One sound in, ordered cuts out: survey, onsets, exact starts, ends, levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field

from audiolab.audio import BlockSource, Frames, amplitude_to_db, require_stereo, to_frames
from audiolab.stages.analysis.attacks import refine_starts
from audiolab.stages.analysis.framing import Folded, Survey, survey
from audiolab.stages.base import Cut, Params, Progress, no_progress
from audiolab.stages.slicing.novelty import HOP_SECONDS, novelty
from audiolab.stages.slicing.peaks import pick_peaks, strength_of, threshold_of
from audiolab.stages.slicing.spans import decay_ends, make_spans, thin_out

__all__ = ["PRESETS", "Preset", "PresetName", "SliceParams", "cut_sound", "preset_for"]

PresetName: TypeAlias = Literal["drums", "notes"]


@dataclass(frozen=True, slots=True)
class Preset:
    """What suits a kind of material; times in seconds."""

    window: float
    """Length of the spectra."""
    min_gap: float
    decay_db: float


PRESETS: dict[PresetName, Preset] = {
    # Short spectra separate ghost notes; the tail of a drum is worth keeping to the end.
    "drums": Preset(window=0.023, min_gap=0.03, decay_db=60.0),
    # Longer spectra resolve bass notes; note starts closer than a fast thirty-second are ornaments.
    "notes": Preset(window=0.046, min_gap=0.08, decay_db=40.0),
}


class SliceParams(Params):
    """Parameters of the slicer. None means: as the preset says."""

    sensitivity: float = Field(0.5, ge=0, le=1, description="0 cuts only at strong attacks, 1 at the faintest")
    preset: Literal["auto"] | PresetName = Field("auto", description="auto: `notes` for stems other than drums")
    min_gap: float | None = Field(None, ge=0, le=10, description="Least distance between starts, in seconds")
    min_length: float = Field(0.03, ge=0, le=60, description="Least length of a cut in seconds, if the next allows")
    max_length: float | None = Field(None, gt=0, description="Greatest length of a cut in seconds")
    decay_db: float | None = Field(None, ge=3, le=120, description="A cut ends this far below its peak, in decibels")
    downmix: bool = Field(False, description="Mix more than two channels to stereo first")


def preset_for(params: SliceParams, stem: str | None) -> PresetName:
    """Decide `auto`: drums, unnamed sounds and whole mixes by attacks; all other stems by notes."""
    if params.preset != "auto":
        return params.preset
    return "drums" if stem is None or stem == "drums" else "notes"


def cut_sound(
    source: BlockSource, params: SliceParams, *, stem: str | None = None, progress: Progress = no_progress
) -> tuple[Cut, ...]:
    """Cut a sound at its onsets.

    Parameters
    ----------
    source : BlockSource
        Mono or stereo (more with `downmix`), any rate. It is read four times; memory does not grow with its audio.
    params : SliceParams
        What to cut.
    stem : str, optional
        Name of the stem, which decides what `preset: auto` means.
    progress : Progress
        Called with the share done, of 1.

    Returns
    -------
    tuple of Cut
        In order, apart, inside the sound. Facts: onset_strength (0 to 1), peak_db, rms_db. Silence gives none.
    """
    source = require_stereo(source, downmix=params.downmix)
    settings = PRESETS[preset_for(params, stem)]
    rate = source.sample_rate
    heard = survey(source, _part(progress, 0.0, 0.2))
    if heard.silent:
        progress(1.0, 1.0)
        return ()
    found = novelty(source, heard, window=settings.window, progress=_part(progress, 0.2, 0.7))
    min_gap = to_frames(settings.min_gap if params.min_gap is None else params.min_gap, rate)
    reach = max(1, min(round(settings.min_gap / HOP_SECONDS), min_gap // found.hop))
    peaks, rises = pick_peaks(found.flux, threshold=threshold_of(params.sensitivity), reach=reach)
    guesses = [found.origin + int(peak) * found.hop for peak in peaks]
    refined = refine_starts(Folded(source, heard.weights, heard.offset), guesses)
    rises = rises[[start is not None for start in refined]]
    starts = [start for start in refined if start is not None]
    kept = thin_out(starts, [float(rise) for rise in rises], min_gap)
    starts = [starts[index] for index in kept]
    progress(0.85, 1.0)
    ends = decay_ends(
        found.level,
        found.hop,
        found.origin,
        starts,
        decay_db=settings.decay_db if params.decay_db is None else params.decay_db,
    )
    spans = make_spans(
        starts,
        ends,
        source.frames,
        min_length=to_frames(params.min_length, rate),
        max_length=None if params.max_length is None else to_frames(params.max_length, rate),
    )
    levels = measure(source, spans, heard)
    strengths = strength_of(rises[kept])
    progress(1.0, 1.0)
    return tuple(
        Cut(
            start,
            stop,
            {
                "onset_strength": round(float(strength), 4),
                "peak_db": round(amplitude_to_db(peak), 6),
                "rms_db": round(amplitude_to_db(rms), 6),
            },
        )
        for (start, stop), strength, (peak, rms) in zip(spans, strengths, levels, strict=True)
    )


def measure(source: BlockSource, spans: Sequence[tuple[Frames, Frames]], heard: Survey) -> list[tuple[float, float]]:
    """Give peak (largest of all channels) and RMS of every span, in one pass."""
    peaks, powers = np.zeros(len(spans)), np.zeros(len(spans))
    position, index = 0, 0
    for block in source.blocks() if spans else ():
        stop = position + block.shape[1]
        at = index
        while at < len(spans) and spans[at][0] < stop:
            part = block[:, max(0, spans[at][0] - position) : spans[at][1] - position].astype(np.float64)
            peaks[at] = max(peaks[at], np.abs(part).max(initial=0.0))
            powers[at] += (part**2).sum()
            if spans[at][1] <= stop:
                index = at + 1
            at += 1
        position = stop
    lengths = np.array([(stop - start) * source.channels for start, stop in spans], float)
    return [(float(p), float(r)) for p, r in zip(peaks, np.sqrt(powers / np.maximum(lengths, 1)), strict=True)]


def _part(progress: Progress, low: float, high: float) -> Progress:
    """Squeeze a progress hook into a part of the whole."""

    def inner(done: float, total: float) -> None:
        progress(low + (high - low) * (done / total if total else 1.0), 1.0)

    return inner
