"""MIDI of a plain file: `audiolab.stages.midi("bass.wav", to="out")`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.audio import Block, BlockSource, Seconds, TempoMap, as_source, atomic_path, require_stereo
from audiolab.config import available_cores
from audiolab.errors import ParameterError
from audiolab.stages.base import Document, Progress, no_progress
from audiolab.stages.notes.drums import drum_notes
from audiolab.stages.notes.midi_file import Note, Track, write_midi
from audiolab.stages.notes.presets import MidiParams, Settings, settings_for
from audiolab.stages.notes.transcribing import DEFAULT_BPM, document_of, transcribe

__all__ = ["Transcription", "find_tempo", "fixed_tempo", "midi"]


@dataclass(frozen=True, slots=True)
class Transcription:
    """The notes of one sound."""

    path: str
    """The file, or the name of a sound in memory."""
    notes: tuple[Note, ...]
    tempo_map: TempoMap
    duration: Seconds
    document: Document
    """As the stage gives it: with bends, preset, program."""
    midi: Path | None = None
    """The written file."""
    remarks: tuple[str, ...] = ()
    """What was assumed, and why."""

    @property
    def bpm(self) -> float:
        """Mean tempo."""
        return self.tempo_map.bpm(self.duration or None)

    def track(self) -> Track:
        """Give the notes as a track for `write_midi`."""
        return Track(self.document["name"], self.notes, self.document["program"], self.document["drums"])

    def write(self, path: str | Path) -> Path:
        """Write a MIDI file."""
        return write_midi(path, [self.track()], self.tempo_map, duration=self.duration)

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab midi --json` prints."""
        document: dict[str, Any] = {
            "path": self.path,
            "midi": None if self.midi is None else str(self.midi),
            "bpm": self.document["bpm"],
            "notes": [
                {key: note[key] for key in ("start", "end", "pitch", "velocity")} for note in self.document["notes"]
            ],
        }
        if self.remarks:
            document["remarks"] = list(self.remarks)
        return document

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` to a file."""
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return Path(path)

    def __len__(self) -> int:
        return len(self.notes)

    def __repr__(self) -> str:
        return f"Transcription({self.path!r}, {len(self.notes)} notes, {self.bpm:.2f} bpm)"


def midi(
    sound: BlockSource | str | Path | tuple[Block, int],
    *,
    to: str | Path | None = None,
    tempo_map: TempoMap | float | None = None,
    bpm: float | None = None,
    preset: str = "auto",
    stem: str | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> Transcription:
    """Turn a sound into notes.

    Parameters
    ----------
    sound : path, Audio, BlockSource or (array, sample_rate)
        Mono or stereo, any rate.
    to : path-like, optional
        A folder, which gets `<name>.mid`, or the name of a .mid file.
    tempo_map : TempoMap or float, optional
        The musical time of the file that is written; a number is a constant tempo. Default: what `analyze` finds,
        else 120 bpm, which `remarks` says.
    bpm : float, optional
        The same as a number for `tempo_map`.
    preset : str
        `auto` (by `stem`, else `other`), `basic-pitch` (upstream's defaults, and notes equal to
        upstream's), `bass`, `vocals`, `other`, or `drums` (from slices and labels).
    stem : str, optional
        Which stem the sound is: drums, bass, vocals, other, guitar, piano.
    progress : Progress, optional
        Called with work done and work in all.
    **params
        Other fields of `MidiParams`.

    Returns
    -------
    Transcription
        Notes in order of time.

    Raises
    ------
    AudioError
        If the file cannot be read, is empty, or has more than two channels.
    ParameterError
        If a parameter is unknown or out of range.
    MissingDependency
        If the package basic-pitch, which holds the model, is not installed.
    """
    settings = settings_for(_params({"preset": preset, **params}), stem)
    fixed = fixed_tempo(tempo_map, bpm)
    source = require_stereo(as_source(sound), downmix=settings.downmix)
    duration = source.frames / source.sample_rate
    hook = progress or no_progress
    if settings.preset == "drums":
        notes = _drums(source, settings, hook)
    else:
        notes = transcribe(source, settings, threads=available_cores(), progress=hook)
    time, remarks = (fixed, ()) if fixed is not None else find_tempo(source)
    name = Path(source.name).stem or "sound"
    document = document_of(notes, settings, tempo_map=time, duration=duration, name=name)
    path = str(sound) if isinstance(sound, (str, Path)) else source.name
    result = Transcription(path, tuple(notes), time, duration, document, None, remarks)
    if to is None:
        return result
    target = Path(to)
    if target.suffix.lower() not in {".mid", ".midi"}:
        target.mkdir(parents=True, exist_ok=True)
        target /= f"{name.replace('/', '_')}.mid"
    return Transcription(path, tuple(notes), time, duration, document, result.write(target), remarks)


def _params(params: dict[str, Any]) -> MidiParams:
    from pydantic import ValidationError

    try:
        return MidiParams(**params)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"midi: {problems}; it takes {', '.join(MidiParams.model_fields)}") from error


def fixed_tempo(tempo_map: TempoMap | float | None, bpm: float | None) -> TempoMap | None:
    """Make a map of what was given, or None."""
    if tempo_map is not None and bpm is not None:
        raise ParameterError("midi: give tempo_map or bpm, not both")
    given = bpm if tempo_map is None else tempo_map
    return given if given is None or isinstance(given, TempoMap) else TempoMap.constant(float(given))


def find_tempo(source: BlockSource) -> tuple[TempoMap, tuple[str, ...]]:
    """Ask `analyze`; a sound that has no tempo gets MIDI's default."""
    from audiolab.stages.analysis import analyze

    found = analyze(source).tempo_map
    if found is not None:
        return found, ()
    return TempoMap.constant(DEFAULT_BPM), (f"no tempo was found: {DEFAULT_BPM:g} bpm assumed",)


def _drums(source: BlockSource, settings: Settings, progress: Progress) -> list[Note]:
    """Slice and classify the sound, then make notes of what was found."""
    from audiolab.audio import View
    from audiolab.stages.classification import classify
    from audiolab.stages.slicing import slice as slice_sound

    cuts = slice_sound(source, preset="drums", progress=lambda done, total: progress(done, 2 * total)).cuts
    views = [View(source, cut.start, cut.stop) for cut in cuts]
    items = [found.item() for found in classify(views)] if views else []
    progress(1.0, 1.0)
    samples = [{"start": cut.start, "stop": cut.stop, **cut.facts} for cut in cuts]
    slices = {"sample_rate": source.sample_rate, "samples": samples}
    return drum_notes(slices, {"items": items}, source, threshold=settings.drum_thresholds)
