"""Likeness: similar sounds, copies, the map, takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, bar, echo, fail, open_library, print_json
from audiolab.cli._find import SoundName

__all__: list[str] = []


@app.command()
def similar(
    what: Annotated[str | None, typer.Argument(help="A file, or a sound's id or name.", show_default=False)] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=0, help="How many.")] = 20,
    query: Annotated[str, typer.Option(help="Only among what this query finds.")] = "",
    timbre: Annotated[float, typer.Option(help="Weight of the embedding.")] = 1.0,
    envelope: Annotated[float, typer.Option(help="Weight of how it rises and falls.")] = 0.0,
    pitch: Annotated[float, typer.Option(help="Weight of its pitch.")] = 0.0,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Find copies of one recording in the whole library instead.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the sounds of a library that are most like a sound or a file, or that are one recording."""
    from audiolab.runs.neighbours import similar as run

    if duplicates:
        if what is not None:
            fail("--duplicates looks through the library (or what --query finds); it takes no sound", 2)
        _print_duplicates(library, query, as_json=as_json)
        return
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


def _print_duplicates(library: Path | None, query: str, *, as_json: bool) -> None:
    from audiolab.runs.copies import duplicates

    with bar("compare", quiet=as_json) as progress:
        found = duplicates(open_library(library), query or "kind:sample", progress=progress)
    if as_json:
        print_json(found.to_dict())
        return
    for number, group in enumerate(found, start=1):
        for copy in group.copies:
            mark = "keep" if copy.keep else "    "
            echo(f"{number:4}  {mark}  {copy.sound.id[:12]}  {copy.sound.name}  {', '.join(copy.differences)}".rstrip())
    echo(f"{len(found)} groups of copies among {found.looked_at} sounds; nothing was deleted")
    _tell(f"{name[:12]}: {why}" for name, why in found.left_out)


@app.command("map")
def map_(
    refit: Annotated[bool, typer.Option("--refit", help="Lay everything out anew; else places never change.")] = False,
    method: Annotated[str, typer.Option(help="auto, umap or pca: how a new map is made.")] = "auto",
    to: Annotated[Path | None, typer.Option("--to", help="Write a picture: NAME.svg or NAME.png.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lay the embedded sounds of a library out on a plane: what sounds alike lies together."""
    from audiolab.runs.mapping import place_on_map

    with bar("map", quiet=as_json) as progress:
        made = place_on_map(open_library(library), refit=refit, method=method, progress=progress)  # type: ignore[arg-type]
    written = made.picture(to) if to is not None else None
    if as_json:
        print_json({**made.to_dict(), "picture": written})
        return
    echo(f"{len(made)} sounds on a map by {made.about['method']} ({made.about['made_at']}), {made.placed} placed now")
    if written:
        echo(written)
    _tell([made.about["note"]] if made.about["note"] else [])


@app.command()
def takes(
    song: SoundName,
    choose: Annotated[str | None, typer.Option(help="A sample that is to be the best take of its drum.")] = None,
    apart: Annotated[
        float | None, typer.Option(help="How far hits of one drum may lie apart; 1 is as far as unlike drums.")
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the hits of each drum of a song and mark the best take; the others are its round-robins."""
    from audiolab.runs.best_takes import takes as run

    opened = open_library(library)
    if choose is not None:
        opened.choose_take(opened.sound(choose))
    found = run(opened.sound(song)) if apart is None else run(opened.sound(song), apart=apart)
    if as_json:
        print_json(found.to_dict())
        return
    for group in found:
        first = group.takes[0]
        echo(f"{group.name:16} {len(group.takes):4} takes, best {first.sound.id[:12]} {first.sound.name} "
             f"(quality {first.quality:.2f})")  # fmt: skip
    echo(f"{len(found)} drums of {found.song.name}")
    if found.left_out:
        _tell([f"{len(found.left_out)} samples were left out: {found.left_out[0][1]}"])
