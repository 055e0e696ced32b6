"""Finding sounds: ls, query, show, and what queries know: fields and synonyms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiolab.cli._app import JsonOption, LibraryOption, app, echo, open_library, print_json

if TYPE_CHECKING:
    from audiolab.library import Sound
    from audiolab.library.lists import SoundList

__all__ = ["SoundName", "print_sounds"]

synonym = typer.Typer(help="Words that find others in queries: `bd` finds kick.", no_args_is_help=True)
app.add_typer(synonym, name="synonym")
SoundName = Annotated[
    str, typer.Argument(help="A sound's id, the beginning of it, or its exact name.", show_default=False)
]


def print_sounds(sounds: SoundList, *, as_json: bool) -> None:
    """Print sounds as a table or as JSON."""
    if as_json:
        print_json(list(sounds.to_dicts()))
        return
    for row in sounds.to_dicts():
        label = f"{row['label']} {row['confidence'] or 0:.2f}" if row["label"] else ""
        marks = "★" * (row["rating"] or 0) + ("♥" if row["favourite"] else "")
        line = f"{row['id'][:12]}  {row['kind']:6}  {row['duration']:9.3f} s  {label:18}  {row['name']}  {marks}"
        echo(line.rstrip())
    echo(f"{len(sounds)} sounds")


def _one(sound: Sound) -> SoundList:
    from audiolab.library.lists import SoundList

    return SoundList(sound.library, [sound.library.sound_row(sound.id)])


@app.command("ls")
def ls(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the library's songs, and the samples and stems that were added by themselves."""
    print_sounds(open_library(library).query("^has:parent"), as_json=as_json)


@app.command()
def query(
    text: Annotated[str, typer.Argument(help="E.g. 'kind:sample label:kick bpm:120..130 ^tag:reject sort:-added'.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write a table: NAME.parquet or NAME.csv.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find sounds; `audiolab fields` says what can be asked for."""
    found = open_library(library).query(text)
    if to is not None:
        from audiolab.library.frame_files import write_table

        echo(f"{len(found)} sounds in {write_table(found.to_frame(), to)}")
        return
    print_sounds(found, as_json=as_json)


@app.command()
def fields(as_json: JsonOption = False) -> None:
    """List the fields that queries know, with examples."""
    from audiolab.library.fields import FIELDS

    rows: list[dict[str, Any]] = [
        {"field": name, "means": field.help, "examples": list(field.examples), "sort": field.column is not None}
        for name, field in FIELDS.items()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        echo(f"{row['field']:12} {row['means']}\n{'':12} {'   '.join(row['examples'])}")
    echo("sort:FIELD, sort:-FIELD and limit:N are of the whole query; ^ is not, a comma is or, spaces are and.")


@synonym.command("add")
def synonym_add(word: str, means: str, library: LibraryOption = None) -> None:
    """Let WORD also find MEANS in queries."""
    open_library(library).set_synonym(word, means)
    echo(f"{word} finds {means}")


@synonym.command("rm")
def synonym_rm(word: str, library: LibraryOption = None) -> None:
    """Take a word away that was added."""
    open_library(library).set_synonym(word, None)
    echo(f"{word} finds itself only")


@synonym.command("ls")
def synonym_ls(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the words that were added to this library."""
    words = open_library(library).synonyms
    if as_json:
        print_json(words)
    else:
        for word, means in words.items():
            echo(f"{word} finds {means}")
        echo(f"{len(words)} synonyms of this library, besides those in configs/synonyms.yaml")


@app.command()
def show(sound: SoundName, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show a sound: what it is, its tags, and how it was made."""
    found = open_library(library).sound(sound)
    if as_json:
        document = next(_one(found).to_dicts()) | {
            "tags": [{"label": tag.label, "source": tag.source, "confidence": tag.confidence} for tag in found.tags],
            "stems": {name: stem.id for name, stem in found.stems.items()},
            "samples": [sample.id for sample in found.samples],
            "made": found.explain().to_dict(),
        }
        print_json(document)
        return
    print_sounds(_one(found), as_json=False)
    for tag in found.tags:
        echo(f"  tag {tag.label} ({tag.source}, {tag.confidence:.2f})")
    echo(str(found.explain()))
