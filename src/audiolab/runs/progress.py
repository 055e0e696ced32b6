"""How far a run is, read from the catalog: of this process, of another one, or long over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from audiolab.library import Library
from audiolab.library.tallies import JobFact, job_facts, job_notes, tally, tally_songs
from audiolab.runs.run import Run

__all__ = ["RunProgress", "SongProgress", "StageProgress", "follow", "left_text", "song_progress"]

OPEN = ("waiting", "running")


@dataclass(frozen=True, slots=True)
class StageProgress:
    """One stage of a run over all songs."""

    stage: str
    counts: Mapping[str, int]
    """Jobs by status."""
    seconds: float
    """Work of this run; results that were there cost nothing."""


@dataclass(frozen=True, slots=True)
class SongProgress:
    """One song of a run."""

    id: str
    name: str
    stages: Mapping[str, Mapping[str, int]]
    """Jobs by stage and status."""
    progress: Mapping[str, float]
    """What is done of each running stage, 0 to 1."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run at one moment.

    Attributes
    ----------
    fraction : float
        The share that is done, 0 to 1.
    elapsed, left : float or None
        Seconds since it began, or that it took; and that are probably left, None until that has been measured.
    running : tuple of JobFact
        What is with the workers, at most twenty.
    at : tuple of str
        What they have begun, at most five: "separate of song 3".
    dashboard : str
        Link to Dask's pages while it goes on; empty if there are none.
    """

    status: str
    recipe: str
    fraction: float
    elapsed: float | None
    left: float | None
    songs: int
    stages: tuple[StageProgress, ...]
    running: tuple[JobFact, ...]
    notes: tuple[str, ...]
    error: str
    at: tuple[str, ...] = ()
    dashboard: str = ""

    @property
    def known(self) -> int:
        """Jobs that are known so far; more appear as stems and samples do."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Jobs that have ended, well or not."""
        return self.known - sum(self.counts.get(status, 0) for status in OPEN)

    def line(self) -> str:
        """Give it as a line: jobs, what is worked on, the time that is left."""
        if self.status == "queued" or (self.status == "running" and not self.known):
            return "starting"
        if self.over:
            return f"{self.status}, {self.ended} jobs"
        more = f" and {len(self.at) - 1} more" if len(self.at) > 1 else ""
        at = f", {self.at[0]}{more}" if self.at else ""
        return f"{self.ended} of {self.known} jobs{at}, {left_text(self.left)}"

    @property
    def counts(self) -> dict[str, int]:
        """Jobs by status."""
        found: dict[str, int] = {}
        for stage in self.stages:
            for status, count in stage.counts.items():
                found[status] = found.get(status, 0) + count
        return found

    @property
    def over(self) -> bool:
        """Whether nobody works on it any more."""
        return self.status not in {"queued", "running"}


def left_text(seconds: float | None) -> str:
    """Say how long something will take: `about 3:12 left`."""
    if seconds is None:
        return "time left not known yet"
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"about {hours}:{rest // 60:02}:{rest % 60:02} left" if hours else f"about {rest // 60}:{rest % 60:02} left"


def follow(run: Run) -> RunProgress:
    """Look how far a run is; a few small questions to the database, however large it is."""
    library, row = run.library, run.library.run_row(run.id)
    status, fraction = run.status, run.fraction()
    steps = [str(step["stage"]) for step in row.recipe.get("steps", ())]
    elapsed = None
    if row.started_at is not None:
        end = row.finished_at if row.finished_at is not None else datetime.now(UTC)
        elapsed = max(0.0, (end - row.started_at).total_seconds())
    said = row.report or {}
    notes = [
        note if note.startswith(f"{stage}:") else f"{stage}: {note}"
        for stage, noted in job_notes(library.store, run.id)
        for note in noted
    ]
    return RunProgress(
        status=status,
        recipe=str(row.recipe.get("name", "")),
        fraction=fraction,
        elapsed=elapsed,
        left=said.get("left") if status == "running" else None,
        songs=len(row.sound_ids),
        stages=_stages(library, run.id, steps),
        running=tuple(job_facts(library.store, run.id, ("running",), count=20)) if status == "running" else (),
        notes=tuple(dict.fromkeys(notes)),
        error=str(said.get("error", "")),
        at=tuple(said.get("at", ())) if status == "running" else (),
        dashboard=str(said.get("dashboard", "")) if status in {"queued", "running"} else "",
    )


def song_progress(run: Run, first: int = 0, count: int = 50) -> list[SongProgress]:
    """Look how far some songs of a run are, in its order."""
    library = run.library
    ids = library.run_row(run.id).sound_ids[first : first + count]
    stages: dict[str, dict[str, dict[str, int]]] = {song: {} for song in ids}
    shares: dict[str, dict[str, float]] = {song: {} for song in ids}
    for row in tally_songs(library.store, run.id, ids):
        stages[row.song_id].setdefault(row.stage, {})[row.status] = row.count
        if row.status == "running" and row.progress > 0:
            shares[row.song_id][row.stage] = min(1.0, row.progress / row.count)
    return [SongProgress(song, library.sound(song).name, stages[song], shares[song]) for song in ids]


def _stages(library: Library, run_id: str, steps: Sequence[str]) -> tuple[StageProgress, ...]:
    counts: dict[str, dict[str, int]] = {step: {} for step in steps}
    seconds: dict[str, float] = {}
    for row in tally(library.store, run_id):
        counts.setdefault(row.stage, {})[row.status] = row.count
        if row.status == "done":
            seconds[row.stage] = seconds.get(row.stage, 0.0) + row.seconds
    return tuple(StageProgress(stage, found, seconds.get(stage, 0.0)) for stage, found in counts.items())
