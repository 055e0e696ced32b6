"""Keeping on: folders are scanned again whenever something happens in them, until somebody says stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audiolab.errors import CatalogError
from audiolab.library.addreport import AddLine, AddReport
from audiolab.library.ops import one_action
from audiolab.library.rescanning import WRITING, rescan_folder

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["POLL", "keep_watching"]

log = logging.getLogger(__name__)
POLL = 5.0
"""Seconds between looks where no events can be had."""
_SELDOM = 60.0
"""Seconds after which a folder is scanned even if no event came: some disks and shares send none."""
_SLICE = 0.2
_EVENTS = frozenset({"created", "modified", "moved", "deleted", "closed"})
"""Reading a file also sends events; those would let our own scans wake us for ever."""


class _Signals(Protocol):
    """Says when something may have happened."""

    seconds: float
    """Look again after so long whatever was said."""

    def take(self) -> bool:
        """Say whether something happened since the last call."""


def keep_watching(
    library: Library,
    names: Sequence[str],
    *,
    stop: threading.Event,
    settle: float,
    poll: float | None = None,
    each: Callable[[AddLine], None] | None = None,
    ready: Callable[[str], None] | None = None,
) -> AddReport:
    """Scan folders, and again whenever something happens in them, until `stop` is set.

    Parameters
    ----------
    poll : float, optional
        Look every so many seconds instead of waiting for the system's events.
    each : callable, optional
        Gets every line as soon as it holds; what did not change since the last scan is not said again.
    ready : callable, optional
        Called after the first scan with what is waited for.

    Returns
    -------
    AddReport
        Everything that was said.
    """
    report, said = AddReport(), set[tuple[str, str, str]]()

    def put(line: AddLine) -> None:
        key = (line.path, line.status, line.why)
        if line.why == WRITING or key in said:
            return
        if line.status in {"missing", "failed"}:
            said.add(key)
        else:
            said.difference_update({known for known in said if known[0] == line.path})
        report.lines.append(line)
        if each is not None:
            each(line)

    roots = [root for name in names if (root := library.places.where(name)) is not None]
    with _signals(roots, poll) as (signals, what):
        again = _scan(library, names, settle, put, report=report, stop=stop)
        if ready is not None:
            ready(what)
        since = time.monotonic()
        while not stop.wait(_SLICE):
            late = time.monotonic() - since >= signals.seconds
            if signals.take() or again or late:
                again = _scan(library, names, settle, put, report=report, stop=stop)
                since = time.monotonic()
    return report


def _scan(
    library: Library,
    names: Sequence[str],
    settle: float,
    put: Callable[[AddLine], None],
    *,
    report: AddReport,
    stop: threading.Event,
) -> bool:
    """Scan all folders; say whether some file is still being written, so that it has to be done again soon."""
    writing, unchanged = False, 0
    for name in names:
        if stop.is_set():
            return False
        try:
            with one_action():
                found = rescan_folder(library, name, settle=settle, each=put, stop=stop.is_set)
        except CatalogError as error:  # the disk was pulled out, or the catalog is locked: it may come back
            put(AddLine(name, "failed", str(error)))
            continue
        writing = writing or any(line.why == WRITING for line in found.lines)
        unchanged += found.unchanged
    report.unchanged = unchanged
    return writing


class _Polling:
    """No events: look every so often."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def take(self) -> bool:
        return False


class _Events:
    """Events of the system, by way of watchdog."""

    def __init__(self) -> None:
        self.seconds = _SELDOM
        self._happened = threading.Event()

    def dispatch(self, event: Any) -> None:
        """Take an event; called by watchdog."""
        if event.event_type in _EVENTS and not (event.is_directory and event.event_type == "modified"):
            self._happened.set()

    def take(self) -> bool:
        happened = self._happened.is_set()
        self._happened.clear()
        return happened


@contextmanager
def _signals(roots: Sequence[Path], poll: float | None) -> Iterator[tuple[_Signals, str]]:
    if poll is not None:
        yield _Polling(poll), f"looking every {poll:g} s"
        return
    try:
        from watchdog.observers import Observer
    except ImportError:
        yield _Polling(POLL), f"looking every {POLL:g} s (watchdog is not installed: pip install watchdog)"
        return
    events, observer = _Events(), Observer()
    try:
        for root in roots:
            observer.schedule(events, str(root), recursive=True)  # type: ignore[arg-type]
        observer.start()
    except OSError as error:  # too many folders for the system's limit, mostly
        log.info("no events: %s", error)
        yield _Polling(POLL), f"looking every {POLL:g} s (no events to be had: {error.strerror or error})"
        return
    try:
        yield events, "waiting for changes"
    finally:
        observer.stop()
        observer.join(5.0)
