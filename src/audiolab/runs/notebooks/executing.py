"""Execute a notebook: papermill's client, with a copy on disk that is never half a file and says how far it is."""

from __future__ import annotations

import contextlib
import copy
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from audiolab.audio.writing import atomic_path
from audiolab.errors import MissingDependency, RunError

__all__ = ["NotebookFailed", "Tell", "execute", "mark"]

Tell = Callable[[str], None]
"""Gets one line of progress."""

State = Literal["running", "done", "failed", "interrupted"]

_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_DISABLE_TELEMETRY": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
_MARK = "audiolab-state"


class NotebookFailed(RunError):
    """A cell raised, or the kernel died; `why` says it without naming the notebook."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


def execute(
    source: Path,
    parameters: Mapping[str, Any],
    target: Path,
    *,
    kernel: str = "python3",
    environment: Mapping[str, str] | None = None,
    tell: Tell | None = None,
) -> int:
    """Execute a notebook in a kernel of its own, in the folder of `target`.

    Parameters
    ----------
    source : path
        The notebook; it is not changed.
    parameters : mapping
        Checked values, injected after the cell tagged `parameters`.
    target : path
        The executed copy, written anew (as a whole) after every cell. Until the end its first cell says that it is
        not complete.
    kernel : str
        Jupyter kernel.
    environment : mapping, optional
        Further variables of the kernel's environment.
    tell : callable, optional
        Gets a line when a cell begins or ends, and every line that the notebook prints.

    Returns
    -------
    int
        How many code cells were executed.

    Raises
    ------
    NotebookFailed
        If a cell fails or the kernel dies; the copy with the error in it is kept.
    MissingDependency
        If papermill is not installed.
    """
    try:
        from nbclient.exceptions import DeadKernelError
        from papermill.clientwrap import PapermillNotebookClient
        from papermill.execute import remove_error_markers
        from papermill.iorw import load_notebook_node
        from papermill.parameterize import parameterize_notebook
    except ImportError as error:
        raise MissingDependency("notebooks need papermill: pip install 'audiolab[notebooks]'") from error
    book = remove_error_markers(load_notebook_node(str(source)))
    if parameters:
        # A notebook that was never opened in Jupyter names no language.
        language = book.metadata.get("kernelspec", {}).get("language", "python")
        book = parameterize_notebook(book, dict(parameters), kernel_name=kernel, language=language)
    book.metadata.papermill["input_path"] = str(source)
    book.metadata.papermill["output_path"] = str(target)
    keeper = _keeper(book, target, tell or _silent)
    printed = _Printed(tell or _silent)
    client = PapermillNotebookClient(
        keeper,
        kernel_name=kernel,
        timeout=None,
        startup_timeout=120,
        stdout_file=printed,
        stderr_file=printed,
        store_widget_state=False,  # pages and copies hold pictures and text
        extra_arguments=["--log-level=ERROR"],  # the kernel's own remarks are of no use to the reader
    )
    state: State = "interrupted"
    try:
        keeper.notebook_start()
        client.execute(cwd=str(target.parent), env={**_QUIET, **os.environ, **(environment or {})})
        state = "failed" if (failure := _failure(book)) else "done"
    except DeadKernelError:
        why = "the kernel died (out of memory, or killed)"
        state, failure = "failed", (why, why)
    finally:
        printed.close()
        keeper.notebook_complete()
        mark(book, state)
        keeper.save()
    if failure is not None:
        place, why = failure
        raise NotebookFailed(f"notebook {source.stem!r} failed: {place}. The executed copy is {target}", why)
    return sum(cell.cell_type == "code" and cell.execution_count is not None for cell in book.cells)


def _silent(line: str) -> None:
    """Say nothing."""


def _failure(book: Any) -> tuple[str, str] | None:
    """Find the first error in the outputs: where it stands, and what it is."""
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error" and not (output.ename == "SystemExit" and output.evalue in {"", "0"}):
                why = f"{output.ename}: {output.evalue}"
                return f"cell {cell.execution_count}: {why}", why
    return None


def mark(book: Any, state: State) -> None:
    """Say at the top of a copy whether it is complete."""
    import nbformat

    book.metadata["audiolab"] = {"state": state}
    book.cells = [cell for cell in book.cells if _MARK not in cell.metadata.get("tags", ())]
    texts = {
        "running": "This copy is **not complete**: it is being executed, or was killed after the last output.",
        "interrupted": "This copy is **not complete**: it was stopped after the last cell with an output.",
        "failed": "This notebook **failed**; the error is below the cell that raised it.",
    }
    if state in texts:
        note = nbformat.v4.new_markdown_cell(
            texts[state], metadata={"tags": [_MARK], "papermill": {"status": "completed"}}
        )
        book.cells.insert(0, note)


def _keeper(book: Any, target: Path, tell: Tell) -> Any:
    """Make papermill's manager of a notebook, which saves by rename and tells what goes on."""
    import nbformat
    from papermill.engines import NotebookExecutionManager

    total = sum(cell.cell_type == "code" for cell in book.cells)

    class Keeper(NotebookExecutionManager):  # type: ignore[misc]
        def save(self, **_: Any) -> None:
            kept = self.nb
            if "audiolab" not in kept.metadata:
                kept = copy.copy(kept)
                kept.metadata, kept.cells = copy.copy(kept.metadata), list(kept.cells)
                mark(kept, "running")
            with atomic_path(target) as temporary:
                temporary.write_text(nbformat.writes(kept) + "\n", encoding="utf-8")
            self.last_save_time = self.now()

        def cell_start(self, cell: Any, cell_index: int | None = None, **options: Any) -> None:
            super().cell_start(cell, cell_index, **options)
            if cell.cell_type == "code":
                tell(f"cell {self._number(cell)}/{total}: {_first_line(cell.source)}")

        def cell_complete(self, cell: Any, cell_index: int | None = None, **options: Any) -> None:
            super().cell_complete(cell, cell_index, **options)
            took = cell.metadata.papermill.get("duration") or 0.0
            if cell.cell_type == "code" and took >= 1:
                tell(f"cell {self._number(cell)}/{total}: {cell.metadata.papermill['status']} after {took:.1f} s")

        def _number(self, cell: Any) -> int:
            code = [other for other in self.nb.cells if other.cell_type == "code"]
            return next(number for number, other in enumerate(code, 1) if other is cell)

    return Keeper(book, progress_bar=False)


def _first_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    return next((line for line in lines if line and not line.startswith(("import ", "from "))), "")[:80]


class _Printed:
    """Takes what a notebook prints and tells it by lines; of a bar that redraws itself, one state in two seconds."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._rest, self._last = tell, "", 0.0

    def write(self, text: str) -> None:
        for line, end in _lines(self._rest + text):
            if not end:
                self._rest = line
            elif line.strip() and (end == "\n" or time.monotonic() - self._last > 2):
                self._last = time.monotonic()
                self._tell(f"  {line.rstrip()}")

    def flush(self) -> None:
        """Lines are told when they end."""

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.write("\n")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    start = 0
    for at, sign in enumerate(text):
        if sign in "\r\n":
            yield text[start:at], sign
            start = at + 1
    yield text[start:], ""
