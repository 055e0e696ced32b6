"""A disk that is full for a moment ends no run; one that stays full does, with the reason."""

from __future__ import annotations

import pytest

from audiolab.errors import CatalogFullError
from audiolab.runs import keeping_jobs
from audiolab.runs.keeping_jobs import keep_jobs


class _Full:
    def __init__(self, times: int) -> None:
        self.times, self.rows = times, []

    def set_jobs(self, run, rows):
        self.times -= 1
        if self.times >= 0:
            raise CatalogFullError("'library.db': database or disk is full: free some space; nothing was changed")
        self.rows += [(run, row["id"]) for row in rows]


def test_it_waits_for_room(monkeypatch):
    naps = []
    monkeypatch.setattr(keeping_jobs.time, "sleep", naps.append)
    library = _Full(3)
    keep_jobs(library, "run", {"id": "a"}, {"id": "b"})
    assert library.rows == [("run", "a"), ("run", "b")]
    assert len(naps) == 3


def test_it_does_not_wait_for_ever(monkeypatch):
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr(keeping_jobs.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(keeping_jobs.time, "sleep", lambda _: None)
    library = _Full(100)
    with pytest.raises(CatalogFullError, match="free some space"):
        keep_jobs(library, "run", {"id": "a"})
    assert 100 - library.times == 5  # 7, 14, 21, 28, 35 s
