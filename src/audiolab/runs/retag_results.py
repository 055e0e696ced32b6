"""The results that a retag leaves: those that `classify` would leave, made from stored embeddings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiolab.library import Record
from audiolab.library.rechoosing import Counting, all_vectors
from audiolab.runs.jobs import JobSpec, SoundSpec
from audiolab.runs.keys import result_key
from audiolab.runs.worker import make_record
from audiolab.stages.base import Progress
from audiolab.stages.classification.choosing import Model
from audiolab.stages.classification.head import Head, get_head
from audiolab.stages.classification.stage import Classify, ClassifyParams, kept, output_of, results_of

if TYPE_CHECKING:
    from audiolab.runs.retagging import Retagging

__all__ = ["records", "unknown_below"]

_NOTE = "read from stored embeddings"


def _params(unit: Counting) -> ClassifyParams:
    return ClassifyParams(**unit.params)


def unknown_below(unit: Counting, head: Head) -> float:
    """Give the confidence under which a label of this result is `unknown`."""
    asked = _params(unit).unknown_below
    return head.unknown_below if asked is None else asked


def records(plan: Retagging, progress: Progress) -> Iterator[tuple[str, Record]]:
    """Make what `classify` would leave, result by result."""
    with plan.library.store.transaction(write=False) as session:
        rows, vectors = all_vectors(session, plan.model.encoder)
    return _made(plan, kept(plan.model), rows, vectors, progress)


def _made(
    plan: Retagging, model: Model, rows: dict[str, int], vectors: NDArray[np.float32], progress: Progress
) -> Iterator[tuple[str, Record]]:
    library, stage, head = plan.library, Classify(), get_head(model)
    resolved = stage.resolve_as_then(ClassifyParams(), model.weights)
    for done, unit in enumerate(plan.units):
        progress(done, len(plan.units))
        started = time.perf_counter()
        params = _params(unit)
        kinds = [item["kind"] for item in unit.document["items"]]
        mine = vectors[[rows[sound_id] for sound_id in unit.sounds]]
        results = results_of([""] * len(kinds), mine, kinds, head, unknown_below(unit, head))
        given = params.model_dump(mode="json")
        spec = JobSpec(
            run="",
            key=result_key(
                sounds=list(unit.sounds), stage=stage.name, version=stage.version, params=given,
                engine=resolved.engine, weights=resolved.weights, needs={},
            ),
            library=str(library.path), stage=stage.name, version=stage.version, params=given,
            engine=resolved.engine, weights=resolved.weights, profile=resolved.profile, notes=(_NOTE,),
            sound_id=unit.sound_id, set_id=unit.set_id,
            sounds=tuple(SoundSpec(i, i, "", "sample", None, "") for i in unit.sounds), needs={},
        )  # fmt: skip
        seconds = time.perf_counter() - started
        yield unit.key, make_record(spec, output_of(results, model), library.media, library.tmp_dir, seconds)
    progress(len(plan.units), len(plan.units))
