"""Which worker may take which job; what no worker can take is refused before anything starts."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.errors import AudiolabError, RunError
from audiolab.library.remote import RemoteFolder
from audiolab.library.remote_records import RemoteRecords
from audiolab.runs.recipe import Recipe
from audiolab.stages.registry import get_stage
from audiolab.versions import own_version

__all__ = ["WorkerInfo", "check_workers", "resources_for", "tend_workers", "worker_infos"]

_WAIT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker of a cluster.

    Attributes
    ----------
    memory_limit : int
        Bytes; 0: none.
    resources : mapping
        What it offers: `GPU`, `CPU`.
    version : str or None
        Of its audiolab; None if it was not asked.
    sees : bool or None
        Whether it finds the library's folder; None if it was not asked.
    """

    address: str
    name: str
    host: str
    threads: int
    memory_limit: int
    resources: Mapping[str, float]
    version: str | None = None
    sees: bool | None = None
    cuda: bool = False
    why: str = ""
    blind: str = ""
    """Why it does not find the library's files."""


def worker_infos(client: Any, library: str | Path | None = None, media: str | None = None) -> list[WorkerInfo]:
    """Look at all workers; with a library they are asked for their version and whether they find its files.

    Parameters
    ----------
    media : str, optional
        The library's media URL, if its files are not in its folder.
    """
    known = client.scheduler_info(n_workers=-1).get("workers", {})
    answers: dict[str, Any] = {}
    if library is not None:
        token = secrets.token_hex(8)
        with _mark(Path(library), media, token) as mark:
            answers = client.run(_probe, mark, token, media, on_error="return")
    infos = []
    for address, worker in known.items():
        answer = answers.get(address)
        told = answer if isinstance(answer, Mapping) else {}
        infos.append(
            WorkerInfo(
                address=address,
                name=str(worker.get("name", address)),
                host=str(told.get("host") or worker.get("host", "")),
                threads=int(worker.get("nthreads", 1)),
                memory_limit=int(worker.get("memory_limit") or 0),
                resources=dict(worker.get("resources") or {}),
                version=told.get("version"),
                sees=told.get("sees"),
                cuda=bool(told.get("cuda")),
                why=f"{type(answer).__name__}: {answer}" if isinstance(answer, BaseException) else "",
                blind=str(told.get("blind", "")),
            )
        )
    return infos


@contextmanager
def _mark(library: Path, media: str | None, token: str) -> Iterator[str]:
    """Leave a mark where workers have to find it."""
    if media is not None:
        records = RemoteRecords(RemoteFolder(media))
        records.raise_flag(f"seen-{token}", token)
        try:
            yield f"flags/seen-{token}"
        finally:
            records.lower_flag(f"seen-{token}")
        return
    folder = library / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f"seen-{token}"
    mark.write_text(token, encoding="utf-8")
    try:
        yield str(mark)
    finally:
        mark.unlink(missing_ok=True)


def _probe(mark: str, token: str, media: str | None = None) -> dict[str, Any]:
    """Run on a worker: say what it is and whether it sees the same files."""
    sees, blind = False, ""
    try:
        if media is None:
            sees = Path(mark).read_text(encoding="utf-8") == token
        else:
            sees = RemoteFolder(media, patience=5).read(mark) == token.encode()
    except (AudiolabError, OSError) as error:
        blind = str(error)
    cuda = os.environ.get("CUDA_VISIBLE_DEVICES", "") not in {"", "-1"}
    return {"version": own_version(), "host": socket.gethostname(), "sees": sees, "blind": blind, "cuda": cuda}


def check_workers(client: Any, library: str | Path, recipe: Recipe, *, own: bool, media: str | None = None) -> None:
    """Refuse a run that some job of could never be taken.

    Parameters
    ----------
    own : bool
        The workers are processes that this one started: they have its version and see its folders.
    media : str, optional
        The library's media URL, if its files are not in its folder.

    Raises
    ------
    RunError
        If there is no worker at all, or none with enough memory, with the device asked for, with this version of
        audiolab, or that finds the library's folder.
    """
    if not _wait_for_one(client):
        raise RunError(
            f"the scheduler {client.scheduler_info()['address']} has no workers: start one (`audiolab cluster start "
            "--join ADDRESS`, or `dask worker ADDRESS --nthreads 1`)"
        )
    workers = worker_infos(client, None if own else library, media)
    if not own:
        _check_same(workers, library, media)
    for step in recipe.steps:
        wants = get_stage(step.stage).wants
        able = [worker for worker in workers if not worker.memory_limit or worker.memory_limit >= wants.memory_mb * 1e6]
        if not able:
            most = max(worker.memory_limit for worker in workers) / 1e6
            raise RunError(
                f"no worker can take {step.stage!r}: it wants {wants.memory_mb} MB, and the largest worker has "
                f"{most:.0f} MB; start workers with a higher --memory-limit"
            )
        asked = str(step.params.get("device", "auto"))
        if asked.startswith("cuda") and not any("GPU" in worker.resources or worker.cuda for worker in able):
            if own and _cuda_here():
                continue
            raise RunError(
                f"no worker can take {step.stage!r}: it is told device={asked}, and no worker has a GPU; "
                "leave device at auto, or start workers with GPUs (AUDIOLAB_CLUSTER=gpu)"
            )


def _wait_for_one(client: Any) -> bool:
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        tend_workers(client)  # an earlier run may have ended with a job that killed them all
        left = until - time.monotonic()
        try:
            client.wait_for_workers(1, timeout=max(0.1, min(2.0, left)))
        except TimeoutError:
            if left <= 0:
                return False
            continue
        return True


def tend_workers(client: Any) -> None:
    """Start workers of our own anew that are gone for good.

    Dask's nanny starts a worker again that dies, but not one that dies while it is still starting, as a job that
    kills its worker at once can bring about. A scheduler elsewhere has a supervisor for that.
    """
    cluster = client.cluster
    if cluster is None or not hasattr(cluster, "worker_spec"):
        return
    if len(client.scheduler_info(n_workers=-1)["workers"]) < len(cluster.worker_spec):
        cluster.scale(len(cluster.worker_spec))


def _check_same(workers: list[WorkerInfo], library: str | Path, media: str | None) -> None:
    for worker in workers:
        if worker.why or worker.version is None:
            raise RunError(
                f"the worker {worker.name} at {worker.address} does not know audiolab ({worker.why or 'no answer'}): "
                "install the same version there"
            )
    others = sorted({f"{worker.version} at {worker.host}" for worker in workers if worker.version != own_version()})
    if others:
        raise RunError(f"here is audiolab {own_version()}, workers have {', '.join(others)}: results would differ")
    blind = sorted({worker.host for worker in workers if not worker.sees})
    if blind and media is not None:
        why = next((worker.blind for worker in workers if worker.blind), "another server answers there?")
        raise RunError(f"workers on {', '.join(blind)} do not find the library's files at {media}: {why}")
    if blind:
        raise RunError(
            f"workers on {', '.join(blind)} do not find the library's folder {str(library)!r}: they need the same "
            "folder under the same path (a shared folder, or a volume), or the library a media URL (AUDIOLAB_MEDIA)"
        )


def _cuda_here() -> bool:
    from audiolab.runs.shapes import gpu_count

    return gpu_count() > 0


def resources_for(stage: str, workers: Mapping[str, Mapping[str, Any]]) -> dict[str, float] | None:
    """Say what a job of a stage needs: a GPU worker if there are any and it wants one, else a CPU worker.

    Parameters
    ----------
    workers : mapping
        As the scheduler tells them.
    """
    offered = {name for worker in workers.values() for name in (worker.get("resources") or {})}
    if get_stage(stage).wants.device == "gpu" and "GPU" in offered:
        return {"GPU": 1}
    # Workers of GPUs do nothing else, so that the GPU never waits.
    return {"CPU": 1} if "CPU" in offered else None
