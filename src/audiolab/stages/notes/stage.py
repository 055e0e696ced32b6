"""The stage `midi`."""

from __future__ import annotations

from audiolab.audio import TempoMap
from audiolab.config import get_settings
from audiolab.errors import MissingDependency
from audiolab.stages.base import (
    Need,
    Params,
    Resolved,
    Stage,
    StageInput,
    StageOutput,
    StageSkipped,
    Takes,
    Wants,
)
from audiolab.stages.notes.drums import drum_notes
from audiolab.stages.notes.midi_file import Note
from audiolab.stages.notes.model import MODEL_SHA256, find_model
from audiolab.stages.notes.presets import MidiParams, Settings, settings_for
from audiolab.stages.notes.transcribing import DEFAULT_BPM, document_of, transcribe

__all__ = ["Midi"]


class Midi(Stage):
    """Turns a stem (or a song) into notes: Basic Pitch for pitched sounds, slices and labels for drums."""

    name = "midi"
    version = 2
    params = MidiParams
    unit = "stem"
    takes = Takes(frozenset({"stem", "song"}))
    needs = (
        Need("analyze", of="song", required=False),
        Need("slice", required=False),
        Need("classify", required=False),
    )
    wants = Wants(memory_mb=900)

    def resolve(self, params: Params) -> Resolved:
        """Look for the model. Without it drum stems still work, so only other sounds fail, and say why."""
        import onnxruntime

        profile = {"device": "cpu", "threads": str(get_settings().threads), "onnxruntime": onnxruntime.__version__}
        try:
            find_model()
        except MissingDependency as missing:
            return Resolved(params, engine="basic-pitch", profile=profile, notes=(str(missing),))
        return Resolved(params, engine="basic-pitch", weights=MODEL_SHA256, profile=profile)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Find the notes; silence gives none.

        Raises
        ------
        StageSkipped
            For a drum stem that was not sliced and classified.
        MissingDependency
            For any other sound, if basic-pitch is not installed.
        """
        params = resolved.params
        assert isinstance(params, MidiParams)
        sound = job.sound
        settings = settings_for(params, sound.stem)
        remarks: list[str] = []
        tempo = job.needs.get("analyze", {}).get("tempo_map")
        if tempo is None:
            remarks.append(f"{sound.name}: no tempo known, {DEFAULT_BPM:g} bpm assumed")
        tempo_map = TempoMap.constant(DEFAULT_BPM) if tempo is None else TempoMap.from_dict(tempo)
        if settings.preset == "drums":
            notes = self._drums(job, settings)
            job.progress(1.0, 1.0)
        else:
            threads = int(resolved.profile.get("threads", "1"))
            notes = transcribe(sound.source, settings, threads=threads, progress=job.progress)
        duration = sound.source.frames / sound.source.sample_rate
        document = document_of(notes, settings, tempo_map=tempo_map, duration=duration, name=sound.stem or sound.name)
        if not notes:
            remarks.append(f"{sound.name}: no note found")
        return StageOutput(document=document, facts={"notes": len(notes)}, notes=tuple(remarks))

    @staticmethod
    def _drums(job: StageInput, settings: Settings) -> list[Note]:
        missing = [stage for stage in ("slice", "classify") if stage not in job.needs]
        if missing:
            raise StageSkipped(
                f"{job.sound.name}: drums become MIDI from slices and their labels, and there is no result of "
                f"{' and '.join(missing)}: run the stages slice and classify on it, too"
            )
        if (mode := job.needs["slice"].get("mode", "onsets")) != "onsets":
            raise StageSkipped(f"{job.sound.name}: it was cut at {mode}; drums become MIDI from cuts at onsets")
        return drum_notes(
            job.needs["slice"], job.needs["classify"], job.sound.source, threshold=settings.drum_thresholds
        )
