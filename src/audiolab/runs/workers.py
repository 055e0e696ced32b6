"""A run's connection to its workers: placing jobs, and finding the scheduler again when it was lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

from audiolab.errors import RunError
from audiolab.runs.placing import resources_for
from audiolab.runs.worker import resolve_stage

__all__ = ["RECONNECT_SECONDS", "Workers", "lost_errors"]

log = logging.getLogger(__name__)
RECONNECT_SECONDS = 60.0
"""How long a run waits for its scheduler to come back."""


def lost_errors() -> tuple[type[BaseException], ...]:
    """Give the errors with which jobs end whose scheduler went away."""
    from distributed.client import FutureCancelledError

    return (FutureCancelledError, futures.CancelledError, asyncio.CancelledError, TimeoutError, OSError)


class Workers:
    """The workers of one run.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    listen : callable
        Gets the progress events of jobs.
    """

    def __init__(self, client: Any, listen: Callable[[Any], None]) -> None:
        self._client, self._listen = client, listen
        # Workers of this process end with it; a scheduler elsewhere may come back.
        self._address: str | None = None if client.cluster is not None else str(client.scheduler.address)
        self._own = False
        client.subscribe_topic("audiolab-progress", listen)

    def window(self) -> int:
        """Give how many jobs may be with the scheduler at once: enough for every worker, and as many in reserve."""
        return 2 * max(1, len(self._known())) + 2

    def resolve(self, stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Decide every `auto` on the kind of worker that will do the work."""
        while True:
            asked = {
                stage: self.submit(resolve_stage, stage, dict(params), stage=stage) for stage, params in stages.items()
            }
            try:
                return {stage: future.result() for stage, future in asked.items()}
            except lost_errors():
                self._find_again()

    def submit(self, function: Callable[..., Any], *arguments: Any, stage: str, **options: Any) -> Any:
        """Send a job to a worker that may take it; waits for a scheduler that was lost.

        Raises
        ------
        RunError
            If the scheduler does not come back.
        """
        while True:
            try:
                if self._client.status != "running":
                    raise OSError("not connected")
                resources = resources_for(stage, self._known())
                return self._client.submit(function, *arguments, resources=resources, pure=False, **options)
            except lost_errors():
                self._find_again()

    def tend(self) -> None:
        """Start workers of our own anew that are gone for good; called now and then.

        Dask's nanny starts a worker again that dies, but not one that dies while it is still starting, as a job that
        kills its worker at once can bring about. A scheduler elsewhere has a supervisor for that.
        """
        cluster = self._client.cluster
        if cluster is None or not hasattr(cluster, "worker_spec"):
            return
        if len(self._known()) < len(cluster.worker_spec):
            cluster.scale(len(cluster.worker_spec))

    def _known(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1).get("workers", {})
        return found

    def _find_again(self) -> None:
        """Wait for the scheduler and its workers; finished work is found by its records, so nothing is lost."""
        if self._address is None:
            raise RunError("the workers of this process are gone; `run.resume()` goes on with new ones")
        if self._client.status == "running" and self._known():
            return
        from distributed import Client

        log.warning("the scheduler %s was lost; waiting for it", self._address)
        until = time.monotonic() + RECONNECT_SECONDS
        while time.monotonic() < until:
            try:
                if self._own:
                    self._client.close(timeout=2)
                client = Client(self._address, timeout="5s", set_as_default=False)
                client.wait_for_workers(1, timeout=max(1.0, until - time.monotonic()))
            except (OSError, ValueError, TimeoutError):
                time.sleep(1)
                continue
            self._client, self._own = client, True
            client.subscribe_topic("audiolab-progress", self._listen)
            return
        raise RunError(
            f"the scheduler {self._address} did not come back within {RECONNECT_SECONDS:.0f} s; what is finished is "
            "kept: start it and resume the run (`audiolab runs resume`)"
        )
