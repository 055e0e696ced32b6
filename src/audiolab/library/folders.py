"""The part of `Library` that deals with folders on the user's disk: watched, scanned again, moved, relinked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, select

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.adding import Kind, Progress, check_kind
from audiolab.library.addreport import AddLine, AddReport
from audiolab.library.finding import Candidate, candidates
from audiolab.library.folderplaces import Places, folder_named, folder_of, make_folder
from audiolab.library.foldertags import Matched, parse_rule
from audiolab.library.models import FileRow, FolderRow
from audiolab.library.ops import note, one_action
from audiolab.library.referencing import FilesMode, ReferringMediaStore, file_state
from audiolab.library.relinking import collect, relink
from audiolab.library.rescanning import SETTLE, rescan_folder
from audiolab.library.store import Store
from audiolab.library.watching import keep_watching

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["Folder", "Folders"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that the library knows.

    Attributes
    ----------
    path : Path or None
        Where it lies now; None if it is not at its place.
    files : mapping
        Number of its files by status: here, missing, failed, archive.
    """

    name: str
    path: Path | None
    mode: str
    kind: str
    rule: str | None
    watched: bool
    files: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "name": self.name, "path": None if self.path is None else str(self.path), "mode": self.mode,
            "kind": self.kind, "rule": self.rule, "watched": self.watched, "files": self.files,
        }  # fmt: skip


class Folders:
    """Folders outside: watching, scanning again, relinking, collecting."""

    store: Store
    places: Places
    files: FilesMode
    actor: str

    @property
    def _with_folders(self) -> Library:
        return cast("Library", self)

    @property
    def folders(self) -> list[Folder]:
        """All folders that the library knows, by name."""
        with self.store.transaction(write=False) as session:
            rows = sorted(session.scalars(select(FolderRow)), key=lambda row: row.name)  # not by the database's locale
            counts = session.execute(
                select(FileRow.folder, FileRow.status, func.count()).group_by(FileRow.folder, FileRow.status)
            ).all()
        return [
            Folder(
                row.name, self.places.where(row.name), row.mode, row.kind, row.rule, row.watched,
                {status: number for folder, status, number in counts if folder == row.name},
            )
            for row in rows
        ]  # fmt: skip

    def watch(self, folder: str | Path, *, kind: Kind = "auto", rule: str | None = None) -> str:
        """Remember a folder, so that `rescan` takes in what is new in it. Nothing is added yet.

        Parameters
        ----------
        folder : path-like
            Where it lies.
        kind, rule : optional
            As in `add`; they hold for everything that turns up in it.

        Returns
        -------
        str
            Its name.

        Raises
        ------
        CatalogError
            If it is no folder, or holds this library.
        ParameterError
            If the kind or rule makes no sense.
        """
        check_kind(kind)
        if rule is not None:
            parse_rule(rule)
        path = Path(folder).expanduser().absolute()
        if not path.is_dir():
            raise CatalogError(f"{str(folder)!r} is not a folder that can be watched; is it there?")
        library = self._with_folders.path
        if path == library or library in path.parents:
            raise CatalogError(f"{str(folder)!r} lies inside the library itself")
        with self.store.transaction() as session:
            known = folder_of(session, self.places, path)
            row = known[0] if known is not None and known[1] == path else None
            if row is None:
                row = make_folder(session, self.places, path, self.files)
            before = _state(row)
            row.watched, row.kind, row.rule = True, kind, rule
            if before != _state(row):
                note(session, self.actor, "watch", f"folder:{row.name}", before=before, after=_state(row))
            return row.name

    def unwatch(self, folder: str | Path) -> None:
        """Let `rescan` leave a folder out from now on; its sounds stay."""
        with self.store.transaction() as session:
            row = folder_named(session, self.folder_name(folder))
            if row.watched:
                before = _state(row)
                row.watched = False
                note(session, self.actor, "unwatch", f"folder:{row.name}", before=before, after=_state(row))

    def folder_name(self, folder: str | Path) -> str:
        """Give the name of a known folder, by its name or its path.

        Raises
        ------
        CatalogError
            If the library does not know it.
        """
        with self.store.transaction(write=False) as session:
            if session.get(FolderRow, str(folder)) is not None:
                return str(folder)
            found = folder_of(session, self.places, Path(folder).expanduser())
            if found is not None and found[1] == Path(folder).expanduser().absolute():
                return found[0].name
            return folder_named(session, str(folder)).name  # says what it knows

    def rescan(
        self,
        folder: str | Path | None = None,
        *,
        settle: float = SETTLE,
        progress: Progress | None = None,
        each: Callable[[AddLine], None] | None = None,
    ) -> AddReport:
        """Take in what is new or changed in one folder, or in all that are watched.

        Only files whose size or time of change differs from when they were last seen are opened. An interrupted scan
        goes on where it was.

        Parameters
        ----------
        folder : path-like, optional
            Its name or path.
        settle : float
            Seconds that a file must have been left alone, so that nothing half-copied is taken.
        progress : callable, optional
            Gets (files done, files to look at).
        each : callable, optional
            Gets every line of the report as soon as it holds.

        Returns
        -------
        AddReport
            Lines: added, existing, changed (another sound now; the old one stays), moved, missing, failed, skipped.

        Raises
        ------
        CatalogError
            If the one folder asked for is not there; of several, the report says so.
        """
        library = self._with_folders
        if folder is not None:
            with one_action():
                return rescan_folder(library, self.folder_name(folder), settle=settle, progress=progress, each=each)
        report = AddReport()
        for known in self.folders:
            if not known.watched:
                continue
            try:
                with one_action():
                    found = rescan_folder(library, known.name, settle=settle, progress=progress, each=each)
            except CatalogError as error:
                found = AddReport([AddLine(known.name, "failed", str(error))])
                if each is not None:
                    each(found.lines[0])
            report.lines += found.lines
            report.unchanged += found.unchanged
        return report

    def keep_watching(
        self,
        folder: str | Path | Sequence[str | Path] | None = None,
        *,
        stop: threading.Event,
        settle: float = SETTLE,
        poll: float | None = None,
        each: Callable[[AddLine], None] | None = None,
        ready: Callable[[str], None] | None = None,
    ) -> AddReport:
        """Rescan some folders or all that are watched, and again whenever something happens in them.

        Parameters
        ----------
        folder : path-like or sequence of path-like, optional
            Names or paths.
        stop : threading.Event
            Set it to end.
        settle, each
            As in `rescan`; what did not change since the last scan is not said again.
        poll : float, optional
            Look every so many seconds; default: wait for events of the system where it has them.
        ready : callable, optional
            Called after the first scan with what is waited for.

        Raises
        ------
        CatalogError
            If the folder is unknown, or none is watched.
        """
        watched = [known.name for known in self.folders if known.watched]
        given = [folder] if isinstance(folder, (str, Path)) else list(folder or ())
        names = watched if folder is None else [self.folder_name(one) for one in given]
        if not names:
            raise CatalogError("no folder is watched; `watch` one first")
        return keep_watching(self._with_folders, names, stop=stop, settle=settle, poll=poll, each=each, ready=ready)

    def relink(self, folder: str | Path, *, progress: Progress | None = None) -> AddReport:
        """Look through a folder for files that are lost: by their bytes, else by the sound in them.

        In a library that copies, what is found is copied in again; else the library refers to it from now on.
        """
        return relink(self._with_folders, Path(folder).expanduser(), progress)

    def move_folder(self, name: str | Path, new_path: str | Path) -> AddReport:
        """Say where a folder lies now, as a whole.

        Returns
        -------
        AddReport
            `unchanged` counts its files that are there as they were; the others are `missing` or `failed` lines.

        Raises
        ------
        CatalogError
            If there is no such folder, or none of its files is there.
        """
        path = Path(new_path).expanduser().absolute()
        if not path.is_dir():
            raise CatalogError(f"{str(new_path)!r} is not a folder; is it there?")
        report = AddReport()
        with self.store.transaction() as session:
            row = folder_named(session, str(name))
            files = session.scalars(select(FileRow).where(FileRow.folder == row.name).order_by(FileRow.path)).all()
            for file in files:
                state = file_state(path / file.path, file)
                if state == "here":
                    report.unchanged += 1
                    if file.status == "missing":
                        file.status, file.why = "here", ""
                elif state == "changed":
                    report.lines.append(
                        AddLine(f"{row.name}/{file.path}", "failed", "changed; rescan takes it in anew")
                    )
                else:
                    report.lines.append(AddLine(f"{row.name}/{file.path}", "missing"))
            if files and len(report.missing) == len(files):
                raise CatalogError(
                    f"none of the {len(files)} files of the folder {row.name!r} is below {str(path)!r}; "
                    "give the folder itself, not the one above or below"
                )
            self.places.put(row.name, path)
        return report

    def forget_folder(self, name: str | Path) -> None:
        """Forget a folder; its sounds stay.

        Raises
        ------
        CatalogError
            If sounds of the library have their only files in it.
        """
        with self.store.transaction() as session:
            row = folder_named(session, self.folder_name(name))
            files = session.scalars(select(FileRow).where(FileRow.folder == row.name)).all()
            media = self._with_folders.media
            if isinstance(media, ReferringMediaStore):
                root = self.places.where(row.name)
                used = sum(
                    file.media is not None
                    and media.stored(file.media) is None
                    and (root is None or file_state(root / file.path, file) == "here")
                    for file in files
                )
                if used:
                    raise CatalogError(
                        f"the library refers to {used} files in {row.name!r}; collect_files() copies them first"
                    )
            for file in files:
                session.delete(file)
            session.flush()
            session.delete(row)
            self.places.forget(row.name)

    def collect_files(self, *, progress: Progress | None = None) -> AddReport:
        """Copy every file that the library refers to into its store, so that it holds all that it needs."""
        return collect(self._with_folders, progress)

    def match_rule(self, rule: str, folder: str | Path) -> list[tuple[str, Matched | None]]:
        """Show what a rule would find, without adding anything: each file's path, with None where it does not fit.

        Raises
        ------
        ParameterError
            If the rule cannot be understood; the message says where.
        """
        parsed = parse_rule(rule)
        path = Path(folder).expanduser()
        if not path.exists():
            raise ParameterError(f"{str(folder)!r} does not exist")
        items = (item for item in candidates(path) if isinstance(item, Candidate))
        return [(item.origin, parsed.match(item.within)) for item in items]


def _state(row: FolderRow) -> dict[str, Any]:
    return {"watched": row.watched, "kind": row.kind, "rule": row.rule}
