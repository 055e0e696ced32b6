"""`audiolab train`: the bench, with LightningCLI's options."""

from __future__ import annotations

import logging
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiolab.cli._app import JsonOption, app, bar, echo, print_json

if TYPE_CHECKING:
    from audiolab.training.bench import Trained
    from audiolab.training.manifest import Reading

__all__ = ["need_training"]

_MORE = """
Every other option goes to LightningCLI: --model.width 64, --data.seed 3, --trainer.max_epochs 5,
--calibration.unknown_precision 0.8. `--options` lists them, `--print_config` shows them with their values.
"""


def need_training() -> None:
    """Say how to install what the bench needs, if it is not there; keep its libraries quiet.

    Raises
    ------
    MissingDependency
        If a package is not installed.
    """
    from importlib.util import find_spec

    from audiolab.errors import MissingDependency

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    missing = [name for name in ("torch", "lightning", "torchmetrics", "jsonargparse", "onnxscript", "sklearn")
               if find_spec(name) is None]  # fmt: skip
    if missing:
        raise MissingDependency(f"training needs {', '.join(missing)}: pip install 'audiolab[train]'")
    logging.basicConfig(level=logging.WARNING, format="audiolab: %(message)s", stream=sys.stderr)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": True},
    epilog=_MORE,
)
def train(
    context: typer.Context,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", help="YAML file, or a name in configs/classifier; later ones override."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Manifest (CSV), folder with one, or folders named by labels.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder of the model.")] = None,
    work: Annotated[Path | None, typer.Option("--work", help="Folder of intermediate results.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the same training was stopped.")] = False,
    from_library: Annotated[
        Path | None,
        typer.Option(
            "--from-library", help="Teach the head alone from the tags of this library; see docs/teaching.md."
        ),
    ] = None,
    library: Annotated[
        Path | None, typer.Option("--library-data", help="Train the whole network on this library's human tags.")
    ] = None,
    query: Annotated[str, typer.Option("--query", "-q", help="Only samples of the library that this finds.")] = "",
    labels: Annotated[str, typer.Option("--labels", help="--from-library: only these, with commas between.")] = "",
    base: Annotated[str, typer.Option("--base", help="--from-library: the model to begin with.")] = "auto",
    promote: Annotated[bool, typer.Option("--promote", help="Let classify use it at once.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model on the shelf and in MLflow.")] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow/--no-mlflow", help="Log to MLflow (mlruns/).")] = True,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")] = 1,
    options: Annotated[bool, typer.Option("--options", help="List every further option, and leave.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the classifier on labelled sounds: cross-validated by source, calibrated, exported, logged."""
    need_training()
    logging.getLogger("audiolab.training").setLevel(logging.INFO if not as_json else logging.WARNING)
    from audiolab.errors import MissingDependency, ParameterError

    if (data is not None) + (from_library is not None) + (library is not None) > 1:
        raise ParameterError("train takes one of --data, --from-library and --library-data")
    if from_library is not None:
        if context.args or config:
            raise ParameterError(
                f"--from-library teaches the head alone and takes no {(context.args or ['--config'])[0]!r}"
            )
        from audiolab.cli._teach import teach_from

        teach_from(
            from_library, query=query, labels=labels, name=name, model=base, mlflow=mlflow, promote=promote,
            as_json=as_json,
        )  # fmt: skip
        return
    given = ["--help"] if options else list(context.args)
    if data is not None:
        given.append(f"--data.what={data}")
    import torch

    from audiolab.training.bench import check_options
    from audiolab.training.bench import train as run
    from audiolab.training.options import read_options

    torch.set_num_threads(threads)
    chosen = read_options(given, config or ["default"])
    if chosen.what is None and library is None:
        raise ParameterError("no sounds were named: give --data a manifest (CSV) or a folder of labelled sounds")
    if mlflow:
        from importlib.util import find_spec

        if find_spec("mlflow") is None:
            raise MissingDependency("logging needs MLflow: pip install 'audiolab[train]', or say --no-mlflow")
    check_options(chosen.config)
    with bar("reading sounds", quiet=as_json) as progress:
        what = chosen.what if library is None else _labelled(library, query, chosen.config.labels, progress)
        assert what is not None
        found = run(
            what, chosen.config, work=work, to=to, resume=resume, track=mlflow, name=name or "classifier",
            progress=progress,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
    if promote:
        from audiolab.training.registry import promote as run_promote

        run_promote(f"{name or 'classifier'}/{found.version}" if found.version else found.folder)


def _labelled(library: Path, query: str, labels: tuple[str, ...], progress: Any) -> Reading:
    from audiolab.cli._app import open_library
    from audiolab.runs.labelled import labelled

    return labelled(open_library(library), query, labels=labels, progress=progress)


def _show(found: Trained) -> None:
    rows: dict[str, Any] = found.scores["summary"]
    columns = ["19", "top-3", "11", "8 drums", "macro F1", "ECE"]
    echo(f"{'':52}" + "".join(f"{column:>10}" for column in columns))
    for name, row in rows.items():
        echo(f"{name:52}" + "".join(f"{_number(row[column]):>10}" for column in columns))
    if found.scores["split"]["how"] != "by source":
        echo(f"Mind: the split is {found.scores['split']['how']}.")
    left_out = found.scores["notes"]
    for line in left_out[:10]:
        echo(f"  {line}")
    if len(left_out) > 10:
        echo(f"  and {len(left_out) - 10} more (scores.json)")
    echo(f"model: {found.folder}")
    if found.version is not None:
        echo(f"MLflow: run {found.run}, version {found.version}; `audiolab promote {found.version}` makes it current")


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
