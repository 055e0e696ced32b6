"""Likeness: similar sounds, copies, the map, takes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, echo, fail, open_library, print_json

__all__: list[str] = []


@app.command()
def similar(
    what: Annotated[str | None, typer.Argument(help="A file, or a sound's id or name.", show_default=False)] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=0, help="How many.")] = 20,
    query: Annotated[str, typer.Option(help="Only among what this query finds.")] = "",
    timbre: Annotated[float, typer.Option(help="Weight of the embedding.")] = 1.0,
    envelope: Annotated[float, typer.Option(help="Weight of how it rises and falls.")] = 0.0,
    pitch: Annotated[float, typer.Option(help="Weight of its pitch.")] = 0.0,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the sounds of a library that are most like a sound or a file."""
    from audiolab.runs.neighbours import similar as run

    if what is None:
        fail("name a sound or a file", 2)
    found = run(open_library(library), what, n, query=query, timbre=timbre, envelope=envelope, pitch=pitch)
    if as_json:
        print_json(found.to_dict())
        return
    for row in found.to_dicts():
        why = "  ".join(f"{name} {score:.2f}" for name, score in row["why"].items())
        echo(f"{row['score']:6.3f}  {row['id'][:12]}  {row['label'] or '':12}  {row['name']}   {why}")
    _tell(found.notes)


def _tell(notes: Any) -> None:
    for note in notes:
        typer.echo(f"audiolab: {note}", err=True)
