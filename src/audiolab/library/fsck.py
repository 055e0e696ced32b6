"""`fsck`: what is missing, changed, left over or torn in a library. It reports and touches nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from audiolab.errors import CatalogError
from audiolab.library.catching_up import record_files
from audiolab.library.media import FileMediaStore, MediaFile, hash_file
from audiolab.library.models import ResultRow, SetItemRow, SetRow, SoundRow
from audiolab.library.records import Record
from audiolab.library.referencing import ReferringMediaStore
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
        missing, changed, truncated, orphaned, stray, torn, unfolded, lost record, dangling, leftover or database.
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
        Read every media file and compare its hash; else only sizes are compared.
    """
    started = time.perf_counter()
    problems = [Problem("database", "library.db", text) for text in library.store.problems()]
    records, problems_of_records = _records(library)
    problems += problems_of_records
    stored = {file.hash: file for file in library.media.files()}
    with library.store.transaction(write=False) as session:
        problems += _media(session, stored, records, outside=dict(_outside(library)))
        problems += _dangling(session)
        sounds = len(session.scalars(select(SoundRow.id)).all())
    if deep:
        problems += _changed(library, [*stored, *(media for media, _ in _outside(library))])
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


def _outside(library: Library) -> Iterator[tuple[str, MediaFile]]:
    """List the files that are only referred to, as long as they are there and unchanged."""
    if isinstance(library.media, ReferringMediaStore):
        for file, _ in library.media.referred():
            yield file.hash, file


def _media(
    session: Session, stored: dict[str, MediaFile], unfolded: list[Record], *, outside: dict[str, MediaFile]
) -> Iterator[Problem]:
    rows = session.execute(
        select(SoundRow.media, SoundRow.name, SoundRow.size).where(SoundRow.media.is_not(None)).order_by(SoundRow.id)
    )
    used: set[str] = set()
    for media, name, size in rows:
        assert media is not None
        used.add(media)
        file = stored.get(media) or outside.get(media)
        if file is None:
            yield Problem("missing", media, f"the file of {shorten(name)!r} is gone")
        elif size is not None and file.size != size:
            kind = "truncated" if file.size < size else "changed"
            yield Problem(kind, media, f"the file of {shorten(name)!r} has {file.size} bytes, not {size}")
    for key, stage, hashes in session.execute(select(ResultRow.key, ResultRow.stage, ResultRow.media)):
        for media in map(str, hashes):
            if media not in stored and media not in used:
                yield Problem("missing", media, f"a file of the {stage} result {key[:12]}… is gone")
            used.add(media)
    for record in unfolded:
        used.update(record.media)
    for media in sorted(set(stored) - used):
        yield Problem("orphaned", media, f"{stored[media].size} bytes that no sound or result uses")


def _dangling(session: Session) -> Iterator[Problem]:
    """Look for rows that point nowhere where no foreign key watches, or whose ends do not fit."""
    made = select(SoundRow.id, SoundRow.name).where(
        SoundRow.result_key.is_not(None), ~exists().where(ResultRow.key == SoundRow.result_key)
    )
    for sound_id, name in session.execute(made):
        yield Problem("dangling", sound_id, f"how {shorten(name)!r} was made is not in the catalog")
    sets = select(SetRow.id).where(~exists().where(ResultRow.key == SetRow.result_key))
    for found in session.scalars(sets):
        yield Problem("dangling", found, "how this sample set was made is not in the catalog")
    parent = aliased(SoundRow)
    views = (
        select(SoundRow.id, SoundRow.name)
        .outerjoin(parent, parent.id == SoundRow.parent_id)
        .where(SoundRow.start.is_not(None), (parent.id.is_(None)) | (SoundRow.stop > parent.frames))
    )
    for sound_id, name in session.execute(views):
        yield Problem("dangling", sound_id, f"the sample {shorten(name)!r} lies outside the sound that it was cut from")
    homeless = select(SoundRow.id, SoundRow.name).where(SoundRow.media.is_(None), SoundRow.start.is_(None))
    for sound_id, name in session.execute(homeless):
        yield Problem("dangling", sound_id, f"{shorten(name)!r} has neither a file nor a place in another sound")
    unset = select(SoundRow.id, SoundRow.name).where(
        SoundRow.start.is_not(None), ~exists().where(SetItemRow.sound_id == SoundRow.id)
    )
    for sound_id, name in session.execute(unset):
        yield Problem("dangling", sound_id, f"the sample {shorten(name)!r} is in no sample set")


def _changed(library: Library, hashes: Iterable[str]) -> Iterator[Problem]:
    for media in sorted(set(hashes)):
        if hash_file(library.media.local(media)) != media:
            yield Problem("changed", media, "its bytes are not those that were stored")


def _left_over(library: Library) -> Iterator[Problem]:
    if isinstance(library.media, FileMediaStore):
        for path in library.media.strays():
            yield Problem("stray", path.name, "this file in the media folder is no media")
    now = time.time()
    for path in sorted(library.tmp_dir.iterdir()) if library.tmp_dir.is_dir() else ():
        if now - _newest(path) > _LEFTOVER_SECONDS:
            yield Problem("leftover", path.name, "unfinished work, untouched for more than a day; it can be deleted")


def _newest(path: Path) -> float:
    times = [path.stat().st_mtime]
    times += [found.stat().st_mtime for found in path.rglob("*")] if path.is_dir() else []
    return max(times)
