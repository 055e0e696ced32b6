"""Execute a notebook for its page alone, without the records of a batch run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.config import get_settings
from audiolab.runs.notebooks.executing import Tell, execute
from audiolab.runs.notebooks.finding import find_notebook
from audiolab.runs.notebooks.once import need_papermill
from audiolab.runs.notebooks.pages import notebook_html
from audiolab.runs.notebooks.parameters import check_parameters

__all__ = ["ExecutedNotebook", "run_notebook"]


@dataclass(frozen=True, slots=True)
class ExecutedNotebook:
    """Where an executed notebook and its page lie."""

    notebook: Path
    html: Path


def run_notebook(
    name: str | Path,
    parameters: Mapping[str, Any],
    to: str | Path,
    *,
    kernel: str = "python3",
    tell: Tell | None = None,
) -> ExecutedNotebook:
    """Execute a notebook with parameters; keep the executed copy and its HTML.

    Parameters
    ----------
    name : path-like
        See `find_notebook`.
    parameters : mapping
        Values for names in the cell tagged `parameters`; see `check_parameters`.
    to : path-like
        Folder for `<name>.ipynb` and `<name>.html`.
    kernel : str
        Jupyter kernel.
    tell : callable, optional
        Gets a line of progress at a time.

    Raises
    ------
    ParameterError
        If a parameter is unknown or of a wrong type; papermill itself would only warn.
    RunError
        If a cell fails; the copy with the error in it is kept and named.
    MissingDependency
        If papermill or nbconvert is not installed.
    """
    need_papermill()
    source = find_notebook(name)
    checked = check_parameters(source, parameters)
    folder = Path(to).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    home = {"AUDIOLAB_HOME": str(get_settings().home)}  # relative paths mean the same there as here
    execute(source, checked, target, kernel=kernel, environment=home, tell=tell)
    return ExecutedNotebook(target, notebook_html(target))
