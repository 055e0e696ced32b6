"""`Library`: one folder of sounds that remembers how each was made."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from audiolab.config import get_settings
from audiolab.errors import AudioError, CatalogError, ParameterError
from audiolab.library.adding import Kind, Progress, add_paths
from audiolab.library.adding_stems import add_stems, add_stems_of_many, song_folders
from audiolab.library.addreport import AddReport
from audiolab.library.archives import is_zip
from audiolab.library.asking import Asking
from audiolab.library.cardrows import CardRow
from audiolab.library.cards import count_anew, ensure, refresh_touched
from audiolab.library.caring import Caring
from audiolab.library.edits import Edits
from audiolab.library.folderplaces import Places
from audiolab.library.folders import Folders
from audiolab.library.handwork import Handwork
from audiolab.library.journal import Journal
from audiolab.library.lookups import Lookups
from audiolab.library.media import FileMediaStore, MediaStore
from audiolab.library.mediaplace import chosen_media, mark_media, prepare_media, settle_media
from audiolab.library.models import ResultRow, RunRow, SoundRow
from audiolab.library.ops import one_action
from audiolab.library.places import DATABASE, chosen_database, identify, refuse_bad_place
from audiolab.library.purging import finish_purges
from audiolab.library.referencing import FilesMode, ReferringMediaStore, files_mode
from audiolab.library.remote import RemoteFolder
from audiolab.library.remote_media import RemoteMediaStore
from audiolab.library.remote_records import RemoteRecords
from audiolab.library.runlog import RunLog
from audiolab.library.scratch import clear_abandoned
from audiolab.library.sounds import Sound, Sounds, ids_of
from audiolab.library.store import Store
from audiolab.library.tables import html_table, seconds_text
from audiolab.library.vectors import KeptVectors, kept_vectors, read_vectors, vector_counts

__all__ = ["Library"]


class Library(Lookups, Asking, Edits, Handwork, Journal, Folders, Caring):
    """A library: sounds, their tags, and how each was made.

    Parameters
    ----------
    path : path-like, optional
        Its folder; made if there is none. Relative paths start at the project (see `audiolab.config`).
        Default: the setting `library`.
    actor : str, optional
        Who makes changes, for the history; default: the user's login name.
    database : str, optional
        URL of a PostgreSQL database for the catalog, `postgresql://user:password@host/name`; the folder then holds
        the files only. Default: the setting `database` where it fits (the default library, or a folder whose
        catalog is known to be on PostgreSQL), else a SQLite file in the folder.
    media : str, optional
        fsspec URL of its files, such as `s3://bucket/folder`, so that workers on other hosts need not see the folder;
        keys come from the environment. Settled when the library is made. Default: the setting `media` for the default
        library, else the files lie in the folder.
    files : {"copy", "reference"}, optional
        What to do with files that are added: copy them into the library, or refer to them where they lie.
        Settled when the library is made; default then: copy.

    Attributes
    ----------
    path : Path
        The folder. It holds no absolute paths: closed, it can be copied or moved.
    media : MediaStore
        The files.
    files : str
        `copy` or `reference`.
    places : Places
        Where the folders lie that it knows.
    id : str
        What tells it from other libraries; a copy has the same.
    warnings : list of str
        What was wrong when it was opened, such as a torn record.

    Raises
    ------
    CatalogError
        If the folder is something else, lies on a network file system, or was written by a newer audiolab.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        actor: str | None = None,
        database: str | None = None,
        media: str | None = None,
        files: FilesMode | None = None,
    ) -> None:
        settings = get_settings()
        self.path = settings.path(settings.library if path is None else path).absolute()
        try:
            url = chosen_database(self.path, database)
            media_url = chosen_media(self.path, media)
            refuse_bad_place(self.path, catalog_inside=url is None)
            if media_url is not None:
                prepare_media(self.path, media_url, catalog_inside=url is None, files=files)
            for name in ("media", "records", "tmp", "cache"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError(f"cannot make a library in {str(self.path)!r}: {error.strerror or error}") from error
        self.actor = actor or _login()
        self.media: MediaStore = FileMediaStore(self.path / "media")
        self.store = Store(self.path / DATABASE if url is None else url, before_commit=refresh_touched)
        self.id = identify(self.store, self.path)
        media_url = settle_media(self.store, media_url)
        ensure(self.store)
        self.places = Places(self.path)
        self.files: FilesMode = files_mode(self.store, files)
        self.remote: RemoteRecords | None = None
        if media_url is not None:
            self._open_remote(media_url)
        elif self.files == "reference":
            self.media = ReferringMediaStore(self.path / "media", self.store, self.places)
        self._runs = RunLog(self.store)
        self.warnings: list[str] = []
        for what in ("add", "backup", "repair", "retag", "salvage", "upload"):
            clear_abandoned(self.tmp_dir, what)
        finish_purges(self)
        self.fold_new()
        count_anew(self.store)

    # ---- opening and closing -------------------------------------------------------------------

    def _open_remote(self, url: str) -> None:
        folder = RemoteFolder(url)
        self.remote = RemoteRecords(folder)
        self.remote.identify(self.id)
        mark_media(self.path, url)
        self.media = RemoteMediaStore(folder)

    @property
    def media_url(self) -> str | None:
        """Where its files are, if not in the folder."""
        return None if self.remote is None else self.remote.remote.url

    def close(self) -> None:
        """Close it; the folder can then be copied."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def tmp_dir(self) -> Path:
        """Folder for unfinished files, on the media's file system."""
        return self.path / "tmp"

    # ---- adding --------------------------------------------------------------------------------

    @overload
    def add(
        self,
        paths: str | Path,
        kind: Kind = "auto",
        *,
        stems: str | Path | None = None,
        rule: str | None = None,
        progress: Progress | None = None,
    ) -> Any: ...
    @overload
    def add(
        self,
        paths: Iterable[str | Path],
        kind: Kind = "auto",
        *,
        rule: str | None = None,
        progress: Progress | None = None,
    ) -> AddReport: ...
    @overload
    def add(self, *, stems: str | Path, progress: Progress | None = None) -> Any: ...
    def add(
        self,
        paths: str | Path | Iterable[str | Path] | None = None,
        kind: Kind = "auto",
        *,
        stems: str | Path | None = None,
        rule: str | None = None,
        progress: Progress | None = None,
    ) -> Sound | AddReport:
        """Add a file, a folder, a zip, or a list of these. The originals are only read.

        Parameters
        ----------
        paths : path-like or iterable of path-like
            What to add. With `stems`: the mix (optional).
        kind : {"auto", "song", "sample", "stem"}
            auto: a sample if shorter than 15 s or marked as loop or one-shot inside the file, else a song.
        stems : path-like, optional
            A folder of stems: one song is made of them. A folder of such folders: a song of each, and a report.
        rule : str, optional
            How tags are read from the names of folders and files, such as `{pack}/{label}/{name}_{bpm}_{key}`.
        progress : callable, optional
            Gets (files done, files in all).

        Returns
        -------
        Sound or AddReport
            The sound of a single file, whether it is new or was known; a report for anything else.

        Raises
        ------
        AudioError
            If a single file is not audio or damaged; in a folder, zip or list the report says so and the rest goes on.
        """
        if stems is None and paths is None:
            raise ParameterError("there is nothing to add: give a file, a folder, a zip or a list of these")
        if stems is not None:
            report = self.add_report(paths, kind, stems=stems, progress=progress)
            many = len([sound for sound in report.sounds if sound.kind == "song"]) != 1 or report.failed
            return report if many else report.sounds[0]
        report = self.add_report(paths, kind, rule=rule, progress=progress)
        if not isinstance(paths, (str, Path)) or _holds_many(paths):
            return report
        if report.failed:
            raise AudioError(report.failed[0].why)
        return report.sound

    def add_report(
        self,
        paths: str | Path | Iterable[str | Path] | None,
        kind: Kind = "auto",
        *,
        stems: str | Path | None = None,
        rule: str | None = None,
        progress: Progress | None = None,
    ) -> AddReport:
        """Add like `add`, but always give a report; a bad file in it never raises."""
        if stems is not None:
            if paths is not None and not isinstance(paths, (str, Path)):
                raise ParameterError("with stems, give one mix or none")
            folder = Path(stems).expanduser()
            mix = None if paths is None or Path(paths) == Path(stems) else Path(paths).expanduser()
            songs = song_folders(folder) if mix is None and folder.is_dir() else [folder]
            if songs != [folder]:
                return AddReport(add_stems_of_many(self, songs, progress))
            return AddReport(add_stems(self, folder, mix, progress))
        listed = [paths] if isinstance(paths, (str, Path)) else list(paths or ())
        with one_action():  # undone at once, however many transactions it took
            report = add_paths(self, listed, kind, progress, rule)
        count_anew(self.store)
        return report

    # ---- the whole -----------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Count what is there: sounds by kind, labels, seconds of songs, bytes, results, runs, collections."""
        with self.store.transaction(write=False) as session:
            kinds = session.execute(select(CardRow.kind, func.count()).where(CardRow.shown).group_by(CardRow.kind))
            labels = session.execute(
                select(SoundRow.label, func.count())
                .join(CardRow, CardRow.sound_id == SoundRow.id)
                .where(CardRow.shown, SoundRow.label.is_not(None))
                .group_by(SoundRow.label)
                .order_by(func.count().desc(), SoundRow.label)
            )
            sizes = select(SoundRow.media, func.max(SoundRow.size).label("size")).group_by(SoundRow.media).subquery()
            songs = select(func.sum(SoundRow.duration)).where(SoundRow.kind == "song", SoundRow.deleted_at.is_(None))
            return {
                "song": 0,
                "stem": 0,
                "sample": 0,
                **dict(kinds.all()),
                "labels": dict(labels.all()),
                "song_seconds": float(session.scalar(songs) or 0.0),
                "media_bytes": int(session.scalar(select(func.sum(sizes.c.size))) or 0),
                "results": session.scalar(select(func.count()).select_from(ResultRow)) or 0,
                "runs": session.scalar(select(func.count()).select_from(RunRow)) or 0,
                "collections": len(self.collections),
            }

    def vectors(self, encoder: str, sounds: Sounds | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """Give the embeddings of one encoder.

        Parameters
        ----------
        encoder : str
            Its hash.
        sounds : optional
            Only these; default: all that a query for everything finds.

        Returns
        -------
        ids : list of str
        vectors : ndarray [float32, shape=(len(ids), dimensions)]
        """
        with self.store.transaction(write=False) as session:
            return read_vectors(session, encoder, None if sounds is None else ids_of(sounds))

    def kept_vectors(self, encoder: str) -> KeptVectors:
        """Give all vectors of one encoder at once, from a copy in `cache/`; also those of sounds in the trash."""
        return kept_vectors(self.store, self.path / "cache", encoder)

    def encoders(self) -> dict[str, int]:
        """Count the embeddings of each encoder."""
        with self.store.transaction(write=False) as session:
            return vector_counts(session)

    def __len__(self) -> int:
        return len(self.query())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r})"

    def _repr_html_(self) -> str:
        stats = self.stats()
        rows = [(kind, stats[kind]) for kind in ("song", "stem", "sample")]
        rows += [
            ("music", seconds_text(stats["song_seconds"])),
            ("labels", ", ".join(f"{label} {count}" for label, count in list(stats["labels"].items())[:8])),
            ("files", f"{stats['media_bytes'] / 1e6:.1f} MB"),
            ("runs", stats["runs"]),
            ("collections", stats["collections"]),
        ]
        return html_table(str(self.path), ("", ""), rows, note="; ".join(self.warnings))


def _holds_many(path: str | Path) -> bool:
    path = Path(path).expanduser()
    return os.path.isdir(path) or is_zip(path)  # noqa: PTH112 - unlike Path.is_dir it takes any text


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "user"
