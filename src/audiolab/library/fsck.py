"""`fsck`: what is missing, changed, left over or torn in a library. It reports and touches nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library import cards
from audiolab.library.catching_up import record_files
from audiolab.library.checking import check_rows
from audiolab.library.media import FileMediaStore, MediaFile
from audiolab.library.models import ResultRow, SoundRow
from audiolab.library.records import Record
from audiolab.library.rederiving import rederive
from audiolab.library.referencing import ReferringMediaStore
from audiolab.library.remote_media import RemoteMediaStore
from audiolab.library.tables import html_table
from audiolab.library.text import shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["FsckReport", "Problem", "fsck"]

_LEFTOVER_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    kind : str
        missing, changed, truncated, orphaned, stray, torn, unfolded, lost record, dangling, loose, gap, order,
        stale, leftover or database.
    what : str
        Hash, id, key or file name.
    detail : str
        What it means.
    """

    kind: str
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {shorten(self.what, 70)}: {self.detail}"


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What was looked at and what is wrong."""

    problems: tuple[Problem, ...]
    media: int
    records: int
    sounds: int
    deep: bool
    seconds: float

    @property
    def clean(self) -> bool:
        """True if nothing is wrong."""
        return not self.problems

    def of_kind(self, kind: str) -> tuple[Problem, ...]:
        """Give the problems of one kind."""
        return tuple(problem for problem in self.problems if problem.kind == kind)

    def __str__(self) -> str:
        counts = Counter(problem.kind for problem in self.problems)
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "clean"
        looked = f"{self.sounds} sounds, {self.media} media, {self.records} records"
        head = f"{found} ({looked}{', every byte read' if self.deep else ''}, {self.seconds:.1f} s)"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        rows = [(problem.kind, problem.what, problem.detail) for problem in self.problems[:200]]
        return html_table(str(self).splitlines()[0], ("problem", "what", "detail"), rows)


def fsck(library: Library, *, deep: bool = False) -> FsckReport:
    """Compare catalog, media and records.

    Parameters
    ----------
    deep : bool
        Read every media file and compare its hash, and compute all derived rows; else only sizes are compared.
    """
    started = time.perf_counter()
    problems = [Problem("database", "library.db", text) for text in library.store.problems()]
    records, problems_of_records = _records(library)
    problems += problems_of_records
    stored = {file.hash: file for file in library.media.files()}
    outside = _referred(library)
    with library.store.transaction(write=False) as session:
        problems += _media(library, session, stored, outside, records)
        problems += [Problem(*found) for found in check_rows(session)]
        sounds = len(session.scalars(select(SoundRow.id)).all())
    if deep:
        problems += _changed(library, {*stored, *outside})
        problems += _derived(library)
    problems += _left_over(library)
    return FsckReport(
        tuple(problems), len(stored), sum(1 for _ in record_files(library.path)), sounds, deep,
        time.perf_counter() - started,
    )  # fmt: skip


def _records(library: Library) -> tuple[list[Record], list[Problem]]:
    """Read every record; give those that are not in the catalog, and what is wrong with any."""
    with library.store.transaction(write=False) as session:
        known = dict(session.execute(select(ResultRow.key, ResultRow.stage)).all())
    unfolded, problems, seen = [], [], set()
    for path in record_files(library.path):
        try:
            record = Record.read(path)
        except CatalogError as error:
            problems.append(Problem("torn", path.name, str(error)))
            continue
        seen.add(record.key)
        if record.key not in known:
            unfolded.append(record)
            problems.append(Problem("unfolded", record.key, f"the result of {record.stage} is not in the catalog"))
    for key in sorted(set(known) - seen):
        if not library.record_path(key).exists():
            problems.append(Problem("lost record", key, f"the result of {known[key]} cannot be rebuilt without it"))
    return unfolded, problems


def _referred(library: Library) -> set[str]:
    """Give the media that lie outside, unchanged."""
    if isinstance(library.media, ReferringMediaStore):
        return {file.hash for file, _ in library.media.referred()}
    return set()


def _media(
    library: Library, session: Session, stored: dict[str, MediaFile], outside: set[str], unfolded: list[Record]
) -> Iterator[Problem]:
    rows = session.execute(
        select(SoundRow.media, SoundRow.name, SoundRow.size).where(SoundRow.media.is_not(None)).order_by(SoundRow.id)
    )
    used: set[str] = set()
    for media, name, size in rows:
        assert media is not None
        used.add(media)
        file = stored.get(media)
        if file is None:
            if media not in outside:
                yield Problem("missing", media, f"the file of {shorten(name)!r} is gone{_why(library, media)}")
        elif size is not None and file.size != size:
            kind = "truncated" if file.size < size else "changed"
            yield Problem(kind, media, f"the file of {shorten(name)!r} has {file.size} bytes, not {size}")
    for key, stage, hashes in session.execute(select(ResultRow.key, ResultRow.stage, ResultRow.media)):
        for media in map(str, hashes):
            if media not in stored and media not in outside and media not in used:
                yield Problem("missing", media, f"a file of the {stage} result {key[:12]}… is gone")
            used.add(media)
    for record in unfolded:
        used.update(record.media)
    for media in sorted(set(stored) - used):
        yield Problem("orphaned", media, f"{stored[media].size} bytes that no sound or result uses")


def _derived(library: Library) -> Iterator[Problem]:
    """Compute what follows from other rows, and compare."""
    for name, columns in rederive(library.store, keep=False).items():
        yield Problem("stale", name, f"{', '.join(columns)}: does not follow from the other rows")
    with library.store.transaction(write=False) as session:
        for name in cards.stale(session):
            yield Problem("stale", name, "its card, which queries look at, does not fit")


def _why(library: Library, media: str) -> str:
    """Say more of a file outside: whether its disk is not plugged in, or the file changed or went away."""
    if isinstance(library.media, ReferringMediaStore):
        try:
            library.media.local(media)
        except CatalogError as error:
            return f": {error}"
    return ""


def _changed(library: Library, hashes: Iterable[str]) -> Iterator[Problem]:
    for media in sorted(hashes):
        if library.media.digest(media) != media:
            yield Problem("changed", media, "its bytes are not those that were stored")


def _left_over(library: Library) -> Iterator[Problem]:
    if isinstance(library.media, FileMediaStore):
        for path in library.media.strays():
            yield Problem("stray", path.name, "this file in the media folder is no media")
    elif isinstance(library.media, RemoteMediaStore):
        for name in library.media.remote.unfinished(_LEFTOVER_SECONDS):
            yield Problem("leftover", name, "an upload that was cut off more than a day ago")
    now = time.time()
    for path in sorted(library.tmp_dir.iterdir()) if library.tmp_dir.is_dir() else ():
        if now - _newest(path) > _LEFTOVER_SECONDS:
            yield Problem("leftover", path.name, "unfinished work, untouched for more than a day")


def _newest(path: Path) -> float:
    times = [path.stat().st_mtime]
    times += [found.stat().st_mtime for found in path.rglob("*")] if path.is_dir() else []
    return max(times)
