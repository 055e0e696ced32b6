"""What travels to a worker and what comes back: paths, ids and small documents, never audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["JobOutcome", "JobSpec", "JobStatus", "SoundSpec"]

JobStatus: TypeAlias = Literal["waiting", "running", "done", "reused", "skipped", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class SoundSpec:
    """Where a worker finds one sound."""

    id: str
    key: str
    """What names it in result keys: its id. That is the content_id of what was added, and for derived sounds
    follows from how they were made; equal bytes (two silent stems, say) are still two sounds with a result each."""
    name: str
    kind: str
    stem: str | None
    media: str
    """Hash of the file in the media store: the sound's own or its ancestor's."""
    start: int | None = None
    stop: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
    """The file itself where a library only refers to it; workers do not open the catalog that knows this."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One stage on one unit, with everything decided."""

    run: str
    key: str
    """The result key."""
    library: str
    """Folder of the library; the worker opens its media store and records, not its database."""
    stage: str
    version: int
    params: Mapping[str, Any]
    engine: str
    weights: str | None
    profile: Mapping[str, str]
    notes: tuple[str, ...]
    sound_id: str
    set_id: str | None
    sounds: tuple[SoundSpec, ...]
    needs: Mapping[str, Any]
    """Effective documents of earlier results by stage name."""
    media: str | None = None
    """The library's media URL; the worker then looks there only, and need not see the folder."""
    vectors: tuple[str, str] | None = None
    """Encoder and media hash of embeddings of these sounds, in order, that are known already."""
    label: str = ""
    """What people call the unit; for logs."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended. The result itself lies in the record under the job's key."""

    key: str
    status: JobStatus
    why: str = ""
    seconds: float = 0.0
    detail: str = ""
    """Traceback of an unexpected error, for the log."""
