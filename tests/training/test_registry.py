"""MLflow's side: a model is logged, registered, checked, promoted to the shelf, and taken back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("mlflow")

from audiolab.errors import ModelError, ParameterError
from audiolab.stages.classification import shelf
from audiolab.stages.classification.head import get_head, load_head
from audiolab.stages.classification.model_files import MODEL_FOLDER
from audiolab.training.manifest import Entry
from audiolab.training.registry import find_version, model_folder, promote, roll_back, versions
from audiolab.training.settings import load_config
from audiolab.training.tracking import EXPERIMENT, Tracker, client_of, code_revision

SCORES = {
    "out_of_fold": {
        "cnn": {
            "labels": {"accuracy": 0.6, "top_3": 0.8, "macro_f1": 0.5}, "11 classes": {"accuracy": 0.7},
            "8 drums": {"accuracy": float("nan")}, "ece": 0.04,
        }
    },
    "temperature": 1.5, "ms_per_sample": 2.0,
}  # fmt: skip


def model(folder: Path, temperature: float) -> Path:
    """Write a model that differs from the shipped one by its temperature."""
    import hashlib
    from dataclasses import replace

    folder.mkdir(parents=True)
    head = replace(load_head(MODEL_FOLDER / "head.npz"), temperature=temperature)
    (folder / "head.npz").write_bytes(head.to_bytes())
    shutil.copy(MODEL_FOLDER / "encoder.onnx", folder)
    names = ("encoder.onnx", "head.npz")
    index = {"sha256": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}}
    (folder / "model.json").write_text(json.dumps(index))
    (folder / "MODEL_CARD.md").write_text("# card\n")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A fresh MLflow with two registered versions, its database made once."""
    root = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{root}/mlflow.db"
    config = load_config("default")
    pictures = root / "report"
    pictures.mkdir()
    (pictures / "errors.html").write_text("<p>hear</p>")
    for number, temperature in enumerate((1.25, 1.75), start=1):
        tracker = Tracker("classifier", uri=uri, memory=root / f"work{number}" / "mlflow.json", resume=False)
        tracker.begin(config, [Entry(Path("a.wav"), "s", "kick")], "f00d", "some/where")
        made = tracker.finish(model(root / f"model{number}", temperature), SCORES, pictures)
        assert made == str(number)
    return uri, root


def test_a_run_holds_options_scores_and_files(place: tuple[str, Path]):
    uri, root = place
    client = client_of(uri)
    run = client.get_run(find_version("1", uri=uri).run)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.width"] == str(load_config("default").model.width)
    assert run.data.params["data.hash"] == "f00d"
    assert run.data.params.keys() >= code_revision().keys()
    assert run.data.metrics["out_of_fold/accuracy_19"] == 0.6
    assert "out_of_fold/accuracy_8" not in run.data.metrics  # no number is no metric
    names = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert names == {"model", "report", "label_map.json", "versions.json", "config.yaml"}
    assert (root / "artifacts").is_dir()
    assert not list((root / "artifacts").rglob("*.pkl"))
    assert client.get_experiment_by_name(EXPERIMENT) is not None


def test_a_training_that_goes_on_goes_on_in_its_run(place: tuple[str, Path]):
    uri, root = place
    memory = root / "work1" / "mlflow.json"
    config = load_config("default")
    first = json.loads(memory.read_text())["runs"]["training"]
    tracker = Tracker("classifier", uri=uri, memory=memory, resume=True)
    tracker.begin(config.seeded(9), [Entry(Path("a.wav"), "s", "kick")], "f00d", "some/where")
    assert tracker.run == first
    assert tracker.client.get_run(first).data.tags["resumed.seed_everything"] == "9"
    tracker.fail()
    assert tracker.client.get_run(first).info.status == "FAILED"


def test_promoted_versions_are_what_classify_uses_and_can_be_taken_back(place: tuple[str, Path]):
    uri, _ = place
    shipped = get_head().temperature
    first = promote("1", uri=uri)
    assert first.model.current
    assert get_head().temperature == 1.25
    assert [row["aliases"] for row in versions(uri=uri)] == [[], ["champion"]]
    second = promote("classifier/2", uri=uri, why="better cymbals")
    assert get_head().temperature == 1.75
    assert second.model.origin["mlflow"]["version"] == "2"
    assert shelf.history()[-1]["why"] == "better cymbals"
    assert find_version("classifier@champion", uri=uri).number == "2"
    back = roll_back(uri=uri)
    assert back is not None
    assert back.version == "1"
    assert get_head().temperature == 1.25
    assert find_version("mlflow:classifier@champion", uri=uri).number == "1"
    assert roll_back(uri=uri) is not None
    assert get_head().temperature == shipped
    assert [row["aliases"] for row in versions(uri=uri)] == [[], []]
    assert roll_back(uri=uri) is None


def test_another_alias_changes_nothing_for_classify(place: tuple[str, Path]):
    uri, _ = place
    found = promote("2", alias="challenger", uri=uri)
    assert not found.model.current
    assert shelf.current().id == "shipped"
    assert get_head(found.model.id).temperature == 1.75
    with pytest.raises(ParameterError, match="alias"):
        promote("2", alias="v2", uri=uri)


def test_a_folder_can_be_promoted_without_mlflow(tmp_path: Path):
    found = promote(model(tmp_path / "own", 1.4))
    assert found.version is None
    assert get_head().temperature == 1.4


def test_changed_files_are_refused(place: tuple[str, Path], tmp_path: Path):
    uri, root = place
    tracker = Tracker("changed", uri=uri, memory=tmp_path / "mlflow.json", resume=False)
    tracker.begin(load_config("default"), [], "0", "x")
    tracker.finish(model(tmp_path / "one", 1.1), SCORES, None)
    logged = find_version("changed/1", uri=uri).folder
    # somebody puts another head there, and an index that fits it: MLflow's own tags still know the old one
    shutil.copytree(model(tmp_path / "two", 1.2), logged, dirs_exist_ok=True)
    with pytest.raises(ModelError, match=r"head\.npz was changed since it was registered"):
        promote("changed/1", uri=uri)
    (logged / "head.npz").unlink()
    with pytest.raises(ModelError, match=r"head\.npz is gone"):
        promote("changed/1", uri=uri)
    shutil.rmtree(logged)
    with pytest.raises(ModelError, match="gone"):
        promote("changed/1", uri=uri)
    folder = model(tmp_path / "three", 1.3)
    (folder / "encoder.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match="changed"):
        promote(folder)
    assert shelf.current().id == "shipped"
    assert [entry.id for entry in shelf.entries()] == ["shipped"]
    assert root.is_dir()


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("99", ModelError, "has no model"),
        ("nobody/1", ModelError, "has no model"),
        ("classifier@nobody", ModelError, "has no model"),
        ("classifier/x", ParameterError, "names no version"),
        ("", ParameterError, "names no version"),
    ],
)
def test_what_is_not_there_is_said(place: tuple[str, Path], reference: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        find_version(reference, uri=place[0])


def test_foreign_versions_are_refused(place: tuple[str, Path], tmp_path: Path):
    uri, _ = place
    client = client_of(uri)
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    client.create_registered_model("foreign")
    client.create_model_version("foreign", tmp_path.as_uri())
    with pytest.raises(ModelError, match="no hash vouches"):
        model_folder("mlflow:foreign/1", uri=uri)
    assert model_folder("auto", uri=uri) == "auto"


def test_an_address_that_does_not_answer_is_known_before_training(tmp_path: Path):
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(ParameterError, match="cannot be opened"):
        Tracker("x", uri=f"sqlite:///{tmp_path}/folder.db", memory=tmp_path / "m.json", resume=False)
