from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import database, postgres_database, postgres_url

from audiolab.config import get_settings
from audiolab.library import Library
from audiolab.library.cards import stale

__all__ = ["blank", "blank_postgres", "folder", "lib", "postgres_database", "postgres_url"]


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


@pytest.fixture(scope="session")
def blank_postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Folder and URL of an empty library on PostgreSQL, closed."""
    folder = tmp_path_factory.mktemp("blank_postgres") / "lib"
    with database(postgres_url) as url:
        Library(folder, database=url).close()
        yield folder, url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def lib(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """An empty library, on either kind of database; `Library(folder)` opens it again."""
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("blank"), folder)
        yield from _open(folder)
        return
    blank, template = request.getfixturevalue("blank_postgres")
    shutil.copytree(blank, folder)
    with database(template, template=template) as url:
        monkeypatch.setenv("AUDIOLAB_DATABASE", url)
        get_settings.cache_clear()
        try:
            yield from _open(folder)
        finally:
            monkeypatch.delenv("AUDIOLAB_DATABASE")
            get_settings.cache_clear()


def _open(folder: Path) -> Iterator[Library]:
    with Library(folder, actor="tester") as library:
        yield library
        if not library.store.closed:
            with library.store.transaction(write=False) as session:
                assert stale(session) == [], "a card does not fit its sound"
