"""The stage `analyze`."""

from __future__ import annotations

from audiolab.stages.analysis.analysis import AnalyzeParams, analyze_sound
from audiolab.stages.base import Resolved, Stage, StageInput, StageOutput, Takes, Wants

__all__ = ["Analyze"]


class Analyze(Stage):
    """Finds tempo, beats, downbeats, meter, key, loudness and true peak of a song."""

    name = "analyze"
    version = 2
    params = AnalyzeParams
    unit = "song"
    takes = Takes(frozenset({"song"}))
    wants = Wants(memory_mb=800)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Analyse the song; silence has no tempo and no key."""
        params = resolved.params
        assert isinstance(params, AnalyzeParams)
        found = analyze_sound(job.sound.source, params, progress=job.progress)
        facts = {
            "bpm": found.tempo.bpm,
            "key": found.key.name,
            "camelot": found.key.camelot,
            "lufs": found.lufs,
            "true_peak_db": found.true_peak_db,
            "lra": found.lra,
            "duration": found.duration,
        }
        notes = () if found.tempo.bpm else (f"{job.sound.name}: no beat found",)
        return StageOutput(
            document=found.to_dict(),
            facts={name: value for name, value in facts.items() if value is not None},
            notes=notes,
        )
