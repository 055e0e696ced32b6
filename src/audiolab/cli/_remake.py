"""Where sounds come from and making them again: explain, rebuild; annotations of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, bar, echo, fail, open_library, print_json
from audiolab.errors import AudiolabError, ParameterError

__all__: list[str] = []

annotating = typer.Typer(help="Annotations from and for other programs.", no_args_is_help=True)
app.add_typer(annotating, name="annotations")


@app.command()
def explain(
    sound: Annotated[str, typer.Argument(help="A sound's id, the beginning of it, or its exact name.")],
    family: Annotated[bool, typer.Option("--family", help="Show also what was made from it.")] = False,
    to: Annotated[Path | None, typer.Option("--to", help="Write the picture to NAME.svg.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how a sound was made, step by step, up to the file that was added."""
    opened = open_library(library)
    found = opened.sound(sound)
    graph = opened.provenance(found) if family else None
    told = graph if graph is not None else found.explain()
    if to is not None:
        _write_picture(told._repr_svg_(), to)
    if as_json:
        print_json(told.to_dict())
    else:
        echo(str(told))
        if to is not None:
            echo(f"picture: {to}")


def _write_picture(svg: str, to: Path) -> None:
    from audiolab.audio import atomic_path

    if to.suffix.lower() != ".svg":
        raise ParameterError(f"the picture is an SVG: --to NAME.svg, not {to.name!r}")
    try:
        with atomic_path(to) as temporary:
            temporary.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n', encoding="utf-8")
    except OSError as error:
        fail(f"cannot write {str(to)!r}: {error.strerror or error}")


@app.command()
def rebuild(
    what: Annotated[str | None, typer.Argument(help="A sound, or the key of a result.", show_default=False)] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All derived sounds, or those that the query WHAT finds.")
    ] = False,
    documents: Annotated[bool, typer.Option("--documents", help="With --all: results without sounds, too.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what differs, as a new result.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also with another version, weights or parameters.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a derived sound again from its record and compare; a lost or damaged file comes back."""
    from audiolab.runs import rebuild as one
    from audiolab.runs import rebuild_all

    if (what is None) != everything and not (everything and what is not None):
        raise ParameterError("rebuild takes a sound or the key of a result; or --all, with a query if you like")
    opened = open_library(library)
    with bar("rebuild", quiet=as_json) as progress:
        report: Any
        if everything:
            report = rebuild_all(opened, what or "", documents=documents, keep=keep, anyway=anyway, progress=progress)
        else:
            report = one(opened, what or "", keep=keep, anyway=anyway, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        echo(str(report))
    if not report.ok:
        raise typer.Exit(1)


@annotating.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="JAMS files.", show_default=False)],
    sound: Annotated[str | None, typer.Option(help="The sound that they describe, if it cannot be told.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take beats, tempo, keys, notes, lyrics and tags from JAMS files; they count as corrections."""
    opened = open_library(library)
    taken: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for file in files:
        try:
            report = opened.import_jams(file, sound)
        except ParameterError:
            raise
        except AudiolabError as error:
            failed.append({"path": str(file), "why": str(error)})
            continue
        taken.append(report.to_dict())
        if not as_json:
            echo(str(report))
    if as_json:
        print_json({"library": str(opened.path), "taken": taken, "failed": failed})
    else:
        for row in failed:
            echo(f"failed: {row['path']}: {row['why']}")
    if failed:
        raise typer.Exit(1)
