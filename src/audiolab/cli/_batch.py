"""`audiolab batch`: notebooks with parameters, kept, resumed, swept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from audiolab.cli._app import JsonOption, app, echo, print_json
from audiolab.errors import ParameterError

if TYPE_CHECKING:
    from audiolab.runs.notebooks import BatchRun, Sweep

__all__: list[str] = []


class _Pairs(TyperCommand):
    """Takes `-p NAME VALUE` beside `-p NAME=VALUE`: a name alone means nothing, so the next word is its value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        joined: list[str] = []
        rest = list(args)
        while rest:
            joined.append(rest.pop(0))
            if joined[-1] in {"-p", "--parameter"} and len(rest) > 1 and rest[0].isidentifier() and rest[1][:2] != "--":
                joined.append(f"{rest.pop(0)}={rest.pop(0)}")
        return super().parse_args(ctx, joined)


@app.command(cls=_Pairs)
def batch(
    notebook: Annotated[
        str | None, typer.Argument(help="A notebook, or its name below notebooks/.", show_default=False)
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter; also -p NAME VALUE. Repeatable."),
    ] = None,
    sweep: Annotated[
        Path | None, typer.Option("--sweep", help="YAML file of many sets: a list of mappings, or a mapping of lists.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Sets of a sweep at a time.", show_default="1")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Go on with the folder of a batch run or a sweep.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Empty folder for everything.", show_default="experiments/runs/<date>-<name>"),
    ] = None,
    mlflow: Annotated[
        bool | None,
        typer.Option("--mlflow/--no-mlflow", help="Log to MLflow (if left out: if AUDIOLAB_MLFLOW is set)."),
    ] = None,
    describe: Annotated[bool, typer.Option("--describe", help="List what the notebook takes, and leave.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Execute a parameterized notebook; the executed copy and its HTML are kept."""
    from audiolab.runs import notebooks

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if resume is not None:
        if notebook is not None or parameters or sweep is not None or to is not None:
            raise ParameterError("--resume takes notebook and parameters from its folder: give nothing else")
        _end(notebooks.resume(resume, jobs=jobs, mlflow=mlflow, tell=tell), as_json)
        return
    if notebook is None:
        raise ParameterError("which notebook? Give its name (`audiolab batch process_library`) or --resume FOLDER")
    if describe:
        _describe(notebook, as_json)
        return
    given = notebooks.read_texts(notebook, parameters or [])
    if sweep is None:
        if jobs is not None:
            raise ParameterError("--jobs belongs to --sweep; one notebook is executed by one process")
        _end(notebooks.batch(notebook, given, to=to, mlflow=mlflow, tell=tell), as_json)
        return
    _end(notebooks.sweep(notebook, sweep, given, to=to, jobs=jobs or 1, mlflow=mlflow, tell=tell), as_json)


def _end(found: BatchRun | Sweep, as_json: bool) -> None:
    from audiolab.runs.notebooks import BatchRun

    if as_json:
        print_json(found.to_dict())
    elif isinstance(found, BatchRun):
        for name, value in found.results.items():
            echo(f"{name}: {value}")
        for what, path in (("notebook", found.notebook), ("page", found.html), ("folder", found.folder)):
            if path.exists():
                echo(f"{what:8} {path}")
    else:
        echo(str(found))
        echo(f"table    {found.folder / 'table.csv'}")
    if found.status != "done":
        typer.echo(f"audiolab: not all is done; `audiolab batch --resume {found.folder}` goes on", err=True)
        raise typer.Exit(1)


def _describe(notebook: str, as_json: bool) -> None:
    from audiolab.runs.notebooks import declared_parameters, find_notebook

    found = declared_parameters(notebook)
    if as_json:
        print_json({"notebook": str(find_notebook(notebook)), "parameters": [p.to_dict() for p in found.values()]})
        return
    for p in found.values():
        default = "required" if p.required else f"default {p.default!r}"
        echo(f"{p.name}: {p.type} ({default})" + (f"  {p.help}" if p.help else ""))
    if not found:
        echo("it takes no parameters")
