"""The stage `classify` and its call on plain files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from audiolab.audio import Audio, BlockSource, as_source, require_stereo
from audiolab.config import get_settings
from audiolab.errors import ModelError, ParameterError
from audiolab.stages.base import (
    Need,
    NewTag,
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
from audiolab.stages.classification.choosing import AUTO, Model, find_model, model_with, shelf_folder
from audiolab.stages.classification.encoder import BATCH, Encoder, get_encoder
from audiolab.stages.classification.head import Head, get_head
from audiolab.stages.classification.looping import one_shot_or_loop
from audiolab.stages.classification.model_files import MODEL_FOLDER
from audiolab.stages.classification.preparing import listen, prepare
from audiolab.stages.classification.results import Classification, Kind
from audiolab.stages.classification.shelf import put
from audiolab.stages.classification.taxonomy import UNKNOWN, load_taxonomy

__all__ = [
    "Classify",
    "ClassifyParams",
    "SoundLike",
    "as_sources",
    "checked",
    "classify",
    "compute_profile",
    "embed_sources",
    "kept",
    "output_of",
    "results_of",
]

SoundLike: TypeAlias = BlockSource | str | Path | tuple[NDArray[np.float32], int]
_TOP = 5
P = TypeVar("P", bound=Params)


class ClassifyParams(Params):
    """Parameters of `classify`."""

    unknown_below: float | None = Field(
        None, ge=0, le=1, description="Confidence below which a sound is `unknown`; default: what the model says"
    )
    downmix: bool = Field(False, description="Take sounds of more than two channels, mixed to stereo")
    # A result names its model by the hash of its weights, wherever the model lay and whatever it was called.
    model: str = Field(
        AUTO, exclude=True, description="auto (the current one on the shelf), shipped, a name or id, or a folder"
    )


def compute_profile() -> dict[str, str]:
    """Name what decides the low bits of a result."""
    from importlib.metadata import version

    return {
        "device": "cpu",
        "dtype": "float32",
        "threads": str(get_settings().threads),
        "onnxruntime": version("onnxruntime"),
        "soxr": version("soxr"),
    }


def embed_sources(
    sources: Sequence[BlockSource], encoder: Encoder, *, downmix: bool = False, progress: Progress = no_progress,
    kinds: bool = True,
) -> Iterator[tuple[NDArray[np.float32], list[Kind]]]:  # fmt: skip
    """Yield embeddings (and kinds, if wanted) batch by batch, so that memory does not grow with the sounds.

    While the encoder works on one batch, a second thread reads and prepares the next.
    """
    starts = range(0, len(sources), BATCH)
    if not starts:
        return

    def hear(start: int) -> tuple[list[NDArray[np.float32] | None], list[Kind]]:
        prepared, found = [], []
        for source in sources[start : start + BATCH]:
            heard = listen(require_stereo(source, downmix=downmix))
            prepared.append(prepare(heard.mono, heard.sample_rate))
            if kinds:
                found.append(one_shot_or_loop(heard))
        return prepared, found

    with ThreadPoolExecutor(1, thread_name_prefix="hearing") as pool:
        coming = pool.submit(hear, 0)
        for start in starts:
            prepared, found = coming.result()
            if start + BATCH < len(sources):
                coming = pool.submit(hear, start + BATCH)
            vectors = encoder(prepared)
            progress(min(start + BATCH, len(sources)), len(sources))
            yield vectors, found


def _with_kinds(
    sources: Sequence[BlockSource], vectors: NDArray[np.float32], *, downmix: bool, progress: Progress
) -> Iterator[tuple[NDArray[np.float32], list[Kind]]]:
    """Yield embeddings that are known already, batch by batch as `embed_sources` does, and listen for the kinds."""
    for start in range(0, len(sources), BATCH):
        part = sources[start : start + BATCH]
        found = [one_shot_or_loop(listen(require_stereo(source, downmix=downmix))) for source in part]
        progress(min(start + BATCH, len(sources)), len(sources))
        yield vectors[start : start + BATCH], found


def results_of(
    names: Sequence[str], vectors: NDArray[np.float32], kinds: Sequence[Kind], head: Head, unknown_below: float
) -> list[Classification]:
    """Say what sounds are, by their embeddings and what was heard of their form."""
    taxonomy = load_taxonomy()
    probabilities = head.probabilities(vectors)
    drums = head.drum_probabilities(vectors)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]
    results = []
    for row, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        top = tuple((head.labels[i], float(probabilities[row, i])) for i in best[row])
        label, confidence = top[0]
        if confidence < unknown_below or not vectors[row].any():
            label = UNKNOWN
        present = {drum: float(p) for drum, p in zip(head.drums, drums[row], strict=True)}
        results.append(Classification(name, label, taxonomy.family(label), confidence, top, present, kind))
    return results


def _classify(
    sources: Sequence[BlockSource], names: Sequence[str], params: ClassifyParams, model: Model, progress: Progress,
    *, known: Vectors | None = None,
) -> list[Classification]:  # fmt: skip
    head = get_head(model)
    below = head.unknown_below if params.unknown_below is None else params.unknown_below
    results: list[Classification] = []
    if known is not None and known.encoder == model.encoder and known.values.shape[1] == head.weight.shape[0]:
        embedded = _with_kinds(sources, known.values, downmix=params.downmix, progress=progress)
    else:
        embedded = embed_sources(sources, get_encoder(model), downmix=params.downmix, progress=progress)
    for vectors, kinds in embedded:
        part = names[len(results) : len(results) + len(kinds)]
        results += results_of(part, vectors, kinds, head, below)
    return results


def kept(model: Model) -> Model:
    """Lay the model of a folder on the shelf: jobs find a model by its hash, and a result can be made again later."""
    if model.folder in {MODEL_FOLDER, shelf_folder() / model.id}:
        return model
    return put(model.folder, name=model.folder.name, origin={"folder": str(model.folder)}).model


def _resolved(params: Params, model: Model) -> Resolved:
    return Resolved(params, engine="onnx", weights=model.weights, profile=compute_profile())


class Classify(Stage):
    """Tags samples: label, family, calibrated confidence, drum classes, one-shot or loop."""

    name = "classify"
    version = 1
    params = ClassifyParams
    unit = "set"
    takes = Takes(frozenset({"sample"}))
    makes = frozenset({"document", "facts", "tags"})
    needs = (Need("embed", required=False, saves=True),)
    wants = Wants(memory_mb=500)

    def resolve(self, params: Params) -> Resolved:
        """Choose the model, and name encoder and head by their hashes."""
        assert isinstance(params, ClassifyParams)
        return _resolved(params, kept(find_model(params.model)))

    def resolve_as_then(self, params: Params, weights: str | None) -> Resolved:
        """Take the model of then, whatever is current now; if it is not here any more, what `resolve` chooses."""
        try:
            return _resolved(params, model_with(weights or ""))
        except ModelError:
            return self.resolve(params)

    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        """Classify all sounds of the job, in order."""
        params = resolved.params
        assert isinstance(params, ClassifyParams)
        sources, names = [sound.source for sound in job.sounds], [sound.name for sound in job.sounds]
        model = find_model(params.model) if resolved.weights is None else model_with(resolved.weights)
        results = _classify(sources, names, params, model, job.progress, known=job.vectors)
        return output_of(results, model)


def output_of(results: Sequence[Classification], model: Model) -> StageOutput:
    """Give what a job that found these results leaves."""
    tags = tuple(NewTag(i, r.label, r.confidence, r.top) for i, r in enumerate(results))
    counts: dict[str, int] = {}
    for result in results:
        counts[result.label] = counts.get(result.label, 0) + 1
    document = {
        "encoder": model.encoder,
        "head": model.head,
        "items": [result.item() for result in results],
    }
    return StageOutput(document=document, facts={"labels": dict(sorted(counts.items()))}, tags=tags)


def checked(model: type[P], stage: str, params: dict[str, Any]) -> P:
    """Make a stage's parameters from keywords, or say in plain words what is wrong with them."""
    try:
        return model(**params)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"{stage}: {problems}; it takes {', '.join(model.model_fields)}") from error


def as_sources(sounds: SoundLike | Sequence[SoundLike]) -> tuple[list[BlockSource], list[str]]:
    """Turn one sound or several into sources and the names they go by."""
    single = isinstance(sounds, (str, Path, Audio, BlockSource)) or (
        isinstance(sounds, tuple) and len(sounds) == 2 and isinstance(sounds[0], np.ndarray)
    )
    items: list[Any] = [sounds] if single else list(sounds)  # type: ignore[arg-type]
    sources = [as_source(item) for item in items]
    names = [str(item) if isinstance(item, (str, Path)) else s.name for item, s in zip(items, sources, strict=True)]
    return sources, names


def classify(
    sounds: SoundLike | Sequence[SoundLike], *, progress: Progress | None = None, **params: Any
) -> list[Classification]:
    """Say what sounds are.

    Parameters
    ----------
    sounds : path, Audio, (array, sample_rate), block source, or a list of those
        One-shots or loops; the first 1.28 s from the first audible frame decide the label.
    progress : callable, optional
        Called with (done, total).
    **params
        See `ClassifyParams`.

    Returns
    -------
    list of Classification
        In the order of the sounds, also for a single one.

    Raises
    ------
    AudioError
        If a file is not audio or is damaged.
    ModelError
        If a model file of the package was changed.

    Examples
    --------
    >>> import numpy as np
    >>> [result] = classify((np.zeros(44100, np.float32), 44100))
    >>> result.label, result.family
    ('unknown', 'unknown')
    """
    chosen = checked(ClassifyParams, "classify", params)
    sources, names = as_sources(sounds)
    return _classify(sources, names, chosen, find_model(chosen.model), progress or no_progress)
