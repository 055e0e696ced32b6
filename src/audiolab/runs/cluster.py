"""Where work runs: a running Dask scheduler, or processes of this machine started when first needed."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import subprocess
import sys
import threading
import warnings
from typing import Any

from audiolab.errors import MissingDependency, RunError
from audiolab.runs.shapes import ClusterShape, chosen_shape, gpu_count
from audiolab.runs.spawning import spare_the_script

__all__ = ["LocalWorkers", "close_client", "connect", "get_client", "thread_environment", "worker_count"]

log = logging.getLogger(__name__)
_LOCK = threading.Lock()
_CLIENT: Any = None
_WORKERS: LocalWorkers | None = None
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_CONNECT_SECONDS = 12
DASHBOARD_ADDRESS = "127.0.0.1:8787"


def worker_count() -> int:
    """Give the number of CPU worker processes for this machine: one a core, 3 GB each, at most 16."""
    return chosen_shape().cpu_workers()


def get_client() -> Any:
    """Give the process's Dask client, connecting or starting workers on the first call.

    Raises
    ------
    RunError
        If AUDIOLAB_SCHEDULER names a scheduler that does not answer.
    ParameterError
        If AUDIOLAB_CLUSTER names no shape.
    """
    global _CLIENT, _WORKERS  # noqa: PLW0603 - one cluster a process, closed at exit
    with _LOCK:
        if _CLIENT is not None and _CLIENT.status == "running":
            return _CLIENT
        shape = chosen_shape()
        # Dask tells its life at level INFO on stderr; what users need to know is in the run's report.
        logging.getLogger("distributed").setLevel(logging.ERROR)
        if shape.kind == "scheduler":
            assert shape.address is not None
            _CLIENT = connect(shape.address)
        else:
            _WORKERS = LocalWorkers(shape)
            _CLIENT = _WORKERS.client()
        return _CLIENT


def connect(address: str) -> Any:
    """Connect to a running scheduler.

    Raises
    ------
    RunError
        If none answers within 12 s.
    """
    from distributed import Client

    try:
        return Client(address, timeout=f"{_CONNECT_SECONDS}s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(
            f"no Dask scheduler answers at {address} (AUDIOLAB_SCHEDULER): {error}. "
            "Start it (`audiolab cluster start`), or unset the variable to work on this machine."
        ) from error


def thread_environment(threads: int, memory: float | None = None) -> dict[str, str]:
    """Give the environment of a worker: one task at a time, so numeric libraries must not each take all cores.

    Parameters
    ----------
    threads : int
        Threads of numeric libraries.
    memory : float, optional
        GB that a worker has; it keeps models in a part of that.
    """
    variables = (*_THREAD_VARIABLES, "AUDIOLAB_THREADS")  # stages ask for the last one, and tell their engines
    more = {} if memory is None else {"AUDIOLAB_WORKER_MEMORY": f"{memory:g}"}
    return {**dict.fromkeys(variables, str(threads)), **more, "DASK_LOGGING__DISTRIBUTED": "critical"}


class LocalWorkers:
    """A scheduler and workers on this machine.

    Parameters
    ----------
    shape : ClusterShape
        Of the kind `local` or `cuda`.
    host : str
        Address to listen at; by default nobody else's machine may reach the workers or their pages.
    port : int
        Of the scheduler; 0 takes a free one.
    dashboard : str
        Address of the dashboard. By default that of Dask (8787) on this machine alone, or a free one if it is taken;
        so do addresses whose port is taken.

    Raises
    ------
    MissingDependency
        If GPUs are asked for without dask-cuda.
    RunError
        If there are no GPUs, or the port is taken.
    """

    def __init__(
        self,
        shape: ClusterShape,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        dashboard: str = DASHBOARD_ADDRESS,
    ) -> None:
        spare_the_script()
        self.shape = shape
        self._cpu: subprocess.Popen[bytes] | None = None
        options = {
            "host": host,
            "scheduler_port": port,
            "dashboard_address": _free(dashboard),
            "worker_dashboard_address": f"{host}:0",
            "threads_per_worker": 1,
            "silence_logs": logging.CRITICAL,
        }
        try:
            with warnings.catch_warnings():
                # The port of the pages may be taken between our look and Dask's.
                warnings.filterwarnings("ignore", message="(?s)Port .* is already in use")
                self.cluster = _cuda(shape, options) if shape.kind == "cuda" else _local(shape, options)
        except (OSError, ValueError) as error:
            raise RunError(f"the workers cannot be started at {host}:{port}: {error}; is the port taken?") from error
        if shape.kind == "cuda":
            self._cpu = self._beside(shape.cpu_workers())
        log.info("started workers at %s", self.cluster.scheduler_address)

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(self.cluster.scheduler_address)

    @property
    def dashboard(self) -> str:
        """Link to Dask's pages."""
        return str(self.cluster.dashboard_link)

    def client(self) -> Any:
        """Give a client whose closing leaves the workers alive."""
        from distributed import Client

        return Client(self.cluster, set_as_default=False)

    def _beside(self, count: int) -> subprocess.Popen[bytes]:
        """Start CPU workers beside those of GPUs; a process of their own, since Dask's clusters hold one kind each."""
        command = [sys.executable, "-m", "dask", "worker", self.address, "--nworkers", str(count), "--nthreads", "1"]
        command += ["--resources", "CPU=1", "--memory-limit", "0", "--no-dashboard", "--name", "cpu"]
        # A CPU worker that sees no GPU cannot take memory of one by accident.
        environment = {
            **os.environ,
            **thread_environment(self.shape.threads, self.shape.worker_memory()),
            "CUDA_VISIBLE_DEVICES": "",
        }
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        """Stop everything."""
        if self._cpu is not None:
            self._cpu.terminate()
            try:
                self._cpu.wait(10)
            except subprocess.TimeoutExpired:
                self._cpu.kill()
        self.cluster.close()


def _free(address: str) -> str:
    """Give an address, with a port of the system's choice if its own is taken: Dask would warn about it at length."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or port == "0":
        return address
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return address


def _dask_settings(environment: dict[str, str]) -> dict[str, Any]:
    return {
        # What libraries read as they are loaded. Dask leaves it in the environment of this process, too.
        "distributed.nanny.pre-spawn-environ": environment,
        # A job that kills its worker twice is set aside; the driver tries it once more by itself.
        "distributed.scheduler.allowed-failures": 1,
        # Jobs wait with the scheduler, not behind one that may kill its worker.
        "distributed.scheduler.worker-saturation": 1.0,
    }


def _local(shape: ClusterShape, options: dict[str, Any]) -> Any:
    import dask
    from distributed import LocalCluster

    environment = thread_environment(shape.threads, shape.worker_memory())
    ours = {name: environment.pop(name) for name in list(environment) if name.startswith("AUDIOLAB_")}
    with dask.config.set(_dask_settings(environment)):
        # The stages bound their own memory; a paused worker would look like a hang.
        return LocalCluster(n_workers=shape.cpu_workers(), processes=True, memory_limit=0, env=ours, **options)


def _cuda(shape: ClusterShape, options: dict[str, Any]) -> Any:
    found = gpu_count()
    if not found:
        raise RunError("the shape asks for GPUs, and none is visible here: use AUDIOLAB_CLUSTER=laptop")
    try:
        from dask_cuda import LocalCUDACluster
    except ImportError as error:
        raise MissingDependency("workers for GPUs need dask-cuda: pip install 'audiolab[gpu]'") from error
    import dask

    count = found if shape.gpu_workers == "auto" else min(found, int(shape.gpu_workers))
    with dask.config.set(_dask_settings(thread_environment(shape.threads, shape.worker_memory()))):
        return LocalCUDACluster(
            n_workers=count,
            resources={"GPU": 1},
            memory_limit=0,
            device_memory_limit=None,  # torch has its own allocator; Dask holds no arrays here
            **options,
        )


def close_client() -> None:
    """Stop the workers that `get_client` started."""
    global _CLIENT, _WORKERS
    with _LOCK:
        client, _CLIENT = _CLIENT, None
        workers, _WORKERS = _WORKERS, None
    if client is not None:
        client.close()
    if workers is not None:
        workers.close()


atexit.register(close_client)
