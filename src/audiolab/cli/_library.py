"""The library: add, list, show, query, tag, collect, check, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, echo, fail, open_library, print_json
from audiolab.cli._find import SoundName, print_sounds
from audiolab.errors import AudiolabError

__all__: list[str] = []

collection = typer.Typer(help="Named, ordered choices of sounds.", no_args_is_help=True)
app.add_typer(collection, name="collection")


@app.command()
def tag(
    sound: SoundName,
    label: Annotated[str, typer.Argument(help="The label.", show_default=False)],
    remove: Annotated[bool, typer.Option("--remove", help="Take the label away.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tag a sound by hand; no model ever overwrites that."""
    found = open_library(library).sound(sound)
    found.untag(label) if remove else found.tag(label)
    found = found.library.sound(found.id)
    if as_json:
        print_json({"id": found.id, "label": found.label, "tags": [tag.label for tag in found.tags]})
    else:
        echo(f"{found.name}: {', '.join(f'{tag.label} ({tag.source})' for tag in found.tags) or 'no tags'}")


@app.command()
def tempo(
    sound: SoundName,
    factor: Annotated[float | None, typer.Option(help="Count it that many times as fast: 2, 0.5 ...")] = None,
    bpm: Annotated[float | None, typer.Option(help="The tempo itself.")] = None,
    downbeat: Annotated[float | None, typer.Option(help="Seconds at which a bar begins.")] = None,
    beats_per_bar: Annotated[int | None, typer.Option(help="Length of bars.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Take all corrections away.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or correct a song's tempo and bars; no later analysis changes a correction."""
    found = open_library(library).sound(sound)
    given = {"factor": factor, "bpm": bpm, "downbeat": downbeat, "beats_per_bar": beats_per_bar}
    if reset:
        found.uncorrect_tempo()
    if any(value is not None for value in given.values()):
        found.correct_tempo(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    document = found.library.effective(found.id, "analyze") or {}
    shown = {name: document.get(name) for name in ("tempo", "meter", "downbeats")}
    if as_json:
        print_json({"id": found.id, "correction": found.library.overlay(found.id, "analyze") or {}, **shown})
    else:
        speed = f"{found.bpm:.3f} bpm" if found.bpm else "no tempo"
        first = f", first bar at {shown['downbeats'][0]:.3f} s" if shown["downbeats"] else ""
        echo(f"{found.name}: {speed}, {shown['meter'] or 'no meter'}{first}")


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="A collection's name, a sound, or a query.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="Folder, or a name ending in .zip.")],
    format_: Annotated[str, typer.Option("--format", help="folder, midi or jams.")] = "folder",
    template: Annotated[str | None, typer.Option(help="Names, e.g. '{label}_{bpm}_{n:03}'.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier export left there.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a collection, a song or the result of a query for a DAW."""
    from audiolab.exporters import export as run

    opened = open_library(library)
    options: dict[str, Any] = {"template": template} if template else {}
    report = run(_chosen(opened, what), to, format=format_, overwrite=overwrite, **options)
    if as_json:
        print_json({"path": str(report.path), "files": [str(file) for file in report.files]})
    else:
        echo(f"{len(report.files)} files in {report.path}")


def _chosen(library: Any, what: str) -> Any:
    """Take a name as a collection first, then as a sound, then as a query."""
    if what in library.collections:
        return library.collection(what)
    try:
        return library.sound(what)
    except AudiolabError:
        found = library.query(what)
    if not len(found):
        fail(f"nothing is called {what!r}, and as a query it finds nothing")
    return found


@collection.command("ls")
def collection_ls(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List all collections."""
    opened = open_library(library)
    rows = [
        {"name": name, "sounds": count, "query": opened.collection(name).query}
        for name, count in opened.collections.counts().items()
    ]
    if as_json:
        print_json(rows)
    for row in [] if as_json else rows:
        echo(f"{row['name']}: {row['sounds']} sounds" + (f" found by {row['query']}" if row["query"] else ""))


@collection.command("add")
def collection_add(
    name: str,
    text: Annotated[str, typer.Argument(help="A sound or a query.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a sound, or all that a query finds, to a collection (made if need be)."""
    opened = open_library(library)
    chosen = _chosen(opened, text)
    sounds = [chosen] if hasattr(chosen, "kind") else list(chosen)
    target = opened.collection(name)
    target.add(sounds)
    if as_json:
        print_json({"name": name, "sounds": len(target)})
    else:
        echo(f"{name}: {len(target)} sounds")


@collection.command("save")
def collection_save(
    name: str,
    query: Annotated[str, typer.Argument(help="What it finds, e.g. 'label:kick added:-7d..'.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save a search: a collection whose sounds are always those that the query finds."""
    saved = open_library(library).collection(name, query)
    if as_json:
        print_json({"name": name, "query": saved.query, "sounds": len(saved)})
    else:
        echo(f"{name}: {len(saved)} sounds found by {saved.query}")


@collection.command("show")
def collection_show(name: str, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List a collection's sounds in their order."""
    opened = open_library(library)
    if name not in opened.collections:
        fail(f"there is no collection {name!r}; see `audiolab collection ls`")
    print_sounds(opened.collection(name).sounds, as_json=as_json)
