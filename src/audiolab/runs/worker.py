"""The worker's side of a job: open the sounds, run the stage, store media, leave a record.

A worker never opens the catalog. It leaves media in the store first and then, atomically, a record
under the result key; the driver folds it. So a worker may be killed anywhere.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio import BlockSource, Named, View, open_source
from audiolab.audio.content import content_id
from audiolab.errors import AudiolabError, Cancelled
from audiolab.library.depot import Depot, open_depot
from audiolab.library.ids import derived_id, view_id
from audiolab.library.media import MediaStore
from audiolab.library.records import (
    Record,
    RecordedCut,
    RecordedFacts,
    RecordedSound,
    RecordedTag,
    RecordedVectors,
)
from audiolab.runs.jobs import JobOutcome, JobSpec, SoundSpec
from audiolab.runs.keys import document_hash
from audiolab.runs.logs import log_context, told, worker_name
from audiolab.runs.topics import PROGRESS
from audiolab.stages.base import Resolved, SoundInput, StageInput, StageOutput, StageSkipped, Vectors
from audiolab.stages.registry import get_stage

__all__ = ["clean_scratch", "job_scratch", "make_record", "open_sound", "resolve_stage", "run_job"]

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.25


def resolve_stage(stage: str, params: dict[str, Any]) -> dict[str, Any]:
    """Decide every `auto` of a stage here, on the kind of machine that will do the work.

    Returns
    -------
    dict
        `status` "ready" with params, engine, weights, profile and notes; or "skipped" or "failed" with `why`.
    """
    try:
        found = get_stage(stage)
        resolved = found.resolve(found.params(**params))
    except StageSkipped as reason:
        return {"status": "skipped", "why": str(reason)}
    except (AudiolabError, ValueError) as error:
        return {"status": "failed", "why": str(error)}
    return {
        "status": "ready",
        "params": resolved.params.model_dump(mode="json"),
        "engine": resolved.engine,
        "weights": resolved.weights,
        "profile": dict(resolved.profile),
        "notes": list(resolved.notes),
    }


def run_job(spec: JobSpec, report: Callable[[str, float, float], None] | None = None) -> JobOutcome:
    """Do one job and say how it ended; expected errors are an outcome, not an exception.

    Parameters
    ----------
    spec : JobSpec
        What to do.
    report : callable, optional
        Gets (result key, done, total) a few times a second; by default sent as an event to the scheduler.
    """
    with log_context(run=spec.run, stage=spec.stage, sound=spec.label, sound_id=spec.sound_id, worker=worker_name()):
        told.info("begun")
        outcome = _do(spec, report)
        level = logging.ERROR if outcome.status == "failed" else logging.INFO
        told.log(level, "%s after %.2f s%s", outcome.status, outcome.seconds, outcome.why and f": {outcome.why}")
    return outcome


def _do(spec: JobSpec, report: Callable[[str, float, float], None] | None) -> JobOutcome:
    started = time.perf_counter()

    def outcome(status: Any, why: str = "", detail: str = "") -> JobOutcome:
        return JobOutcome(spec.key, status, why, time.perf_counter() - started, detail)

    tell = report or partial(_event, spec.run)
    try:
        tell(spec.key, 0.0, 1.0)  # it has begun
        depot = open_depot(spec.library, spec.media)
        if spec.media is not None:
            _clean_once(depot.folder)  # the driver, which cleans a library's folder, does not see this one
        with job_scratch(depot.folder) as scratch:
            stage = get_stage(spec.stage)
            store = depot.media(scratch)
            resolved = Resolved(stage.params(**spec.params), spec.engine, spec.weights, spec.profile, spec.notes)
            job = StageInput(
                sounds=tuple(open_sound(sound, store) for sound in spec.sounds),
                scratch=scratch,
                needs=spec.needs,
                vectors=_vectors(spec, store),
                progress=_progress(spec, depot, tell),
            )
            output = stage.run(job, resolved)
            record = make_record(spec, output, store, scratch, time.perf_counter() - started)
            depot.leave(record)
        return outcome("done")
    except StageSkipped as reason:
        return outcome("skipped", str(reason))
    except Cancelled:
        return outcome("cancelled", "cancelled by the user")
    except AudiolabError as error:
        return outcome("failed", str(error))
    except MemoryError:
        return outcome("failed", "out of memory: close other programs, or use fewer workers (AUDIOLAB_WORKERS=1)")
    except OSError as error:
        return outcome(
            "failed", f"{error.strerror or error} ({error.filename or spec.library}): disk full or not writable?"
        )
    except Exception as error:
        # A fault of ours must not stop the other jobs; it is reported with its traceback.
        log.exception("job %s of stage %s failed", spec.key[:12], spec.stage)
        return outcome(
            "failed", f"{type(error).__name__}: {error} (a fault in audiolab; please report it)", traceback.format_exc()
        )


def _vectors(spec: JobSpec, store: MediaStore) -> Vectors | None:
    """Read embeddings that are known already; None if there are none, or they are damaged."""
    if spec.vectors is None:
        return None
    encoder, media = spec.vectors
    try:
        values = np.load(store.local(media), allow_pickle=False)
    except (AudiolabError, OSError, ValueError, EOFError):
        return None  # the stage makes its own
    fits = values.ndim == 2 and len(values) == len(spec.sounds) and values.dtype == np.dtype("<f4")
    return Vectors(encoder, values) if fits and np.isfinite(values).all() else None


def open_sound(sound: SoundSpec, store: MediaStore) -> SoundInput:
    """Open one of a job's sounds."""
    source: BlockSource = open_source(sound.path or store.local(sound.media))
    if sound.start is not None and sound.stop is not None:
        source = View(source, sound.start, sound.stop)
    kind: Any = sound.kind
    return SoundInput(sound.key, sound.name, kind, Named(source, sound.name), sound.stem, sound.facts)


def _progress(
    spec: JobSpec, depot: Depot, report: Callable[[str, float, float], None]
) -> Callable[[float, float], None]:
    last = 0.0

    def progress(done: float, total: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _POLL_SECONDS and done < total:
            return
        last = now
        if depot.cancelled(spec.run):
            raise Cancelled(f"run {spec.run} was cancelled")
        report(spec.key, float(done), float(total))

    return progress


def _event(run: str, key: str, done: float, total: float) -> None:
    """Tell the scheduler's event log; outside a Dask worker nobody listens."""
    from distributed import get_worker

    try:
        get_worker().log_event(PROGRESS, {"run": run, "key": key, "done": done, "total": total})
    except ValueError:
        return


def make_record(spec: JobSpec, output: StageOutput, store: MediaStore, scratch: Path, seconds: float) -> Record:
    """Move the output's files into the media store and describe everything in a record."""
    sounds = []
    for new in output.sounds:
        source: Any = open_source(new.path)
        facts = dict(new.facts)
        content = content_id(new.path)
        sounds.append(
            RecordedSound(
                id=derived_id(spec.key, new.name),
                media=store.put(new.path, new.path.suffix),
                suffix=new.path.suffix,
                content_id=content,
                kind=new.kind,
                name=new.name,
                stem=new.stem,
                sample_rate=source.sample_rate,
                channels=source.channels,
                frames=source.frames,
                format=source.format,
                subtype=source.subtype,
                facts=facts,
            )
        )
    cuts = None
    if output.cuts is not None:
        cuts = tuple(
            RecordedCut(
                id=view_id(spec.sound_id, cut.start, cut.stop), start=cut.start, stop=cut.stop, facts=dict(cut.facts)
            )
            for cut in output.cuts
        )
    vectors = None
    if output.vectors is not None:
        path = scratch / "vectors.npy"
        np.save(path, np.ascontiguousarray(output.vectors.values, dtype="<f4"), allow_pickle=False)
        vectors = RecordedVectors(
            encoder=output.vectors.encoder,
            media=store.put(path, ".npy"),
            sound_ids=tuple(sound.id for sound in spec.sounds),
        )
    return Record(
        key=spec.key,
        stage=spec.stage,
        version=spec.version,
        params=dict(spec.params),
        engine=spec.engine,
        weights=spec.weights,
        profile=dict(spec.profile),
        notes=tuple(dict.fromkeys((*spec.notes, *output.notes))),
        seconds=seconds,
        made_at=datetime.now(UTC),
        run=spec.run,
        sound_id=spec.sound_id,
        set_id=spec.set_id,
        needs={name: document_hash(document) for name, document in spec.needs.items()},
        document=output.document,
        facts=dict(output.facts),
        each=tuple(
            RecordedFacts(sound_id=sound.id, facts=dict(facts))
            for sound, facts in zip(spec.sounds, output.each, strict=bool(output.each))
        ),
        sounds=tuple(sounds),
        cuts=cuts,
        tags=tuple(
            RecordedTag(sound_id=spec.sounds[tag.sound].id, label=tag.label, confidence=tag.confidence, top=tag.top)
            for tag in output.tags
        ),
        vectors=vectors,
    )


@contextmanager
def job_scratch(library: Path) -> Iterator[Path]:
    """Give a folder of this process inside the library (renames must not cross file systems)."""
    folder = library / "tmp" / f"job-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clean_scratch(library: str | Path) -> int:
    """Remove scratch folders that killed workers of this host left behind; give their number."""
    removed = 0
    prefix = f"job-{socket.gethostname()}-"
    for folder in (Path(library) / "tmp").glob(f"{prefix}*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


@cache
def _clean_once(folder: Path) -> None:
    clean_scratch(folder)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
