"""`audiolab evaluate` and `audiolab promote`: models on labelled sets, and which one `classify` uses."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, app, bar, echo, print_json
from audiolab.cli._train import need_training

__all__: list[str] = []


@app.command()
def evaluate(
    data: Annotated[str, typer.Option("--data", help="Manifest (CSV), folder with one, or folders named by labels.")],
    model: Annotated[
        str,
        typer.Argument(help="auto, shipped, a name or id on the shelf, a folder, mlflow:NAME/3, mlflow:NAME@alias."),
    ] = "auto",
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder for scores, confusion matrix, calibration and error gallery.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a classifier on labelled sounds, and say whether it has heard them before."""
    need_training()
    logging.getLogger("audiolab.training").setLevel(logging.ERROR)  # warnings come with the result
    from audiolab.training.evaluating import evaluate as run
    from audiolab.training.finishing import rounded

    with bar("evaluate", quiet=as_json) as progress:
        found = run(model, data, to=to, progress=progress)
    for line in found.warnings:
        typer.echo(f"audiolab: {line}", err=True)
    document = rounded(found.to_dict())
    if as_json:
        print_json(document)
        return
    _show_scores("all", document["scores"])
    if document["unheard"]:
        _show_scores("not learned from", document["unheard"])
    echo(f"{'label':14}{'recall':>8}{'precision':>11}{'sounds':>8}{'sources':>9}")
    for label, row in document["scores"]["per_label"].items():
        if row["sounds"]:
            echo(
                f"{label:14}{_number(row['recall']):>8}{_number(row['precision']):>11}{row['sounds']:8}{row['sources']:9}"
            )
    if document["drums"]:
        listed = ", ".join(f"{name} {_number(row['f'])}" for name, row in document["drums"].items())
        echo(f"drum head, F on these single sounds: {listed}")
    for path in document["files"]:
        echo(path)


def _show_scores(name: str, scores: dict[str, Any]) -> None:
    labels = scores["labels"]
    parts = [f"accuracy {_between(labels, 'accuracy', 'interval')}", f"top 3 {_between(labels, 'top_3')}",
             f"macro F1 {_between(labels, 'macro_f1')}"]  # fmt: skip
    for merge in ("11 classes", "8 drums"):
        if scores[merge]["sounds"]:
            parts.append(f"{merge} {_between(scores[merge], 'accuracy', 'interval')}")
    unknown = scores["unknown"]
    parts.append(f"ECE {_number(scores['ece'])}")
    parts.append(f"unknown {_number(unknown['share'])}, of the rest right {_number(unknown['precision_of_the_rest'])}")
    echo(f"{name}, {labels['sounds']} sounds: " + "; ".join(parts))


def _between(row: dict[str, Any], key: str, interval: str | None = None) -> str:
    low, high = row[interval or f"{key}_interval"]
    return f"{_number(row[key])} [{_number(low)}, {_number(high)}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@app.command()
def promote(
    which: Annotated[
        str | None,
        typer.Argument(help="Version (3, NAME/3, NAME@alias) or a model's folder.", show_default=False),
    ] = None,
    alias: Annotated[
        str, typer.Option("--alias", help="Given in MLflow; `champion` is what classify uses.")
    ] = "champion",
    name: Annotated[str, typer.Option("--name", help="Registered model of a bare number.")] = "classifier",
    why: Annotated[str, typer.Option("--why", help="Kept in the history.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="Show versions, the shelf and what is current.")] = False,
    roll_back: Annotated[bool, typer.Option("--roll-back", help="Go back to what was current before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let `classify` use a trained model, or go back to the one before."""
    from audiolab.errors import ParameterError

    if (which is not None) + list_ + roll_back != 1:
        raise ParameterError("promote takes a version or folder, or --list, or --roll-back")
    need_training()
    from audiolab.training import registry

    if list_:
        _list(registry.versions(), as_json=as_json)
        return
    if roll_back:
        found = registry.roll_back(why=why)
        if found is None:
            raise ParameterError("nothing was ever promoted: the shipped model is current")
    else:
        assert which is not None
        found = registry.promote(which, alias=alias, name=name, why=why)
    if as_json:
        print_json(found.to_dict())
        return
    told = f" (version {found.version} of {found.name}, alias {found.alias})" if found.version else ""
    if found.model.current:
        echo(f"current: {found.model.name} {found.model.id}{told}")
    else:
        echo(f"on the shelf: {found.model.name} {found.model.id}{told}; classify --model {found.model.id} uses it")


def _list(versions: list[dict[str, Any]], *, as_json: bool) -> None:
    from audiolab.stages.classification import shelf

    models = [entry.to_dict() for entry in shelf.entries()]
    if as_json:
        print_json({"versions": versions, "shelf": models, "current": next(m for m in models if m["current"])})
        return
    echo(f"{'registered':24}{'made':18}{'19':>7}{'11':>7}{'8':>7}{'ECE':>7}  aliases")
    for row in versions:
        when = datetime.fromtimestamp(row["made_at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        numbers = [_number(row["scores"].get(key)) for key in ("accuracy_19", "accuracy_11", "accuracy_8", "ece")]
        echo(f"{row['name'] + '/' + row['version']:24}{when:18}" + "".join(f"{n:>7}" for n in numbers)
             + f"  {', '.join(row['aliases'])}")  # fmt: skip
    if not versions:
        echo("none; audiolab train registers one")
    echo(f"\n{'on the shelf':34}{'id':18}{'labels':>7}")
    for model in models:
        mark = "* " if model["current"] else "  "
        trouble = f"  {model['problem']}" if model["problem"] else ""
        echo(f"{mark}{model['name']:32}{model['id']:18}{len(model['labels']):7}{trouble}")
