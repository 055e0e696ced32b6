"""What a run did: done, reused, skipped, failed and why, and how long each stage took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from audiolab.library import Library
from audiolab.library.runinfo import driver_state

__all__ = ["JobLine", "RunReport", "make_report"]


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job as the report shows it."""

    stage: str
    sound: str
    sound_id: str
    song: str
    status: str
    why: str
    notes: tuple[str, ...]
    seconds: float
    engine: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run at a glance.

    Attributes
    ----------
    status : str
        queued, running, done, failed, cancelled or interrupted.
    jobs : tuple of JobLine
        Every job.
    audio_seconds : float
        Length of the songs together.
    wall_seconds : float or None
        From start to end; None while it runs.
    error : str
        Why the driver itself failed, else empty.
    working_seconds : float or None
        How much of the wall time at least one job was being done; None if that is not known (the run goes on, or its
        driver was killed).
    dashboard : str
        Link to Dask's pages while it goes on; empty if there are none.
    """

    id: str
    recipe: str
    status: str
    jobs: tuple[JobLine, ...]
    audio_seconds: float
    wall_seconds: float | None
    error: str = ""
    working_seconds: float | None = None
    dashboard: str = ""

    def with_status(self, status: str) -> tuple[JobLine, ...]:
        """Give the jobs that ended so."""
        return tuple(job for job in self.jobs if job.status == status)

    @property
    def done(self) -> tuple[JobLine, ...]:
        """Jobs that did work."""
        return self.with_status("done")

    @property
    def reused(self) -> tuple[JobLine, ...]:
        """Jobs whose result was there already."""
        return self.with_status("reused")

    @property
    def skipped(self) -> tuple[JobLine, ...]:
        """Jobs that could not or need not run, with the reason."""
        return self.with_status("skipped")

    @property
    def failed(self) -> tuple[JobLine, ...]:
        """Jobs that failed, with the reason."""
        return self.with_status("failed")

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of jobs by status."""
        return Counter(job.status for job in self.jobs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What fell back and why, each once."""
        said = (
            note if note.startswith(f"{job.stage}:") else f"{job.stage}: {note}"
            for job in self.jobs
            for note in job.notes
        )
        return tuple(dict.fromkeys(said))

    @property
    def stage_seconds(self) -> Mapping[str, float]:
        """Seconds of work by stage (this run's own work; reused results cost nothing)."""
        total: dict[str, float] = {}
        for job in self.done:
            total[job.stage] = total.get(job.stage, 0.0) + job.seconds
        return total

    @property
    def realtime_factor(self) -> float | None:
        """Seconds of music done a second of the wall clock: above 1 is faster than listening.

        None while it runs, and where no job had to work: what was there already says nothing about speed.
        """
        if not self.wall_seconds or not self.audio_seconds or not self.done:
            return None
        return self.audio_seconds / self.wall_seconds

    @property
    def outside_share(self) -> float | None:
        """Share of the wall time in which no job was being done: planning, sending, folding, starting workers."""
        if self.working_seconds is None or not self.wall_seconds:
            return None
        return min(1.0, max(0.0, 1 - self.working_seconds / self.wall_seconds))

    def took(self) -> str:
        """Say how long it took in words; empty while it runs."""
        if self.wall_seconds is None:
            return ""
        parts = [f"{self.wall_seconds:.1f} s for {self.audio_seconds:.1f} s of music"]
        if self.realtime_factor is not None:
            parts.append(f"{self.realtime_factor:.2f} times real time")
        if self.outside_share is not None and self.done:
            parts.append(f"{self.outside_share:.1%} of it outside stages")
        return ", ".join(parts)

    def reasons(self, status: str) -> list[dict[str, Any]]:
        """Give the jobs of a status as plain data, one entry for equal reasons of one stage and song."""
        merged: dict[tuple[str, str, str], list[str]] = {}
        for job in self.with_status(status):
            merged.setdefault((job.song, job.stage, job.why), []).append(job.sound)
        return [
            {"sound": sounds[0] if len(sounds) == 1 else sounds, "song": song, "stage": stage, "why": why}
            for (song, stage, why), sounds in merged.items()
        ]

    def __str__(self) -> str:
        lines = [f"run {self.id} ({self.recipe}): {self.status}" + (f" - {self.error}" if self.error else "")]
        lines.append("  " + (", ".join(f"{n} {status}" for status, n in sorted(self.counts.items())) or "no jobs"))
        lines += [f"  {text}" for text in (self.took(), self.dashboard and f"Dask's pages: {self.dashboard}") if text]
        lines += [f"  {stage:<10} {seconds:8.2f} s" for stage, seconds in self.stage_seconds.items()]
        lines += [f"  note: {note}" for note in self.notes]
        for status in ("skipped", "failed"):
            merged: dict[tuple[str, str], list[str]] = {}
            for job in self.with_status(status):
                name = job.sound if job.sound == job.song else f"{job.song}: {job.sound}"
                merged.setdefault((job.stage, job.why), []).append(name)
            for (stage, why), names in merged.items():
                lines.append(f"  {status}: {stage} of {'; '.join(names)}: {why}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(job.stage)}</td><td>{escape(job.sound)}</td><td>{escape(job.status)}</td>"
            f"<td>{job.seconds:.2f}</td><td>{escape(job.why or '; '.join(job.notes))}</td></tr>"
            for job in self.jobs
        )
        head = "<tr><th>stage</th><th>sound</th><th>status</th><th>seconds</th><th>why</th></tr>"
        title = f"<p>run {escape(self.id)} ({escape(self.recipe)}): <b>{escape(self.status)}</b></p>"
        texts = [escape(text) for text in (self.took(), *(f"note: {note}" for note in self.notes)) if text]
        if self.dashboard:
            texts.append(f'<a href="{escape(self.dashboard)}" target="_blank">Dask\'s pages</a>')
        said = "".join(f"<p>{text}</p>" for text in texts)
        return f"{title}{said}<table>{head}{rows}</table>"


def make_report(library: Library, run_id: str) -> RunReport:
    """Read a run's report from the catalog, whether it still runs or ended long ago."""
    row = library.run_row(run_id)
    lines = []
    for job in library.job_rows(run_id):
        sound = library.sound(job.sound_id or "")
        song = sound.song if sound.kind != "song" else sound
        lines.append(
            JobLine(
                stage=job.stage,
                sound=sound.name,
                sound_id=sound.id,
                song=(song or sound).name,
                status=job.status,
                why=job.why or "",
                notes=tuple(job.notes or ()),
                seconds=float(job.seconds or 0.0),
                engine=job.engine or "",
            )
        )
    songs = [library.sound(sound_id) for sound_id in row.sound_ids]
    wall, status, said = None, driver_state(row), row.report or {}
    if row.started_at and row.finished_at:
        wall = (row.finished_at - row.started_at).total_seconds()
    return RunReport(
        id=run_id,
        recipe=str(row.recipe.get("name", "")),
        status=status,
        jobs=tuple(lines),
        audio_seconds=sum(song.frames / song.sample_rate for song in songs),
        wall_seconds=wall,
        error=str(said.get("error", "")),
        working_seconds=said.get("working_seconds"),
        dashboard=str(said.get("dashboard", "")) if status in {"queued", "running"} else "",
    )
