"""Write down what became of jobs, also while the disk is full for a moment."""

from __future__ import annotations

import logging
import time
from typing import Any

from audiolab.errors import CatalogFullError
from audiolab.library import Library

__all__ = ["ROOM_SECONDS", "keep_jobs"]

log = logging.getLogger(__name__)

ROOM_SECONDS = 30.0
"""How long a run waits for room in the catalog: a job that fills the disk fails, and gives the room back."""


def keep_jobs(library: Library, run: str, *rows: dict[str, Any]) -> None:
    """Write jobs of a run into the catalog; waits for room for `ROOM_SECONDS`.

    Raises
    ------
    CatalogFullError
        If there was no room in all that time.
    """
    until = time.monotonic() + ROOM_SECONDS
    while True:
        try:
            library.set_jobs(run, list(rows))
            return
        except CatalogFullError as error:
            if time.monotonic() >= until:
                raise
            log.warning("%s; waiting for room", error)
            time.sleep(0.5)
