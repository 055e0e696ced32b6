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
from audiolab.errors import ModelError
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
from audiolab.stages.classification.choosing import AUTO, encoder_folder, find_model
from audiolab.stages.classification.encoder import Encoder, encoder_with, get_encoder
from audiolab.stages.classification.stage import (
    SoundLike,
    as_sources,
    checked,
    compute_profile,
    embed_sources,
    kept,
)

__all__ = ["Embed", "EmbedParams", "embed"]


class EmbedParams(Params):
    """Parameters of `embed`."""

    downmix: bool = Field(False, description="Take sounds of more than two channels, mixed to stereo")
    # A result names its encoder by its hash, wherever the model lay and whatever it was called.
    model: str = Field(
        AUTO, exclude=True, description="auto (the current one on the shelf), shipped, a name or id, or a folder"
    )


def _embed(sources: Sequence[BlockSource], params: EmbedParams, encoder: Encoder, progress: Progress) -> Vectors:
    values = np.zeros((len(sources), encoder.dimensions), np.float32)
    done = 0
    for vectors, _ in embed_sources(sources, encoder, downmix=params.downmix, progress=progress, kinds=False):
        values[done : done + len(vectors)] = vectors
        done += len(vectors)
    return Vectors(encoder.sha256, values)


def _resolved(params: Params, encoder: str | None) -> Resolved:
    return Resolved(params, engine="onnx", weights=encoder, profile=compute_profile())


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
        """Choose the model, and name its encoder by its hash."""
        assert isinstance(params, EmbedParams)
        return _resolved(params, kept(find_model(params.model)).encoder)

    def resolve_as_then(self, params: Params, weights: str | None) -> Resolved:
        """Take the encoder of then, whatever is current now; if it is not here any more, what `resolve` chooses."""
        try:
            encoder_folder(weights or "")
        except ModelError:
            return self.resolve(params)
        return _resolved(params, weights)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Embed all sounds of the job, in order."""
        params = resolved.params
        assert isinstance(params, EmbedParams)
        encoder = get_encoder(params.model) if resolved.weights is None else encoder_with(resolved.weights)
        vectors = _embed([sound.source for sound in job.sounds], params, encoder, job.progress)
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
    chosen = checked(EmbedParams, "embed", params)
    return _embed(sources, chosen, get_encoder(chosen.model), progress or no_progress)
