"""The stage `slice`."""

from __future__ import annotations

from typing import Any

from audiolab.audio import Frames
from audiolab.stages.base import Cut, Params, Resolved, Stage, StageInput, StageOutput, Takes, Wants
from audiolab.stages.slicing.cutting import PRESETS, PresetName, SliceParams, cut_sound, preset_for

__all__ = ["Slice", "cut_document"]


class Slice(Stage):
    """Cuts a stem (or a song) at its onsets into samples, each with a frame-exact start and a decay-detected end."""

    name = "slice"
    version = 1
    params = SliceParams
    unit = "stem"
    takes = Takes(frozenset({"stem", "song"}))
    wants = Wants(memory_mb=600)

    def resolve(self, params: Params) -> Resolved:
        """Nothing to find; `preset: auto` depends on the stem's name and is decided, and recorded, at the run."""
        return Resolved(params)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Cut the sound; silence gives an empty set."""
        params = resolved.params
        assert isinstance(params, SliceParams)
        sound = job.sound
        preset = preset_for(params, sound.stem)
        cuts = cut_sound(sound.source, params, stem=sound.stem, progress=job.progress)
        rate = sound.source.sample_rate
        document = {"preset": preset, **settings_of(params, preset), "sample_rate": rate, "samples": []}
        document["samples"] = [cut_document(cut, rate) for cut in cuts]
        notes = () if cuts else (f"{sound.name}: no onset found",)
        return StageOutput(document=document, facts={"cuts": len(cuts)}, cuts=cuts, notes=notes)


def settings_of(params: SliceParams, preset: PresetName) -> dict[str, Any]:
    """Give the parameters with every None filled in from the preset."""
    chosen = PRESETS[preset]
    return {
        "sensitivity": params.sensitivity,
        "min_gap": chosen.min_gap if params.min_gap is None else params.min_gap,
        "min_length": params.min_length,
        "max_length": params.max_length,
        "decay_db": chosen.decay_db if params.decay_db is None else params.decay_db,
    }


def cut_document(cut: Cut, sample_rate: Frames) -> dict[str, Any]:
    """Give one cut as JSON: start and stop in frames and in seconds, and its facts."""
    return {
        "start": cut.start,
        "stop": cut.stop,
        "start_s": cut.start / sample_rate,
        "stop_s": cut.stop / sample_rate,
        **cut.facts,
    }
