"""What a repair has done: one fix for each problem, and how the library is afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audiolab.library.fsck import FsckReport, Problem
from audiolab.library.text import shorten

__all__ = ["Fix", "RepairReport"]


@dataclass(frozen=True, slots=True)
class Fix:
    """What became of one problem.

    Attributes
    ----------
    done : bool
        It is repaired.
    how : str
        What was done, or what is lost and what to do.
    """

    problem: Problem
    done: bool
    how: str

    def __str__(self) -> str:
        done = "repaired" if self.done else "NOT repaired"
        return f"{done}: {self.problem.kind} {shorten(self.problem.what, 24)}: {self.how}"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was repaired, what not, and how the library is now."""

    fixes: tuple[Fix, ...]
    after: FsckReport
    lost_and_found: Path | None

    @property
    def clean(self) -> bool:
        """True if nothing is wrong any more."""
        return self.after.clean

    def __str__(self) -> str:
        lines = [str(fix) for fix in self.fixes] or ["nothing to repair"]
        if self.lost_and_found is not None:
            lines.append(f"what has no place is in {self.lost_and_found}")
        return "\n".join([*lines, f"now: {self.after}"])
