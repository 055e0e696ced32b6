"""`lost+found/`: where a repair puts what has no place. Nothing is ever deleted by a repair, only moved here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audiolab.library.clock import utc_now

__all__ = ["LOST", "LostAndFound"]

LOST = "lost+found"


class LostAndFound:
    """One folder for one repair, with `index.jsonl`, which says of each thing what it was and why it is here.

    Parameters
    ----------
    library : Path
        The library's folder.
    """

    def __init__(self, library: Path) -> None:
        self._library = library
        stamp = f"{utc_now():%Y%m%dT%H%M%S}"
        self.folder = library / LOST / stamp
        number = 1
        while self.folder.exists():
            number += 1
            self.folder = library / LOST / f"{stamp}-{number}"

    def take(self, path: Path, kind: str, why: str) -> Path:
        """Move a file or folder of the library here; gives its new place."""
        target = self._place(path.relative_to(self._library))
        try:
            os.replace(path, target)
        except OSError:  # on another file system
            shutil.move(path, target)
        self._write({"kind": kind, "from": path.relative_to(self._library).as_posix(), "why": why}, target)
        return target

    def copy(self, path: Path, kind: str, why: str) -> Path:
        """Copy a file here."""
        target = self._place(path.relative_to(self._library))
        shutil.copyfile(path, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
        self._write({"kind": kind, "from": path.relative_to(self._library).as_posix(), "why": why}, target)
        return target

    def keep_rows(self, table: str, rows: Sequence[Mapping[str, Any]], why: str) -> None:
        """Write rows down that are taken out of the catalog."""
        target = self._place(Path("rows") / f"{table}.jsonl")
        with target.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False, default=_plain) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._write({"kind": "rows", "table": table, "count": len(rows), "why": why}, target)

    def _place(self, relative: Path) -> Path:
        target = self.folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _write(self, line: Mapping[str, Any], target: Path) -> None:
        text = json.dumps({**line, "at": utc_now().isoformat(), "is": target.relative_to(self.folder).as_posix()})
        with (self.folder / "index.jsonl").open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
