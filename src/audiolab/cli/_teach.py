"""The loop in which tags make the tagger better: what to tag next, a head from tags, and new labels for all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, bar, echo, open_library, print_json

__all__ = ["teach_from"]

Query = Annotated[
    str, typer.Option("--query", "-q", help="Only samples that this finds, e.g. 'stem:drums added:-7d..'.")
]
Model = Annotated[
    str, typer.Option("--model", help="auto (the current one), shipped, a name or id on the shelf, or a folder.")
]


@app.command()
def uncertain(
    n: Annotated[int, typer.Argument(min=1, help="How many.")] = 20,
    query: Query = "",
    model: Model = "auto",
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose the samples that are most worth tagging by hand."""
    from audiolab.runs import uncertain as run

    found = run(open_library(library), n, query, model=model)
    if as_json:
        print_json({"model": found.model, "looked_at": found.looked_at, "without": found.without,
                    "samples": found.to_list()})  # fmt: skip
    else:
        echo(str(found))


@app.command()
def retag(
    query: Query = "",
    model: Model = "auto",
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Change the library, or only say what would.")
    ] = False,
    embed: Annotated[
        bool, typer.Option("--embed", help="First embed what has no embedding yet (reads audio).")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label samples anew by the current model, from stored embeddings; labels by people stay. Undo takes it back."""
    from audiolab.runs import retag as run

    opened = open_library(library)
    with bar("retag", quiet=as_json) as progress:
        found = run(opened, not apply, model, query, embed=embed, progress=progress)
    if as_json:
        print_json(found.to_dict())
    else:
        echo(str(found))


def teach_from(
    library: Path | None, *, query: str = "", labels: str = "", name: str | None = None, model: str = "auto",
    mlflow: bool = True, promote: bool = False, as_json: bool = False,
) -> None:  # fmt: skip
    """Teach the classifier from a library's tags and print what came of it; `audiolab train --from-library`.

    Parameters
    ----------
    labels : str
        With commas between; empty: all labels by people.
    """
    from audiolab.runs import teach

    words = [word.strip() for word in labels.split(",") if word.strip()]
    with bar("embedding", quiet=as_json) as progress:
        found = teach(
            open_library(library), query, name=name, labels=words, model=model, mlflow=mlflow, promote=promote,
            progress=progress,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
        return
    echo(str(found))
    if not found.promoted:
        echo(f"  try it: audiolab retag --model {found.entry.id}")
