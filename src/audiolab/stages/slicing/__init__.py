"""Cutting sounds: the stage `slice`, and the same for plain files.

`cutting` asks the mode for places (`onsets`, `grids`, `phrases`) and does what all modes share (`edges`, `spans`,
`sweeping`); `params` says what can be asked for.
"""

from audiolab.stages.slicing.cutting import cut_sound
from audiolab.stages.slicing.files import Slicing, slice
from audiolab.stages.slicing.params import PRESETS, SliceParams
from audiolab.stages.slicing.stage import Slice

__all__ = ["PRESETS", "Slice", "SliceParams", "Slicing", "cut_sound", "slice"]
