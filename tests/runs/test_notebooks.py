"""Batch notebooks: parameters are checked, failures keep the executed copy, pages are whole."""

from __future__ import annotations

import nbformat
import pytest

from audiolab.errors import ParameterError, RunError
from audiolab.runs.notebooks import find_notebook, run_notebook

pytestmark = pytest.mark.xdist_group("kernel")


@pytest.fixture
def notebook(tmp_path):
    cells = [
        nbformat.v4.new_code_cell("count = 1\nwhere = 'x'", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print('count is', count)\n1 / count"),
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "small.ipynb"
    nbformat.write(book, path)
    return path


def test_parameters_reach_the_notebook_and_a_page_is_made(notebook, tmp_path):
    done = run_notebook(notebook, {"count": 4}, tmp_path / "out")
    page = done.html.read_text(encoding="utf-8")
    assert "count is 4" in page
    assert "0.25" in page
    assert done.notebook.is_file()
    assert "count = 1" in notebook.read_text()  # the original is untouched


def test_unknown_parameters_are_an_error_that_guesses(notebook, tmp_path):
    with pytest.raises(ParameterError, match="did you mean 'count'"):
        run_notebook(notebook, {"coutn": 4}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failing_cell_is_named_and_the_copy_kept(notebook, tmp_path):
    with pytest.raises(RunError, match="ZeroDivisionError"):
        run_notebook(notebook, {"count": 0}, tmp_path / "out")
    assert "ZeroDivisionError" in (tmp_path / "out" / "small.ipynb").read_text()


def test_shipped_notebooks_are_found_by_name():
    assert find_notebook("batch/run_report").is_file()
    with pytest.raises(ParameterError, match="did you mean '00_quickstart'"):
        find_notebook("00_quickstrat")
