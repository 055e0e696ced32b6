"""Batch runs: what is kept, failures, resuming, kills, sweeps, MLflow."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
from pathlib import Path

import nbformat
import psutil
import pytest
from batch_making import start_batch, wait_for, write_notebook

from audiolab.errors import ParameterError, RunError
from audiolab.runs.notebooks import BatchRun, Sweep, batch, read_sets, resume, sweep
from audiolab.runs.notebooks.tracking import log_batch

pytestmark = pytest.mark.xdist_group("kernel")

PARAMETERS = "from pathlib import Path\n\nnumber: int = 2  # to share by\ngate: Path | None = None  # must be there"
WORK = """
from audiolab.runs.notebooks import leave_results

print("share", 10 / number)
assert gate is None or Path(gate).is_file(), "the gate is shut"
leave_results(share=10 / number, text="so", more={"deep": 3})
"""


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path / "sharing.ipynb", PARAMETERS, "start = 1", WORK)


def test_everything_of_a_batch_run_is_kept(notebook, tmp_path):
    from audiolab.config import get_settings

    lines: list[str] = []
    done = batch(notebook, {"number": 4}, tell=lines.append)
    assert done.status == "done"
    assert done.folder.parent == get_settings().path("experiments/runs").resolve()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}-sharing", done.folder.name)
    assert done.results == {"share": 2.5, "text": "so", "more": {"deep": 3}}
    assert json.loads((done.folder / "parameters.json").read_text()) == {"number": 4, "gate": None}
    record = json.loads((done.folder / "run.json").read_text())
    assert record["attempt"] == 1
    assert len(record["sha256"]) == 64
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    here = subprocess.run(command, capture_output=True, text=True, check=False)
    if here.returncode == 0:
        assert record["code"]["git"] == here.stdout.strip()
    assert any(line.startswith("cell 4/4: print") for line in lines)
    assert "  share 2.5" in lines
    assert lines[-1].startswith("sharing: done after")
    assert (done.folder / "log.txt").read_text().splitlines() == lines
    assert not [path for path in done.folder.iterdir() if ".part" in path.name]
    copy = nbformat.read(done.notebook, as_version=4)
    assert copy.metadata["audiolab"]["state"] == "done"
    assert not any("not complete" in cell.source for cell in copy.cells)
    assert batch(notebook, to=tmp_path / "own").folder == tmp_path / "own"


def test_nothing_begins_with_wrong_parameters_or_a_full_folder(notebook, tmp_path):
    with pytest.raises(ParameterError, match="did you mean 'number'"):
        batch(notebook, {"nummer": 4}, to=tmp_path / "out")
    with pytest.raises(ParameterError, match="takes int"):
        batch(notebook, {"number": "4"}, to=tmp_path / "out")
    with pytest.raises(ParameterError, match=r"set 2: .* takes int"):
        sweep(notebook, {"number": [1, "x"]}, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ParameterError, match="is not empty"):
        batch(notebook, to=tmp_path)


def test_a_page_fetches_nothing_from_the_net(tmp_path):
    cell = """
import ipywidgets
from IPython.display import HTML, display
display(ipywidgets.IntSlider(description="slide"), HTML("<b>bold</b>"))
"""
    book = write_notebook(tmp_path / "page.ipynb", "x = 1", cell)
    made = nbformat.read(book, as_version=4)
    made.cells.append(nbformat.v4.new_markdown_cell("$e^x$\n\n```mermaid\ngraph TD; A-->B\n```"))
    nbformat.write(made, book)
    page = batch(book, to=tmp_path / "out").html.read_text(encoding="utf-8")
    assert "<b>bold</b>" in page
    assert re.findall(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//[^"'\s>]*""", page) == []
    assert re.findall(r"""(?:import|url|fetch)\s*\(?\s*["']?https?://[^"')\s]*""", page) == []
    for host in ("cdnjs", "unpkg", "jsdelivr", "googleapis"):
        assert host not in page


def test_a_failure_is_kept_and_resumed_with_the_same_parameters(notebook, tmp_path):
    gate = tmp_path / "gate"
    done = batch(notebook, {"number": 5, "gate": gate}, to=tmp_path / "out")
    assert done.status == "failed"
    assert done.error == "AssertionError: the gate is shut"
    assert "the gate is shut" in done.html.read_text(encoding="utf-8")
    assert "**failed**" in done.notebook.read_text()
    again = resume(done.folder)
    assert (again.status, again.record["attempt"]) == ("failed", 2)
    gate.touch()
    # The notebook's default and its work change meanwhile: the parameters of the run do not.
    write_notebook(notebook, PARAMETERS.replace("= 2", "= 7"), WORK)
    told: list[str] = []
    last = resume(done.folder, tell=told.append)
    assert any("has changed" in line for line in told)
    assert (last.status, last.record["attempt"], last.error) == ("done", 3, "")
    assert last.results["share"] == 2.0
    kept = sorted(path.name for path in last.folder.glob("sharing*"))
    assert kept == [
        "sharing.attempt-1.html", "sharing.attempt-1.ipynb", "sharing.attempt-2.html", "sharing.attempt-2.ipynb",
        "sharing.html", "sharing.ipynb",
    ]  # fmt: skip
    assert resume(done.folder).record["attempt"] == 3  # what is done is left alone


def test_a_kernel_that_dies_is_a_failure(tmp_path):
    book = write_notebook(tmp_path / "dying.ipynb", "x = 1", "import os; os._exit(3)")
    done = batch(book, to=tmp_path / "out")
    assert done.status == "failed"
    assert "the kernel died" in done.error


def test_folders_that_are_none_are_named(tmp_path):
    with pytest.raises(RunError, match="there is no folder"):
        resume(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"is no folder of a batch run: it holds no run\.json"):
        resume(tmp_path)


def test_sets_are_lists_or_grids(tmp_path):
    assert read_sets({"a": [1, 2], "b": ["x", "y"], "c": 3}) == [
        {"a": 1, "b": "x", "c": 3},
        {"a": 1, "b": "y", "c": 3},
        {"a": 2, "b": "x", "c": 3},
        {"a": 2, "b": "y", "c": 3},
    ]
    (tmp_path / "sets.yaml").write_text("- {a: 1}\n- {a: 2, b: [1, 2]}\n")
    assert read_sets(tmp_path / "sets.yaml") == [{"a": 1}, {"a": 2, "b": [1, 2]}]
    for wrong in ("3", "[]", "- 1", "{a: []}"):
        (tmp_path / "sets.yaml").write_text(wrong)
        with pytest.raises(ParameterError, match="a list of mappings, or a mapping of lists"):
            read_sets(tmp_path / "sets.yaml")
    with pytest.raises(ParameterError, match="cannot be read"):
        read_sets(tmp_path / "none.yaml")


def test_a_set_that_fails_stops_no_other_and_only_it_is_done_again(notebook, tmp_path):
    gate = tmp_path / "gate"
    sets = [{"number": 1}, {"number": 2, "gate": str(gate)}, {"number": 5}]
    found = sweep(notebook, sets, to=tmp_path / "out", jobs=2)
    assert [run.status for run in found.runs] == ["done", "failed", "done"]
    assert found.status == "failed"
    with (found.folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["share"] for row in rows] == ["10.0", "", "2.0"]
    assert [row["number"] for row in rows] == ["1", "2", "5"]
    assert rows[1]["error"] == "AssertionError: the gate is shut"
    assert "the gate is shut" in str(found)
    assert [run.folder.name for run in found.runs] == ["001-number-1", "002-number-2-gate-gate", "003-number-5"]
    gate.touch()
    again = resume(found.folder)
    assert isinstance(again, Sweep)
    assert again.status == "done"
    assert [run.record["attempt"] for run in again.runs] == [1, 2, 1]
    assert [row["share"] for row in again.table] == [10.0, 5.0, 2.0]


WAITING = """
import time
Path(mark).touch()
while not Path(go).exists():
    time.sleep(0.1)
"""
WAITING_PARAMETERS = "from pathlib import Path\nmark: Path\ngo: Path\nnumber: int = 1"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_a_stopped_batch_leaves_nothing_half_written_and_is_resumed(tmp_path, how):
    book = write_notebook(tmp_path / "waiting.ipynb", WAITING_PARAMETERS, "before = 1 + 1\nbefore", WAITING, "'over'")
    mark, go, out = tmp_path / "mark", tmp_path / "go", tmp_path / "out"
    process = start_batch(
        str(book), "-p", f"mark={mark}", "-p", "go", str(go), "--to", str(out), home=tmp_path / "home"
    )
    wait_for(mark.exists)
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels
    with pytest.raises(RunError, match="being worked on by another process"):
        resume(out)
    assert BatchRun(out).status == "running"
    process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
    _, said = process.communicate(timeout=120)
    psutil.wait_procs(kernels, timeout=60)
    assert not [kernel for kernel in kernels if kernel.is_running()], "the kernel outlived its batch"
    run = BatchRun(out)
    assert run.status == "interrupted", said
    copy = nbformat.read(run.notebook, as_version=4)  # whole, and says that it is not complete
    assert "not complete" in copy.cells[0].source
    assert any(cell.source.startswith("before") and cell.outputs for cell in copy.cells if cell.cell_type == "code")
    go.touch()
    done = resume(out)
    assert (done.status, done.record["attempt"]) == ("done", 2)
    assert (out / "waiting.attempt-1.ipynb").is_file()
    assert done.record["home"] == str(tmp_path / "home")
    assert not list(out.glob(".*part*"))


@pytest.mark.slow
def test_a_killed_sweep_takes_its_children_along_and_is_resumed(tmp_path):
    book = write_notebook(tmp_path / "waiting.ipynb", WAITING_PARAMETERS, WAITING)
    go, out = tmp_path / "go", tmp_path / "out"
    go_early = tmp_path / "early"
    go_early.touch()
    sets = [
        {"mark": str(tmp_path / "m1"), "go": str(go_early), "number": 1},
        {"mark": str(tmp_path / "m2"), "go": str(go), "number": 2},
        {"mark": str(tmp_path / "m3"), "go": str(go), "number": 3},
    ]
    (tmp_path / "sets.yaml").write_text(json.dumps(sets))
    process = start_batch(
        str(book), "--sweep", str(tmp_path / "sets.yaml"), "--to", str(out), "--jobs", "1", home=tmp_path / "home"
    )
    wait_for((tmp_path / "m2").exists)
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=60)
    psutil.wait_procs(below, timeout=90)
    assert not [child for child in below if child.is_running()], "a process outlived the sweep"
    assert [run.status for run in Sweep(out).runs] == ["done", "interrupted", "waiting"]
    go.touch()
    again = resume(out, jobs=2)
    assert isinstance(again, Sweep)
    assert again.status == "done"
    assert [run.record["attempt"] for run in again.runs] == [1, 2, 1]


@pytest.mark.slow
def test_batches_are_logged_to_mlflow(notebook, tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    done = batch(notebook, {"number": 4}, to=tmp_path / "one", mlflow=uri)
    logged = MlflowClient(tracking_uri=uri).get_run(done.record["mlflow"]["run"])
    assert logged.info.status == "FINISHED"
    assert logged.data.params == {"number": "4", "gate": "None"}
    assert logged.data.metrics["share"] == 2.5
    assert logged.data.metrics["more.deep"] == 3
    assert logged.data.tags["audiolab.attempt"] == "1"
    names = {item.path for item in MlflowClient(tracking_uri=uri).list_artifacts(logged.info.run_id)}
    assert names == {"sharing.ipynb", "sharing.html", "parameters.json", "run.json", "results.json"}
    found = sweep(notebook, {"number": [0, 1]}, to=tmp_path / "many", mlflow=uri)
    states = [MlflowClient(tracking_uri=uri).get_run(run.record["mlflow"]["run"]).info.status for run in found.runs]
    assert states == ["FAILED", "FINISHED"]
    lines: list[str] = []
    (tmp_path / "readme.txt").touch()
    assert log_batch(done, f"sqlite:///{tmp_path / 'readme.txt'}/no.db", lines.append) is None
    assert "could not be logged" in lines[0]
    with pytest.raises(ParameterError, match="cannot be opened"):
        batch(notebook, mlflow="sqlite:////proc/none/mlflow.db", to=tmp_path / "two")
    assert not (tmp_path / "two").exists()
