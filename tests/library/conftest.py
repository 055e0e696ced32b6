from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import postgres_database, postgres_url

from audiolab.library import Library
from audiolab.library.cards import stale

__all__ = ["blank", "folder", "lib", "postgres_database", "postgres_url"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the library of a test lies."""
    return tmp_path / "lib"


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty library, closed; copying it is faster than making one."""
    folder = tmp_path_factory.mktemp("blank") / "lib"
    Library(folder).close()
    return folder


@pytest.fixture
def lib(blank: Path, folder: Path) -> Iterator[Library]:
    """An empty library."""
    shutil.copytree(blank, folder)
    with Library(folder, actor="tester") as library:
        yield library
        if not library.store.closed:
            with library.store.transaction(write=False) as session:
                assert stale(session) == [], "a card does not fit its sound"
