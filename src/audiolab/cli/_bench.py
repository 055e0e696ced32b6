"""`audiolab bench`: a stage's scores on annotated songs."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiolab.cli._app import JsonOption, app, bar, print_json
from audiolab.cli._files import params_from

if TYPE_CHECKING:
    from audiolab.benchmarking import Bench

__all__: list[str] = []


@app.command()
def bench(
    stage: Annotated[str, typer.Argument(help="separate, slice, analyze, midi, drums or lyrics.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", help="Folder of annotated songs; see docs/bench.md.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", "-s", "-p", metavar="NAME=VALUE", help="A parameter of the stage.")
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline/--no-baseline", help="Score plain librosa, upstream or the mix beside it.")
    ] = True,
    to: Annotated[Path | None, typer.Option("--to", help="Write the scores to FILE.csv or FILE.json.")] = None,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Log to MLflow (always, if AUDIOLAB_MLFLOW names an address).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score a stage on your own annotated songs."""
    from audiolab.benchmarking import bench as run
    from audiolab.benchmarking import log_bench
    from audiolab.config import get_settings
    from audiolab.errors import ParameterError

    if to is not None and to.suffix.lower() not in {".csv", ".json"}:
        raise ParameterError(f"--to takes a file ending in .csv or .json, not {str(to)!r}")
    with bar(f"bench {stage}", quiet=as_json) as progress:
        found = run(stage, data, params=params_from(sets), baseline=baseline, progress=progress)
    if to is not None:
        found.write(to)
    if mlflow or get_settings().mlflow:
        typer.echo(f"audiolab: logged to MLflow, experiment bench/{stage}, run {log_bench(found)}", err=True)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
    for row in found.failed:
        typer.echo(f"audiolab: {row['name']}: {row['why']}", err=True)
    if found.failed:
        raise typer.Exit(1)


def _show(found: Bench) -> None:
    """Draw tracks as rows; with many metrics (separate) metrics as rows and their means."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200)
    metrics = found.metrics
    table = Table(title=f"{found.stage} on {found.data}: {len(found.items)} tracks, {found.seconds:.1f} s")
    wide = len(metrics) > 16
    if wide:
        for heading in ("metric", "mean", "median"):
            table.add_column(heading, justify="left" if heading == "metric" else "right")
        means, medians = found.mean, found.median
        for name in metrics:
            table.add_row(name, _number(means[name]), _number(medians[name]))
    else:
        table.add_column("track")
        for name in metrics:
            table.add_column(name.replace("_", " "), justify="right")
        for item in found.items:
            table.add_row(str(item["name"]), *(_number(item.get(name)) for name in metrics))
        table.add_section()
        for label, row in (("mean", found.mean), ("median", found.median), ("pooled", found.pooled)):
            if row:
                table.add_row(label, *(_number(row.get(name)) for name in metrics))
    console.print(table)
    for row in found.skipped:
        console.print(f"skipped {row['name']}: {row['why']}", markup=False, highlight=False)


def _number(value: Any) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{float(value):.3f}" if abs(float(value)) < 100 else f"{float(value):.1f}"
