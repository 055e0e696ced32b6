"""Libraries of every earlier schema, with data in them, open as if they had been written today."""

from __future__ import annotations

import sqlite3
import zipfile
from pathlib import Path

import pytest
from schema_making import SCHEMAS

from audiolab.errors import CatalogError
from audiolab.library import Library
from audiolab.library.cards import stale
from audiolab.library.migrating import HEAD

OLD = sorted(path.stem for path in SCHEMAS.glob("*.zip"))


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, folder: Path) -> Path:
    """The folder of a library as an earlier version left it."""
    with zipfile.ZipFile(SCHEMAS / f"{request.param}.zip") as archive:
        archive.extractall(folder)
    return folder


def version_of(database: Path) -> str:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_every_schema_but_this_one_is_kept() -> None:
    assert [f"{number:04}" for number in range(1, int(HEAD))] == OLD


def test_nothing_is_lost(old: Path) -> None:
    before = version_of(old / "library.db")
    with Library(old) as lib:
        (song,) = lib.songs
        assert song.name == "Großer Tag"
        assert song.bpm == 240.0  # corrected by hand
        assert list(song.stems) == ["drums", "bass"]
        samples = song.stems["drums"].samples
        assert [sample.label for sample in samples] == ["kick", None, "kick", "closed_hat"]
        assert samples[0].label_source == "human"
        assert samples[2].name == '"; DROP TABLE sound; --'
        assert [s.id for s in lib.collection("kit")] == [s.id for s in samples[:2]]
        assert len(lib.trash) == 1
        # Superseded, but a person has tagged it.
        assert [s.parent.id == song.stems["drums"].id for s in lib.query("label:rim") if s.parent] == [False]
        assert set(lib.query("midnight").ids) == {song.id, song.stems["bass"].id}
        assert len(lib.query("tag:keeper")) == 1
        assert len(lib.query("has:vector kind:sample")) == 4
        assert song.lyrics is not None
        assert len(lib.ops()) == 12
        assert len(lib.run_rows()) == 1
        with lib.store.transaction(write=False) as session:
            assert stale(session) == []
        assert lib.fsck(deep=True).clean
        lib.untag(samples[0], "kick")
    (copy,) = (old / "backups").iterdir()
    assert version_of(copy) == before
    assert version_of(old / "library.db") == HEAD
    with Library(old):
        assert len(list((old / "backups").iterdir())) == 1


def test_no_room_for_the_copy(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (old / "library.db").read_bytes()
    (old / "backups").write_text("in the way")
    with pytest.raises(CatalogError, match="needs an upgrade, and cannot be copied"):
        Library(old)
    (old / "backups").unlink()
    assert (old / "library.db").read_bytes() == before
    Library(old).close()


def test_an_upgrade_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("audiolab.library.migrating._migrate", _half)
        with pytest.raises(RuntimeError):
            Library(old)
    with Library(old) as lib:
        assert len(lib.songs) == 1
        assert lib.fsck().clean


def _half(connection: object) -> None:
    from sqlalchemy import Connection, text

    assert isinstance(connection, Connection)
    connection.execute(text("DROP TABLE tag"))
    raise RuntimeError("killed in the middle")
