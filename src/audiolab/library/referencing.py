"""Media that stay where they lie: a library that refers to files instead of copying them.

What stages make always goes to the store inside the library; what was added is looked for there first and then in the
folders that the library knows. A file counts only while size and time of change are those that were noted: its bytes
are then those that were added.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from sqlalchemy import exists, select

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.folderplaces import Places
from audiolab.library.media import FileMediaStore, MediaFile
from audiolab.library.models import FileRow, MetaRow, SoundRow
from audiolab.library.store import Store
from audiolab.library.text import shorten

__all__ = ["MODES", "FilesMode", "ReferringMediaStore", "file_state", "files_mode"]

FilesMode: TypeAlias = Literal["copy", "reference"]
MODES = ("copy", "reference")
_META = "files"


def files_mode(store: Store, wanted: str | None) -> FilesMode:
    """Give how a library keeps its files; settled when it is made.

    Raises
    ------
    ParameterError
        If there is no such mode.
    CatalogError
        If the library keeps its files in the other way.
    """
    if wanted is not None and wanted not in MODES:
        raise ParameterError(f"files must be 'copy' or 'reference', not {wanted!r}")
    with store.transaction(write=False) as session:
        row = session.get(MetaRow, _META)
    if row is None:
        with store.transaction() as session:
            row = session.get(MetaRow, _META)
            if row is None:
                # A library from before there was a choice has copied what it holds.
                used = session.scalar(select(exists().where(SoundRow.id.is_not(None))))
                row = MetaRow(key=_META, value={"mode": "copy" if used else wanted or "copy"})
                session.add(row)
    mode: FilesMode = "reference" if row.value.get("mode") == "reference" else "copy"
    if wanted is not None and wanted != mode:
        raise CatalogError(
            f"this library was made with files={mode!r} and keeps to that; leave files={wanted!r} out, or make a new "
            "library" + (" (collect_files() copies what is referred to)" if mode == "reference" else "")
        )
    return mode


def file_state(path: Path, row: FileRow) -> str:
    """Say of a file what can be said without reading it: `here`, `changed` or `missing`."""
    try:
        now = path.stat()
    except (OSError, ValueError):
        return "missing"
    return "here" if (now.st_size, now.st_mtime_ns) == (row.size, row.mtime_ns) else "changed"


class ReferringMediaStore(FileMediaStore):
    """The store of a library that refers to files.

    Parameters
    ----------
    root : Path
        Folder of the store itself.
    catalog : Store
        Knows which file holds which media.
    places : Places
        Knows where the folders lie.
    """

    def __init__(self, root: Path, catalog: Store, places: Places) -> None:
        super().__init__(root)
        self._catalog, self._places = catalog, places

    def local(self, media: str) -> Path:
        """Give the path of a file with these bytes: in the store, else where it was added from.

        Raises
        ------
        CatalogError
            If there is none; the message says whether the file is missing or changed, and what to do.
        """
        found = self.stored(media)
        if found is not None:
            return found
        path, why = self._referred(media)
        if path is None:
            raise CatalogError(why)
        return path

    def exists(self, media: str) -> bool:
        """Say whether the media is there, in the store or unchanged in a folder."""
        return self.stored(media) is not None or self._referred(media)[0] is not None

    def referred(self) -> Iterator[tuple[MediaFile, Path]]:
        """List the media that sounds have outside, with their files as long as these are there and unchanged."""
        rows = select(FileRow).where(exists().where(SoundRow.media == FileRow.media)).order_by(FileRow.media)
        with self._catalog.transaction(write=False) as session:
            found = session.scalars(rows).all()
        for row in found:
            path = self._path(row)
            if path is not None and row.media is not None and file_state(path, row) == "here":
                yield MediaFile(row.media, path.suffix, row.size), path

    def _referred(self, media: str) -> tuple[Path | None, str]:
        with self._catalog.transaction(write=False) as session:
            rows = session.scalars(select(FileRow).where(FileRow.media == media).order_by(FileRow.seen_at.desc())).all()
        why = f"the file of media {media[:12]}… is missing from the library; `audiolab fsck` says more"
        for row in rows:
            path = self._path(row)
            shown = f"{shorten(row.path)!r} in the folder {shorten(row.folder)!r}"
            if path is None:
                last = self._places.last(row.folder)
                why = (
                    f"{shown} cannot be reached: the folder is not at {str(last)!r}; plug the disk in, or say where it "
                    f"is now (`audiolab folder move`)"
                )
                continue
            state = file_state(path, row)
            if state == "here":
                return path, ""
            why = (
                f"{shown} was changed since it was added; rescan the folder to take it in anew"
                if state == "changed"
                else f"{shown} is missing; rescan the folder, or find it elsewhere with `audiolab relink`"
            )
        return None, why

    def _path(self, row: FileRow) -> Path | None:
        root = self._places.where(row.folder)
        return None if root is None else root / row.path
