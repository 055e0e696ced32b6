"""Cutting a sound at its onsets: the stage `slice`, and the same for plain files."""

from audiolab.stages.slicing.cutting import PRESETS, SliceParams, cut_sound
from audiolab.stages.slicing.files import Slicing, slice
from audiolab.stages.slicing.stage import Slice

__all__ = ["PRESETS", "Slice", "SliceParams", "Slicing", "cut_sound", "slice"]
