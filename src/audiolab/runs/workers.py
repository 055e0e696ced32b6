"""A run's connection to its workers: placing jobs, and finding the scheduler again when it was lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from audiolab.errors import RunError
from audiolab.runs.placing import resources_for, tend_workers
from audiolab.runs.topics import RUNS, listen, unlisten
from audiolab.runs.worker import resolve_stage

__all__ = ["RECONNECT_SECONDS", "Workers", "lost_errors"]

log = logging.getLogger(__name__)
RECONNECT_SECONDS = 60.0
"""How long a run waits for its scheduler to come back."""
_RESOLVE_ATTEMPTS = 3


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
    handlers : mapping
        Who gets the messages of which topic (see `audiolab.runs.topics`).
    """

    def __init__(self, client: Any, handlers: Mapping[str, Callable[[dict[str, Any]], None]]) -> None:
        self._client, self._handlers = client, dict(handlers)
        # Workers of this process end with it; a scheduler elsewhere may come back.
        self._address: str | None = None if client.cluster is not None else str(client.scheduler.address)
        self._own = False
        self._subscribe()

    def _subscribe(self) -> None:
        for topic, handler in self._handlers.items():
            listen(self._client, topic, handler)

    def leave(self) -> None:
        """Hear nothing more."""
        for topic, handler in self._handlers.items():
            unlisten(self._client, topic, handler)

    @property
    def dashboard(self) -> str:
        """Link to Dask's pages; empty if the scheduler shows none."""
        try:
            return str(self._client.dashboard_link or "")
        except (OSError, KeyError, ValueError, AttributeError):
            return ""

    def count(self) -> int:
        """Give how many workers there are now, one at least."""
        return max(1, len(self._known()))

    def places(self, stages: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Give for each stage the kind of worker that takes it, and how many there are."""
        known, found = self._known(), {}
        for stage in stages:
            resources = resources_for(stage, known) or {}
            able = sum(resources.keys() <= (worker.get("resources") or {}).keys() for worker in known.values())
            found[stage] = (",".join(resources), max(1, able))
        return found

    def tell(self, message: Mapping[str, Any]) -> None:
        """Tell all drivers on this scheduler about this run."""
        if self._client.status == "running":
            lost: tuple[type[BaseException], ...] = (*lost_errors(), RuntimeError)
            try:
                self._client.log_event(RUNS, dict(message))
            except lost:
                log.debug("the scheduler did not hear of the run")  # the next call finds out whether it is gone

    def window(self) -> int:
        """Give how many jobs may be with the scheduler at once: enough for every worker, and as many in reserve."""
        return 2 * max(1, len(self._known())) + 2

    def resolve(self, stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Decide every `auto` on the kind of worker that will do the work.

        It happens beside what the workers do at the time: a short run must not wait for a long one's jobs before it
        even knows what it will do.

        Raises
        ------
        RunError
            If workers die of it, or the scheduler does not come back.
        """
        found: dict[str, Mapping[str, Any]] = {}
        said = ""
        for attempt in range(_RESOLVE_ATTEMPTS):
            left = {stage: dict(params) for stage, params in stages.items() if stage not in found}
            shares = self._shared_out(left, attempt)
            with ThreadPoolExecutor(max(1, len(shares))) as pool:
                asked = [pool.submit(self._ask, address, share) for address, share in shares.items()]
            for answer in asked:
                try:
                    found.update(answer.result())
                except lost_errors() as error:
                    said = f"{type(error).__name__}: {error}"
                    log.warning("a worker does not say how to do its stages (%s)", said)
            if len(found) == len(stages):
                return found
            if self._client.status != "running" or not self._known():
                self._find_again()
            time.sleep(1)  # a nanny starts a worker again
        raise RunError(f"no worker says how to do {', '.join(sorted(stages.keys() - found.keys()))} ({said})")

    def _shared_out(self, stages: Mapping[str, Any], attempt: int) -> dict[str, dict[str, Any]]:
        """Share stages out to workers that may take them, another one at each attempt."""
        shares: dict[str, dict[str, Any]] = {}
        known = self._known()
        for number, (stage, params) in enumerate(stages.items()):
            resources = resources_for(stage, known) or {}
            able = [at for at, worker in known.items() if resources.keys() <= (worker.get("resources") or {}).keys()]
            if able:
                shares.setdefault(able[(number + attempt) % len(able)], {})[stage] = params
        return shares

    def _ask(self, address: str, stages: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        answers: dict[str, dict[str, Mapping[str, Any]]] = self._client.run(_resolve, dict(stages), workers=[address])
        return answers[address]

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
        """Start workers of our own anew that are gone for good; called now and then."""
        tend_workers(self._client)

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
            self._subscribe()
            return
        raise RunError(
            f"the scheduler {self._address} did not come back within {RECONNECT_SECONDS:.0f} s; what is finished is "
            "kept: start it and resume the run (`audiolab runs resume`)"
        )


async def _resolve(stages: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Run on a worker, in a thread beside its job and not in its event loop: a stage may import heavy libraries."""

    def each() -> dict[str, Mapping[str, Any]]:
        return {stage: resolve_stage(stage, dict(params)) for stage, params in stages.items()}

    return await asyncio.to_thread(each)
