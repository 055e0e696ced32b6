"""Which model of the shelf is current, with every change of it: `current.json`, written whole and by one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audiolab.audio import atomic_path
from audiolab.errors import ModelError
from audiolab.stages.classification.choosing import CURRENT, current_id, shelf_folder

__all__ = ["history", "said", "stack_of", "step"]


def history() -> list[dict[str, Any]]:
    """Give every change of the current model, the oldest first: `id` (None: shipped), `why`, `at`, perhaps `back`."""
    return _steps(shelf_folder() / CURRENT)


def said(identity: str | None, why: str) -> dict[str, Any]:
    """Give one change, to be kept."""
    return {"id": identity, "why": why, "at": datetime.now(UTC).isoformat()}


def stack_of(steps: list[dict[str, Any]]) -> list[str | None]:
    """Replay the history: what is current, and below it what was before."""
    stack: list[str | None] = []
    for each in steps:
        if each.get("back"):
            stack = stack[:-1]
        else:
            stack.append(each["id"])
    return stack


def _steps(path: Path) -> list[dict[str, Any]]:
    current_id()  # says what is wrong with the file
    if not path.is_file():
        return []
    steps = json.loads(path.read_text(encoding="utf-8")).get("history", [])
    if not isinstance(steps, list) or not all(isinstance(each, dict) and "id" in each for each in steps):
        raise ModelError(f"the history in {str(path)!r} is damaged; delete it to go back to the shipped model")
    return steps


def step(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change the history, and with it what is current; `change` gives all steps, given those until now."""
    path = shelf_folder() / CURRENT
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            before = _steps(path)
            steps = change(before)
            if steps == before:
                return
            stack = stack_of(steps)
            document = {"current": stack[-1] if stack else None, "history": steps}
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"cannot write {str(path)!r}: {error}; is the disk full?") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let only one process at a time read and write what is current."""
    with (folder / ".lock").open("a+b") as file:
        try:
            import fcntl
        except ImportError:  # Windows: the last of two that write at once counts, and both leave a whole file
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
