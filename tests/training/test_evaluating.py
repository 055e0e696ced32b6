"""Any model on any set: scores, labels that it does not know, and a loud word when it has heard the set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audiolab.audio import Audio, write_audio
from audiolab.errors import ModelError, ParameterError
from audiolab.stages.classification import classify, shelf
from audiolab.stages.classification.head import load_head
from audiolab.stages.classification.model_files import ENCODER, HEAD, MODEL_FOLDER, read_verified
from audiolab.training.data import render
from audiolab.training.evaluating import evaluate, heard_before
from audiolab.training.export import write_model
from audiolab.training.finishing import trained_on
from audiolab.training.hashing import content_hashes
from audiolab.training.manifest import Entry, Reading

LABELS = ("kick", "closed_hat", "crash", "bass")


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """Rendered sounds of two sources, one file that is none, and a label that nobody knows."""
    folder = tmp_path_factory.mktemp("sounds")
    entries = []
    for source in ("a", "b"):
        for label in LABELS:
            for number in range(3):
                path = folder / f"{source}-{label}-{number}.wav"
                write_audio(path, Audio(render(label, number, ord(source)), 32_000))
                entries.append(Entry(path, source, label))
        path = folder / f"{source}-gong.wav"
        write_audio(path, Audio(render("crash", 9, ord(source)), 32_000))
        entries.append(Entry(path, source, "gong"))
    (folder / "text.wav").write_text("no audio " * 99)
    return Reading((*entries, Entry(folder / "text.wav", "a", "kick")), ("line 3: gone.wav: no such file",))


def with_memory(folder: Path, entries: list[Entry]) -> Path:
    """Give the shipped model as if it had learned from these."""
    hashes = content_hashes(entries)
    head = load_head(read_verified(HEAD))
    write_model(folder, read_verified(ENCODER), head, beside={"trained_on.npz": trained_on(hashes)})
    return folder


def test_scores_are_those_of_classify(heard: Reading, tmp_path: Path):
    found = evaluate(MODEL_FOLDER, heard)
    judged = [e for e in heard.entries if e.label in LABELS and e.path.name != "text.wav"]
    said = classify([e.path for e in judged])
    right = np.mean([result.top[0][0] == entry.label for result, entry in zip(said, judged, strict=True)])
    assert found.scores["labels"]["sounds"] == len(judged) == 24
    assert found.scores["labels"]["accuracy"] == pytest.approx(right)
    for key in ("interval", "top_3_interval", "macro_f1_interval"):
        assert 0 <= found.scores["labels"][key][0] <= found.scores["labels"][key][1] <= 1
    assert found.scores["per_label"]["kick"]["sources"] == 2
    assert found.drums["kick"]["sounds"] == 6
    assert found.drums["cymbal"]["sounds"] == 6
    assert "snare" not in found.drums  # no label of the set stands for it


def test_what_is_not_scored_is_named(heard: Reading):
    found = evaluate(MODEL_FOLDER, heard)
    assert found.outside["gong"]["sounds"] == 2
    assert sum(found.outside["gong"]["called"].values()) == 2
    said = " ".join(found.left_out)
    assert "gone.wav" in said
    assert "text.wav" in said
    assert any("gong (2)" in line for line in found.warnings)


def test_sounds_that_the_model_learned_from_are_counted_loudly(heard: Reading, tmp_path: Path):
    old = [entry for entry in heard.entries if entry.source == "a" and entry.label in LABELS]
    folder = with_memory(tmp_path / "model", old)
    found = evaluate(folder, heard)
    assert found.overlap == {"known": True, "sounds": 12, "of": 24}
    assert any(line.startswith("THE MODEL LEARNED FROM 12") for line in found.warnings)
    assert found.unheard is not None
    assert found.unheard["labels"]["sounds"] == 12
    assert found.unheard["per_label"]["kick"]["sources"] == 1
    new = Reading(tuple(e for e in heard.entries if e.source == "b"))
    assert evaluate(folder, new).overlap["sounds"] == 0
    entry = shelf.put(folder, name="remembers")  # and it remembers on the shelf
    assert evaluate(entry.id, heard).overlap["sounds"] == 12


def test_a_model_that_does_not_tell_is_said_to(heard: Reading, tmp_path: Path):
    folder = tmp_path / "model"
    write_model(folder, read_verified(ENCODER), load_head(read_verified(HEAD)))
    found = evaluate(folder, heard)
    assert found.overlap["known"] is False
    assert any("does not tell" in line for line in found.warnings)


def test_changed_models_and_lists_are_refused(heard: Reading, tmp_path: Path):
    folder = with_memory(tmp_path / "model", list(heard.entries[:3]))
    (folder / "trained_on.npz").write_bytes(trained_on(np.array([1, 2], np.uint64)))
    with pytest.raises(ModelError, match=r"trained_on\.npz.*changed"):
        heard_before(folder, heard.entries)
    (folder / "head.npz").write_bytes(b"PK something")
    with pytest.raises(ModelError, match="changed"):
        evaluate(folder, heard)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "model.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"model\.json"):
        evaluate(tmp_path / "foreign", heard)
    with pytest.raises(ModelError, match="no classifier"):
        evaluate("nobody", heard)


def test_a_set_without_known_labels_is_an_error(heard: Reading):
    with pytest.raises(ParameterError, match="label of the model"):
        evaluate(MODEL_FOLDER, Reading(tuple(e for e in heard.entries if e.label == "gong")))


def test_a_report_is_written(heard: Reading, tmp_path: Path):
    found = evaluate(MODEL_FOLDER, heard, to=tmp_path / "r")
    names = {path.name for path in found.files}
    assert names == {"scores.json", "confusions.png", "calibration.png", "errors.html"}
    assert all(path.is_file() for path in found.files)
    document = json.loads((tmp_path / "r" / "scores.json").read_text())
    assert document["scores"]["labels"]["sounds"] == 24
    assert document["outside"]["gong"]["sounds"] == 2
