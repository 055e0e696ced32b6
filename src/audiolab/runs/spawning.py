"""Start Dask's worker processes without running the user's script again in each of them.

A spawned process begins by importing the main module of its parent. In a script without `if __name__ == "__main__":`
that starts a run in every worker, and all wait for each other. Jobs name registered stages, so workers need nothing of
the script; the entry is left out for Dask's own processes, and for nobody else's.
"""

from __future__ import annotations

from multiprocessing import spawn
from typing import Any

__all__ = ["spare_the_script"]

_DASK = "Dask Worker process"
_original = spawn.get_preparation_data


def spare_the_script() -> None:
    """Let workers that are started from now on, also in place of dead ones, begin without the main module."""
    if spawn.get_preparation_data is _original:
        spawn.get_preparation_data = _prepared


def _prepared(name: str) -> dict[str, Any]:
    data: dict[str, Any] = _original(name)
    if name.startswith(_DASK):
        data.pop("init_main_from_path", None)
        data.pop("init_main_from_name", None)
    return data
