"""`audiolab bench`: its JSON, its table, its exit codes."""

from __future__ import annotations

import pytest

from audiolab.audio import write_audio
from audiolab.synth import metronome


@pytest.fixture
def folder(tmp_path):
    """Two tracks of clicks with their onsets."""
    (tmp_path / "data").mkdir()
    for name in ("one", "two"):
        write_audio(tmp_path / "data" / f"{name}.wav", metronome(120, 4.0))
        (tmp_path / "data" / f"{name}.onsets.csv").write_text("".join(f"{0.5 * i:.3f}\n" for i in range(8)))
    return tmp_path / "data"


def test_json(cli, folder):
    said = cli("bench", "slice", "--data", folder, "-p", "sensitivity=0.5", "--json")
    assert said.code == 0, said.err
    document = said.json
    assert set(document) >= {"stage", "data", "params", "items", "mean", "skipped", "seconds"}
    assert document["params"]["sensitivity"] == 0.5
    assert [item["name"] for item in document["items"]] == ["one", "two"]
    assert document["mean"]["f"] == 1.0
    assert "librosa_f" in document["mean"]


def test_table_and_file(cli, folder, tmp_path):
    said = cli("bench", "slice", "--data", folder, "--no-baseline", "--to", tmp_path / "scores.csv")
    assert said.code == 0, said.err
    assert "one" in said.out
    assert "mean" in said.out
    assert "librosa" not in said.out
    assert (tmp_path / "scores.csv").read_text().startswith("name,f,precision")


def test_bad_annotation_is_exit_code_1_and_named(cli, folder):
    (folder / "two.onsets.csv").write_text("0.5\nlater\n")
    said = cli("bench", "slice", "--data", folder, "--no-baseline", "--json")
    assert said.code == 1
    assert "two.onsets.csv" in said.err
    assert "line 2" in said.err
    assert [item["name"] for item in said.json["items"]] == ["one"]


def test_wrong_use(cli, folder, tmp_path):
    assert cli("bench", "mixdown", "--data", folder).code == 2
    assert cli("bench", "slice", "--data", folder, "-p", "loudness=3").code == 2
    assert cli("bench", "slice", "--data", folder, "--to", "scores.xlsx").code == 2
    said = cli("bench", "slice", "--data", tmp_path / "nowhere")
    assert said.code == 1
    assert "nowhere" in said.err


def test_mlflow(cli, folder, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    from audiolab.config import get_settings

    uri = f"sqlite:///{tmp_path}/runs.db"
    monkeypatch.setenv("AUDIOLAB_MLFLOW", uri)
    get_settings.cache_clear()
    said = cli("bench", "slice", "--data", folder, "--no-baseline")
    assert said.code == 0, said.err
    assert "bench/slice" in said.err
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("bench/slice").experiment_id])
    assert run.data.metrics["mean.f"] == 1.0
