"""What the kernel and the worker do; nothing is imported that classifying does not need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiolab.audio import open_source
from audiolab.stages.classification.choosing import find_model
from audiolab.stages.classification.encoder import get_encoder
from audiolab.stages.classification.head import get_head
from audiolab.stages.classification.stage import embed_sources

__all__ = ["shares"]


def shares(paths: Sequence[str]) -> list[list[float]]:
    """Classify files; give the probabilities of the labels."""
    model = find_model("shipped")
    encoder, head = get_encoder(model), get_head(model)
    sources = [open_source(path) for path in paths]
    parts = [head.probabilities(vectors) for vectors, _ in embed_sources(sources, encoder, kinds=False)]
    return [list(map(float, row)) for row in np.concatenate(parts)]
