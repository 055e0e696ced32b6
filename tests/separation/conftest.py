"""Fixtures of the separation tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from separation_cases import save_th, small_network


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small HTDemucs as a .th file in the official format."""
    pytest.importorskip("demucs", reason="demucs is not installed")
    return save_th(small_network(), tmp_path_factory.mktemp("models"), "5ma11")
