"""The shelf: models that come in, which one is current, the way back, and everything that may be wrong with them."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from drum_sounds import RATE, kick, snare

from audiolab.audio import Audio
from audiolab.config import get_settings
from audiolab.errors import ModelError, ParameterError
from audiolab.stages import classify, embed, get_stage
from audiolab.stages.base import SoundInput, StageInput
from audiolab.stages.classification import get_encoder, get_head
from audiolab.stages.classification.choosing import model_with, shelf_folder
from audiolab.stages.classification.model_files import MODEL_FOLDER, shipped_hash
from audiolab.stages.classification.shelf import current, entries, entry, history, put, roll_back, set_current


def other_head(*, rename: dict[str, str] | None = None, **changes) -> bytes:
    """Give the shipped head with other names of labels or other values."""
    head = get_head("shipped")
    labels = tuple((rename or {}).get(label, label) for label in head.labels)
    return dataclasses.replace(head, **{"labels": labels, **changes}).to_bytes()


def shelve(name: str = "mine", **changes) -> str:
    return put({"head.npz": other_head(**(changes or {"rename": {"kick": "thump"}}))}, name=name).id


def exported(folder: Path, head: bytes | None = None) -> Path:
    """Make a model folder as training leaves it."""
    import hashlib

    shutil.copytree(MODEL_FOLDER, folder)
    if head is not None:
        (folder / "head.npz").write_bytes(head)
        index = json.loads((folder / "model.json").read_text())
        index["sha256"]["head.npz"] = hashlib.sha256(head).hexdigest()
        (folder / "model.json").write_text(json.dumps(index))
    return folder


def label(**params) -> str:
    return classify((kick(), RATE), **params)[0].top[0][0]


def test_an_empty_shelf_means_the_shipped_model():
    assert current().id == "shipped"
    assert [item.id for item in entries()] == ["shipped"]
    assert roll_back() is None
    assert history() == []
    assert not shelf_folder().joinpath("current.json").exists()


def test_results_of_the_shipped_model_keep_their_keys():
    import hashlib

    both = shipped_hash("encoder.onnx") + shipped_hash("head.npz")
    for name, weights in (
        ("classify", hashlib.sha256(both.encode()).hexdigest()),
        ("embed", shipped_hash("encoder.onnx")),
    ):
        stage = get_stage(name)
        for asked in ({}, {"model": "auto"}, {"model": "shipped"}):
            resolved = stage.resolve(stage.params(**asked))
            assert resolved.weights == weights
            assert set(resolved.params.model_dump(mode="json")) == {"downmix"} | (
                {"unknown_below"} if name == "classify" else set()
            )


def test_a_promoted_model_names_sounds_until_it_is_rolled_back():
    assert label() == "kick"
    mine = shelve()
    assert label() == "kick"
    assert label(model="mine") == label(model=mine) == "thump"
    set_current(mine, "it knows my words")
    assert label() == "thump"
    assert label(model="shipped") == "kick"
    assert classify((kick(), RATE))[0].family == "unknown"  # the taxonomy does not know the word
    back = roll_back("no")
    assert back is not None
    assert back.id == "shipped"
    assert label() == "kick"
    assert [step["why"] for step in history()] == ["it knows my words", "no"]


def test_rolling_back_goes_down_to_the_shipped_model_and_stays_there():
    first, second = shelve("first"), shelve("second", temperature=1.5)
    for identity in (first, second, first):
        set_current(identity)
    assert [roll_back().id for _ in range(3)] == [second, first, "shipped"]
    assert roll_back() is None
    set_current(second)
    set_current(None)
    assert current().id == "shipped"
    assert roll_back().id == second
    assert current().current


def test_names_ids_and_the_newest_of_one_name():
    old = shelve("mine")
    new = shelve("mine", temperature=1.25)
    assert entry("mine").id == new
    assert entry(old).labels[0] == "thump"
    assert [item.name for item in entries()] == ["mine", "mine", "shipped"]
    assert shelve("renamed") == old
    assert entry("mine").id == new
    assert entry("renamed").id == old
    assert json.loads(json.dumps(entries()[0].to_dict()))["encoder"] == shipped_hash("encoder.onnx")
    for bad in ("auto", "shipped", "", "../up", "a/b", ".hidden", "x" * 101):
        with pytest.raises(ParameterError, match="name"):
            shelve(bad)
    with pytest.raises(ModelError, match=r"there is no classifier 'yours'.*renamed"):
        get_head("yours")


def test_a_folder_can_be_used_put_and_forgotten(tmp_path: Path):
    folder = exported(tmp_path / "model", other_head(rename={"kick": "boom"}))
    assert label(model=str(folder)) == "boom"
    assert entries()[:-1] == []
    identity = put(folder, name="boom", origin={"version": 3}).id
    shutil.rmtree(folder)
    assert label(model="boom") == "boom"
    assert entry("boom").origin == {"version": 3}
    assert (shelf_folder() / identity / "MODEL_CARD.md").is_file()
    with pytest.raises(ModelError, match="there is no classifier"):
        label(model=str(folder))


def test_a_run_on_a_folder_lays_it_on_the_shelf(tmp_path: Path):
    folder = exported(tmp_path / "model", other_head(rename={"kick": "boom"}))
    stage = get_stage("classify")
    resolved = stage.resolve(stage.params(model=str(folder)))
    shutil.rmtree(folder)
    assert model_with(resolved.weights).id == resolved.weights[:16]
    assert labels_of(stage, resolved, tmp_path) == ["boom", "snare"]


def labels_of(stage, resolved, scratch: Path) -> list[str]:
    sounds = tuple(SoundInput(str(i), "s", "sample", Audio(make(), RATE)) for i, make in enumerate((kick, snare)))
    output = stage.run(StageInput(sounds, scratch), resolved)
    return [tag.top[0][0] for tag in output.tags]


def test_a_job_uses_the_model_that_was_resolved_or_fails(tmp_path: Path):
    stage = get_stage("classify")
    mine = shelve()
    set_current(mine)
    planned = stage.resolve(stage.params())
    # What travels to a worker: parameters as JSON, and the hash.
    travelled = dataclasses.replace(planned, params=stage.params(**planned.params.model_dump(mode="json")))
    set_current(shelve("other", rename={"kick": "bump"}))
    assert labels_of(stage, travelled, tmp_path)[0] == "thump"
    assert stage.resolve(stage.params()).weights != planned.weights
    assert stage.resolve_as_then(travelled.params, planned.weights).weights == planned.weights
    shutil.rmtree(shelf_folder() / mine)
    with pytest.raises(ModelError, match=mine):
        labels_of(stage, travelled, tmp_path)


def test_a_job_of_the_shipped_model_keeps_to_it(tmp_path: Path):
    stage = get_stage("classify")
    planned = stage.resolve(stage.params())
    set_current(shelve())
    assert labels_of(stage, planned, tmp_path)[0] == "kick"


def test_an_embed_job_finds_its_encoder_by_hash(tmp_path: Path):
    stage = get_stage("embed")
    planned = stage.resolve(stage.params())
    set_current(shelve())
    sounds = (SoundInput("k", "s", "sample", Audio(kick(), RATE)),)
    assert stage.run(StageInput(sounds, tmp_path), planned).vectors.encoder == shipped_hash("encoder.onnx")
    assert embed((kick(), RATE), model="mine").encoder == get_encoder().sha256
    with pytest.raises(ModelError, match="encoder ffffffffffff is not here"):
        stage.run(StageInput(sounds, tmp_path), dataclasses.replace(planned, weights="f" * 64))
    assert stage.resolve_as_then(stage.params(), "f" * 64).weights == planned.weights


@pytest.mark.parametrize("name", ["head.npz", "model.json"])
def test_a_changed_file_is_named(name):
    mine = shelve(f"mine {name}", rename={"kick": name[:3]})
    path = shelf_folder() / mine / name
    path.write_bytes(path.read_bytes()[:-40] + b"x" * 40)
    with pytest.raises(ModelError, match=name):
        set_current(mine)
    with pytest.raises(ModelError, match=name):
        get_head(mine)
    assert shelve(f"mine {name}", rename={"kick": name[:3]}) == mine  # laid there again it is whole
    assert get_head(mine).labels[0] == name[:3]


def test_a_head_that_lost_its_encoder_and_a_half_written_folder():
    mine = shelve("alone", rename={"snare": "smack"})
    index = shelf_folder() / mine / "model.json"
    document = json.loads(index.read_text())
    document["sha256"].pop("encoder.onnx")
    document["encoder"] = "e" * 64
    index.write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"head\.npz.*encoder eeeeeeeeeeee is not here"):
        get_head("alone")
    index.unlink()
    with pytest.raises(ModelError, match=r"model\.json"):
        get_head(mine)
    [damaged] = [item for item in entries() if item.problem]
    assert damaged.id == mine
    assert "model.json" in damaged.problem
    shutil.rmtree(shelf_folder() / mine)
    (shelf_folder() / "current.json").write_text(json.dumps({"current": mine, "history": []}))
    with pytest.raises(ModelError, match=mine):
        get_head()
    with pytest.raises(ModelError, match=mine):
        current()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"current": "../../x"}', '{"current": 3}', '{"history": []}'])
def test_a_damaged_current_file_is_named(text):
    shelf_folder().mkdir(parents=True)
    (shelf_folder() / "current.json").write_text(text)
    with pytest.raises(ModelError, match=r"current\.json.*delete it"):
        get_head()
    with pytest.raises(ModelError, match=r"current\.json"):
        set_current(None)


def test_what_does_not_fit_is_refused_and_nothing_is_kept(tmp_path: Path):
    shipped = get_head("shipped")
    narrow = {"weight": shipped.weight[:-1], "drum_weight": shipped.drum_weight[:-1]}
    strange = {"encoder": "e" * 64}
    graph = (MODEL_FOLDER / "encoder.onnx").read_bytes()
    for files, match in (
        ({"head.npz": b"no head"}, "damaged"),
        ({"encoder.onnx": graph}, r"head\.npz"),
        ({"head.npz": other_head(**narrow)}, "do not fit"),
        ({"head.npz": other_head(**strange)}, "encoder eeeeeeeeeeee is not here"),
        ({"head.npz": other_head(**strange), "encoder.onnx": graph}, "another encoder"),
        ({"head.npz": other_head(rename={"kick": "snare"})}, "twice"),
    ):
        with pytest.raises(ModelError, match=match):
            put(files, name="bad")
    changed = exported(tmp_path / "changed")
    (changed / "head.npz").write_bytes(other_head(rename={"kick": "x"}))
    with pytest.raises(ModelError, match=r"head\.npz.*changed"):
        put(changed, name="bad")
    with pytest.raises(ModelError, match=r"model\.json"):
        put(tmp_path, name="bad")
    with pytest.raises(ModelError, match="not on the shelf"):
        set_current(str(exported(tmp_path / "outside")))
    with pytest.raises(ParameterError, match="JSON"):
        put({"head.npz": other_head(temperature=2.0)}, name="bad", origin={"x": {1, 2}})
    assert [item.id for item in entries() if not item.problem] == ["shipped"]


def _promote(home: str, number: int) -> None:
    import os

    os.environ["AUDIOLAB_HOME"] = home
    get_settings.cache_clear()
    identity = shelve(f"model {number}", temperature=1.0 + number)
    shelve("together", temperature=9.0)
    for _ in range(10):
        set_current(identity, f"by {number}")
        assert current().id


def test_processes_that_promote_at_once_leave_a_whole_history():
    home = str(get_settings().home)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_promote, args=(home, number)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    steps = history()
    assert len(steps) == 20
    assert {step["why"] for step in steps} == {"by 0", "by 1"}
    assert current().id == steps[-1]["id"]
    assert not [item.problem for item in entries() if item.problem]
    assert len(entries()) == 4
    assert np.isfinite(get_head("together").weight).all()
