"""`audiolab batch` as people type it."""

from __future__ import annotations

import json

import nbformat
import pytest

pytestmark = pytest.mark.xdist_group("kernel")

PARAMETERS = "from pathlib import Path\n\nnumber: int = 2  # to share by\nword: str = 'a'\nsong: Path | None = None"
WORK = """
from audiolab.runs.notebooks import leave_results

print("word is", word)
leave_results(share=10 / number, song=song, home=__import__("os").environ["AUDIOLAB_HOME"])
"""


@pytest.fixture
def notebook(tmp_path):
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(WORK),
        ]
    )
    path = tmp_path / "sharing.ipynb"
    nbformat.write(book, path)
    return path


def test_both_ways_to_say_a_parameter_and_one_document_on_stdout(cli, notebook, tmp_path):
    from audiolab.config import get_settings

    said = cli("batch", notebook, "-p", "number=-4", "-p", "word", "2024", "-p", "song", "a song.wav", "--json")
    assert said.code == 0, said.err
    found = said.json
    assert found["status"] == "done"
    assert found["parameters"] == {"number": -4, "word": "2024", "song": str(tmp_path / "here" / "a song.wav")}
    assert found["results"]["share"] == -2.5
    assert found["results"]["home"] == str(get_settings().home)
    assert "  word is 2024" in said.err.splitlines()
    assert "cell " in said.err
    assert found["folder"].startswith(str(get_settings().path("experiments/runs").resolve()))


def test_wrong_use_is_exit_code_2_and_begins_nothing(cli, notebook, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "sets.yaml").write_text("number: [1, x]")
    for arguments, words in (
        ((notebook, "-p", "nubmer=4", "--to", out), "did you mean 'number'"),
        ((notebook, "-p", "number=four", "--to", out), "takes int for 'number', such as its default 2, not 'four'"),
        ((notebook, "-p", "number", "--to", out), "-p takes NAME=VALUE or NAME VALUE, not 'number'"),
        ((notebook, "--sweep", tmp_path / "sets.yaml", "--to", out), "set 2: "),
        ((notebook, "--jobs", "2", "--to", out), "--jobs belongs to --sweep"),
        ((notebook, "--resume", out), "--resume takes notebook and parameters from its folder"),
        (("proces_library",), "did you mean 'batch/process_library'"),
        ((), "which notebook?"),
    ):
        said = cli("batch", *arguments)
        assert said.code == 2, (arguments, said.err)
        assert words in said.err
    assert not out.exists()
    assert cli("batch", "--resume", tmp_path / "none").code == 1


def test_describe_lists_what_a_notebook_takes(cli, notebook):
    said = cli("batch", notebook, "--describe")
    assert said.out.splitlines() == [
        "number: int (default 2)  to share by", "word: str (default 'a')", "song: Path | None (default None)",
    ]  # fmt: skip
    assert cli("batch", "process_library", "--describe", "--json").json["parameters"][0]["name"] == "library"


def test_a_failure_and_a_sweep_say_how_to_go_on(cli, notebook, tmp_path):
    said = cli("batch", notebook, "-p", "number=0", "--to", tmp_path / "one")
    assert said.code == 1
    assert f"`audiolab batch --resume {tmp_path / 'one'}` goes on" in said.err
    assert "ZeroDivisionError" in said.err
    (tmp_path / "sets.yaml").write_text("number: [0, 5]\nword: b")
    said = cli("batch", notebook, "--sweep", tmp_path / "sets.yaml", "--to", tmp_path / "many", "-p", "song=x")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0].split() == ["set", "status", "seconds", "number", "share", "song", "home", "error"]
    assert lines[1].startswith("001-number-0  failed")
    assert lines[2].startswith("002-number-5  done")
    again = cli("batch", "--resume", tmp_path / "many", "--json")
    assert again.code == 1
    document = json.loads(again.out)
    assert [run["status"] for run in document["runs"]] == ["failed", "done"]
    assert [run["attempt"] for run in document["runs"]] == [2, 1]
    assert document["runs"][1]["parameters"]["song"] == str(tmp_path / "here" / "x")
