"""A batch run: a notebook with checked parameters in a folder of its own, done again after a failure."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiolab.errors import MissingDependency, ParameterError, RunError
from audiolab.runs.notebooks.executing import NotebookFailed, Tell, execute
from audiolab.runs.notebooks.finding import find_notebook
from audiolab.runs.notebooks.keeping import RECORD, BatchRun, held, new_folder, now
from audiolab.runs.notebooks.pages import notebook_html
from audiolab.runs.notebooks.parameters import check_parameters, declared_parameters
from audiolab.runs.notebooks.results import FOLDER_VARIABLE
from audiolab.runs.notebooks.tracking import log_batch, wanted_tracking

__all__ = ["all_parameters", "attempt", "batch", "go_on", "need_papermill", "prepare"]


def batch(
    notebook: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    to: str | Path | None = None,
    mlflow: bool | str | None = None,
    kernel: str = "python3",
    tell: Tell | None = None,
) -> BatchRun:
    """Execute a parameterized notebook and keep everything of it in a folder.

    Parameters
    ----------
    notebook : path-like
        A path, or a name below notebooks/ (`batch/process_library`, also `process_library`).
    parameters : mapping, optional
        Values for names in the cell tagged `parameters`. Relative paths begin at the current folder.
    to : path, optional
        The folder; it must be empty. Default: experiments/runs/<date>-<name>.
    mlflow : bool or str, optional
        Log to MLflow: an address, or True for the settings' one or mlruns/. Default: if the setting `mlflow` is set.
    kernel : str
        Jupyter kernel.
    tell : callable, optional
        Gets a line of progress at a time.

    Returns
    -------
    BatchRun
        A failing notebook does not raise: `status` is then `failed` and `error` says why.

    Raises
    ------
    ParameterError
        If the notebook, a name or a type is wrong; nothing was started then.
    MissingDependency
        If papermill is not installed.
    """
    need_papermill()
    source = find_notebook(notebook)
    given = check_parameters(source, parameters or {})
    uri = wanted_tracking(mlflow)
    run = prepare(source, given, new_folder(source.stem) if to is None else empty_folder(Path(to)), kernel=kernel)
    attempt(run, tell=tell)
    if uri is not None:
        log_batch(run, uri, tell)
    return run


def prepare(source: Path, given: Mapping[str, Any], folder: Path, **more: Any) -> BatchRun:
    """Write down a batch run that is to be executed: its notebook and all parameters, defaults too."""
    return BatchRun.create(folder, source, all_parameters(source, given), given, **more)


def all_parameters(source: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give all of a notebook's parameters: the given ones, and the defaults of the others."""
    return {name: given.get(name, p.default) for name, p in declared_parameters(source).items()}


def empty_folder(folder: Path) -> Path:
    """Make a folder; refuse one that holds something.

    Raises
    ------
    ParameterError
        If it holds anything, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        first = next(folder.iterdir(), None)
    except OSError as error:
        raise ParameterError(f"{folder} cannot be the folder of a batch run: {error}") from error
    if first is not None:
        hint = f"; `--resume {folder}` goes on with it" if (folder / RECORD).is_file() else ""
        raise ParameterError(f"{folder} is not empty (it holds {first.name}){hint}; give a new folder")
    return folder


def go_on(folder: str | Path, *, mlflow: bool | str | None = None, tell: Tell | None = None) -> BatchRun:
    """Execute a batch run again that failed or was killed, with the parameters it had; see `resume`."""
    need_papermill()
    run = BatchRun(folder)
    uri = wanted_tracking(mlflow)
    if run.status == "done":
        return run
    attempt(run, tell=tell)
    if uri is not None:
        log_batch(run, uri, tell)
    return run


def attempt(run: BatchRun, *, tell: Tell | None = None) -> None:
    """Execute a prepared run once, in its folder, and write down what became of it.

    Raises
    ------
    RunError
        If another process works on it.
    ParameterError
        If the notebook has changed since and does not take the parameters any more.
    """

    def say(line: str) -> None:
        run.log(line)
        if tell is not None:
            tell(line)

    with held(run.folder):
        source = _source(run, say)
        first = run.record["attempt"] == 0
        given = run.record["given"]
        # Again, also the defaults of the first time are given, since the notebook's may have changed meanwhile.
        injected = {name: v for name, v in run.parameters.items() if name in given or (v is not None and not first)}
        injected = check_parameters(source, injected, resolve=False)
        if not first:
            run.set_aside()
        run.note(status="running", attempt=run.record["attempt"] + 1, started_at=now(), finished_at=None, error="")
        started = time.monotonic()
        status, error = "interrupted", ""
        environment = {
            FOLDER_VARIABLE: str(run.folder),
            "AUDIOLAB_HOME": run.record["home"],  # relative paths mean the same wherever it is executed
            "AUDIOLAB_WIDGETS": "false",  # the copy and the page hold pictures and tables
        }
        try:
            execute(source, injected, run.notebook, kernel=run.record["kernel"], environment=environment, tell=say)
            status = "done"
        except NotebookFailed as failure:
            status, error = "failed", failure.why
        except Exception as broken:
            status, error = "failed", f"{type(broken).__name__}: {broken}"
        finally:
            _write_page(run, say)
            run.note(status=status, error=error, finished_at=now(), seconds=round(time.monotonic() - started, 3))
            say(f"{run.name}: {status} after {run.seconds:.1f} s{': ' + error if error else ''}")


def _write_page(run: BatchRun, say: Tell) -> None:
    if not run.notebook.is_file():
        return
    try:
        notebook_html(run.notebook)
    except Exception as error:  # the work is done and its copy is whole: a page can be made later
        say(f"no page could be written: {type(error).__name__}: {error}")


def _source(run: BatchRun, say: Tell) -> Path:
    """Find the notebook of a run again, where it was or by its name, and say if it has changed."""
    source = Path(run.record["notebook"])
    if not source.is_file():
        try:
            source = find_notebook(run.name)
        except ParameterError:
            raise RunError(f"the notebook of {run.folder} is gone: {source}") from None
    if hashlib.sha256(source.read_bytes()).hexdigest() != run.record["sha256"]:
        say(f"{source} has changed since this run was made; the new one is executed")
        run.note(sha256=hashlib.sha256(source.read_bytes()).hexdigest(), notebook=str(source))
    return source


def need_papermill() -> None:
    """Say how to install what executes notebooks, if it is not there.

    Raises
    ------
    MissingDependency
        If a package is missing.
    """
    from importlib.util import find_spec

    missing = [name for name in ("papermill", "nbconvert", "ipykernel") if find_spec(name) is None]
    if missing:
        raise MissingDependency(f"notebooks need {', '.join(missing)}: pip install 'audiolab[notebooks]'")
