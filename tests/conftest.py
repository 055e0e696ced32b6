"""Fixtures for all tests. Nothing here touches the user's own library, models or network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("MLFLOW_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "AUDIOLAB_OFFLINE"):
    os.environ[name] = "true" if name.startswith("MLFLOW") else "1"

ROOT = Path(__file__).resolve().parents[1]
# Two processes that compile one function for different types at the same time may each load what the other wrote, and
# crash: numba's cache (librosa's functions) is not made for that. So each worker has its own.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "numba" / worker))
SHARED = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared")) / "data"

hypothesis.settings.register_profile("audiolab", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("audiolab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real audio where it is not at hand."""
    if not SHARED.is_dir():
        skip = pytest.mark.skip(reason="needs the real audio beside the checkout (shared/data)")
        for item in items:
            if "shared" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real audio; use it with the marker `shared`."""
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded random generator."""
    return np.random.default_rng(440)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give every test a home of its own, so that relative paths never meet the user's library."""
    from audiolab.config import get_settings

    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path_factory.mktemp("home")))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def short_song():
    """A rendered song of two bars more than its shortest useful length, with its truth."""
    from audiolab.synth import render_song

    return render_song(bars=6, name="short song")
