"""Finding lost files again by what they hold: their bytes, else the sound in them under other tags or names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.audio import BlockSource, open_source
from audiolab.errors import AudioError, AudiolabError, CatalogError
from audiolab.library.addreport import AddLine, AddReport
from audiolab.library.clock import utc_now
from audiolab.library.finding import Candidate, candidates
from audiolab.library.folderplaces import folder_of, known_roots, make_folder
from audiolab.library.intake import Seen, check_same, decode, take_bytes
from audiolab.library.media import clean_suffix, copy_and_hash
from audiolab.library.models import FileRow, SoundRow
from audiolab.library.ops import note
from audiolab.library.referencing import ReferringMediaStore, file_state
from audiolab.library.scratch import scratch_folder
from audiolab.library.shelving import Shelf, relative_path
from audiolab.library.sounds import Sound
from audiolab.library.text import shorten

if TYPE_CHECKING:
    from audiolab.library.adding import Progress
    from audiolab.library.library import Library

__all__ = ["collect", "relink"]


@dataclass(slots=True)
class _Lost:
    """Sounds whose files are not there."""

    by_media: dict[str, list[SoundRow]] = field(default_factory=dict)
    by_content: dict[str, list[SoundRow]] = field(default_factory=dict)
    sizes: set[int] = field(default_factory=set)
    lengths: set[tuple[int, int]] = field(default_factory=set)
    """(sample rate, frames)"""

    def fits(self, source: BlockSource) -> bool:
        """Say whether a file can be one of them by its header."""
        return (source.sample_rate, source.frames) in self.lengths

    def found(self, rows: Iterable[SoundRow]) -> None:
        """Take rows off the list."""
        for row in list(rows):
            for known in (self.by_media, self.by_content):
                for key in (row.media, row.content_id):
                    if key in known:
                        known[key] = [other for other in known[key] if other.id != row.id]


def relink(library: Library, folder: Path, progress: Progress | None = None) -> AddReport:
    """Look through a folder for the files that are lost.

    Returns
    -------
    AddReport
        `relinked` lines for what was found, `missing` ones for what still is not.

    Raises
    ------
    CatalogError
        If there is no such folder.
    """
    if not folder.exists():
        raise CatalogError(f"{str(folder)!r} does not exist; check the spelling and the current folder")
    lost = _lost(library)
    report = AddReport()
    names = {row.id: row.name for rows in lost.by_media.values() for row in rows}
    items = [item for item in candidates(folder) if isinstance(item, Candidate)] if names else []
    first = [item for item in items if item.size in lost.sizes]
    second = [item for item in items if item.path is not None]
    total, done = len(first) + len(second), 0
    root = folder if folder.is_dir() else folder.absolute().parent
    with scratch_folder(library.tmp_dir, "add") as scratch:
        for step, todo in ((_by_bytes, first), (_by_sound, second)):
            for item in todo:
                done += 1
                if any(lost.by_media.values()):
                    report.lines += _try(library, lost, item, scratch, step=step, root=root)
                if progress is not None:
                    progress(done, total)
    found = {line.sound.id for line in report.lines if line.sound is not None}
    for sound_id, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0])):
        if sound_id not in found:
            report.lines.append(AddLine(name, "missing", f"no file below {str(folder)!r} holds it"))
    return report


def _lost(library: Library) -> _Lost:
    lost = _Lost()
    with library.store.transaction(write=False) as session:
        rows = session.scalars(select(SoundRow).where(SoundRow.media.is_not(None)).order_by(SoundRow.id)).all()
    have = {file.hash for file in library.media.files()}
    if isinstance(library.media, ReferringMediaStore):
        have |= {file.hash for file, _ in library.media.referred()}
    for row in rows:
        if row.media in have:
            continue
        lost.by_media.setdefault(row.media or "", []).append(row)
        if row.result_key is None:  # what a stage made is right with its very bytes only
            lost.by_content.setdefault(row.content_id or "", []).append(row)
            lost.lengths.add((row.sample_rate, row.frames))
        if row.size is not None:
            lost.sizes.add(row.size)
    return lost


_Step = Callable[["_Lost", Seen, Candidate], tuple[list[SoundRow], Any]]


def _by_bytes(lost: _Lost, seen: Seen, item: Candidate) -> tuple[list[SoundRow], Any]:
    return lost.by_media.get(seen.media, []), None


def _by_sound(lost: _Lost, seen: Seen, item: Candidate) -> tuple[list[SoundRow], Any]:
    intake = decode(seen, item.name, item.origin)
    return lost.by_content.get(intake.content_id, []), intake


def _try(library: Library, lost: _Lost, item: Candidate, scratch: Path, *, step: _Step, root: Path) -> list[AddLine]:
    """See whether a file holds something that is lost; if so, take it."""
    try:
        with item.open(scratch) as path:
            try:
                if step is _by_sound and not lost.fits(open_source(path)):
                    return []
                seen = take_bytes(path, item.name, scratch, copy=False)
                rows, intake = step(lost, seen, item)
                check_same(path, item.name, seen)
            except AudioError:
                return []  # what cannot be decoded is none of those that are looked for
            if not rows:
                return []
            place = None
            if library.files == "reference" and all(row.result_key is None for row in rows):
                place = _place(library, item, root)
            if place is None:
                _store(library, seen, item, scratch)
            lines = _take(library, list(rows), seen, item, intake=intake, place=place)
    except (AudiolabError, OSError) as error:
        return [AddLine(item.origin, "failed", str(error))]
    lost.found(rows)
    return lines


def _take(
    library: Library,
    rows: list[SoundRow],
    seen: Seen,
    item: Candidate,
    *,
    intake: Any,
    place: tuple[str, str] | None,
) -> list[AddLine]:
    lines = []
    with library.store.transaction() as session:
        if place is not None:
            file = session.get(FileRow, place) or FileRow(folder=place[0], path=place[1])
            session.add(file)
            file.size, file.mtime_ns, file.media, file.sound_id = seen.size, seen.mtime_ns, seen.media, rows[0].id
            file.status, file.why, file.seen_at = "here", "", utc_now()
        for known in rows:
            row = session.get_one(SoundRow, known.id)
            before = row.media
            if intake is not None:
                row.suffix, row.size, row.format, row.subtype = (
                    intake.suffix, intake.size, intake.format, intake.subtype,
                )  # fmt: skip
            row.media = seen.media
            _strike(library, session, row.id)
            note(session, library.actor, "relink", row.id, before={"media": before}, after={"media": seen.media})
            why = f"{shorten(row.name)!r}" + (", under other tags" if before != seen.media else "")
            lines.append(AddLine(item.origin, "relinked", why, Sound(library, row)))
    return lines


def _strike(library: Library, session: Session, sound_id: str) -> None:
    """Strike off the paths at which a sound is no longer; those of a disk that is not plugged in stay."""
    for old in session.scalars(select(FileRow).where(FileRow.sound_id == sound_id)):
        root = library.places.where(old.folder)
        if root is not None and file_state(root / old.path, old) == "missing":
            session.delete(old)


def _store(library: Library, seen: Seen, item: Candidate, scratch: Path) -> None:
    """Take a copy of what was found into the store."""
    copy = scratch / f"relink{clean_suffix(seen.path.suffix)}"
    copy.unlink(missing_ok=True)
    media = copy_and_hash(seen.path, copy)
    if media != seen.media:
        copy.unlink(missing_ok=True)
        raise CatalogError(f"{shorten(item.name)!r} was changed while it was read")
    library.media.put_all([(copy, clean_suffix(seen.path.suffix), media)])


def _place(library: Library, item: Candidate, root: Path) -> tuple[str, str] | None:
    """Give where a file is noted, in a folder that the library knows from now on; None if it has to be copied."""
    if item.path is None or relative_path(item.path, library.path) is not None:
        return None
    with library.store.transaction() as session:
        if folder_of(session, library.places, root) is None:
            make_folder(session, library.places, root, "reference")
    return Shelf(known_roots(library), library=library.path).place(item)


def collect(library: Library, progress: Progress | None = None) -> AddReport:
    """Copy all files that the library refers to into its store; the originals stay."""
    report = AddReport()
    media = library.media
    if not isinstance(media, ReferringMediaStore):
        return report
    with library.store.transaction(write=False) as session:
        rows = session.scalars(select(SoundRow).where(SoundRow.media.is_not(None)).order_by(SoundRow.id)).all()
    wanted = {row.media: row for row in rows if row.media is not None and media.stored(row.media) is None}
    with scratch_folder(library.tmp_dir, "add") as scratch:
        for done, (hash_, row) in enumerate(wanted.items(), 1):
            report.lines.append(_collect_one(library, media, hash_, row, scratch))
            if progress is not None:
                progress(done, len(wanted))
    return report


def _collect_one(library: Library, media: ReferringMediaStore, hash_: str, row: SoundRow, scratch: Path) -> AddLine:
    copy = scratch / f"collect{clean_suffix(row.suffix)}"
    copy.unlink(missing_ok=True)
    try:
        path = media.local(hash_)
        if copy_and_hash(path, copy) != hash_:
            raise CatalogError(f"{shorten(path.name)!r} was changed since it was added, although its time was not")
        media.put_all([(copy, row.suffix, hash_)])
    except CatalogError as error:
        return AddLine(row.name, "failed", str(error))
    except OSError as error:
        return AddLine(row.name, "failed", f"cannot be copied: {error.strerror or error}")
    return AddLine(row.name, "collected", "", Sound(library, row))
