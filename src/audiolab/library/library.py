"""`Library`: one folder of sounds that remembers how each was made."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from audiolab.config import get_settings
from audiolab.errors import AudioError, CatalogError, ParameterError
from audiolab.library import overlaying
from audiolab.library.adding import Kind, Progress, add_paths
from audiolab.library.adding_stems import add_stems
from audiolab.library.addreport import AddReport
from audiolab.library.archives import is_zip
from audiolab.library.collections import Collection, Collections
from audiolab.library.derived import chunks, visible
from audiolab.library.edits import Edits
from audiolab.library.fsck import FsckReport, fsck
from audiolab.library.ids import set_id
from audiolab.library.journal import Journal
from audiolab.library.lists import SampleSet, SoundList
from audiolab.library.media import FileMediaStore, MediaStore
from audiolab.library.models import ResultRow, RunRow, SetItemRow, SetRow, SoundRow, VectorRow
from audiolab.library.places import DATABASE, refuse_bad_place
from audiolab.library.provenance import Provenance, explain
from audiolab.library.query import Query
from audiolab.library.runlog import RunLog
from audiolab.library.scratch import clear_abandoned
from audiolab.library.search import search
from audiolab.library.sounds import Sound, Sounds, ids_of
from audiolab.library.store import Store
from audiolab.library.tables import html_table, seconds_text
from audiolab.library.text import shorten
from audiolab.library.vectors import read_vectors

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Library"]

_STEM_ORDER = ("drums", "bass", "other", "vocals", "guitar", "piano")


class Library(Edits, Journal):
    """A library: sounds, their tags, and how each was made.

    Parameters
    ----------
    path : path-like, optional
        Its folder; made if there is none. Relative paths start at the project (see `audiolab.config`).
        Default: the setting `library`.
    actor : str, optional
        Who makes changes, for the history; default: the user's login name.

    Attributes
    ----------
    path : Path
        The folder. It holds no absolute paths: closed, it can be copied or moved.
    media : MediaStore
        The files.
    warnings : list of str
        What was wrong when it was opened, such as a torn record.

    Raises
    ------
    CatalogError
        If the folder is something else, lies on a network file system, or was written by a newer audiolab.
    """

    def __init__(self, path: str | Path | None = None, *, actor: str | None = None) -> None:
        settings = get_settings()
        self.path = settings.path(settings.library if path is None else path).absolute()
        try:
            refuse_bad_place(self.path)
            for name in ("media", "records", "tmp", "cache"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError(f"cannot make a library in {str(self.path)!r}: {error.strerror or error}") from error
        self.actor = actor or _login()
        self.media: MediaStore = FileMediaStore(self.path / "media")
        self.store = Store(self.path / DATABASE)
        self._runs = RunLog(self.store)
        self.warnings: list[str] = []
        clear_abandoned(self.tmp_dir, "add")
        self.fold_new()

    # ---- opening and closing -------------------------------------------------------------------

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

    # ---- sounds --------------------------------------------------------------------------------

    def sound(self, which: str) -> Sound:
        """Find one sound.

        Parameters
        ----------
        which : str
            Its id, the beginning of its id (at least 4 digits), its exact name or its file's name.

        Raises
        ------
        CatalogError
            If there is none, or several.
        """
        with self.store.transaction(write=False) as session:
            row = session.get(SoundRow, which)
            if row is not None:
                return Sound(self, row)
            matches = (SoundRow.name == which) | (SoundRow.original_name == which)
            if len(which) >= 4 and set(which) <= set("0123456789abcdef"):
                matches |= (SoundRow.id >= which) & (SoundRow.id < which + "g")
            rows = session.scalars(select(SoundRow).where(matches, visible()).limit(6)).all()
        if len(rows) == 1:
            return Sound(self, rows[0])
        if not rows:
            raise CatalogError(f"the library has no sound {shorten(which)!r} (an id, its beginning, or an exact name)")
        some = ", ".join(f"{shorten(row.name, 30)!r} {row.id[:10]}" for row in rows[:5])
        raise CatalogError(
            f"{shorten(which)!r} may be several sounds: {some}{' …' if len(rows) > 5 else ''}; give an id"
        )

    def sound_row(self, sound_id: str) -> SoundRow:
        """Give a sound's row as it is now."""
        with self.store.transaction(write=False) as session:
            return overlaying.require(session, sound_id)

    def children(self, parent_id: str, *, kind: str | None = None, result_key: str | None = None) -> SoundList:
        """Give what was made (not cut) from a sound: all of one result, else what is current."""
        statement = select(SoundRow).where(
            SoundRow.parent_id == parent_id, SoundRow.start.is_(None), SoundRow.deleted_at.is_(None)
        )
        if kind is not None:
            statement = statement.where(SoundRow.kind == kind)
        if result_key is not None:
            statement = statement.where(SoundRow.result_key == result_key)
        else:
            statement = statement.where(SoundRow.current)
        with self.store.transaction(write=False) as session:
            rows = session.scalars(statement).all()
        rank = {name: index for index, name in enumerate(_STEM_ORDER)}
        return SoundList(self, sorted(rows, key=lambda row: (rank.get(row.stem or "", 99), row.stem or "", row.name)))

    def sample_set(self, result_key: str) -> SampleSet:
        """Give the sample set that a job cut.

        Raises
        ------
        CatalogError
            If that job cut nothing or is unknown.
        """
        return self._set(SetRow.id == set_id(result_key), f"the result {result_key[:12]}… has no sample set")

    def samples_of(self, parent_id: str) -> SampleSet:
        """Give a sound's newest sample set; empty if it was never cut."""
        return self._set((SetRow.parent_id == parent_id) & SetRow.superseded_by.is_(None), None, parent_id)

    def _set(self, which: Any, missing: str | None, parent_id: str | None = None) -> SampleSet:
        with self.store.transaction(write=False) as session:
            found = session.scalars(select(SetRow).where(which)).first()
            if found is None:
                if missing:
                    raise CatalogError(missing)
                return SampleSet(self, (), parent_id=parent_id)
            items = (
                select(SoundRow)
                .join(SetItemRow, SetItemRow.sound_id == SoundRow.id)
                .where(SetItemRow.set_id == found.id)
                .order_by(SetItemRow.position)
            )
            rows = session.scalars(items).all()
        return SampleSet(
            self,
            rows,
            id=found.id,
            parent_id=found.parent_id,
            result_key=found.result_key,
            superseded_by=found.superseded_by,
            facts=found.facts,
        )

    def names(self, sound_ids: Iterable[str]) -> dict[str, str]:
        """Give the names of sounds by id."""
        found: dict[str, str] = {}
        with self.store.transaction(write=False) as session:
            for ids in chunks(sound_ids):
                rows = session.execute(select(SoundRow.id, SoundRow.name).where(SoundRow.id.in_(ids)))
                found.update({row.id: row.name for row in rows})
        return found

    def explain(self, sound_id: str) -> Provenance:
        """Say how a sound was made; see `Sound.explain`."""
        with self.store.transaction(write=False) as session:
            return explain(session, sound_id)

    # ---- adding --------------------------------------------------------------------------------

    @overload
    def add(
        self,
        paths: str | Path,
        kind: Kind = "auto",
        *,
        stems: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Any: ...
    @overload
    def add(
        self, paths: Iterable[str | Path], kind: Kind = "auto", *, progress: Progress | None = None
    ) -> AddReport: ...
    @overload
    def add(self, *, stems: str | Path, progress: Progress | None = None) -> Sound: ...
    def add(
        self,
        paths: str | Path | Iterable[str | Path] | None = None,
        kind: Kind = "auto",
        *,
        stems: str | Path | None = None,
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
            A folder of stems: one song is made of them.
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
            return self.add_report(paths, kind, stems=stems, progress=progress).sounds[0]
        report = self.add_report(paths, kind, progress=progress)
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
        progress: Progress | None = None,
    ) -> AddReport:
        """Add like `add`, but always give a report; a bad file in it never raises."""
        if stems is not None:
            if paths is not None and not isinstance(paths, (str, Path)):
                raise ParameterError("with stems, give one mix or none")
            mix = None if paths is None or Path(paths) == Path(stems) else Path(paths).expanduser()
            return AddReport(add_stems(self, Path(stems).expanduser(), mix, progress))
        listed = [paths] if isinstance(paths, (str, Path)) else list(paths or ())
        return add_paths(self, listed, kind, progress)

    # ---- finding -------------------------------------------------------------------------------

    def query(self, text: str | Query = "", *, limit: int | None = None) -> SoundList:
        """Find sounds: `kind:sample label:kick bpm:120..130 ^tag:reject added:2026..` (see docs/library.md).

        Raises
        ------
        QueryError
            If the query cannot be understood; the message says where.
        """
        with self.store.transaction(write=False) as session:
            rows = search(session, text, limit)
        return SoundList(self, rows)

    @property
    def songs(self) -> SoundList:
        """All songs."""
        return self.query("kind:song")

    @property
    def trash(self) -> SoundList:
        """What was deleted and can be restored."""
        with self.store.transaction(write=False) as session:
            rows = session.scalars(select(SoundRow).where(SoundRow.deleted_at.is_not(None)).order_by(SoundRow.added_at))
            return SoundList(self, rows, "sounds in the trash")

    def to_frame(self, query: str | Query = "") -> pd.DataFrame:
        """Give a pandas table of all sounds, or of those that a query finds."""
        return self.query(query).to_frame()

    def collection(self, name: str) -> Collection:
        """Give the collection of that name; it comes into being with its first sound."""
        return Collection(self, name)

    @property
    def collections(self) -> Collections:
        """All collections by name."""
        return Collections(self)

    # ---- the whole -----------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Count what is there: sounds by kind, labels, seconds of songs, bytes, results, runs, collections."""
        with self.store.transaction(write=False) as session:
            kinds = session.execute(select(SoundRow.kind, func.count()).where(visible()).group_by(SoundRow.kind))
            labels = session.execute(
                select(SoundRow.label, func.count())
                .where(visible(), SoundRow.label.is_not(None))
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

    def fsck(self, *, deep: bool = False) -> FsckReport:
        """Report what is missing, changed, torn or left over; touches nothing. `deep` reads every byte."""
        return fsck(self, deep=deep)

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

    def encoders(self) -> dict[str, int]:
        """Count the embeddings of each encoder."""
        with self.store.transaction(write=False) as session:
            rows = session.execute(select(VectorRow.encoder, func.count()).group_by(VectorRow.encoder))
            return dict(rows.all())

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
