"""What all commands share: the typer application, JSON output, errors and progress bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from audiolab.errors import AudiolabError, ParameterError

if TYPE_CHECKING:
    from audiolab.library import Library

__all__ = ["JsonOption", "LibraryOption", "app", "bar", "echo", "fail", "main", "open_library", "print_json"]

app = typer.Typer(
    name="audiolab",
    help="Songs in; stems, one-shots, tags, MIDI, lyrics and DAW kits out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to load than the rest of the command line
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
LibraryOption = Annotated[
    Path | None,
    typer.Option("--library", envvar="AUDIOLAB_LIBRARY", help="Folder of the library.", show_default="data/library"),
]


def echo(text: str = "") -> None:
    """Print for people, on stdout."""
    typer.echo(text)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain, allow_nan=False))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say on stderr what is wrong and leave: 1 for failed work, 2 for wrong use."""
    typer.echo(f"audiolab: {message}", err=True)
    raise typer.Exit(code)


def open_library(path: Path | None, **options: Any) -> Library:
    """Open the library that the option names, else the default one; `options` go to `Library`."""
    from audiolab.config import get_settings
    from audiolab.library import Library

    settings = get_settings()
    library = Library(path if path is not None else settings.path(settings.library), **options)
    for warning in library.warnings:
        typer.echo(f"audiolab: {warning}", err=True)
    return library


@contextmanager
def bar(label: str, *, quiet: bool = False) -> Iterator[Any]:
    """Draw a bar with the time left on stderr; give the progress function that moves it."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, desc=label, bar_format=layout, file=sys.stderr, leave=False) as drawn:

        def progress(done: float, total: float) -> None:
            drawn.update(max(0.0, min(1.0, done / total if total else 1.0) - drawn.n))

        yield progress


def main() -> None:
    """Run the command line: exit code 0 done, 1 something failed, 2 wrong use."""
    # Importing the command modules registers their commands.
    from audiolab.cli import (  # noqa: F401
        _adding,
        _batch,
        _bench,
        _care,
        _cluster,
        _files,
        _find,
        _folders,
        _lab,
        _library,
        _models_bench,
        _remake,
        _runs,
        _similar,
        _teach,
        _tools,
        _train,
    )

    for stream in (sys.stdout, sys.stderr):
        # A file name may hold what the terminal's encoding cannot; show it escaped instead of failing.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ParameterError as error:
        sys.exit(_say(getattr(error, "picture", error), 2))
    except AudiolabError as error:
        sys.exit(_say(error, 1))
    except KeyboardInterrupt:
        sys.exit(_say("stopped; finished work is kept", 130))


def _say(message: object, code: int) -> int:
    print("audiolab: " + str(message).replace("\n", "\naudiolab: "), file=sys.stderr)
    return code
