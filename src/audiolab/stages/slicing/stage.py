"""The stage `slice`."""

from __future__ import annotations

from typing import Any

from audiolab.audio import Frames, TempoMap
from audiolab.stages.base import Cut, Need, Params, Resolved, Stage, StageInput, StageOutput, StageSkipped, Takes, Wants
from audiolab.stages.slicing.cutting import cut_sound
from audiolab.stages.slicing.params import MUSICAL, SliceParams, preset_for, settings_of

__all__ = ["Slice", "cut_document"]

_TEMPO = Need("analyze", of="song", required=False)
_LYRICS = Need("lyrics", required=False)


class Slice(Stage):
    """Cuts a stem (or a song) into samples: at onsets, beats, bars, a grid, silences, words, or into loops."""

    name = "slice"
    version = 2
    params = SliceParams
    unit = "stem"
    takes = Takes(frozenset({"stem", "song"}))
    makes = frozenset({"document", "facts", "cuts"})
    needs = (_TEMPO, _LYRICS)
    wants = Wants(memory_mb=600)

    def needs_for(self, params: Params) -> tuple[Need, ...]:
        """Look at the song's tempo for musical modes and at the sound's words for words, else at nothing."""
        assert isinstance(params, SliceParams)
        if params.mode in MUSICAL and params.bpm is None:
            return (_TEMPO,)
        return (_LYRICS,) if params.mode == "words" else ()

    def resolve(self, params: Params) -> Resolved:
        """Nothing to find; `preset: auto` depends on the stem's name and is decided, and recorded, at the run."""
        return Resolved(params)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Cut the sound; silence gives an empty set.

        Raises
        ------
        StageSkipped
            If the mode needs the song's tempo or the sound's words, and they are not known.
        """
        params = resolved.params
        assert isinstance(params, SliceParams)
        sound = job.sound
        preset = preset_for(params, sound.stem)
        tempo, lyrics = job.needs.get("analyze", {}).get("tempo_map"), job.needs.get("lyrics")
        if params.mode in MUSICAL and params.bpm is None and tempo is None:
            raise StageSkipped(
                f"{sound.name}: no tempo is known, so it cannot be cut into {params.mode}: "
                "let `analyze` go before, correct its tempo, or give the parameter bpm"
            )
        if params.mode == "words" and lyrics is None:
            raise StageSkipped(f"{sound.name}: no words are known, so it cannot be cut at them: let `lyrics` go before")
        cuts = cut_sound(
            sound.source,
            params,
            stem=sound.stem,
            tempo_map=None if tempo is None else TempoMap.from_dict(tempo),
            lyrics=lyrics,
            progress=job.progress,
        )
        rate = sound.source.sample_rate
        document = {"preset": preset, **settings_of(params, preset), "sample_rate": rate, "samples": []}
        document["samples"] = [cut_document(cut, rate) for cut in cuts]
        what = {"onsets": "no onset found", "loops": "shorter than a loop"}.get(params.mode, "nothing to cut")
        notes = () if cuts else (f"{sound.name}: {what}",)
        return StageOutput(document=document, facts={"cuts": len(cuts)}, cuts=cuts, notes=notes)


def cut_document(cut: Cut, sample_rate: Frames) -> dict[str, Any]:
    """Give one cut as JSON: start and stop in frames and in seconds, and its facts."""
    return {
        "start": cut.start,
        "stop": cut.stop,
        "start_s": cut.start / sample_rate,
        "stop_s": cut.stop / sample_rate,
        **cut.facts,
    }
