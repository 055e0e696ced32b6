"""The notebooks are as the house wants them: they say what they need, cells are short, nothing of a run is left."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
MOST_LINES = 10
_MACHINE = re.compile(r"/(home|root|Users|work|tmp|mnt|private)/|[A-Z]:\\\\|\blocalhost:\d|\b\d+\.\d+\.\d+\.\d+\b")
ORDER = (
    "00_quickstart", "10_import_and_manage_a_library", "20_separate_and_listen", "30_slice_and_tag", "40_midi",
    "50_lyrics", "60_explore", "70_annotate_and_teach", "75_train_the_classifier", "90_batch_jobs", "app",
)  # fmt: skip


def code_lines(source: str) -> int:
    """Count lines that are neither empty nor only a comment."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


def test_they_are_all_there_in_reading_order():
    assert tuple(path.stem for path in NOTEBOOKS) == ORDER


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEach:
    def test_is_valid_and_holds_nothing_of_a_run(self, path):
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        ids = [cell.id for cell in book.cells]
        assert len(set(ids)) == len(ids), "every cell has an id of its own"
        for cell in book.cells:
            if cell.cell_type == "code":
                assert cell.outputs == [], f"{cell.id} has outputs"
                assert cell.execution_count is None, f"{cell.id} was run"
        assert "widgets" not in book.metadata
        assert set(book.metadata) <= {"kernelspec", "language_info"}

    def test_says_first_what_it_needs_and_teaches(self, path):
        first = nbformat.read(path, as_version=4).cells[0]
        assert first.cell_type == "markdown"
        assert first.source.startswith("# ")
        for word in ("**In:**", "**Time:**", "**Teaches:**"):
            assert word in first.source, word

    def test_cells_are_short_and_are_python(self, path):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert code_lines(cell.source) <= MOST_LINES, f"{cell.id} has {code_lines(cell.source)} lines"
                ast.parse(cell.source)

    def test_names_no_machine(self, path):
        assert _MACHINE.search(path.read_text(encoding="utf-8")) is None

    def test_checks_itself(self, path):
        source = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
        assert path.stem == "app" or re.search(r"^assert ", source, re.MULTILINE), "a notebook that cannot fail"


def test_the_counting_of_lines_and_the_search_for_machines_can_fail():
    assert code_lines("# a\n\nx = 1\n  # b\ny = 2") == 2
    for text in ("/home/somebody/x.wav", "C:\\\\Users", "http://localhost:8888", "10.0.0.1"):
        assert _MACHINE.search(text), text
    assert _MACHINE.search("data/tour and 1.5 to 2.0") is None


def test_make_runs_every_notebook():
    makefile = (NOTEBOOKS[0].parents[1] / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"--nbval-lax .*notebooks/\*\.ipynb", makefile)
