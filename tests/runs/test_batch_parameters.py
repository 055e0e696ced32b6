"""Parameters of notebooks: read from the cell, checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch_making import write_notebook

from audiolab.errors import ParameterError
from audiolab.runs.notebooks import check_parameters, declared_parameters, read_texts

CELL = """
%matplotlib inline
from pathlib import Path
from typing import Literal

songs: Path | None = None  # a song, or a folder
library: Path = Path("data/library")  # where it goes
recipe: str = "full"
limit: int = 3  # how many
share: float = 0.5
quick = False
labels: list[str] = ["kick", "snare"]
weights: dict[str, float] = {"a": 1.0}
mode: Literal["folder", "midi"] = "folder"
address: str = "sqlite:///a=b"  # has two equal signs
name: str
seed = int("4")
anything = None
"""


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path / "many.ipynb", CELL, "pass")


def test_types_defaults_and_comments_are_read_without_executing(notebook):
    found = declared_parameters(notebook)
    assert list(found) == [
        "songs", "library", "recipe", "limit", "share", "quick", "labels", "weights", "mode", "address", "name", "seed",
        "anything",
    ]  # fmt: skip
    assert (found["songs"].type, found["songs"].default, found["songs"].help) == (
        "Path | None",
        None,
        "a song, or a folder",
    )
    assert found["library"].default == "data/library"
    assert (found["quick"].type, found["quick"].default) == ("bool", False)
    assert found["address"].default == "sqlite:///a=b"
    assert found["name"].required
    assert not found["seed"].required


def test_right_values_pass_and_paths_become_absolute(notebook, tmp_path):
    given = {
        "songs": "some/song.wav", "library": Path("/lib"), "limit": 4, "share": 1, "quick": True, "labels": ("hat",),
        "weights": {"a": 2}, "mode": "midi", "name": "x", "anything": [1, "a", None],
    }  # fmt: skip
    checked = check_parameters(notebook, given, start=tmp_path)
    assert checked["songs"] == str(tmp_path / "some/song.wav")
    assert checked["library"] == "/lib"
    assert checked["labels"] == ["hat"]
    assert checked["share"] == 1.0
    assert checked["anything"] == [1, "a", None]
    assert check_parameters(notebook, {"name": "x", "songs": "a"}, resolve=False)["songs"] == "a"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("limit", "many", r"takes int for 'limit', such as its default 3, not 'many'"),
        ("limit", 1.5, "takes int"),
        ("limit", True, "takes int"),
        ("share", "half", "takes float"),
        ("share", float("nan"), "takes float"),
        ("quick", 1, "takes bool"),
        ("quick", "yes", "takes bool"),
        ("labels", "kick", r"takes list\[str\]"),
        ("labels", ["kick", 3], r"takes list\[str\].*\(entry 2\)"),
        ("weights", {"a": "b"}, r"takes dict\[str, float\]"),
        ("mode", "jams", "takes Literal"),
        ("songs", "", "takes Path"),
        ("songs", 3, "takes Path"),
        ("anything", object(), "takes Any"),
    ],
)
def test_wrong_types_are_errors(notebook, name, value, said):
    with pytest.raises(ParameterError, match=said):
        check_parameters(notebook, {"name": "x", name: value})


def test_all_problems_are_told_at_once(notebook):
    with pytest.raises(ParameterError) as caught:
        check_parameters(notebook, {"limt": 3, "share": "x"})
    for said in ("no parameter 'limt'; did you mean 'limit'?", "takes float for 'share'", "needs 'name' (str)"):
        assert said in str(caught.value)


def test_typed_texts_become_what_the_parameter_takes(notebook):
    read = read_texts(
        notebook,
        ["recipe=2024", "limit=7", "share=1e-3", "quick=true", "labels=[kick, snare]", "songs=no", "mode=midi",
         "address=a=b", "name=2024-01-01", "anything={a: 1}", "unknown=5"],
    )  # fmt: skip
    assert read == {
        "recipe": "2024", "limit": 7, "share": 1e-3, "quick": True, "labels": ["kick", "snare"], "songs": "no",
        "mode": "midi", "address": "a=b", "name": "2024-01-01", "anything": {"a": 1}, "unknown": 5,
    }  # fmt: skip
    assert read_texts(notebook, ["songs=null"]) == {"songs": None}
    with pytest.raises(ParameterError, match="NAME=VALUE or NAME VALUE"):
        read_texts(notebook, ["limit"])


def test_cells_that_cannot_be_understood_are_errors(tmp_path):
    with pytest.raises(ParameterError, match="no Python: line 2"):
        declared_parameters(write_notebook(tmp_path / "a.ipynb", "x = 1\ny ="))
    with pytest.raises(ParameterError, match=r"'array' has a type that batch cannot check: 'np\.ndarray'"):
        declared_parameters(write_notebook(tmp_path / "b.ipynb", "array: np.ndarray = None"))
    (tmp_path / "c.ipynb").write_text("{")
    with pytest.raises(ParameterError, match="is damaged"):
        declared_parameters(tmp_path / "c.ipynb")
    (tmp_path / "d.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    with pytest.raises(ParameterError, match="it takes none"):
        check_parameters(tmp_path / "d.ipynb", {"x": 1})
