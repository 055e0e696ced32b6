"""Runs and jobs as the catalog remembers them; written by a run's driver only."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.clock import utc_now
from audiolab.library.models import JobRow, RunRow
from audiolab.library.store import Store
from audiolab.library.text import clean_json, clean_text

__all__ = ["RUN_STATUSES", "RunLog"]

RUN_STATUSES = ("queued", "running", "done", "failed", "cancelled")
_JOB_STATUSES = ("waiting", "running", "done", "reused", "skipped", "failed", "cancelled")
_RUN_COLUMNS = frozenset(RunRow.__table__.columns.keys()) - {"id"}
_JOB_COLUMNS = frozenset(JobRow.__table__.columns.keys()) - {"run_id", "position"}


class RunLog:
    """The tables of runs and jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str, recipe: Mapping[str, Any], sound_ids: Iterable[str]) -> str:
        """Note a new run and give its id."""
        run_id = secrets.token_hex(8)
        with self._store.transaction() as session:
            session.add(
                RunRow(
                    id=run_id,
                    name=clean_text(name),
                    recipe=clean_json(recipe),
                    sound_ids=list(sound_ids),
                    created_at=utc_now(),
                )
            )
        return run_id

    def update(self, run_id: str, columns: Mapping[str, Any]) -> None:
        """Change columns of a run."""
        _check(columns, _RUN_COLUMNS, RUN_STATUSES, "run")
        with self._store.transaction() as session:
            row = session.get(RunRow, run_id)
            if row is None:
                raise _no_run(run_id)
            for column, value in columns.items():
                setattr(row, column, _moment(value) if column.endswith("_at") else _clean(value))

    def row(self, run_id: str) -> RunRow:
        """Give a run by its id or the beginning of it."""
        with self._store.transaction(write=False) as session:
            row = session.get(RunRow, run_id)
            if row is None and len(run_id) >= 4:
                found = session.scalars(select(RunRow).where(RunRow.id.startswith(run_id, autoescape=True))).all()
                row = found[0] if len(found) == 1 else None
        if row is None:
            raise _no_run(run_id)
        return row

    def rows(self) -> list[RunRow]:
        """Give all runs, the newest first."""
        with self._store.transaction(write=False) as session:
            return list(session.scalars(select(RunRow).order_by(RunRow.created_at.desc(), RunRow.id)))

    def set_jobs(self, run_id: str, jobs: Iterable[Mapping[str, Any]]) -> None:
        """Insert jobs or change the columns given of known ones."""
        with self._store.transaction() as session:
            if session.get(RunRow, run_id) is None:
                raise _no_run(run_id)
            count = session.scalar(select(func.count()).select_from(JobRow).where(JobRow.run_id == run_id)) or 0
            for job in jobs:
                _check(job, _JOB_COLUMNS, _JOB_STATUSES, "job")
                row = session.get(JobRow, (run_id, job["id"]))
                if row is None:
                    row = JobRow(run_id=run_id, position=count)
                    count += 1
                    session.add(row)
                for column, value in job.items():
                    setattr(row, column, _clean(value))
                session.flush()

    def job_rows(self, run_id: str) -> list[JobRow]:
        """Give the jobs of a run in the order in which they were first set."""
        with self._store.transaction(write=False) as session:
            return list(session.scalars(select(JobRow).where(JobRow.run_id == run_id).order_by(JobRow.position)))

    def cancel_requested(self, run_id: str) -> bool:
        """Say whether somebody asked the run to stop; one look at one row."""
        with self._store.transaction(write=False) as session:
            return bool(session.scalar(select(RunRow.cancel_requested).where(RunRow.id == run_id)))


def _moment(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _clean(value: Any) -> Any:
    return clean_json(value) if isinstance(value, (str, Mapping, list, tuple)) else value


def _check(columns: Mapping[str, Any], known: frozenset[str], statuses: tuple[str, ...], what: str) -> None:
    if wrong := sorted(set(columns) - known):
        raise ParameterError(f"a {what} has no column {wrong[0]!r}; there are: {', '.join(sorted(known))}")
    if "status" in columns and columns["status"] not in statuses:
        raise ParameterError(f"a {what} cannot be {columns['status']!r}; it is one of {', '.join(statuses)}")
    if what == "job" and not columns.get("id"):
        raise ParameterError("a job needs an id")


def _no_run(run_id: str) -> CatalogError:
    return CatalogError(f"there is no run {run_id!r} in the library; `audiolab runs ls` lists them")
