"""Runs as a library lists them: data only; `audiolab.Run(info)` follows, stops and continues one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from audiolab.library.tables import html_table

if TYPE_CHECKING:
    from audiolab.library.library import Library
    from audiolab.library.models import RunRow

__all__ = ["RunInfo", "RunList", "driver_state"]


def driver_state(row: Any) -> str:
    """Give a run's status; `interrupted` if it says running but its driver on this host is gone."""
    status = str(row.status)
    driver = (row.report or {}).get("driver")
    if status == "running" and driver and driver["host"] == socket.gethostname():
        try:
            os.kill(driver["pid"], 0)
        except ProcessLookupError:
            return "interrupted"
        except PermissionError:
            return status
    return status


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run.

    Attributes
    ----------
    status : str
        queued, running, done, failed, cancelled or interrupted.
    fraction : float or None
        The share that is done, if that is known.
    sounds : tuple of str
        Ids of what it was given.
    """

    library: Library
    id: str
    name: str
    status: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    fraction: float | None
    sounds: tuple[str, ...]

    @classmethod
    def from_row(cls, library: Library, row: RunRow) -> RunInfo:
        """Read a row of the catalog."""
        fraction = (row.report or {}).get("fraction")
        return cls(
            library,
            row.id,
            row.name,
            driver_state(row),
            row.created_at,
            row.started_at,
            row.finished_at,
            None if fraction is None else float(fraction),
            tuple(row.sound_ids),
        )

    def __repr__(self) -> str:
        return f"RunInfo({self.id!r}, {self.name!r}, {self.status})"


class RunList(Sequence[RunInfo]):
    """All runs of a library, the newest last."""

    def __init__(self, library: Library, rows: Sequence[RunRow]) -> None:
        self._items = [RunInfo.from_row(library, row) for row in rows]

    @overload
    def __getitem__(self, index: int) -> RunInfo: ...
    @overload
    def __getitem__(self, index: slice) -> list[RunInfo]: ...
    def __getitem__(self, index: int | slice) -> RunInfo | list[RunInfo]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[RunInfo]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"<{len(self)} runs>"

    def _repr_html_(self) -> str:
        rows = [
            (
                item.id[:8],
                item.name,
                item.status,
                f"{item.created_at:%Y-%m-%d %H:%M}",
                "" if item.fraction is None else f"{item.fraction:.0%}",
                len(item.sounds),
            )
            for item in self._items[::-1]
        ]
        return html_table(f"{len(self)} runs", ("id", "recipe", "status", "created", "done", "sounds"), rows)
