"""Roles of a container: start Dask workers sized to it, and say whether a role is healthy.

`python -m audiolab.runs.serving worker` starts CPU workers, `gpu-worker` one worker a GPU; both find the scheduler in
AUDIOLAB_SCHEDULER. `healthy URL` and `healthy-worker` end with 0 or say why not; the image's health checks call them.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from audiolab.config import get_settings
from audiolab.errors import RunError

__all__ = ["check_url", "check_workers", "main", "worker_command", "worker_environment"]

_PATIENCE = 4.0
_PRELOAD = "audiolab.runs.worker"
DASHBOARD_PORT = 8787


def worker_command(
    *, gpu: bool = False, host: str | None = None, scheduler: str | None = None, workers: int | None = None
) -> list[str]:
    """Give the command that starts this machine's or container's workers.

    Parameters
    ----------
    scheduler : str, optional
        Its address; default: AUDIOLAB_SCHEDULER.
    workers : int, optional
        CPU workers; default: by cores and memory.
    gpu : bool
        One worker a GPU by dask-cuda, which takes only what asks for a GPU.
    host : str, optional
        Name of this container; workers are called after it, so that its health check finds its own.

    Raises
    ------
    RunError
        If there is no address.
    """
    from audiolab.runs.shapes import ClusterShape

    scheduler = scheduler or get_settings().scheduler
    if not scheduler:
        raise RunError(
            "a worker needs the address of its scheduler: set AUDIOLAB_SCHEDULER, for example to tcp://scheduler:8786"
        )
    program = [sys.executable, "-m", "dask", *(["cuda", "worker"] if gpu else ["worker"])]
    common = ["--nthreads", "1", "--name", host or socket.gethostname(), "--preload", _PRELOAD]
    # The stages bound their own memory; a worker that Dask pauses would look like a hang. A scheduler that is gone
    # for a minute ends the workers, and whoever supervises the container starts them anew.
    common += ["--memory-limit", "0", "--death-timeout", "60", "--no-dashboard"]
    if gpu:
        # Dask holds no arrays here, and torch has its own allocator: nothing to spill from a GPU's memory.
        return [*program, scheduler, *common, "--device-memory-limit", "0", "--resources", "GPU=1"]
    # Where there are GPU workers, what wants none goes to those that offer CPU.
    workers = workers or ClusterShape(threads=get_settings().threads).cpu_workers()
    return [*program, scheduler, *common, "--resources", "CPU=1", "--nworkers", str(workers)]


def worker_environment() -> dict[str, str]:
    """Give the variables that keep numeric libraries of a worker from taking all cores each."""
    from audiolab.runs.cluster import thread_environment
    from audiolab.runs.shapes import ClusterShape

    threads = get_settings().threads
    inner = thread_environment(threads, get_settings().worker_memory or ClusterShape(threads=threads).worker_memory())
    inner.pop("DASK_LOGGING__DISTRIBUTED", None)  # a container's log is where people look
    # Dask's own default of 1 would win over plain variables.
    return {**inner, "DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON": repr(inner)}


def _get(url: str) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise RunError(f"{url!r} is no address of a web server (http://host:port/path)")
    # A proxy of the company must not be asked for a page of this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_PATIENCE) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise RunError(f"{url} answers {error.code} {error.reason}") from error
    except OSError as error:
        raise RunError(f"{url} does not answer: {getattr(error, 'reason', error)}") from error


def check_url(url: str) -> str:
    """Ask a server for a page that needs no login.

    Raises
    ------
    RunError
        If it does not answer with success.
    """
    _get(url)
    return f"{url} answers"


def check_workers(host: str | None = None, *, page: str | None = None) -> str:
    """Ask the scheduler whether it knows workers of this container that are in order.

    Parameters
    ----------
    host : str, optional
        Name that the workers were called after.
    page : str, optional
        Address of the scheduler's pages; default: port 8787 (or AUDIOLAB_SCHEDULER_PAGE) of the scheduler's host.

    Raises
    ------
    RunError
        If it knows none, or does not answer.
    """
    host = host or socket.gethostname()
    page = page or os.environ.get("AUDIOLAB_SCHEDULER_PAGE") or _page()
    identity: Mapping[str, Any] = json.loads(_get(f"{page}/json/identity.json"))
    names = [str(worker.get("id")) for worker in identity.get("workers", {}).values()]
    mine = [name for name in names if name == host or name.rpartition("-")[0] == host]
    if not mine:
        raise RunError(f"the scheduler knows {len(names)} workers, none of them of {host}")
    return f"{len(mine)} workers of {host}"


def _page() -> str:
    scheduler = get_settings().scheduler
    if not scheduler:
        raise RunError("which scheduler? Set AUDIOLAB_SCHEDULER, for example to tcp://scheduler:8786")
    return f"http://{scheduler.partition('://')[2].rpartition(':')[0]}:{DASHBOARD_PORT}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a role or a health check; see the head of this file."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        match given:
            case ["worker" | "gpu-worker" as role]:
                command = worker_command(gpu=role == "gpu-worker")
                os.environ.update(worker_environment())
                sys.stdout.flush()
                os.execv(command[0], command)  # noqa: S606 - this process becomes the nanny and gets its signals
            case ["healthy", url]:
                print(check_url(url))
            case ["healthy-worker"]:
                print(check_workers())
            case _:
                print("say worker, gpu-worker, healthy URL or healthy-worker", file=sys.stderr)
                return 2
    except RunError as error:
        print(f"audiolab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
