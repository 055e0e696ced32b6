"""Adding files: copied into the store byte for byte, checked by decoding, recognised by content.

The file itself is only ever read. Its copy is decoded to the end before anything is stored; the rows of a batch come
last, in one transaction, so a process killed in between leaves at most media files without rows, which `fsck` names
and the next add takes up. A line of the report is given only when its row is durable.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from audiolab.errors import ParameterError
from audiolab.library.addreport import AddLine, AddReport
from audiolab.library.archives import is_zip
from audiolab.library.finding import Candidate, Refusal, candidates
from audiolab.library.folderplaces import folder_of, known_roots, make_folder
from audiolab.library.foldertags import parse_rule
from audiolab.library.keeping import Keeper
from audiolab.library.ops import one_action
from audiolab.library.scratch import scratch_folder
from audiolab.library.shelving import Shelf
from audiolab.library.taking import batches

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["KINDS", "Kind", "Progress", "add_paths", "check_kind", "take_all"]

Kind: TypeAlias = Literal["auto", "song", "stem", "sample"]
KINDS = ("auto", "song", "stem", "sample")


class Progress(Protocol):
    """Called as files are done; may raise `Cancelled`, which passes through."""

    def __call__(self, done: float, total: float) -> None:
        """Say that `done` of `total` files are done."""


def add_paths(
    library: Library, paths: Iterable[str | Path], kind: Kind, progress: Progress | None, rule: str | None = None
) -> AddReport:
    """Add files, folders and zips; one bad file never stops the others."""
    check_kind(kind)
    parsed = parse_rule(rule) if rule is not None else None
    listed = []
    for path in paths:
        if not str(path):
            raise ParameterError("a path is empty; '.' is the current folder")
        listed.append(Path(path).expanduser())
    shelf = _shelf(library, listed) if library.files == "reference" else None
    found = (item for path in listed for item in candidates(path))
    return take_all(library, found, Keeper(library, kind, parsed, shelf), progress=progress)


def _shelf(library: Library, paths: Iterable[Path]) -> Shelf:
    """Let the library know the folders of what is added by reference."""
    with library.store.transaction() as session:
        for path in paths:
            if os.path.isdir(path):  # noqa: PTH112 - takes any text
                root = path
            elif os.path.isfile(path) and not is_zip(path):  # noqa: PTH113
                root = Path(os.path.abspath(path)).parent  # noqa: PTH100
            else:
                continue
            if folder_of(session, library.places, root) is None:
                make_folder(session, library.places, root, "reference")
    return Shelf(known_roots(library))


def take_all(
    library: Library,
    found: Iterable[Candidate | Refusal],
    keeper: Keeper,
    *,
    progress: Progress | None = None,
    each: Callable[[AddLine], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> AddReport:
    """Take what was found into the library, batch by batch; the lines come in the order of what was found.

    `stop` is asked between batches; once it says yes, what is left is left alone.
    """
    listed = list(found)
    items = [item for item in listed if isinstance(item, Candidate)]
    report, done = AddReport(), 0

    def copied(item: Candidate) -> bool:
        return library.files == "copy" or keeper.shelf is None or keeper.shelf.place(item) is None

    def lines() -> Generator[AddLine, None, None]:
        with scratch_folder(library.tmp_dir, "add") as folder:
            for batch in batches(library, items, folder, copy=copied):
                yield from keeper.keep(batch)
                if stop is not None and stop():
                    return

    with one_action(), contextlib.closing(lines()) as taken:
        for item in listed:
            if isinstance(item, Refusal):
                line = AddLine(item.origin, "failed" if item.failed else "skipped", item.why)
            else:
                found_line = next(taken, None)
                if found_line is None:
                    break
                line = found_line
            report.lines.append(line)
            if each is not None:
                each(line)
            if isinstance(item, Candidate):
                done += 1
                if progress is not None:
                    progress(done, len(items))
    return report


def check_kind(kind: str) -> str:
    """Give a kind that may be asked for.

    Raises
    ------
    ParameterError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise ParameterError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return kind
