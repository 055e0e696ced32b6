"""What tests of runs share: workers as threads, and pretend stages instead of the real ones."""

from __future__ import annotations

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
