"""What is this sound? A frozen ONNX encoder, small heads on its embeddings, and the stage around them.

Conventions: labels and families come from configs/taxonomy.yaml; `unknown` is what a sound is called when the
best label's calibrated probability is too low; `top` is always from before that rule.
"""

from audiolab.stages.classification.choosing import Model, find_model
from audiolab.stages.classification.encoder import Encoder, get_encoder
from audiolab.stages.classification.head import Head, get_head, load_head
from audiolab.stages.classification.results import Classification
from audiolab.stages.classification.stage import Classify, ClassifyParams, classify
from audiolab.stages.classification.taxonomy import UNKNOWN, Taxonomy, load_taxonomy

__all__ = [
    "UNKNOWN",
    "Classification",
    "Classify",
    "ClassifyParams",
    "Encoder",
    "Head",
    "Model",
    "Taxonomy",
    "classify",
    "find_model",
    "get_encoder",
    "get_head",
    "load_head",
    "load_taxonomy",
]
