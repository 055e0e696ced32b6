"""Looking again at a folder that the library knows: only files that are new or changed are opened."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from audiolab.errors import CatalogError
from audiolab.library.adding import Progress, take_all
from audiolab.library.addreport import AddLine, AddReport
from audiolab.library.archives import is_zip
from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks
from audiolab.library.finding import Candidate, Refusal, candidates, walk
from audiolab.library.folderplaces import folder_named, known_roots
from audiolab.library.foldertags import parse_rule
from audiolab.library.keeping import Keeper
from audiolab.library.models import FileRow, FolderRow
from audiolab.library.shelving import Shelf, relative_path
from audiolab.library.text import shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["SETTLE", "WRITING", "rescan_folder"]

SETTLE = 2.0
"""Seconds that a file must have been left alone before it is taken: somebody may still be copying it."""
WRITING = "it is still being written; the next scan takes it"
_ARCHIVE = "archive"


class _Known(NamedTuple):
    """What was known of a file; rows of all its columns would take long to read."""

    folder: str
    path: str
    size: int
    mtime_ns: int
    status: str
    sound_id: str | None


@dataclass(slots=True)
class _Scan:
    """What a walk through a folder found, beside what was known of it."""

    root: Path
    todo: list[Candidate] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    gone: list[_Known] = field(default_factory=list)
    unchanged: int = 0


def rescan_folder(
    library: Library,
    name: str,
    *,
    settle: float = SETTLE,
    progress: Progress | None = None,
    each: Callable[[AddLine], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> AddReport:
    """Take in what is new or changed in a folder, and say what moved or is missing.

    Parameters
    ----------
    settle : float
        Seconds since its last change after which a file counts as finished; younger ones are waited for that long
        once, and left for the next time if they still change.
    each : callable, optional
        Gets every line as soon as it holds.
    stop : callable, optional
        Asked between batches; once it says yes, the rest is left for the next scan.

    Raises
    ------
    CatalogError
        If the folder is unknown, or not at its place: nothing is taken for missing then.
    """
    with library.store.transaction(write=False) as session:
        folder = folder_named(session, name)
        columns = (FileRow.folder, FileRow.path, FileRow.size, FileRow.mtime_ns, FileRow.status, FileRow.sound_id)
        known = {row.path: _Known(*row) for row in session.execute(select(*columns).where(FileRow.folder == name))}
    root = library.places.where(name)
    if root is None:
        raise CatalogError(
            f"the folder {shorten(name)!r} is not at {str(library.places.last(name))!r}: plug the disk in, or say "
            "where it is now (`audiolab folder move`)"
        )
    scan = _scan(root, name, known)
    report = AddReport(unchanged=scan.unchanged)
    say = each or (lambda line: None)

    def put(line: AddLine) -> None:
        report.lines.append(line)
        say(line)

    for refused in scan.refused:
        put(AddLine(refused.origin, "failed" if refused.failed else "skipped", refused.why))
    shelf = Shelf(_roots_within(library, name, root), _by_sound(scan.gone), failures=True)
    keeper = Keeper(library, folder.kind, parse_rule(folder.rule) if folder.rule else None, shelf)

    def take(items: Iterable[Candidate | Refusal]) -> None:
        report.lines += take_all(library, items, keeper, progress=progress, each=each, stop=stop).lines

    def stopped() -> bool:
        return stop is not None and stop()

    ripe, young = _by_age(scan.todo, settle)
    zips = [item for item in ripe if _is_zip(item)]
    take(item for item in ripe if not _is_zip(item))
    if stopped():
        return report
    finished = list(_settled(young, settle, put))
    zips += [item for item in finished if _is_zip(item)]
    take(item for item in finished if not _is_zip(item))
    for item in zips:
        if stopped():
            return report
        assert item.path is not None
        if is_zip(item.path):
            take(_named(found, item) for found in candidates(item.path))
        else:
            put(AddLine(item.origin, "failed", "it is no zip, or damaged"))
        if not stopped():
            _note_archive(library, name, item, root)
    if stopped():
        return report
    for line in _missing(library, scan.gone):
        put(line)
    return report


def _scan(root: Path, name: str, known: dict[str, _Known]) -> _Scan:
    scan, seen = _Scan(root), set[str]()
    unread: list[str] = []
    for found in walk(root, name):
        inner = found.origin.split("/", 1)[-1] if isinstance(found, Refusal) else _inner(found, root)
        if isinstance(found, Refusal):
            if found.failed:
                scan.refused.append(found)
                unread.append("" if found.origin == name else f"{inner}/")
            continue
        if inner is not None:
            seen.add(inner)
        row = known.get(inner) if inner is not None else None
        if row is not None and (row.size, row.mtime_ns) == (found.size, found.mtime_ns) and row.status != "missing":
            scan.unchanged += 1
        else:
            scan.todo.append(found)
    # What lies in a folder that cannot be read now is not missing.
    scan.gone = [
        row for path, row in known.items() if path not in seen and not any(path.startswith(prefix) for prefix in unread)
    ]
    return scan


def _inner(item: Candidate, root: Path) -> str | None:
    return None if item.path is None else relative_path(item.path, root)


def _roots_within(library: Library, name: str, root: Path) -> list[tuple[str, Path]]:
    """Note files under this folder, even if another known folder lies inside it."""
    return [(name, root), *(found for found in known_roots(library) if found[0] != name)]


def _by_sound(gone: Iterable[_Known]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in gone:
        if row.sound_id is not None:
            found[row.sound_id].append((row.folder, row.path))
    return found


def _by_age(items: Iterable[Candidate], settle: float) -> tuple[list[Candidate], list[Candidate]]:
    """Part files into those that were left alone for a while and those that may still be written."""
    now = time.time_ns()
    ripe: list[Candidate] = []
    young: list[Candidate] = []
    for item in items:
        # A time in the future says nothing; such a file is looked at twice, too.
        (ripe if 0 <= item.mtime_ns <= now - settle * 1e9 else young).append(item)
    return (ripe, young) if settle > 0 else ([*ripe, *young], [])


def _settled(items: list[Candidate], settle: float, put: Callable[[AddLine], None]) -> Iterable[Candidate]:
    """Wait for young files, then give those that did not change meanwhile."""
    if items:
        time.sleep(settle)
    for item in items:
        assert item.path is not None
        try:
            status = item.path.stat()
        except OSError:
            put(AddLine(item.origin, "skipped", "it went away meanwhile"))
            continue
        if (status.st_size, status.st_mtime_ns) == (item.size, item.mtime_ns) and status.st_size > 0:
            yield item
        else:
            put(AddLine(item.origin, "skipped", WRITING))


def _is_zip(item: Candidate) -> bool:
    return item.path is not None and item.path.suffix.lower() == ".zip"


def _named(found: Candidate | Refusal, archive: Candidate) -> Candidate | Refusal:
    """Say of a zip's member where the zip lies in the folder."""
    origin = f"{archive.origin}/{found.origin.split('/', 1)[-1]}"
    if isinstance(found, Refusal):
        return replace(found, origin=origin)
    return replace(found, origin=origin, within=(*archive.within[:-1], Path(archive.name).stem, *found.within))


def _note_archive(library: Library, name: str, item: Candidate, root: Path) -> None:
    """Remember a zip once all its members are in, so that it is not opened again before it changes."""
    inner = _inner(item, root)
    if inner is None:
        return
    with library.store.transaction() as session:
        row = session.get(FileRow, (name, inner))
        if row is None:
            row = FileRow(folder=name, path=inner)
            session.add(row)
        row.size, row.mtime_ns, row.media, row.sound_id = item.size, item.mtime_ns, None, None
        row.status, row.why, row.seen_at = _ARCHIVE, "", utc_now()


def _missing(library: Library, gone: Iterable[_Known]) -> list[AddLine]:
    """Mark what was not found; what had moved is no longer listed by now."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for known in gone:
        by_folder[known.folder].append(known.path)
    lines: list[AddLine] = []
    with library.store.transaction() as session:
        for name, paths in by_folder.items():
            folder = session.get(FolderRow, name)
            for part in chunks(paths):
                rows = select(FileRow).where(FileRow.folder == name, FileRow.path.in_(part)).order_by(FileRow.path)
                for row in session.scalars(rows):
                    if row.sound_id is None:  # it never was a sound
                        session.delete(row)
                        continue
                    copied = folder is None or folder.mode == "copy"
                    why = "the library has its copy" if copied else "`audiolab relink` finds it elsewhere"
                    row.status, row.why = "missing", why
                    lines.append(AddLine(f"{name}/{row.path}", "missing", why))
    return lines
