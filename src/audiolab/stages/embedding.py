"""Embeddings: where a sound lies among others. The same frozen encoder that `classify` reads.

Conventions: vectors have unit length (so a product is a cosine), silence is the zero vector, and vectors of
different encoders do not compare: they carry the encoder's sha256.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from audiolab.audio import BlockSource
from audiolab.stages.base import (
    Params,
    Progress,
    Resolved,
    Stage,
    StageInput,
    StageOutput,
    Takes,
    Vectors,
    Wants,
    no_progress,
)
from audiolab.stages.classification.encoder import get_encoder, shipped_hash
from audiolab.stages.classification.stage import SoundLike, as_sources, checked, compute_profile, embed_sources

__all__ = ["Embed", "EmbedParams", "embed"]


class EmbedParams(Params):
    """Parameters of `embed`."""

    downmix: bool = Field(False, description="Take sounds of more than two channels, mixed to stereo")


def _embed(sources: Sequence[BlockSource], params: EmbedParams, progress: Progress) -> Vectors:
    encoder = get_encoder()
    values = np.zeros((len(sources), encoder.dimensions), np.float32)
    done = 0
    for vectors, _ in embed_sources(sources, encoder, downmix=params.downmix, progress=progress, kinds=False):
        values[done : done + len(vectors)] = vectors
        done += len(vectors)
    return Vectors(encoder.sha256, values)


class Embed(Stage):
    """Gives each sample its embedding, for similarity, the map and the classifier's head."""

    name = "embed"
    version = 1
    params = EmbedParams
    unit = "set"
    takes = Takes(frozenset({"sample"}))
    makes = frozenset({"document", "vectors"})
    wants = Wants(memory_mb=500)

    def resolve(self, params: Params) -> Resolved:
        """Name the encoder by its hash."""
        return Resolved(params, engine="onnx", weights=shipped_hash("encoder.onnx"), profile=compute_profile())

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Embed all sounds of the job, in order."""
        params = resolved.params
        assert isinstance(params, EmbedParams)
        vectors = _embed([sound.source for sound in job.sounds], params, job.progress)
        document = {"encoder": vectors.encoder, "dimensions": int(vectors.values.shape[1]), "sounds": len(job.sounds)}
        return StageOutput(document=document, vectors=vectors)


def embed(sounds: SoundLike | Sequence[SoundLike], *, progress: Progress | None = None, **params: Any) -> Vectors:
    """Embed sounds.

    Parameters
    ----------
    sounds : path, Audio, (array, sample_rate), block source, or a list of those
        The first 1.28 s from the first audible frame count.
    progress : callable, optional
        Called with (done, total).
    **params
        See `EmbedParams`.

    Returns
    -------
    Vectors
        Values of shape (sounds, dimensions); rows have unit length, or are zero for silence.

    Raises
    ------
    AudioError
        If a file is not audio or is damaged.
    ModelError
        If a model file of the package was changed.
    """
    sources, _ = as_sources(sounds)
    return _embed(sources, checked(EmbedParams, "embed", params), progress or no_progress)
