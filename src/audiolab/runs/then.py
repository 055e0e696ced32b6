"""What a job saw then: its sounds, and the values that earlier results had at the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from audiolab.errors import RunError
from audiolab.library import Library, Sound
from audiolab.library import remaking as catalog
from audiolab.library.models import ResultRow
from audiolab.library.overlays import overlaid, relabelled
from audiolab.library.text import shorten
from audiolab.runs.graph import specs_of
from audiolab.runs.jobs import JobSpec
from audiolab.runs.keys import document_hash
from audiolab.stages.base import Resolved
from audiolab.stages.registry import get_stage

__all__ = ["spec_then"]


def spec_then(library: Library, row: ResultRow, of: Sound, now: Resolved, notes: list[str], *, anyway: bool) -> JobSpec:
    """Describe the job of a result again.

    Parameters
    ----------
    now : Resolved
        Its parameters, engine and weights on this machine.
    notes : list of str
        Gets what had to be taken otherwise than then; only `anyway`.

    Raises
    ------
    RunError
        If its sample set, or the value of an earlier result, is not here any more.
    """
    sounds: list[Sound] = [of]
    if row.set_id is not None:
        with library.store.transaction(write=False) as session:
            cut_by = catalog.set_key(session, row.set_id)
        if cut_by is None:
            raise RunError(f"the sample set of {row.stage} is gone from the catalog; run `audiolab fsck`")
        sounds = list(library.sample_set(cut_by))
    return JobSpec(
        run=row.run_id or "",
        key=row.key,
        library=str(library.path),
        stage=row.stage,
        version=get_stage(row.stage).version,
        params=now.params.model_dump(mode="json"),
        engine=now.engine,
        weights=now.weights,
        profile=now.profile,
        notes=now.notes,
        sound_id=row.sound_id,
        set_id=row.set_id,
        sounds=specs_of(sounds),
        needs={name: _need(library, row, of, name, notes, anyway=anyway) for name in row.needs},
    )


def _need(
    library: Library, row: ResultRow, of: Sound, name: str, notes: list[str], *, anyway: bool
) -> Mapping[str, Any]:
    """Find the value of an earlier result that the job saw: today's, or one before or after a correction."""
    wanted = str(row.needs[name])
    declared = {need.stage: need.of for need in get_stage(row.stage).needs}
    owner = (of.song or of) if declared.get(name) == "song" else of
    today = library.effective(owner.id, name)
    if today is not None and document_hash(today) == wanted:
        return today
    begun = row.made_at - timedelta(seconds=row.seconds)
    for document in _documents(library, owner, name, (begun, row.made_at)):
        if document_hash(document) == wanted:
            return document
    text = f"{row.stage} of {shorten(of.name)!r} was made with a result of {name!r} that is not here any more"
    if today is None:
        raise RunError(text)
    if not anyway:
        raise RunError(f"{text}; pass anyway=True (--anyway) to take today's")
    notes.append(f"{text}; today's was taken")
    return today


def _documents(
    library: Library, owner: Sound, stage: str, moments: tuple[datetime, ...]
) -> Iterator[Mapping[str, Any]]:
    """Give what a stage's results said, as found and with every correction that there ever was.

    Labels by people are those of the moments at which the job began and ended.
    """
    with library.store.transaction(write=False) as session:
        results = catalog.results_of(session, owner.id, stage)
        overlays = [None, library.overlay(owner.id, stage), *catalog.past_overlays(session, owner.id, stage)]
        labels = {
            result.key: [catalog.labels_then(session, result, at) for at in moments]
            for result in results
            if _labelled(result.document)
        }
    for result in results:
        for body in overlays:
            document = overlaid(result.document, body)
            yield document
            if _labelled(document):
                for given, denied in labels.get(result.key, ()):
                    if len(given) == len(document["items"]):
                        yield relabelled(document, given, denied)


def _labelled(document: Mapping[str, Any]) -> bool:
    """Say whether a document is one label an item, so that people's labels lie over it."""
    items = document.get("items")
    return isinstance(items, list) and all(isinstance(item, dict) and "label" in item for item in items)
