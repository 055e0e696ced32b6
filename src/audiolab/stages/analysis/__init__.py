"""Tempo, beats, bars, key and levels of a sound: the stage `analyze`, and the same for plain files.

One pass gathers band-wise onset functions and pitch classes (`features`); candidates for the tempo come
from their autocorrelation (`pulse`), beats from dynamic programming (`tracking`), and a judge fitted to
rendered music chooses tempo, meter and downbeat together (`bars`, `judging`); `mapping` makes the tempo
map, `tonality` tells what the harmony looks like from each tonic and `key` chooses the key. One-shots and loops:
`describing`, `oneshot`, `pitch`, `loop_tempo`.
"""

from audiolab.stages.analysis.analysis import AnalyzeParams, Findings, Tempo, analyze_sound
from audiolab.stages.analysis.describing import Describe, Described, DescribeParams, describe
from audiolab.stages.analysis.files import Analysis, analyze
from audiolab.stages.analysis.key import Key, camelot_of
from audiolab.stages.analysis.oneshot import Description, describe_sound
from audiolab.stages.analysis.pitch import Pitch, find_pitch
from audiolab.stages.analysis.stage import Analyze

__all__ = [
    "Analysis",
    "Analyze",
    "AnalyzeParams",
    "Describe",
    "DescribeParams",
    "Described",
    "Description",
    "Findings",
    "Key",
    "Pitch",
    "Tempo",
    "analyze",
    "analyze_sound",
    "camelot_of",
    "describe",
    "describe_sound",
    "find_pitch",
]
