"""The commands that care for a library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from audiolab.library import Library

Call = Callable[..., Any]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of three short sounds."""
    folder = tmp_path / "lib"
    with Library(folder) as lib:
        for seed, name in enumerate(("one", "two", "three")):
            sf.write(tmp_path / f"{name}.wav", np.random.default_rng(seed).uniform(-0.5, 0.5, 800), 8000)
            lib.add(tmp_path / f"{name}.wav")
    monkeypatch.setenv("AUDIOLAB_LIBRARY", str(folder))
    return folder


@pytest.fixture
def call(cli: Callable[..., Any], library: Path) -> Call:
    """Run a command with --json and give its document, else what it says is wrong."""

    def run(*arguments: object, code: int = 0) -> Any:
        said = cli(*arguments, "--json")
        assert said.code == code, said
        return said.json if said.out else said.err

    return run


def test_trash_and_history(call: Call) -> None:
    assert call("rm", "one", "--query", "two")["sounds"] == 2
    assert sorted(sound["name"] for sound in call("trash")) == ["one", "two"]
    assert call("restore", "two")["sounds"] == 1
    assert [action["what"] for action in call("undo", "2")] == [{"restore": 1}, {"delete": 2}]
    assert call("trash") == []
    call("redo", "2")
    assert [sound["name"] for sound in call("trash")] == ["one"]
    assert len(call("rm", "--purge", "--older-than", "1")["purged"]) == 0
    assert len(call("rm", "--purge", "--dry-run")["purged"]) == 1
    assert call("rm", "--purge")["media"] == 1
    assert call("history", "--limit", "1")[0]["what"] == {"purge": 1}
    assert call("fsck", "--deep")["clean"]
    assert "name a sound" in call("rm", code=2)
    assert "nothing in the trash" in call("restore", "one", code=1)


def test_stars_marks_and_notes(call: Call) -> None:
    assert call("rate", "4", "one", "two")["changed"] == 2
    assert call("favourite", "one")["sounds"][0]["favourite"] is True
    assert call("note", "for the bridge", "--query", "rating:4")["changed"] == 2
    assert [sound["name"] for sound in call("query", "favourite:yes bridge")] == ["one"]
    assert call("rate", "0", "one")["sounds"][0]["rating"] is None
    assert "1 to 5" in call("rate", "7", "one", code=2)


def test_backup_repair_and_salvage(call: Call, cli: Call, library: Path, tmp_path: Path) -> None:
    report = call("backup", "create", str(tmp_path / "copy.zip"))
    assert (report["sounds"], report["media"]) == (3, 3)
    with Library(library) as lib:
        lib.sound("one").path.unlink()
    assert not call("fsck", code=1)["clean"]
    assert not call("fsck", "--repair", code=1)["repairs"][0]["done"]
    assert call("fsck", "--repair", "--backup", str(tmp_path / "copy.zip"))["repairs"][0]["done"]
    with Library(library):
        pass  # closed: its log is in the file
    (library / "library.db").write_bytes(b"damaged" * 1000)
    assert "not a database" in call("ls", code=1)
    assert len(call("fsck", "--salvage")["adopted"]) == 3
    loaded = call("backup", "load", str(tmp_path / "copy.zip"), "--to", str(tmp_path / "new"))
    assert (loaded["sounds"], loaded["clean"]) == (3, True)
    assert "not empty" in call("backup", "load", str(tmp_path / "copy.zip"), "--to", str(library), code=1)
    for said in (cli("fsck"), cli("history"), cli("trash"), cli("backup", "create", tmp_path / "again")):
        assert said.code == 0
        assert said.out
