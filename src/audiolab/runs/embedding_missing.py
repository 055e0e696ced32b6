"""Embeddings that a library lacks, made here and now: the same jobs that a run would do, without workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import AudiolabError, RunError
from audiolab.library import Library, Record
from audiolab.library.folding import fold_again
from audiolab.runs.graph import specs_of
from audiolab.runs.jobs import JobSpec
from audiolab.runs.keys import result_key
from audiolab.runs.worker import run_job
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.choosing import Model
from audiolab.stages.embedding import EmbedParams
from audiolab.stages.registry import get_stage

__all__ = ["Embedded", "embed_missing", "vectors_of"]


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings of some sounds, in order; those that could not be made are named."""

    ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    made: int
    failed: dict[str, str]
    """Why a sound has none, by id."""


def vectors_of(
    library: Library, sound_ids: Iterable[str], model: Model, *, make: bool = True, progress: Progress = no_progress
) -> Embedded:
    """Give the embeddings of sounds by a model's encoder; with `make`, missing ones are made and kept first."""
    wanted = list(sound_ids)
    ids, vectors = library.vectors(model.encoder, wanted)
    failed: dict[str, str] = {}
    before = len(ids)
    if make and len(ids) < len(wanted):
        missing = [sound_id for sound_id in wanted if sound_id not in set(ids)]
        failed = embed_missing(library, missing, model, progress=progress)
        ids, vectors = library.vectors(model.encoder, wanted)
    return Embedded(tuple(ids), vectors, len(ids) - before, failed)


def embed_missing(
    library: Library, sound_ids: Iterable[str], model: Model, *, progress: Progress = no_progress
) -> dict[str, str]:
    """Embed sounds, those of a sample set with their whole set, and fold the results; give why, where it failed."""
    stage = get_stage("embed")
    resolved = stage.resolve(EmbedParams(model=str(model.folder)))
    if resolved.weights != model.encoder:
        raise RunError(f"the encoder of {model.name!r} is not the one that was asked for; was the shelf changed?")
    todo = list(dict.fromkeys(sound_ids))
    done: set[str] = set()
    failed: dict[str, str] = {}
    for number, sound_id in enumerate(todo):
        progress(number, len(todo))
        if sound_id in done:
            continue
        sound = library.sound(sound_id)
        parent = sound.parent
        samples = library.samples_of(parent.id) if parent is not None and sound.start is not None else None
        whole = samples is not None and bool(samples.result_key) and sound_id in samples.ids
        unit = library.sample_set(str(samples.result_key)) if samples is not None and whole else None
        try:
            sounds = specs_of(tuple(unit) if unit is not None else (sound,))
            spec = JobSpec(
                run="",
                key=result_key(
                    sounds=[item.key for item in sounds],
                    stage=stage.name,
                    version=stage.version,
                    params=resolved.params.model_dump(mode="json"),
                    engine=resolved.engine,
                    weights=resolved.weights,
                    needs={},
                ),
                library=str(library.path),
                media=library.media_url,
                stage=stage.name,
                version=stage.version,
                params=resolved.params.model_dump(mode="json"),
                engine=resolved.engine,
                weights=resolved.weights,
                profile=resolved.profile,
                notes=resolved.notes,
                sound_id=parent.id if unit is not None and parent is not None else sound.id,
                set_id=unit.id if unit is not None else None,
                sounds=sounds,
                needs={},
            )
            _do(library, spec)
        except AudiolabError as error:
            failed[sound_id] = str(error)
        done.update(item.id for item in (unit if unit is not None else (sound,)))
    progress(len(todo), len(todo))
    return failed


def _do(library: Library, spec: JobSpec) -> None:
    """Do a job, or write the rows of its result again if it was done before."""
    known = library.has_result(spec.key) and library.record_path(spec.key).exists()
    if not known:
        outcome = run_job(spec, lambda key, done, total: None)
        if outcome.status != "done":
            raise RunError(outcome.why)
    record = Record.read(library.record_path(spec.key))
    if not library.fold(record):
        fold_again(library.store, library.media, record)
