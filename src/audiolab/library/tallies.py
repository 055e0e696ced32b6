"""A run at a glance, counted by the database: cheap enough to be asked twice a second while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import aliased

from audiolab.library.models import JobRow, ResultRow, SoundRow
from audiolab.library.store import Store

__all__ = ["JobFact", "SongTally", "Tally", "job_facts", "job_notes", "measured_rates", "tally", "tally_songs"]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs of a stage have a status, and what they took together."""

    stage: str
    status: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SongTally:
    """How many jobs of a stage on one song, its stems and samples have a status."""

    song_id: str
    stage: str
    status: str
    count: int
    progress: float
    """What is done of those that run, 0 to `count`."""


@dataclass(frozen=True, slots=True)
class JobFact:
    """One job with the names of its sound and song."""

    stage: str
    status: str
    sound: str
    sound_id: str
    song: str
    why: str
    seconds: float
    engine: str
    progress: float


def tally(store: Store, run_id: str) -> list[Tally]:
    """Count the jobs of a run by stage and status."""
    seconds: ColumnElement[float] = func.coalesce(func.sum(JobRow.seconds), 0.0)
    statement = (
        select(JobRow.stage, JobRow.status, func.count(), seconds)
        .where(JobRow.run_id == run_id)
        .group_by(JobRow.stage, JobRow.status)
        .order_by(func.min(JobRow.position))
    )
    with store.transaction(write=False) as session:
        return [Tally(*row) for row in session.execute(statement)]


def tally_songs(store: Store, run_id: str, songs: Sequence[str]) -> list[SongTally]:
    """Count the jobs of a run on some songs and on what was made of them."""
    song = func.coalesce(SoundRow.song_id, SoundRow.id)
    progress: ColumnElement[float] = func.coalesce(func.sum(JobRow.progress), 0.0)
    statement = (
        select(song, JobRow.stage, JobRow.status, func.count(), progress)
        .join(SoundRow, SoundRow.id == JobRow.sound_id)
        .where(JobRow.run_id == run_id, song.in_(songs))
        .group_by(song, JobRow.stage, JobRow.status)
    )
    with store.transaction(write=False) as session:
        return [SongTally(*row) for row in session.execute(statement)]


def job_facts(
    store: Store, run_id: str, statuses: Sequence[str] = (), *, first: int = 0, count: int = 100
) -> list[JobFact]:
    """Give some jobs of a run in the order in which they came up.

    Parameters
    ----------
    statuses : sequence of str
        Only jobs with one of these; empty: all.
    first, count : int
        Which of them.
    """
    song = aliased(SoundRow)
    statement = (
        select(
            JobRow.stage,
            JobRow.status,
            func.coalesce(SoundRow.name, JobRow.sound_id, ""),
            func.coalesce(JobRow.sound_id, ""),
            func.coalesce(song.name, SoundRow.name, ""),
            func.coalesce(JobRow.why, ""),
            func.coalesce(JobRow.seconds, 0.0),
            func.coalesce(JobRow.engine, ""),
            func.coalesce(JobRow.progress, 0.0),
        )
        .outerjoin(SoundRow, SoundRow.id == JobRow.sound_id)
        .outerjoin(song, song.id == SoundRow.song_id)
        .where(JobRow.run_id == run_id, *_among(statuses))
        .order_by(JobRow.position)
        .offset(first)
        .limit(count)
    )
    with store.transaction(write=False) as session:
        return [JobFact(*row) for row in session.execute(statement)]


def job_notes(store: Store, run_id: str) -> list[tuple[str, list[str]]]:
    """Give what stages noted, each note once, with its stage."""
    text = cast(JobRow.notes, Text)
    some = (
        select(func.min(JobRow.position))
        .where(JobRow.run_id == run_id, text != "[]")
        .group_by(JobRow.stage, text)
        .limit(50)
    )
    statement = (
        select(JobRow.stage, JobRow.notes)
        .where(JobRow.run_id == run_id, JobRow.position.in_(some))
        .order_by(JobRow.position)
    )
    with store.transaction(write=False) as session:
        return [(stage, list(notes or ())) for stage, notes in session.execute(statement)]


def measured_rates(
    store: Store, made: Mapping[str, tuple[str, Mapping[str, Any]]], *, most: int = 1000
) -> dict[str, float]:
    """Give the seconds of work a second of music that stages took on whole songs in earlier runs.

    Parameters
    ----------
    made : mapping
        By stage, engine and parameters of the results that count.
    most : int
        How many of the newest results of a stage are looked at.
    """
    song = aliased(SoundRow)
    rates = {}
    with store.transaction(write=False) as session:
        for stage, (engine, params) in made.items():
            statement = (
                select(ResultRow.params, ResultRow.run_id, ResultRow.seconds, song.id, song.frames, song.sample_rate)
                .join(SoundRow, SoundRow.id == ResultRow.sound_id)
                .join(song, song.id == func.coalesce(SoundRow.song_id, SoundRow.id))
                .where(ResultRow.stage == stage, ResultRow.engine == engine)
                .order_by(ResultRow.made_at.desc())
                .limit(most)
            )
            music: dict[tuple[str | None, str], float] = {}  # of what one run did to one song, its stems and samples
            worked = 0.0
            for row in session.execute(statement):
                if row[0] == params and row[5]:
                    worked += row[2]
                    music[row[1], row[3]] = row[4] / row[5]
            if total := sum(music.values()):
                rates[stage] = worked / total
    return rates


def _among(statuses: Sequence[str]) -> list[ColumnElement[bool]]:
    return [JobRow.status.in_(statuses)] if statuses else []
