"""What tests of runs share: workers as threads, and pretend stages instead of the real ones."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pretend_stages
import pytest

from audiolab.stages import registry


@pytest.fixture(scope="session")
def client():
    """Workers as threads: only tests may do that."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as made,
    ):
        yield made


@pytest.fixture
def pretend(monkeypatch):
    """Know the stages of pretend_stages.py and no others."""
    registry.get_stage.cache_clear()
    table = {name: f"pretend_stages:{stage.__name__}" for name, stage in pretend_stages.STAGES.items()}
    monkeypatch.setattr(registry, "_BUILT_IN", table)
    pretend_stages.CALLS.clear()
    yield
    registry.get_stage.cache_clear()


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the faulty stages as a plugin: a folder on the path with entry points."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copy(Path(__file__).parent / "faulty" / "faulty_stages.py", folder)
    info = folder / "faulty_stages-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-stages\nVersion: 1.0\n")
    names = {"faulty-song": "FaultySong", "faulty-stem": "FaultyStem", "faulty-set": "FaultySet"}
    points = "\n".join(f"{name} = faulty_stages:{stage}" for name, stage in names.items())
    (info / "entry_points.txt").write_text(f"[audiolab.stages]\n{points}\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(part for part in (str(folder), before) if part)
    sys.path.insert(0, str(folder))
    registry.get_stage.cache_clear()
    yield folder
    sys.path.remove(str(folder))
    registry.get_stage.cache_clear()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def workers(plugin: Path) -> Iterator[Any]:
    """Two real worker processes, which know the faulty stages."""
    from audiolab.runs.cluster import LocalWorkers
    from audiolab.runs.shapes import ClusterShape

    started = LocalWorkers(ClusterShape(workers=2))
    client = started.client()
    yield client
    client.close()
    started.close()
