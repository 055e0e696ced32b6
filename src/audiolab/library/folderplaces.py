"""Where the folders that a library knows lie on this machine: `places.json`, so that the catalog holds no such paths.

Each folder is written down twice, absolute and as seen from the library: a disk that holds both is found again
wherever it is plugged in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError
from audiolab.library.clock import utc_now
from audiolab.library.models import FolderRow
from audiolab.library.text import clean_text, shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["PLACES", "Places", "folder_named", "folder_of", "known_roots", "make_folder"]

PLACES = "places.json"


class Places:
    """The places of a library's folders.

    Parameters
    ----------
    library : Path
        The library's folder.
    """

    def __init__(self, library: Path) -> None:
        self._library = library
        self._file = library / PLACES
        self._read: tuple[int, dict[str, dict[str, str]]] | None = None

    def where(self, name: str) -> Path | None:
        """Give where a folder lies; None if it is nowhere now, such as on a disk that is not plugged in."""
        known = self._all().get(name, {})
        for path in self._candidates(known):
            if path.is_dir():
                return path
        return None

    def last(self, name: str) -> Path | None:
        """Give where a folder was last known to lie, whether it is there or not."""
        return next(self._candidates(self._all().get(name, {})), None)

    def put(self, name: str, path: Path) -> None:
        """Write down where a folder lies. The caller holds the catalog's write lock."""
        path = Path(os.path.abspath(path))  # noqa: PTH100 - links keep their names
        place = {"absolute": str(path)}
        try:
            place["relative"] = Path(os.path.relpath(path, self._library)).as_posix()
        except ValueError:  # on another drive
            pass
        self._write({**self._all(), name: place})

    def forget(self, name: str) -> None:
        """Strike a folder off the list."""
        self._write({known: place for known, place in self._all().items() if known != name})

    def _candidates(self, place: Mapping[str, str]) -> Iterator[Path]:
        if absolute := place.get("absolute"):
            yield Path(absolute)
        if relative := place.get("relative"):
            yield Path(os.path.normpath(self._library / relative))

    def _all(self) -> dict[str, dict[str, str]]:
        try:
            changed = self._file.stat().st_mtime_ns
            if self._read is not None and self._read[0] == changed:
                return self._read[1]
            document = json.loads(self._file.read_text("utf-8"))
            folders = {
                str(name): {str(word): str(path) for word, path in place.items()}
                for name, place in document["folders"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise CatalogError(
                f"{str(self._file)!r} is damaged ({error}); delete it and tell the library where its folders are "
                "(`audiolab folder move NAME PATH`)"
            ) from error
        self._read = (changed, folders)
        return folders

    def _write(self, folders: Mapping[str, Mapping[str, str]]) -> None:
        try:
            with atomic_path(self._file) as temporary:
                # ASCII: names of folders that are no UTF-8 survive as escapes.
                temporary.write_text(json.dumps({"format": 1, "folders": folders}, indent=1), encoding="utf-8")
        except OSError as error:
            raise CatalogError(f"cannot write {str(self._file)!r}: {error.strerror or error}") from error
        self._read = None


def folder_named(session: Session, name: str) -> FolderRow:
    """Give a folder by its name.

    Raises
    ------
    CatalogError
        If there is none.
    """
    row = session.get(FolderRow, name)
    if row is None:
        known = ", ".join(repr(shorten(found, 30)) for found in sorted(session.scalars(select(FolderRow.name)))[:8])
        raise CatalogError(f"the library knows no folder {shorten(name)!r}; it knows {known or 'none'}")
    return row


def folder_of(session: Session, places: Places, path: Path) -> tuple[FolderRow, Path] | None:
    """Find the known folder that `path` is or lies in, the deepest of them, with its place."""
    path = Path(os.path.abspath(path))  # noqa: PTH100
    found: tuple[FolderRow, Path] | None = None
    for row in session.scalars(select(FolderRow).order_by(FolderRow.name)):
        root = places.where(row.name)
        if root is None or (path != root and root not in path.parents):
            continue
        if found is None or len(root.parts) > len(found[1].parts):
            found = (row, root)
    return found


def known_roots(library: Library) -> list[tuple[str, Path]]:
    """Give all folders that are at their places, the deepest first."""
    with library.store.transaction(write=False) as session:
        names = session.scalars(select(FolderRow.name).order_by(FolderRow.name)).all()
    found = [(name, root) for name in names if (root := library.places.where(name)) is not None]
    return sorted(found, key=lambda item: -len(item[1].parts))


def make_folder(session: Session, places: Places, path: Path, mode: str) -> FolderRow:
    """Let the library know a new folder; it is named like its last part, with a number if that is taken."""
    path = Path(os.path.abspath(path))  # noqa: PTH100
    base = clean_text(path.name or "root")[:200]
    name, number = base, 2
    while session.get(FolderRow, name) is not None:
        name, number = f"{base} {number}", number + 1
    row = FolderRow(name=name, mode=mode, kind="auto", rule=None, watched=False, added_at=utc_now())
    session.add(row)
    session.flush()
    places.put(name, path)
    return row
