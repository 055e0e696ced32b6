"""Folders outside the library: what it knows of them, and finding lost files again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiolab.cli._adding import document_of, say
from audiolab.cli._app import JsonOption, LibraryOption, app, bar, echo, open_library, print_json

if TYPE_CHECKING:
    from audiolab.library.addreport import AddReport

__all__: list[str] = []

folder = typer.Typer(help="Folders that the library knows: watched ones, and those whose files it refers to.")
app.add_typer(folder, name="folder", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name or path of a folder that the library knows.", show_default=False)]


@app.command()
def relink(
    where: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to look.", show_default=False)],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find lost files by what they hold, whatever they are called now."""
    opened = open_library(library)
    with bar(f"relink {where.name}", quiet=as_json) as progress:
        report = opened.relink(where, progress=progress)
    _tell(report, as_json=as_json, nothing="no file is lost")
    if report.missing or report.failed:
        raise typer.Exit(1)


@folder.command("ls")
def folder_ls(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the folders, where they lie now, and how many files are here or missing."""
    found = open_library(library).folders
    if as_json:
        print_json([known.to_dict() for known in found])
    for known in [] if as_json else found:
        counts = ", ".join(f"{number} {status}" for status, number in sorted(known.files.items())) or "not scanned yet"
        watched = "watched, " if known.watched else ""
        echo(f"{known.name}: {known.path or 'not at its place'} ({watched}{known.mode}; {counts})")


@folder.command("scan")
def folder_scan(
    name: Annotated[str | None, typer.Argument(help="Name or path; default: all that are watched.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in what is new or changed."""
    opened = open_library(library)
    report = opened.rescan(name, each=None if as_json else say)
    if as_json:
        print_json(document_of(report))
    elif report.unchanged:
        echo(f"{report.unchanged} unchanged")
    if report.failed:
        raise typer.Exit(1)


@folder.command("move")
def folder_move(
    name: Name,
    path: Annotated[Path, typer.Argument(help="Where it lies now.", show_default=False)],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where a folder lies now, as a whole."""
    _tell(open_library(library).move_folder(name, path), as_json=as_json, nothing="no file was known in it")


@folder.command("unwatch")
def folder_unwatch(name: Name, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Leave a folder out of scans from now on; its sounds stay."""
    open_library(library).unwatch(name)
    _done(f"{name} is not watched any more", as_json=as_json)


@folder.command("forget")
def folder_forget(name: Name, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Forget a folder; its sounds stay."""
    open_library(library).forget_folder(name)
    _done(f"{name} is forgotten", as_json=as_json)


@folder.command("collect")
def folder_collect(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Copy all files that the library refers to into it, so that it holds all that it needs."""
    opened = open_library(library)
    with bar("collect", quiet=as_json) as progress:
        report = opened.collect_files(progress=progress)
    _tell(report, as_json=as_json, nothing="the library holds all its files already")
    if report.failed:
        raise typer.Exit(1)


def _tell(report: AddReport, *, as_json: bool, nothing: str) -> None:
    if as_json:
        print_json(document_of(report))
        return
    for line in report.lines:
        say(line)
    echo(str(report).splitlines()[0] if report.lines or report.unchanged else nothing)


def _done(message: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"done": message})
    else:
        echo(message)
