"""Batch notebooks: papermill with checked parameters, the executed copy and its HTML kept."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.config import get_settings, shipped_folder
from audiolab.errors import MissingDependency, ParameterError, RunError

__all__ = ["ExecutedNotebook", "find_notebook", "notebook_html", "run_notebook"]

_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_DISABLE_TELEMETRY": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


@dataclass(frozen=True, slots=True)
class ExecutedNotebook:
    """Where an executed notebook and its page lie."""

    notebook: Path
    html: Path


def find_notebook(name: str | Path) -> Path:
    """Find a notebook: a path, or a name below the user's notebooks/, else below the shipped ones."""
    given = Path(name)
    wanted = given if given.suffix == ".ipynb" else given.with_name(f"{given.name}.ipynb")
    folders = (Path(), get_settings().home, get_settings().path("notebooks"), shipped_folder("notebooks"))
    for folder in folders:
        if (folder / wanted).is_file():
            return folder / wanted
    known = sorted(
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in folders[2:]
        for path in folder.rglob("*.ipynb")
    )
    close = difflib.get_close_matches(str(given.with_suffix("")), known, 1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(dict.fromkeys(known))}"
    raise ParameterError(f"there is no notebook {str(name)!r}{hint}")


def run_notebook(
    name: str | Path, parameters: Mapping[str, Any], to: str | Path, *, kernel: str = "python3", quiet: bool = True
) -> ExecutedNotebook:
    """Execute a notebook with parameters; keep the executed copy and its HTML.

    Parameters
    ----------
    name : path-like
        See `find_notebook`.
    parameters : mapping
        Values for names in the cell tagged `parameters`; JSON types only.
    to : path-like
        Folder for `<name>.ipynb` and `<name>.html`.
    kernel : str
        Jupyter kernel.
    quiet : bool
        No progress bar of papermill's.

    Raises
    ------
    ParameterError
        If a parameter is unknown; papermill itself would only warn.
    RunError
        If a cell fails; the copy with the error in it is kept and named.
    MissingDependency
        If papermill or nbconvert is not installed.
    """
    try:
        import papermill
        from papermill.exceptions import PapermillExecutionError
    except ImportError as error:
        raise MissingDependency("notebooks need papermill: pip install 'audiolab[notebooks]'") from error
    source = find_notebook(name)
    known = set(papermill.inspect_notebook(str(source)))
    for unknown in set(parameters) - known:
        close = difflib.get_close_matches(unknown, known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; it takes {', '.join(sorted(known)) or 'none'}"
        raise ParameterError(f"notebook {source.stem!r} has no parameter {unknown!r}{hint}")
    folder = Path(to)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    try:
        papermill.execute_notebook(
            str(source),
            str(target),
            parameters=dict(parameters),
            kernel_name=kernel,
            progress_bar=not quiet,
            log_output=False,
            cwd=str(folder),
            extra_arguments=["--log-level=ERROR"],  # the kernel's own remarks are of no use to the reader
        )
    except PapermillExecutionError as error:
        raise RunError(
            f"notebook {source.stem!r} failed in cell {error.exec_count}: {error.ename}: {error.evalue}. "
            f"The executed copy is {target}"
        ) from error
    return ExecutedNotebook(target, notebook_html(target))


def notebook_html(notebook: Path) -> Path:
    """Write a notebook's page beside it: everything inside the one file, input cells left out."""
    try:
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise MissingDependency("pages need nbconvert: pip install 'audiolab[notebooks]'") from error
    from traitlets.config import Config

    config = Config()
    config.HTMLExporter.exclude_input = True
    config.HTMLExporter.exclude_input_prompt = True
    config.HTMLExporter.exclude_output_prompt = True
    # The template would fetch these from the net: a page must be whole without it.
    config.HTMLExporter.mathjax_url = ""
    config.HTMLExporter.require_js_url = ""
    config.HTMLExporter.jquery_url = ""
    body, _ = HTMLExporter(config=config).from_filename(str(notebook))
    page = notebook.with_suffix(".html")
    temporary = page.with_suffix(".html.part")
    temporary.write_text(body, encoding="utf-8")
    temporary.replace(page)
    return page
