"""Source separation: a song becomes stems that add up to it exactly.

Engines (`spectral`, built in; `demucs`) yield aligned blocks of all stems behind one protocol; folding, storing and
measuring are the same for all of them. Stems are stored as 24-bit FLAC, or float32 WAV where one exceeds full scale.
"""

from audiolab.stages.separation.engines import Engine, Identity, Options, Separator, available, engine_names, get_engine
from audiolab.stages.separation.files import Separation, Stem, separate
from audiolab.stages.separation.folding import Folding
from audiolab.stages.separation.pairs import Pair, rest_of
from audiolab.stages.separation.stage import PRESETS, Separate, SeparateParams

__all__ = [
    "PRESETS",
    "Engine",
    "Folding",
    "Identity",
    "Options",
    "Pair",
    "Separate",
    "SeparateParams",
    "Separation",
    "Separator",
    "Stem",
    "available",
    "engine_names",
    "get_engine",
    "rest_of",
    "separate",
]
