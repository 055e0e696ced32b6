"""kill -9 at random points of everything that writes: nothing acknowledged is lost, nothing is half-written."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults_child import OPERATIONS
from faults_killing import Killing


@pytest.mark.slow
@pytest.mark.parametrize("op", OPERATIONS)
def test_kill_9_at_20_points(tmp_path: Path, op: str) -> None:
    outcome = Killing(op, tmp_path).run(20)
    assert outcome.trials == 20
    assert outcome.killed >= 18
    if op in {"add", "tag", "delete"}:
        assert len(outcome.steps) > 2  # the kills were spread over the steps


def test_kill_9_at_2_points(tmp_path: Path) -> None:
    outcome = Killing("add", tmp_path).run(2)
    assert outcome.killed == 2
