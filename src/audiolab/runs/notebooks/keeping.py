"""The folder of a batch run: what was asked, what became of it, and who works in it now."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audiolab.audio.writing import atomic_path
from audiolab.config import get_settings
from audiolab.errors import RunError
from audiolab.runs.notebooks.results import read_results

__all__ = ["BatchRun", "held", "is_held", "new_folder", "read_json", "slug", "write_json"]

RECORD, PARAMETERS, LOG, LOCK = "run.json", "parameters.json", "log.txt", ".lock"


class BatchRun:
    """A notebook that was executed, or is to be, and all that is kept of it.

    Parameters
    ----------
    folder : path
        Holds `run.json`, `parameters.json`, the executed copy and its page, `log.txt` and what the notebook leaves.

    Raises
    ------
    RunError
        If it is no folder of a batch run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self.record = read_json(self.folder / RECORD)
        self.parameters: dict[str, Any] = read_json(self.folder / PARAMETERS)

    @classmethod
    def create(
        cls, folder: Path, source: Path, parameters: Mapping[str, Any], given: Mapping[str, Any], **more: Any
    ) -> BatchRun:
        """Write down what is to be done, before anything is."""
        from audiolab.training.tracking import code_revision

        record = {
            "name": source.stem,
            "notebook": str(source),
            "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
            "given": sorted(given),
            "status": "waiting",
            "attempt": 0,
            "created_at": now(),
            "code": code_revision(),
            "home": str(get_settings().home),
            **more,
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / PARAMETERS, dict(parameters))
        write_json(folder / RECORD, record)  # last: a folder with a record is whole
        return cls(folder)

    def note(self, **changes: Any) -> None:
        """Change the record on disk, as a whole."""
        self.record = {**self.record, **changes}
        write_json(self.folder / RECORD, self.record)

    @property
    def name(self) -> str:
        """The notebook's name."""
        return str(self.record["name"])

    @property
    def status(self) -> str:
        """One of waiting, running, done, failed, interrupted (also after a kill)."""
        status = str(read_json(self.folder / RECORD)["status"])
        return "interrupted" if status == "running" and not is_held(self.folder) else status

    @property
    def error(self) -> str:
        """Why it failed, else empty."""
        return str(self.record.get("error", ""))

    @property
    def seconds(self) -> float | None:
        """How long the last attempt took; None while there is no end."""
        return self.record.get("seconds")

    @property
    def results(self) -> dict[str, Any]:
        """What the notebook left with `leave_results`."""
        return read_results(self.folder)

    @property
    def notebook(self) -> Path:
        """The executed copy."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def html(self) -> Path:
        """Its page."""
        return self.folder / f"{self.name}.html"

    def set_aside(self) -> None:
        """Keep the copy and page of an attempt that did not end well under its number."""
        for path in (self.notebook, self.html):
            if path.is_file():
                path.rename(path.with_name(f"{path.stem}.attempt-{self.record['attempt']}{path.suffix}"))
        (self.folder / "results.json").unlink(missing_ok=True)

    def log(self, line: str) -> None:
        """Add a line to `log.txt`."""
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab batch --json` prints."""
        return {
            "folder": str(self.folder),
            "name": self.name,
            "status": self.status,
            "error": self.error,
            "attempt": self.record["attempt"],
            "seconds": self.seconds,
            "parameters": self.parameters,
            "results": self.results,
            "notebook": str(self.notebook) if self.notebook.is_file() else None,
            "html": str(self.html) if self.html.is_file() else None,
            "mlflow": self.record.get("mlflow"),
        }

    def __repr__(self) -> str:
        return f"BatchRun({str(self.folder)!r}, {self.status})"


def now() -> str:
    """Give the time for records."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def slug(name: str, longest: int = 40) -> str:
    """Make a plain folder name."""
    text = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in name)
    return "-".join(part for part in text.split("-") if part)[:longest].strip("-")


def new_folder(name: str) -> Path:
    """Make the folder experiments/runs/<date>-<name>; a number is added where it is taken."""
    parent = get_settings().path("experiments/runs")
    parent.mkdir(parents=True, exist_ok=True)
    base = f"{datetime.now():%Y-%m-%d-%H%M%S}-{slug(name) or 'notebook'}"
    for number in range(1, 1000):
        folder = parent / (base if number == 1 else f"{base}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise RunError(f"there are a thousand folders {base}-* in {parent}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of a batch run.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.parent} is no folder of a batch run: it holds no {path.name}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise RunError(f"{path} is damaged: it holds no mapping")
    return found


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file of a batch run, as a whole."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder while working in it. The system lets go of it when the process ends, however it ends.

    Raises
    ------
    RunError
        If another process holds it.
    """
    with (folder / LOCK).open("a") as file:
        if not _lock(file.fileno()):
            raise RunError(f"{folder} is being worked on by another process; wait for it, or stop it")
        yield


def is_held(folder: Path) -> bool:
    """Say whether somebody works in a folder."""
    try:
        with (folder / LOCK).open("r+") as file:
            return not _lock(file.fileno())
    except OSError:
        return False


def _lock(descriptor: int) -> bool:
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
