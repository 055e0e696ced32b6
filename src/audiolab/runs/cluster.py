"""Where work runs: a running Dask scheduler, or processes of this machine started when first needed."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import Any

from audiolab.config import available_cores, get_settings
from audiolab.errors import RunError

__all__ = ["close_client", "get_client", "worker_count"]

log = logging.getLogger(__name__)
_LOCK = threading.Lock()
_CLIENT: Any = None
_MEMORY_PER_WORKER = 3_000_000_000
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def worker_count() -> int:
    """Give the number of worker processes for this machine: one a core, 3 GB each, at most 16."""
    settings = get_settings()
    if settings.workers:
        return settings.workers
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, AttributeError, OSError):
        memory = 8_000_000_000
    return max(1, min(available_cores() // settings.threads, memory // _MEMORY_PER_WORKER, 16))


def get_client() -> Any:
    """Give the process's Dask client, connecting or starting workers on the first call.

    Raises
    ------
    RunError
        If AUDIOLAB_SCHEDULER names a scheduler that does not answer.
    """
    global _CLIENT  # noqa: PLW0603 - one cluster a process, closed at exit
    with _LOCK:
        if _CLIENT is not None and _CLIENT.status == "running":
            return _CLIENT
        _CLIENT = _connect()
        return _CLIENT


def _connect() -> Any:
    import dask
    from distributed import Client, LocalCluster

    # Dask tells its life at level INFO on stderr; what users need to know is in the run's report.
    logging.getLogger("distributed").setLevel(logging.ERROR)
    settings = get_settings()
    if settings.scheduler:
        try:
            return Client(settings.scheduler, timeout="12s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise RunError(
                f"no Dask scheduler answers at {settings.scheduler} (AUDIOLAB_SCHEDULER): {error}. "
                "Start it, or unset the variable to work on this machine."
            ) from error
    # A worker is one process with one task at a time: numeric libraries must not each take all cores.
    environment = dict.fromkeys(_THREAD_VARIABLES, str(settings.threads))
    environment["DASK_LOGGING__DISTRIBUTED"] = "critical"
    with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
        cluster = LocalCluster(
            n_workers=worker_count(),
            threads_per_worker=1,
            processes=True,
            # Nobody else's machine may reach our workers or their pages.
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            memory_limit=0,  # the stages bound their own memory; a paused worker would look like a hang
            silence_logs=logging.CRITICAL,
        )
    client = Client(cluster, set_as_default=False)
    log.info("started %d worker processes", worker_count())
    return client


def close_client() -> None:
    """Stop the workers that `get_client` started."""
    global _CLIENT
    with _LOCK:
        client, _CLIENT = _CLIENT, None
    if client is not None:
        cluster = client.cluster
        client.close()
        if cluster is not None:
            cluster.close()


atexit.register(close_client)
