"""The part of `Library` that runs use: results, records, runs and jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library import catching_up, folding, overlaying
from audiolab.library.depot import cancel_flag
from audiolab.library.derived import latest_of
from audiolab.library.media import MediaStore
from audiolab.library.models import JobRow, ResultRow, RunRow
from audiolab.library.records import Record, record_path
from audiolab.library.remote_records import RemoteRecords
from audiolab.library.runinfo import RunList
from audiolab.library.runlog import RunLog
from audiolab.library.store import Store

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["Journal"]


class Journal:
    """What was done: results, their records, and the runs they came from."""

    path: Path
    media: MediaStore
    remote: RemoteRecords | None
    store: Store
    warnings: list[str]
    _runs: RunLog

    def record_path(self, key: str) -> Path:
        """Give the place of a result's record; where media are remote it is fetched first if it is not there."""
        path = record_path(self.path, key)
        if self.remote is not None and not path.exists():
            self.remote.fetch(key, path)
        return path

    def take_record(self, key: str) -> Record:
        """Read the record that a worker has left just now."""
        path = record_path(self.path, key)
        if self.remote is not None:
            self.remote.fetch(key, path)  # in place of one that may be torn
        return Record.read(path)

    def keep_record(self, record: Record) -> None:
        """Write a record to its place, also to the remote one."""
        record.write(record_path(self.path, record.key))
        if self.remote is not None:
            self.remote.write(record)

    def remove_record(self, key: str) -> None:
        """Remove a record for good."""
        record_path(self.path, key).unlink(missing_ok=True)
        if self.remote is not None:
            self.remote.remove(key)

    def fold(self, record: Record) -> bool:
        """Write what a job left into the catalog; gives False if it was there already."""
        new = folding.fold(self.store, self.media, record)
        if self.remote is not None:
            self.remote.done(record.key)
        return new

    def fold_new(self) -> int:
        """Fold the records that workers left meanwhile; what cannot be folded goes to `warnings`."""
        fetched = self.remote.fetch_new(self.path) if self.remote is not None else []
        folded, self.warnings = catching_up.fold_new_records(self.store, self.media, self.path)
        for key in fetched:
            if self.remote is not None and self._media_of(key) is not None:
                self.remote.done(key)
        return folded

    def reuse(self, key: str) -> bool:
        """Let a known result count as the newest of its stage again; gives False if it does already."""
        path = self.record_path(key)
        return folding.reuse(self.store, self.media, key, Record.read(path) if path.exists() else None)

    def choose(self, session: Session, key: str) -> None:
        """Do what `reuse` says within a transaction."""
        path = self.record_path(key)
        folding.choose(session, self.media, key, Record.read(path) if path.exists() else None)

    def has_result(self, key: str) -> bool:
        """Say whether a result is known and its files are there; a record not yet folded is folded first."""
        media = self._media_of(key)
        if media is None:
            path = self.record_path(key)
            if not path.exists():
                return False
            try:
                self.fold(Record.read(path))
            except CatalogError:
                return False  # torn, or its media are lost: the job has to be done again
            media = self._media_of(key)
        return media is not None and all(self.media.exists(str(found)) for found in media)

    def _media_of(self, key: str) -> list[Any] | None:
        with self.store.transaction(write=False) as session:
            return session.scalar(select(ResultRow.media).where(ResultRow.key == key))

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

    def create_run(self, name: str, recipe: Mapping[str, Any], sound_ids: Iterable[str]) -> str:
        """Note a new run and give its id."""
        return self._runs.create(name, recipe, sound_ids)

    def update_run(self, run_id: str, **columns: Any) -> None:
        """Change columns of a run: status, started_at, finished_at, report and so on."""
        self._runs.update(run_id, columns)

    def run_row(self, run_id: str) -> RunRow:
        """Give a run's row, by its id or the beginning of it."""
        return self._runs.row(run_id)

    @property
    def runs(self) -> RunList:
        """All runs, the newest last; `audiolab.Run(lib.runs[-1])` follows one."""
        return RunList(cast("Library", self), self._runs.rows()[::-1])

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
        """Ask a run to stop, and its workers at their next block."""
        self._runs.update(run_id, {"cancel_requested": True})
        self.tell_workers(run_id)

    def tell_workers(self, run_id: str, *, stop: bool = True) -> None:
        """Raise the flag at which a run's workers look, or lower it again."""
        flag = cancel_flag(self.path, run_id)
        if self.remote is not None and stop:
            self.remote.raise_flag(flag.name)
        elif self.remote is not None:
            self.remote.lower_flag(flag.name)
        elif stop:
            flag.touch()
        else:
            flag.unlink(missing_ok=True)

    def cancel_requested(self, run_id: str) -> bool:
        """Say whether somebody asked the run to stop (cheap: one row)."""
        return self._runs.cancel_requested(run_id)
