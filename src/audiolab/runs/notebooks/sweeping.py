"""A sweep: one notebook with many sets of parameters, side by side, each in a process and a folder of its own."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiolab.audio.writing import atomic_path
from audiolab.config import get_settings
from audiolab.errors import ParameterError, RunError
from audiolab.runs.notebooks.children import run_children
from audiolab.runs.notebooks.executing import Tell
from audiolab.runs.notebooks.finding import find_notebook
from audiolab.runs.notebooks.keeping import RECORD, BatchRun, held, new_folder, read_json, slug, write_json
from audiolab.runs.notebooks.once import empty_folder, need_papermill, prepare
from audiolab.runs.notebooks.parameters import check_parameters
from audiolab.runs.notebooks.tracking import log_batch, wanted_tracking

__all__ = ["SWEEP", "Sweep", "read_sets", "resume_sweep", "sweep"]

SWEEP, TABLE = "sweep.json", "table.csv"
Sets = str | Path | Sequence[Mapping[str, Any]] | Mapping[str, Any]


def read_sets(sets: Sets) -> list[dict[str, Any]]:
    """Read sets of parameters.

    Parameters
    ----------
    sets : path, sequence of mappings, or mapping
        A YAML file or what it would hold: a list of mappings is taken as it is; a mapping whose values are lists is a
        grid (`{recipe: [quick, kit], downmix: [true, false]}` makes four sets); other values are in all sets.

    Returns
    -------
    list of dict
        At least one.

    Raises
    ------
    ParameterError
        If the file cannot be read or holds something else.
    """
    import yaml

    said, document = "the sets", sets
    if isinstance(sets, (str, Path)):
        said = str(sets)
        try:
            document = yaml.safe_load(Path(sets).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ParameterError(f"{said} cannot be read: {error}") from error
    found: list[Any] = []
    if isinstance(document, Mapping):
        choices = {name: value if isinstance(value, list) else [value] for name, value in document.items()}
        found = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    elif isinstance(document, Sequence) and not isinstance(document, str):
        found = list(document)
    if not found or not all(isinstance(one, Mapping) and all(isinstance(k, str) for k in one) for one in found):
        raise ParameterError(f"{said}: a sweep takes a list of mappings, or a mapping of lists, with at least one set")
    return [dict(one) for one in found]


def sweep(
    notebook: str | Path,
    sets: Sets,
    parameters: Mapping[str, Any] | None = None,
    *,
    to: str | Path | None = None,
    jobs: int = 1,
    mlflow: bool | str | None = None,
    kernel: str = "python3",
    tell: Tell | None = None,
) -> Sweep:
    """Execute a notebook with many sets of parameters. A set that fails does not stop the others.

    Parameters
    ----------
    notebook, to, mlflow, kernel, tell
        See `batch`.
    sets : path, sequence of mappings, or mapping
        See `read_sets`.
    parameters : mapping, optional
        Values for all sets that do not say otherwise.
    jobs : int
        How many at the same time. They share the machine's cores (`AUDIOLAB_WORKERS` for each, if it is not set).

    Returns
    -------
    Sweep
        Its `runs`, its `table`.

    Raises
    ------
    ParameterError
        If any set is wrong; nothing was started then.
    """
    need_papermill()
    source = find_notebook(notebook)
    checked = []
    for number, one in enumerate(read_sets(sets), 1):
        try:
            checked.append(check_parameters(source, {**(parameters or {}), **one}))
        except ParameterError as error:
            raise ParameterError(f"set {number}: {error}") from None
    uri = wanted_tracking(mlflow)
    folder = new_folder(source.stem) if to is None else empty_folder(Path(to)).resolve()
    varying = [
        name for name in dict.fromkeys(itertools.chain(*checked)) if len({_key(one.get(name)) for one in checked}) > 1
    ]
    names = [_name(number, one, varying) for number, one in enumerate(checked, 1)]
    document = {
        "notebook": str(source),
        "kernel": kernel,
        "jobs": jobs,
        "home": str(get_settings().home),
        "varying": varying,
        "sets": [{"folder": name, "parameters": one} for name, one in zip(names, checked, strict=True)],
    }
    write_json(folder / SWEEP, document)
    return _work(folder, jobs, uri, tell)


def resume_sweep(
    folder: Path, *, jobs: int | None = None, mlflow: bool | str | None = None, tell: Tell | None = None
) -> Sweep:
    """Do again what is not done in a sweep: sets that failed, were killed, or never began; see `resume`."""
    need_papermill()
    uri = wanted_tracking(mlflow)
    return _work(folder.resolve(), jobs or int(read_json(folder / SWEEP)["jobs"]), uri, tell)


def _work(folder: Path, jobs: int, uri: str | None, tell: Tell | None) -> Sweep:
    document = read_json(folder / SWEEP)
    with held(folder):
        waiting = []
        for one in document["sets"]:
            place = folder / one["folder"]
            if not (place / RECORD).is_file():
                source = find_notebook(document["notebook"])
                more = {"kernel": document["kernel"], "home": document["home"], "sweep": folder.name}
                prepare(source, one["parameters"], place, **more)
            if (run := BatchRun(place)).status != "done":
                waiting.append(run)
        try:
            for done in run_children([run.folder for run in waiting], jobs, tell):
                if uri is not None:
                    log_batch(BatchRun(done), uri, tell)
        finally:
            found = Sweep(folder)
            found.write_table()
    return found


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _name(number: int, parameters: Mapping[str, Any], varying: Sequence[str]) -> str:
    parts = [
        slug(f"{name}-{Path(str(value)).name}", 24)
        for name in varying
        if isinstance(value := parameters.get(name), (str, int, float))
    ]
    return "-".join((f"{number:03}", *(part for part in parts if part)))[:60].rstrip("-")


class Sweep:
    """A sweep and its runs, one for each set.

    Parameters
    ----------
    folder : path
        Holds `sweep.json`, `table.csv` and a folder for each set.

    Raises
    ------
    RunError
        If it is no folder of a sweep.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        document = read_json(self.folder / SWEEP)
        self.varying: list[str] = document["varying"]
        self._sets: list[dict[str, Any]] = document["sets"]

    @property
    def runs(self) -> list[BatchRun]:
        """The runs that were begun or prepared, in the order of the sets."""
        return [BatchRun(place) for one in self._sets if ((place := self.folder / one["folder"]) / RECORD).is_file()]

    @property
    def status(self) -> str:
        """`done` if every set is, `failed` if one failed, else `interrupted` or `running`."""
        found = {run.status for run in self.runs}
        if len(self.runs) == len(self._sets) and found == {"done"}:
            return "done"
        for status in ("running", "interrupted", "failed"):
            if status in found:
                return status
        return "interrupted"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give the table's rows: set, status, seconds, what differs between the sets, results, error."""
        for run in self.runs:
            results = {name: value for name, value in run.results.items() if not isinstance(value, (dict, list))}
            yield {
                "set": run.folder.name,
                "status": run.status,
                "seconds": run.seconds,
                **{name: run.parameters.get(name) for name in self.varying},
                **{(f"result.{name}" if name in self.varying else name): value for name, value in results.items()},
                "error": run.error,
            }

    @property
    def table(self) -> list[dict[str, Any]]:
        """The rows, all with the same columns; the error comes last."""
        rows = list(self.rows())
        columns = [name for name in dict.fromkeys(itertools.chain(*rows)) if name != "error"]
        return [{name: row.get(name) for name in (*columns, "error")} for row in rows]

    def write_table(self) -> Path:
        """Write `table.csv`, as a whole."""
        table = self.table
        path = self.folder / TABLE
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(table[0]) if table else ["set"])
            writer.writeheader()
            writer.writerows(table)
        return path

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab batch --sweep --json` prints."""
        return {
            "folder": str(self.folder),
            "status": self.status,
            "table": str(self.folder / TABLE),
            "runs": [run.to_dict() for run in self.runs],
        }

    def __str__(self) -> str:
        return format_table(self.table)

    def __repr__(self) -> str:
        return f"Sweep({str(self.folder)!r}, {self.status})"


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw rows as text."""
    if not rows:
        return "no sets"
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def resume(
    folder: str | Path, *, jobs: int | None = None, mlflow: bool | str | None = None, tell: Tell | None = None
) -> BatchRun | Sweep:
    """Go on with a batch run or a sweep that failed or was stopped or killed.

    The same notebook is executed again with the same parameters; runs inside it find their finished work by its
    result keys. The copy and page of the attempt before are kept under its number. What is done is left alone.

    Parameters
    ----------
    folder : path
        The folder of the batch run, or of the sweep.
    jobs : int, optional
        For a sweep: how many at the same time; default: as before.
    mlflow, tell
        See `batch`.

    Returns
    -------
    BatchRun or Sweep
        What the folder holds.

    Raises
    ------
    RunError
        If it is neither, or another process works on it.
    """
    from audiolab.runs.notebooks.once import go_on

    place = Path(folder).expanduser()
    if (place / SWEEP).is_file():
        return resume_sweep(place, jobs=jobs, mlflow=mlflow, tell=tell)
    if not place.is_dir():
        raise RunError(f"there is no folder {place}")
    return go_on(place, mlflow=mlflow, tell=tell)
