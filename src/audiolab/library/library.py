"""`Library`: one folder of sounds that remembers how each was made."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import select

from audiolab.config import get_settings
from audiolab.errors import CatalogError
from audiolab.library import catching_up, folding, overlaying, tags
from audiolab.library.derived import chunks, latest_of, visible
from audiolab.library.ids import set_id
from audiolab.library.lists import SampleSet, SoundList
from audiolab.library.media import FileMediaStore, MediaStore
from audiolab.library.models import JobRow, ResultRow, RunRow, SetItemRow, SetRow, SoundRow
from audiolab.library.ops import Op, ops
from audiolab.library.places import DATABASE, refuse_bad_place
from audiolab.library.provenance import Provenance, explain
from audiolab.library.records import Record, record_path
from audiolab.library.runlog import RunLog
from audiolab.library.sounds import Sound
from audiolab.library.store import Store
from audiolab.library.tags import Role, Tag
from audiolab.library.text import shorten

__all__ = ["Library"]

_STEM_ORDER = ("drums", "bass", "other", "vocals", "guitar", "piano")


class Library:
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
        refuse_bad_place(self.path)
        try:
            for name in ("media", "records", "tmp", "cache"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError(f"cannot make a library in {str(self.path)!r}: {error.strerror or error}") from error
        self.actor = actor or _login()
        self.media: MediaStore = FileMediaStore(self.path / "media")
        self.store = Store(self.path / DATABASE)
        self._runs = RunLog(self.store)
        self.warnings: list[str] = []
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

    # ---- what people change --------------------------------------------------------------------

    def tag(self, sound_ids: Iterable[str], label: str, confidence: float = 1.0, *, role: Role | None = None) -> None:
        """Give sounds a label by a person's hand; see `Sound.tag`."""
        with self.store.transaction() as session:
            tags.add_tags(session, self.actor, sound_ids, label, confidence=confidence, role=role)

    def untag(self, sound_ids: Iterable[str], label: str) -> int:
        """Take a label away; see `Sound.untag`. Gives the number of sounds that had it."""
        with self.store.transaction() as session:
            return tags.remove_tags(session, self.actor, sound_ids, label)

    def tags_of(self, sound_id: str) -> list[Tag]:
        """Give all tags of a sound, people's first."""
        with self.store.transaction(write=False) as session:
            return tags.tags_of(session, sound_id)

    def rename(self, sound_id: str, name: str) -> None:
        """Give a sound another name."""
        with self.store.transaction() as session:
            overlaying.rename(session, self.actor, sound_id, name)

    def set_overlay(self, sound_id: str, kind: str, body: Mapping[str, Any] | None) -> None:
        """Lay a person's correction over what a stage found; None takes it away.

        Parameters
        ----------
        kind : str
            Name of the stage whose document it changes, or `facts`.
        body : mapping or None
            A JSON merge patch; `{"tempo_factor": 2}` on `analyze` counts the music twice as fast.
        """
        with self.store.transaction() as session:
            overlaying.set_overlay(session, self.actor, sound_id, kind, body)

    def overlay(self, sound_id: str, kind: str) -> dict[str, Any] | None:
        """Give the correction as it was written, if there is one."""
        with self.store.transaction(write=False) as session:
            return overlaying.overlay(session, sound_id, kind)

    def ops(self, *, target: str | None = None, limit: int = 100) -> list[Op]:
        """Give the newest changes by people, the newest first."""
        with self.store.transaction(write=False) as session:
            return ops(session, target=target, limit=limit)

    # ---- results and records -------------------------------------------------------------------

    def record_path(self, key: str) -> Path:
        """Give the place of a result's record."""
        return record_path(self.path, key)

    def fold(self, record: Record) -> bool:
        """Write what a job left into the catalog; gives False if it was there already."""
        return folding.fold(self.store, self.media, record)

    def fold_new(self) -> int:
        """Fold the records that workers left meanwhile; what cannot be folded goes to `warnings`."""
        folded, self.warnings = catching_up.fold_new_records(self.store, self.media, self.path)
        return folded

    def reuse(self, key: str) -> bool:
        """Let a known result count as the newest of its stage again; gives False if it does already."""
        path = self.record_path(key)
        return folding.reuse(self.store, self.media, key, Record.read(path) if path.exists() else None)

    def has_result(self, key: str) -> bool:
        """Say whether a result is known and its files are there; a record not yet folded is folded first."""
        path = self.record_path(key)
        if self.result(key) is None:
            if not path.exists():
                return False
            try:
                self.fold(Record.read(path))
            except CatalogError:
                return False  # torn, or its media are lost: the job has to be done again
        found = self.result(key)
        return found is not None and all(self.media.exists(str(media)) for media in found.media)

    def result(self, key: str) -> ResultRow | None:
        """Give a result's row."""
        with self.store.transaction(write=False) as session:
            return session.get(ResultRow, key)

    def latest_result(self, sound_id: str, stage: str) -> ResultRow | None:
        """Give the result of a stage that counts for a sound (or its sample sets), or for the id of one set."""
        with self.store.transaction(write=False) as session:
            return latest_of(session, sound_id, stage)

    def effective(self, sound_id: str, stage: str) -> dict[str, Any] | None:
        """Give the document of the result that counts, with the human's edits in it; None if there is none."""
        with self.store.transaction(write=False) as session:
            return overlaying.effective(session, sound_id, stage)

    # ---- runs ----------------------------------------------------------------------------------

    def create_run(self, name: str, recipe: Mapping[str, Any], sound_ids: Iterable[str]) -> str:
        """Note a new run and give its id."""
        return self._runs.create(name, recipe, sound_ids)

    def update_run(self, run_id: str, **columns: Any) -> None:
        """Change columns of a run: status, started_at, finished_at, report and so on."""
        self._runs.update(run_id, columns)

    def run_row(self, run_id: str) -> RunRow:
        """Give a run's row, by its id or the beginning of it."""
        return self._runs.row(run_id)

    def run_rows(self) -> list[RunRow]:
        """Give all runs, the newest first."""
        return self._runs.rows()

    def set_jobs(self, run_id: str, jobs: Iterable[Mapping[str, Any]]) -> None:
        """Insert jobs (by `id`), or change the columns given of known ones."""
        self._runs.set_jobs(run_id, jobs)

    def job_rows(self, run_id: str) -> list[JobRow]:
        """Give a run's jobs in the order in which they were first set."""
        return self._runs.job_rows(run_id)

    def request_cancel(self, run_id: str) -> None:
        """Ask a run to stop."""
        self._runs.update(run_id, {"cancel_requested": True})

    def cancel_requested(self, run_id: str) -> bool:
        """Say whether somebody asked the run to stop (cheap: one row)."""
        return self._runs.cancel_requested(run_id)

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r})"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "user"
