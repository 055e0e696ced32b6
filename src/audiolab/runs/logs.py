"""Logs of runs: every line says which run, sound, stage and worker it is about.

Whatever is logged or warned within a job, by audiolab or by a library, goes from the worker through the scheduler to
the run's driver, which appends it as a line of JSON to `logs/run-<id>.jsonl` in the library. On the console stands
the same for people, from the level of the setting `log_level` on. Outside of runs nothing is touched.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audiolab.config import get_settings
from audiolab.runs.topics import LOGS

__all__ = [
    "FIELDS",
    "RunLog",
    "line_for_people",
    "log_context",
    "read_log",
    "redact",
    "run_log_path",
    "told",
    "worker_name",
]

FIELDS = ("run", "sound", "stage", "worker")
_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("audiolab_log_context")
_LOCK = threading.RLock()
_ACTIVE: list[Mapping[str, str]] = []
_BEFORE: list[Callable[..., Any]] = []
_DRIVER = "driver"
_MOST = 20_000

told = logging.getLogger("audiolab.run")
"""What a run does, step by step. It goes to the run's log at any setting, and to the console from `log_level` on."""
told.setLevel(logging.INFO)
told.propagate = False

_URL = re.compile(r"(\w+://[^\s:/@]*):\S*@")
_NAMED = re.compile(
    r"(?i)\b((?:[\w-]*(?:password|passwd|secret|token|api_?key|access_?key|signature))\b['\"]?\s*[=:]\s*)"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s,;&'\"]+)"
)


def redact(text: str) -> str:
    """Take passwords in addresses and values named as secrets out of a text."""
    return _NAMED.sub(r"\1***", _URL.sub(r"\1:***@", text))


def run_log_path(library: Path, run_id: str) -> Path:
    """Name the log of a run."""
    return Path(library) / "logs" / f"run-{run_id}.jsonl"


# ---- context -------------------------------------------------------------------------------------


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Within it, lines carry these fields (`run`, `sound`, `stage`, `worker`, ...) and reach the run's log."""
    mine = {**_CONTEXT.get({}), **fields}
    mark = _CONTEXT.set(mine)
    _enter(mine)
    try:
        yield
    finally:
        _leave(mine)
        _CONTEXT.reset(mark)


def _context() -> Mapping[str, str]:
    """Give the context; a thread that a stage has started has none of its own, and belongs to the only job there is."""
    found = _CONTEXT.get(None)
    if found is not None:
        return found
    with _LOCK:
        jobs = [context for context in _ACTIVE if context.get("worker") != _DRIVER]
    return jobs[0] if len(jobs) == 1 else {}


def _enter(context: Mapping[str, str]) -> None:
    with _LOCK:
        _ACTIVE.append(context)
        if len(_ACTIVE) > 1:
            return
        for logger in (logging.getLogger(), told):
            logger.addHandler(_HANDLER)
        level = logging.getLevelName(get_settings().log_level.upper())
        _CONSOLE.setLevel(level if isinstance(level, int) else logging.WARNING)
        ours = logging.getLogger("audiolab")
        if ours.level == logging.NOTSET and _CONSOLE.level < logging.WARNING:
            ours.setLevel(_CONSOLE.level)
        _BEFORE.append(warnings.showwarning)
        warnings.showwarning = _warn


def _leave(context: Mapping[str, str]) -> None:
    with _LOCK:
        _ACTIVE[:] = [item for item in _ACTIVE if item is not context]
        if _ACTIVE:
            return
        for logger in (logging.getLogger(), told):
            logger.removeHandler(_HANDLER)
        before = _BEFORE.pop()
        if warnings.showwarning is _warn:
            warnings.showwarning = before


def _warn(message: Any, category: type[Warning], filename: str, lineno: int, *rest: Any, **options: Any) -> None:
    """Log a warning that comes up within a job; others go where they would have gone."""
    if _context():
        text = f"{category.__name__}: {message} ({filename}:{lineno})"
        logging.getLogger("py.warnings").warning("%s", text)
        return
    with _LOCK:
        show = _BEFORE[-1] if _BEFORE else None
    if show is not None:
        show(message, category, filename, lineno, *rest, **options)


# ---- lines ---------------------------------------------------------------------------------------


def _document(record: logging.LogRecord, context: Mapping[str, str]) -> dict[str, Any]:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        message = f"{record.msg} {record.args}"
    document = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        **{name: context.get(name, "") for name in FIELDS},
        **{name: value for name, value in context.items() if name not in FIELDS},
        "message": redact(message)[:_MOST],
    }
    if record.exc_info and record.exc_info[0] is not None:
        document["trace"] = redact("".join(traceback.format_exception(*record.exc_info)))[-_MOST:]
    return document


def line_for_people(document: Mapping[str, Any]) -> str:
    """Give one line of a run's log as people read it."""
    about = [str(document.get(name)) for name in ("stage", "sound") if document.get(name)]
    where = f" [{document['worker']}]" if document.get("worker") else ""
    text = f"{document.get('time', '')[:19].replace('T', ' ')} {document.get('level', ''):7}{where} "
    text += (f"{' of '.join(about)}: " if about else "") + str(document.get("message", ""))
    return f"{text}\n{document['trace'].rstrip()}" if document.get("trace") else text


class _People(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return line_for_people(_document(record, _context()))


class _Console(logging.StreamHandler[Any]):
    """Writes to what is stderr at the time, not to what was when this was made."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_People())

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _ToRun(logging.Handler):
    """Brings lines to the log of the run that they belong to."""

    def emit(self, record: logging.LogRecord) -> None:
        others = [handler for handler in logging.getLogger().handlers if handler is not self]
        # Python prints warnings where nobody else does; with this handler here it no longer would.
        if (record.name == told.name or not others) and record.levelno >= _CONSOLE.level:
            _CONSOLE.handle(record)
        context = _context()
        if not context.get("run"):
            return
        try:
            document = _document(record, context)
            if context.get("worker") == _DRIVER:
                RunLog.take(document)
            else:
                _send(document)
        except Exception:
            self.handleError(record)


def worker_name() -> str:
    """Give the name of the Dask worker whose job this thread does; empty outside of workers."""
    global _WORKER  # noqa: PLW0603 - threads that a stage starts do not find it by themselves
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return ""
    _WORKER = weakref.ref(worker)
    return str(worker.name)


def _send(document: dict[str, Any]) -> None:
    from distributed import get_worker

    worker: Any = None
    try:
        worker = get_worker()
    except ValueError:
        worker = None if _WORKER is None else _WORKER()
    if worker is not None:  # else a job outside of workers: nobody drives it
        worker.log_event(LOGS, document)


_WORKER: weakref.ref[Any] | None = None
_HANDLER, _CONSOLE = _ToRun(), _Console()


class RunLog:
    """The log of a run that this process drives; open as long as it does.

    Parameters
    ----------
    library : path-like
        The library's folder.
    run_id : str
        The run.
    """

    _open: dict[str, RunLog] = {}  # noqa: RUF012 - of the process

    def __init__(self, library: str | Path, run_id: str) -> None:
        self.run_id, self.path = run_id, run_log_path(Path(library), run_id)
        self._lock = threading.Lock()

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Take lines of the driver's thread and, by `write`, those of workers."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._open[self.run_id] = self
        try:
            with log_context(run=self.run_id, worker=_DRIVER):
                yield
        finally:
            self._open.pop(self.run_id, None)

    def write(self, document: Mapping[str, Any]) -> None:
        """Append a line if it is of this run; a log that cannot be written stops no run."""
        if document.get("run") != self.run_id:
            return
        line = json.dumps(document, ensure_ascii=False, default=str) + "\n"
        try:
            with self._lock, self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            print(f"audiolab: the run's log cannot be written: {error}", file=sys.stderr)

    @classmethod
    def take(cls, document: Mapping[str, Any]) -> None:
        """Append a line to the log that it belongs to."""
        found = cls._open.get(str(document.get("run")))
        if found is not None:
            found.write(document)


def read_log(
    path: Path, *, sound: str = "", stage: str = "", worker: str = "", level: str = ""
) -> Iterator[dict[str, Any]]:
    """Read the lines of a run's log.

    Parameters
    ----------
    sound : str
        Only of sounds whose name holds this, or with this id.
    stage, worker : str
        Only of this stage; only of workers whose name holds this.
    level : str
        Only from this level on.
    """
    least = logging.getLevelName(level.upper()) if level else 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                found = json.loads(line)
            except ValueError:
                continue  # torn when the machine went down
            if not isinstance(found, dict):
                continue
            rank = logging.getLevelName(str(found.get("level", "")))
            if (
                (not sound or sound == found.get("sound_id") or sound.casefold() in str(found.get("sound")).casefold())
                and (not stage or stage == found.get("stage"))
                and (not worker or worker in str(found.get("worker")))
                and (not isinstance(least, int) or not isinstance(rank, int) or rank >= least)
            ):
                yield found
