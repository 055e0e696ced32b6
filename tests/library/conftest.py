from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiolab.library import Library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the library of a test lies."""
    return tmp_path / "lib"


@pytest.fixture
def lib(folder: Path) -> Iterator[Library]:
    """An empty library."""
    with Library(folder, actor="tester") as library:
        yield library
