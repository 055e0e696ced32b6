"""Cuts at onsets: survey, novelty, exact starts, decayed ends."""

from __future__ import annotations

from audiolab.audio import BlockSource, to_frames
from audiolab.stages.analysis.attacks import refine_starts
from audiolab.stages.analysis.framing import Folded, Survey
from audiolab.stages.base import Cut, Progress
from audiolab.stages.slicing.novelty import HOP_SECONDS, novelty
from audiolab.stages.slicing.params import PRESETS, SliceParams, preset_for
from audiolab.stages.slicing.peaks import pick_peaks, strength_of, threshold_of
from audiolab.stages.slicing.spans import decay_ends, make_spans, thin_out

__all__ = ["RING_SECONDS", "find_onsets"]

RING_SECONDS = 4.0
"""How long, at most, a tail rings on under the next sounds."""


def find_onsets(
    source: BlockSource, heard: Survey, params: SliceParams, stem: str | None, progress: Progress
) -> list[Cut]:
    """Cut at onsets; each cut runs to where it has decayed or (with `choke`) the next begins.

    Parameters
    ----------
    source : BlockSource
        Mono or stereo, not silent; it is read twice.
    heard : Survey
        From `survey(source)`.
    params : SliceParams
        See there.
    stem : str or None
        Decides `preset: auto`.
    progress : Progress
        Called with the share done, of 1.

    Returns
    -------
    list of Cut
        By start. Facts: onset_strength, 0 to 1.
    """
    settings = PRESETS[preset_for(params, stem)]
    rate = source.sample_rate
    found = novelty(
        source, heard, window=settings.window, progress=lambda done, total: progress(0.8 * done / total, 1.0)
    )
    min_gap = to_frames(settings.min_gap if params.min_gap is None else params.min_gap, rate)
    reach = max(1, min(round(settings.min_gap / HOP_SECONDS), min_gap // found.hop))
    peaks, rises = pick_peaks(found.flux, threshold=threshold_of(params.sensitivity), reach=reach)
    guesses = [found.origin + int(peak) * found.hop for peak in peaks]
    refined = refine_starts(Folded(source, heard.weights, heard.offset), guesses)
    rises = rises[[start is not None for start in refined]]
    starts = [start for start in refined if start is not None]
    kept = thin_out(starts, [float(rise) for rise in rises], min_gap)
    starts = [starts[index] for index in kept]
    ends = decay_ends(
        found.level,
        found.hop,
        found.origin,
        starts,
        decay_db=settings.decay_db if params.decay_db is None else params.decay_db,
        ring=0 if params.choke else to_frames(RING_SECONDS, rate),
    )
    spans = make_spans(starts, ends, source.frames, choke=params.choke)
    progress(1.0, 1.0)
    return [
        Cut(start, stop, {"onset_strength": round(float(strength), 4)})
        for (start, stop), strength in zip(spans, strength_of(rises[kept]), strict=True)
    ]
