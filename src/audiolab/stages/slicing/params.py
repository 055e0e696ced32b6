"""What can be asked of the slicer: modes, presets, and the parameters that every mode shares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from audiolab.stages.base import Params

__all__ = ["MUSICAL", "PRESETS", "Mode", "Preset", "PresetName", "SliceParams", "preset_for", "settings_of", "step_of"]

PresetName: TypeAlias = Literal["drums", "notes"]
Mode: TypeAlias = Literal["onsets", "beats", "bars", "grid", "loops", "equal", "phrases", "words"]
MUSICAL: frozenset[Mode] = frozenset({"beats", "bars", "grid", "loops"})
"""Modes that follow the song's tempo map."""
_DIVISION = re.compile(r"(\d{1,3})/(\d{1,3})([td.]?)")
_SUFFIX = {"": Fraction(1), "t": Fraction(2, 3), "d": Fraction(3, 2), ".": Fraction(3, 2)}


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

    mode: Mode = Field("onsets", description="Where to cut: onsets, beats, bars, grid, loops, equal, phrases, words")
    # onsets
    sensitivity: float = Field(0.5, ge=0, le=1, description="0 cuts only at strong attacks, 1 at the faintest")
    preset: Literal["auto"] | PresetName = Field("auto", description="auto: `notes` for stems other than drums")
    min_gap: float | None = Field(None, ge=0, le=10, description="Least distance between starts, in seconds")
    decay_db: float | None = Field(None, ge=3, le=120, description="A cut ends this far below its peak, in decibels")
    choke: bool = Field(True, description="A cut ends where the next starts; off: its tail may ring on under the next")
    # beats, bars, grid, loops, equal
    bpm: float | None = Field(None, ge=5, le=1000, description="A fixed tempo instead of the song's own")
    first_downbeat: float = Field(0.0, ge=0, le=3600, description="With bpm: where the first bar starts, in seconds")
    division: str = Field("1/16", description="Step of the grid as a share of a whole note: 1/8, 1/16t, 1/4d")
    bars: int = Field(1, ge=1, le=64, description="Bars in a cut, for bars and loops")
    parts: int = Field(8, ge=1, le=10_000, description="Number of equal parts")
    partial: bool | None = Field(
        None, description="Keep what lies before the first and after the last whole part; default: but for loops"
    )
    # phrases
    silence_db: float = Field(40.0, ge=6, le=90, description="Silence lies this far below the usual level")
    min_silence: float = Field(0.2, gt=0, le=60, description="Shorter pauses do not part phrases, in seconds")
    padding: float = Field(0.02, ge=0, le=5, description="Kept before and after phrases and words, in seconds")
    # every mode
    min_length: float = Field(0.03, ge=0, le=60, description="Least length of a cut in seconds, if the next allows")
    max_length: float | None = Field(None, gt=0, description="Greatest length of a cut in seconds")
    snap: Literal["none", "zero"] = Field("none", description="zero: move edges to the nearest zero crossing")
    trim: bool = Field(False, description="Take silence away from the head and tail of every cut")
    trim_db: float = Field(60.0, ge=6, le=120, description="With trim: silence lies this far below the cut's peak")
    fade_in: float = Field(0.0, ge=0, le=60, description="Fade at the start of every cut, in seconds")
    fade_out: float = Field(0.0, ge=0, le=60, description="Fade at the end of every cut, in seconds")
    remove_dc: bool = Field(False, description="Take the sound's constant offset away")
    mono: Literal["keep", "auto"] = Field("keep", description="auto: stereo whose channels are equal becomes mono")
    downmix: bool = Field(False, description="Mix more than two channels to stereo first")

    @field_validator("division")
    @classmethod
    def _readable(cls, value: str) -> str:
        if not step_of(value):
            raise ValueError("a division is a share of a whole note such as 1/4, 1/16, 1/8t (triplet) or 1/8d (dotted)")
        return value.strip().lower()

    @model_validator(mode="after")
    def _exact_loops(self) -> Self:
        if self.mode == "loops" and (self.trim or self.max_length is not None):
            raise ValueError("loops have an exact length: trim and max_length would break it (choose fewer bars)")
        return self

    @property
    def keeps_partial(self) -> bool:
        """Whether incomplete parts at both ends are kept."""
        return self.mode != "loops" if self.partial is None else self.partial


def step_of(division: str) -> Fraction | None:
    """Give the beats (quarter notes) in a division such as 1/16 or 1/8t, or None if it is not one."""
    found = _DIVISION.fullmatch(division.strip().lower())
    if found is None or not int(found[1]) or not int(found[2]):
        return None
    step = 4 * Fraction(int(found[1]), int(found[2])) * _SUFFIX[found[3]]
    return step if step >= Fraction(1, 64) else None


def preset_for(params: SliceParams, stem: str | None) -> PresetName:
    """Decide `auto`: drums, unnamed sounds and whole mixes by attacks; all other stems by notes."""
    if params.preset != "auto":
        return params.preset
    return "drums" if stem is None or stem == "drums" else "notes"


def settings_of(params: SliceParams, preset: PresetName) -> dict[str, Any]:
    """Give the parameters that count in this mode, every None filled in from the preset."""
    chosen = PRESETS[preset]
    common: dict[str, Any] = {"mode": params.mode, "min_length": params.min_length, "max_length": params.max_length}
    mine: dict[str, Any] = {}
    if params.mode == "onsets":
        mine = {
            "preset": preset,
            "sensitivity": params.sensitivity,
            "min_gap": chosen.min_gap if params.min_gap is None else params.min_gap,
            "decay_db": chosen.decay_db if params.decay_db is None else params.decay_db,
            "choke": params.choke,
        }
    elif params.mode in MUSICAL:
        mine = {"bars": params.bars, "division": params.division, "partial": params.keeps_partial}
    elif params.mode == "equal":
        mine = {"parts": params.parts}
    elif params.mode == "phrases":
        mine = {"silence_db": params.silence_db, "min_silence": params.min_silence, "padding": params.padding}
    else:
        mine = {"padding": params.padding, "choke": params.choke}
    return common | mine | {"snap": params.snap, "trim": params.trim}
