"""Noting where files lie: rows of `file`, written in the transaction that writes their sounds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.addreport import AddLine
from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks
from audiolab.library.finding import Candidate
from audiolab.library.models import FileRow
from audiolab.library.taking import Look
from audiolab.library.text import clean_text, shorten

__all__ = ["Shelf", "relative_path"]


@dataclass(slots=True)
class Shelf:
    """Where files are noted.

    Attributes
    ----------
    roots : list of (name, path)
        The folders of which files are noted, the deepest first.
    gone : mapping
        By sound: paths in `folder` at which it is no longer; one that turns up elsewhere has moved.
    failures : bool
        Note also files that could not be added, so that they are not tried again before they change.
    """

    roots: Sequence[tuple[str, Path]]
    gone: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    failures: bool = False
    library: Path | None = None
    """The library's own folder: what lies in it is never referred to as something outside."""

    def place(self, item: Candidate) -> tuple[str, str] | None:
        """Give the folder and the relative path under which a file is noted; None if it is not to be."""
        if item.path is None or (self.library is not None and relative_path(item.path, self.library) is not None):
            return None
        for name, root in self.roots:
            if (inner := relative_path(item.path, root)) is not None:
                return name, inner
        return None

    def put(self, session: Session, looks: Sequence[Look], lines: Sequence[AddLine]) -> list[AddLine]:
        """Note the files of a batch; give the lines, saying also what moved and what is another sound now."""
        placed = [self.place(look.item) for look in looks]
        known = _rows(session, [place for place in placed if place is not None])
        given = []
        for place, look, line in zip(placed, looks, lines, strict=True):
            if place is not None and (look.seen is not None or self.failures):
                line = self._put(session, known, place, look, line)
            given.append(line)
        return given

    def _put(
        self, session: Session, known: dict[tuple[str, str], FileRow], place: tuple[str, str], look: Look, line: AddLine
    ) -> AddLine:
        row = known.get(place)
        before = None if row is None else row.sound_id
        sound_id = line.sound.id if line.sound is not None else None
        if row is None:
            row = known[place] = FileRow(folder=place[0], path=place[1])
            session.add(row)
        elif before is not None and sound_id is not None and before != sound_id:
            was = f"its file holds another sound now; the one before stays ({before[:12]})"
            line = replace(line, status="changed", why="; ".join(filter(None, [was, line.why])))
        seen = look.seen
        row.size = seen.size if seen is not None else look.item.size
        row.mtime_ns = seen.mtime_ns if seen is not None else look.item.mtime_ns
        row.media, row.why, row.seen_at = (seen.media if seen is not None else None), line.why[:1000], utc_now()
        row.status = "here" if sound_id is not None else "failed"
        if sound_id is not None:
            row.sound_id = sound_id
            if before != sound_id and (old := self._left(session, sound_id)) is not None:
                line = replace(line, status="moved", why=f"was {shorten(old)!r}")
        return line

    def _left(self, session: Session, sound_id: str) -> str | None:
        """Strike off the path that a sound has left, if there is one."""
        places = self.gone.get(sound_id)
        if not places:
            return None
        folder, path = places.pop(0)
        row = session.get(FileRow, (folder, path))
        if row is not None:
            session.delete(row)
        return path


def relative_path(path: Path, root: Path) -> str | None:
    """Give a file's path within a folder with forward slashes; None if it lies elsewhere or is no valid text."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links keep their names
    if root != absolute and root not in absolute.parents:
        return None
    inner = absolute.relative_to(root).as_posix()
    return inner if inner and clean_text(inner) == inner else None


def _rows(session: Session, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FileRow]:
    by_folder: Mapping[str, list[str]] = {
        name: [path for folder, path in places if folder == name] for name, _ in places
    }
    found = {}
    for name, paths in by_folder.items():
        for part in chunks(paths):
            rows = select(FileRow).where(FileRow.folder == name, FileRow.path.in_(part))
            found.update({(row.folder, row.path): row for row in session.scalars(rows)})
    return found
