"""The parameters of the stage `midi`, and what suits which kind of sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from audiolab.stages.base import Params
from audiolab.stages.notes.drums import drum_thresholds

__all__ = ["PRESETS", "MidiParams", "Preset", "PresetName", "Settings", "settings_for"]

PresetName: TypeAlias = Literal["basic-pitch", "bass", "vocals", "other", "drums"]


@dataclass(frozen=True, slots=True)
class Preset:
    """What a kind of sound asks for; see `MidiParams` for the meaning."""

    minimum_note_length_ms: float
    minimum_frequency: float | None
    maximum_frequency: float | None
    bends: bool
    program: int
    onset_threshold: float = 0.5
    frame_threshold: float = 0.3
    melodia: bool = True
    exact_times: bool = True
    ghost_db: float | None = 50.0
    one_voice: bool = False
    center_bends: bool = True


PRESETS: dict[PresetName, Preset] = {
    # Upstream's defaults and upstream's frame times: equal to basic_pitch.inference.predict.
    "basic-pitch": Preset(
        127.70, None, None, bends=True, program=4, exact_times=False, ghost_db=None, center_bends=False
    ),
    # The low B of a five-string bass (30.9 Hz) up to G4, the highest fret of the first string. The network hears
    # its strong harmonics as notes of their own, hence one voice.
    "bass": Preset(100.0, 30.0, 400.0, bends=True, program=33, one_voice=True),
    # From E2 (82 Hz, a low bass voice) to above C6 (1047 Hz, a high soprano). Vibrato and consonants look like
    # beginnings, hence the higher thresholds (measured in docs/midi.md).
    "vocals": Preset(100.0, 80.0, 1200.0, bends=True, program=53, onset_threshold=0.65, frame_threshold=0.4),
    # Chords: bends of single notes would move them all.
    "other": Preset(80.0, None, None, bends=False, program=4),
    # Not by Basic Pitch: from slices and their labels.
    "drums": Preset(0.0, None, None, bends=False, program=0),
}
_BY_STEM: dict[str, PresetName] = {"bass": "bass", "vocals": "vocals", "drums": "drums"}
_PROGRAMS = {"piano": 0, "guitar": 27}
"""General MIDI programs of stems that have no preset of their own."""


class MidiParams(Params):
    """Parameters of `midi`. None means: as the preset says."""

    preset: Literal["auto"] | PresetName = Field("auto", description="auto: by the stem's name; else `other`")
    onset_threshold: float | None = Field(None, gt=0, le=1, description="Least activation of a note's beginning")
    frame_threshold: float | None = Field(None, gt=0, le=1, description="Least activation of a note that goes on")
    minimum_note_length_ms: float | None = Field(None, ge=0, le=10_000, description="Shorter notes are dropped")
    minimum_frequency: float | None = Field(None, gt=0, description="Lowest pitch in hertz")
    maximum_frequency: float | None = Field(None, gt=0, description="Highest pitch in hertz")
    melodia: bool | None = Field(None, description="Look for notes without a clear beginning, too")
    bends: bool | None = Field(None, description="Keep pitch bends")
    exact_times: bool | None = Field(None, description="Exact frame times, and notes to the very end of the sound")
    ghost_db: float | None = Field(None, ge=0, le=120, description="Drop notes this far below the loudest moment")
    center_bends: bool | None = Field(None, description="Take a constant third of a semitone out of bends")
    one_voice: bool | None = Field(None, description="Of notes that overlap keep the strongest")
    program: int | None = Field(None, ge=0, le=127, description="General MIDI program, counted from 0")
    drum_threshold: float | None = Field(
        None, gt=0, le=1, description="Least probability of every drum class at an onset; default: one for each class"
    )
    drum_thresholds: dict[str, float] | None = Field(
        None, description="Least probability by drum class, such as {snare: 0.4}; others as above"
    )
    downmix: bool = Field(False, description="Take sounds of more than two channels, mixed to stereo")

    @field_validator("drum_thresholds")
    @classmethod
    def _known_classes(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        drum_thresholds(None, value)
        return value


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters with every None filled in."""

    preset: PresetName
    onset_threshold: float
    frame_threshold: float
    minimum_note_length_ms: float
    minimum_frequency: float | None
    maximum_frequency: float | None
    melodia: bool
    bends: bool
    exact_times: bool
    ghost_db: float | None
    center_bends: bool
    one_voice: bool
    program: int
    drum_thresholds: Mapping[str, float]
    downmix: bool


def settings_for(params: MidiParams, stem: str | None) -> Settings:
    """Decide `auto` by the stem's name and fill in what the preset says."""
    name = _BY_STEM.get(stem or "", "other") if params.preset == "auto" else params.preset
    preset = PRESETS[name]
    program = _PROGRAMS.get(stem or "", preset.program) if params.preset == "auto" else preset.program
    drums = {"preset", "drum_threshold", "drum_thresholds"}
    given = {key: value for key, value in params.model_dump(exclude=drums).items() if value is not None}
    values = {
        "onset_threshold": preset.onset_threshold,
        "frame_threshold": preset.frame_threshold,
        "minimum_note_length_ms": preset.minimum_note_length_ms,
        "minimum_frequency": preset.minimum_frequency,
        "maximum_frequency": preset.maximum_frequency,
        "melodia": preset.melodia,
        "bends": preset.bends,
        "exact_times": preset.exact_times,
        "ghost_db": preset.ghost_db,
        "center_bends": preset.center_bends,
        "one_voice": preset.one_voice,
        "program": program,
        "drum_thresholds": drum_thresholds(params.drum_threshold, params.drum_thresholds),
    }
    return Settings(preset=name, **{**values, **given})
