"""Caring for a library: trash, undo, ratings and notes, checking and repairing, backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, bar, echo, fail, open_library, print_json
from audiolab.errors import CatalogError, ParameterError

if TYPE_CHECKING:
    from audiolab.library import Library, Sound
    from audiolab.library.ops import Action

__all__: list[str] = []

backup = typer.Typer(help="Copies of a library, made while it is in use.", no_args_is_help=True)
app.add_typer(backup, name="backup")
Which = Annotated[
    list[str] | None, typer.Argument(help="Ids of sounds, beginnings of ids, or exact names.", show_default=False)
]
QueryOption = Annotated[str | None, typer.Option("--query", help="All sounds that this query finds.")]


def _sounds(library: Library, which: list[str] | None, query: str | None) -> list[Sound]:
    found = [library.sound(name) for name in which or ()]
    found += list(library.query(query)) if query is not None else []
    if not found:
        raise ParameterError("name a sound, or give --query" if query is None else f"nothing is found by {query!r}")
    return found


# ---- trash -----------------------------------------------------------------------------------------


@app.command()
def rm(
    which: Which = None,
    query: QueryOption = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove for good what is in the trash.")] = False,
    older_than: Annotated[float | None, typer.Option(help="With --purge: only what went so many days ago.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --purge: only say what would go.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put sounds, and all that was made from them, into the trash; `--purge` empties it."""
    opened = open_library(library)
    if not purge:
        if older_than is not None or dry_run:
            raise ParameterError("--older-than and --dry-run belong to --purge")
        found = _sounds(opened, which, query)
        count = opened.delete(found)
        if as_json:
            print_json({"deleted": [sound.id for sound in found], "sounds": count})
        else:
            echo(f"{count} sounds are in the trash; `audiolab undo` or `audiolab restore` bring them back")
        return
    if which or query is not None:
        raise ParameterError("--purge takes all that is in the trash; it takes no names")
    report = opened.purge(older_than=older_than, dry_run=dry_run)
    if as_json:
        numbers = {"results": report.results, "media": report.media, "bytes": report.bytes}
        print_json({"purged": list(report.sounds), **numbers, "kept": report.kept, "dry_run": report.dry_run})
    else:
        echo(str(report))
        for sound_id, why in report.kept.items():
            echo(f"  kept: {sound_id[:12]}: {why}")


@app.command()
def trash(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List what is in the trash."""
    found = list(open_library(library).trash)
    if as_json:
        print_json([{"id": sound.id, "kind": sound.kind, "name": sound.name} for sound in found])
        return
    for sound in found:
        echo(f"{sound.id[:12]}  {sound.kind:6}  {sound.name}")
    echo(f"{len(found)} sounds in the trash")


@app.command()
def restore(
    which: Which = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is in the trash.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take sounds out of the trash, with all that went in with them."""
    opened = open_library(library)
    if bool(which) == everything:
        raise ParameterError("name what to restore (`audiolab trash` lists it), or say --all")
    found = list(opened.trash)
    chosen = found if everything else [_one_of(found, name) for name in which or ()]
    count = opened.restore(chosen)
    if as_json:
        print_json({"restored": [sound.id for sound in chosen], "sounds": count})
    else:
        echo(f"{count} sounds are back")


def _one_of(found: list[Sound], name: str) -> Sound:
    chosen = [sound for sound in found if name in {sound.id, sound.name, sound.original_name}]
    chosen = chosen or [sound for sound in found if len(name) >= 4 and sound.id.startswith(name)]
    if len(chosen) != 1:
        raise CatalogError(f"{'nothing' if not chosen else 'more than one sound'} in the trash is {name!r}; give an id")
    return chosen[0]


# ---- history ---------------------------------------------------------------------------------------


@app.command()
def undo(
    n: Annotated[int, typer.Argument(help="How many actions.")] = 1,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back your last action, or the last N: all of them or, if others changed the same since, none."""
    _show_actions(open_library(library).undo(n), "took back", as_json=as_json)


@app.command()
def redo(
    n: Annotated[int, typer.Argument(help="How many actions.")] = 1,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do again what `undo` has taken back."""
    _show_actions(open_library(library).redo(n), "did again what was", as_json=as_json)


@app.command()
def history(
    limit: Annotated[int, typer.Option(help="At most so many actions.")] = 20,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what people did, the newest first."""
    _show_actions(open_library(library).history(limit=limit), "", as_json=as_json)


def _show_actions(actions: list[Action], verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "group": action.group, "at": action.at, "actor": action.actor, "what": dict(action.what),
                    "targets": list(action.targets), "undoes": action.undoes,
                }
                for action in actions
            ]
        )  # fmt: skip
        return
    for action in actions:
        echo(f"{verb}: {action}" if verb else str(action))


# ---- what a person thinks --------------------------------------------------------------------------


@app.command()
def rate(
    rating: Annotated[int, typer.Argument(help="1 to 5 stars; 0 takes them away.")],
    which: Which = None,
    query: QueryOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give sounds stars."""
    _set_fields(library, which, query, as_json=as_json, rating=rating or None)


@app.command()
def favourite(
    which: Which = None,
    query: QueryOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the mark away.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark sounds as favourites."""
    _set_fields(library, which, query, as_json=as_json, favourite=not remove)


@app.command("note")
def note_(
    text: Annotated[str, typer.Argument(help="The note; an empty one takes it away.")],
    which: Which = None,
    query: QueryOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a note on sounds."""
    _set_fields(library, which, query, as_json=as_json, note=text)


def _set_fields(
    library: Path | None, which: list[str] | None, query: str | None, *, as_json: bool, **fields: Any
) -> None:
    opened = open_library(library)
    found = _sounds(opened, which, query)
    changed = opened.set_fields(found, **fields)
    if as_json:
        rows = [
            {"id": sound.id, "rating": sound.rating, "favourite": sound.favourite, "note": sound.note}
            for sound in found
        ]
        print_json({"changed": changed, "sounds": rows})
    else:
        echo(f"{changed} of {len(found)} sounds changed")


# ---- checking and repairing ------------------------------------------------------------------------


@app.command()
def fsck(
    deep: Annotated[bool, typer.Option("--deep", help="Read all media and compute all derived rows.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be; nothing is deleted.")] = False,
    backups: Annotated[
        list[Path] | None, typer.Option("--backup", help="With --repair: take what is missing from this backup.")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="With --repair: add files that nothing uses, as sounds.")
    ] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Make a new library.db of what a damaged one still holds.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the library: missing or changed media, torn records, dangling rows. Changes nothing without --repair."""
    if not repair and (backups or adopt):
        raise ParameterError("--backup and --adopt belong to --repair")
    if salvage:
        _salvage(library, as_json=as_json)
        return
    opened = open_library(library)
    told: dict[str, Any] = {}
    if repair:
        repaired = opened.repair(deep=deep, backups=backups or (), adopt=adopt)
        report, text = repaired.after, str(repaired)
        told["repairs"] = [
            {"kind": fix.problem.kind, "what": fix.problem.what, "done": fix.done, "how": fix.how}
            for fix in repaired.fixes
        ]
    else:
        report = opened.fsck(deep=deep)
        text = str(report)
    if as_json:
        print_json({"clean": report.clean, "problems": [str(problem) for problem in report.problems], **told})
    else:
        echo(text)
    if not report.clean:
        raise typer.Exit(1)


def _salvage(library: Path | None, *, as_json: bool) -> None:
    from audiolab.config import get_settings
    from audiolab.library.salvaging import salvage

    settings = get_settings()
    report = salvage(library if library is not None else settings.path(settings.library))
    if as_json:
        problems = [str(problem) for problem in report.after.problems]
        print_json(
            {
                "clean": report.after.clean, "problems": problems, "rows": dict(report.rows),
                "damaged": list(report.damaged), "folded": report.folded, "adopted": list(report.adopted),
                "kept": str(report.kept),
            }
        )  # fmt: skip
    else:
        echo(str(report))
    if not report.after.clean:
        raise typer.Exit(1)


# ---- backups ---------------------------------------------------------------------------------------


@backup.command("create")
def backup_create(
    target: Annotated[Path, typer.Argument(help="A folder (new, or with an earlier backup), or NAME.zip.")],
    with_files: Annotated[
        bool, typer.Option("--with-files", help="Also the files outside to which the library refers.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the library, also while it is in use; a folder gets only what is new."""
    opened = open_library(library)
    with bar(f"backup {target.name}", quiet=as_json) as progress:
        report = opened.backup(target, with_files=with_files, progress=progress)
    if as_json:
        names = ("sounds", "media", "records", "copied", "bytes", "referred")
        numbers = {name: getattr(report, name) for name in names}
        print_json({"path": str(report.path), **numbers, "missing": dict(report.missing)})
    else:
        echo(str(report))
    if report.missing:
        fail(
            f"{len(report.missing)} things are not in the backup, as the library has lost them: `audiolab fsck --deep`"
        )


@backup.command("load")
def backup_load(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A backup's folder or zip.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="Folder of the new library; new or empty.")],
    database: Annotated[
        str | None, typer.Option("--database", help="URL of an empty PostgreSQL database for the catalog.")
    ] = None,
    media: Annotated[
        str | None, typer.Option("--media", help="URL for the files, such as s3://bucket/folder.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a library of a backup, and check it."""
    from audiolab.library.loading import load_backup

    with bar(f"load {source.name}", quiet=as_json) as progress:
        report = load_backup(source, to, database=database, media=media, progress=progress)
    if as_json:
        numbers = {name: getattr(report, name) for name in ("sounds", "media", "records", "made_at")}
        problems = [str(problem) for problem in report.fsck.problems]
        print_json(
            {"path": str(report.path), **numbers, "missing": dict(report.missing), "clean": not problems,
             "problems": problems}
        )  # fmt: skip
    else:
        echo(str(report))
    if not report.fsck.clean:
        raise typer.Exit(1)
