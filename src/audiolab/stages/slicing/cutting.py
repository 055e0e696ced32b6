"""One sound in, ordered cuts out: where the mode cuts, then what all modes share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiolab.audio import BlockSource, Render, TempoMap, amplitude_to_db, require_stereo, to_frames
from audiolab.errors import ParameterError
from audiolab.stages.analysis.framing import SILENCE, survey
from audiolab.stages.base import Cut, Progress, no_progress
from audiolab.stages.slicing.edges import join_short, snap_spans
from audiolab.stages.slicing.grids import equal_parts, musical_cuts
from audiolab.stages.slicing.onsets import find_onsets
from audiolab.stages.slicing.params import MUSICAL, SliceParams
from audiolab.stages.slicing.phrases import cut_words, find_phrases
from audiolab.stages.slicing.spans import make_spans
from audiolab.stages.slicing.sweeping import Measured, constant_offsets, measure, sounding_parts

__all__ = ["cut_sound"]

_TILING = frozenset({"beats", "bars", "grid", "equal"})


def cut_sound(
    source: BlockSource,
    params: SliceParams,
    *,
    stem: str | None = None,
    tempo_map: TempoMap | None = None,
    lyrics: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
) -> tuple[Cut, ...]:
    """Cut a sound as the parameters say.

    Parameters
    ----------
    source : BlockSource
        Mono or stereo (more with `downmix`), any rate. It is read a few times; memory does not grow with its audio.
    params : SliceParams
        What to cut.
    stem : str, optional
        Name of the stem, which decides what `preset: auto` means.
    tempo_map : TempoMap, optional
        Needed for beats, bars, grid and loops unless `params.bpm` is given.
    lyrics : mapping, optional
        Document of the stage `lyrics`; needed for words.
    progress : Progress
        Called with the share done, of 1.

    Returns
    -------
    tuple of Cut
        By start, inside the sound, apart unless `choke` is off. Facts: peak_db, rms_db, what the mode knows (see
        `find_onsets`, `tiles`, `loops`, `find_phrases`, `cut_words`) and `render`, if something is to be done to the
        cut when it is read. Silence gives none.

    Raises
    ------
    ParameterError
        If the mode needs a tempo map or words and there are none.
    """
    source = require_stereo(source, downmix=params.downmix)
    given = _Given(stem, tempo_map, lyrics)
    cuts = _places(source, params, given, _part(progress, 0.0, 0.8))
    rate = source.sample_rate
    if params.mode in _TILING:
        cuts = join_short(cuts, to_frames(params.min_length, rate))
    if params.mode != "loops":
        cuts = _limited(cuts, source, params)
    if params.trim and cuts:
        cuts = _trimmed(cuts, source, params)
    if params.snap == "zero" and cuts:
        spans = snap_spans(source, [(cut.start, cut.stop) for cut in cuts], keep_length=params.mode == "loops")
        cuts = _moved(cuts, spans)
    progress(0.9, 1.0)
    found = measure(source, [(cut.start, cut.stop) for cut in cuts])
    if not (found.peaks > SILENCE).any():
        cuts = []
    offsets = constant_offsets(source) if params.remove_dc and cuts else ()
    progress(1.0, 1.0)
    return tuple(
        Cut(cut.start, cut.stop, {**cut.facts, **_facts(found, index, params, offsets)})
        for index, cut in enumerate(cuts)
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """What is known about the sound beforehand."""

    stem: str | None
    tempo_map: TempoMap | None
    lyrics: Mapping[str, Any] | None


def _places(source: BlockSource, params: SliceParams, given: _Given, progress: Progress) -> list[Cut]:
    frames, rate = source.frames, source.sample_rate
    if params.mode == "equal":
        return equal_parts(frames, params.parts)
    if params.mode in MUSICAL:
        tempo_map = given.tempo_map
        if params.bpm is not None:
            meter = tempo_map.beats_per_bar if tempo_map else 4
            tempo_map = TempoMap.constant(params.bpm, first_downbeat=params.first_downbeat, beats_per_bar=meter)
        if tempo_map is None:
            raise ParameterError(
                f"{source.name!r} cannot be cut into {params.mode}: its tempo is not known. "
                "Pass bpm (and first_downbeat)"
            )
        return musical_cuts(params, tempo_map, frames, rate)
    if params.mode == "words":
        if given.lyrics is None:
            raise ParameterError(f"{source.name!r} cannot be cut into words: its lyrics are not known")
        return cut_words(given.lyrics, frames, rate, padding=params.padding)
    heard = survey(source, _part(progress, 0.0, 0.3))
    if heard.silent:
        return []
    if params.mode == "phrases":
        return find_phrases(
            source,
            heard,
            silence_db=params.silence_db,
            min_silence=params.min_silence,
            padding=params.padding,
            progress=_part(progress, 0.3, 1.0),
        )
    return find_onsets(source, heard, params, given.stem, _part(progress, 0.3, 1.0))


def _limited(cuts: list[Cut], source: BlockSource, params: SliceParams) -> list[Cut]:
    rate = source.sample_rate
    spans = make_spans(
        [cut.start for cut in cuts],
        [cut.stop for cut in cuts],
        source.frames,
        min_length=to_frames(params.min_length, rate),
        max_length=None if params.max_length is None else to_frames(params.max_length, rate),
        choke=params.choke,
    )
    return _moved(cuts, spans)


def _trimmed(cuts: list[Cut], source: BlockSource, params: SliceParams) -> list[Cut]:
    spans = [(cut.start, cut.stop) for cut in cuts]
    thresholds = np.maximum(measure(source, spans).peaks * 10.0 ** (-params.trim_db / 20.0), SILENCE)
    cuts = _moved(cuts, sounding_parts(source, spans, thresholds))
    return sorted(cuts, key=lambda cut: (cut.start, cut.stop))  # tails that ring on may change places


def _moved(cuts: list[Cut], spans: list[tuple[int, int]]) -> list[Cut]:
    return [Cut(start, stop, cut.facts) for cut, (start, stop) in zip(cuts, spans, strict=True)]


def _facts(found: Measured, index: int, params: SliceParams, offsets: tuple[float, ...]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "peak_db": round(amplitude_to_db(float(found.peaks[index])), 6),
        "rms_db": round(amplitude_to_db(float(found.rms[index])), 6),
    }
    render = Render(
        fade_in_s=params.fade_in,
        fade_out_s=params.fade_out,
        dc=offsets,
        mono=params.mono == "auto" and bool(found.equal[index]),
    )
    return facts | {"render": render.to_dict()} if render else facts


def _part(progress: Progress, low: float, high: float) -> Progress:
    """Squeeze a progress hook into a part of the whole."""

    def inner(done: float, total: float) -> None:
        progress(low + (high - low) * (done / total if total else 1.0), 1.0)

    return inner
