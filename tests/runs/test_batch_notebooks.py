"""The notebooks of notebooks/batch: they state themselves, and each is executed once on small rendered material."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiolab.audio import write_audio
from audiolab.runs.notebooks import batch, declared_parameters, leave_results
from audiolab.training.practice import practice_set

pytestmark = pytest.mark.xdist_group("kernel")

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "batch"
NAMES = ("process_library", "separate_folder", "tag_samples", "train_classifier", "export_collections")


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_notebook_says_what_it_is(name):
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    first = "".join(cells[0]["source"])
    for word in ("**In:**", "**Out:**", "**Time:**", f"audiolab batch {name}"):
        assert word in first
    assert "TIME_" not in first
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert all(sum(bool(line.strip()) for line in cell["source"]) <= 10 for cell in code)
    assert any(line.startswith("assert ") for line in code[-1]["source"])
    found = declared_parameters(f"batch/{name}")
    assert len(found) > 3
    for parameter in found.values():
        assert parameter.help, f"{parameter.name} has no comment"
        assert not parameter.required, "it must also run by itself in JupyterLab"


@pytest.fixture(scope="module")
def songs(tmp_path_factory, short_song):
    folder = tmp_path_factory.mktemp("songs")
    write_audio(folder / "one.wav", short_song.mix)
    return folder


def _done(name: str, place: Path, **parameters: object):
    run = batch(name, parameters, to=place)
    assert run.status == "done", run.error
    return run


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_process_library_finds_everything_done_the_second_time(tmp_path, songs):
    given = {"library": tmp_path / "lib", "add": songs, "recipe": "stems", "engine": "spectral"}
    first = _done("process_library", tmp_path / "one", **given)
    assert first.results["songs"] == 1
    assert first.results["done"] == 2
    again = _done("process_library", tmp_path / "two", **given)
    assert (again.results["done"], again.results["reused"]) == (0, 2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_separate_folder_writes_stems(tmp_path, songs):
    given = {"folder": songs, "to": tmp_path / "stems", "library": tmp_path / "lib", "engine": "spectral"}
    assert _done("separate_folder", tmp_path / "one", **given).results["files"] == 4
    assert len(list((tmp_path / "stems").rglob("*.wav"))) == 4


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_tag_samples_writes_a_table(tmp_path):
    practice = practice_set(tmp_path / "practice", labels=("kick", "snare"), sources=1, each=2).parent
    given = {"folder": practice, "library": tmp_path / "lib", "to": tmp_path / "labels.csv"}
    run = _done("tag_samples", tmp_path / "one", **given)
    assert run.results["samples"] == 4
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 5


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_train_classifier_leaves_a_model_and_scores(tmp_path):
    given = {"to": tmp_path / "model", "width": 8, "epochs": 1, "batches": 3, "rendered": 2, "variants": 1}
    run = _done("train_classifier", tmp_path / "one", **given)
    assert (tmp_path / "model" / "encoder.onnx").is_file()
    assert run.results["scores"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_export_collections_writes_each(tmp_path):
    given = {"library": tmp_path / "lib", "to": tmp_path / "kits", "pack": True}
    run = _done("export_collections", tmp_path / "one", **given)
    assert run.results["collections"] == 1
    assert list((tmp_path / "kits").glob("*.zip"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_lesson_on_batches_holds(tmp_path):
    _done("90_batch_jobs", tmp_path / "one", folder=tmp_path / "lesson")


def test_results_outside_a_batch_are_given_back_and_not_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDIOLAB_BATCH_FOLDER", raising=False)
    assert leave_results(a=1) == {"a": 1}
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("AUDIOLAB_BATCH_FOLDER", str(tmp_path))
    leave_results(a=1, b=2)
    assert leave_results(b=3) == {"a": 1, "b": 3}
