from __future__ import annotations

import json
import os

import pytest

from audiolab import weights
from audiolab.errors import AudiolabError, ModelError, ParameterError
from audiolab.weights import store

from .conftest import BODY, OTHER, digest


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()

    def make(name: str, data: bytes):
        path = folder / name
        path.write_bytes(data)
        return path

    return make


def test_nothing_here_is_a_normal_state(models_dir):
    assert weights.find("htdemucs") is None
    assert weights.find("turbo") is None
    assert weights.find("../../etc/passwd") is None
    assert {row.state for row in weights.listing()} == {"missing"}
    assert not models_dir.exists()


def test_official_files_are_known_by_content_under_any_name(small_models, outside):
    path = outside("my download (3).bin", BODY)
    assert weights.import_file(path, "one") == "one"
    found = weights.find("one")
    assert found.path.name == "one.pt"
    assert found.licence == "MIT"
    assert path.read_bytes() == BODY
    found.verify()


def test_a_bag_is_complete_when_all_its_files_are_here(small_models, outside):
    assert weights.import_file(outside("a", OTHER)) == "bag"
    assert weights.find("bag") is None
    assert next(row for row in weights.listing() if row.name == "bag").state == "partly"
    assert weights.import_file(outside("b", BODY + b"b")) == "bag"
    assert [path.name for path in weights.find("bag").paths] == ["aaaa.safetensors", "bbbb.th"]
    assert next(row for row in weights.listing() if row.name == "bag").state == "here"


def test_a_claim_that_the_content_does_not_keep_is_refused(small_models, outside):
    for name, asked in (("x.pt", "one"), ("one.pt", None)):
        with pytest.raises(ModelError, match=r"not (the official|its content)"):
            weights.import_file(outside(name, b"not it"), asked)
    with pytest.raises(ModelError, match="is the official bag, not one"):
        weights.import_file(outside("y", OTHER), "one")
    assert weights.find("one") is None


def test_unknown_files_are_kept_under_their_own_name(small_models, outside):
    assert weights.import_file(outside("my-net.v2.th", OTHER + b"!")) == "my-net.v2"
    found = weights.find("my-net.v2")
    assert found.kind == "custom"
    assert found.sha256 == digest(OTHER + b"!")
    assert found.path == small_models / "custom" / "my-net.v2.th"
    assert weights.import_file(outside("again.th", OTHER + b"!"), "my-net.v2") == "my-net.v2"
    with pytest.raises(ModelError, match="another model"):
        weights.import_file(outside("my-net.v2.th", b"different"))
    assert [row.state for row in weights.listing() if row.kind == "custom"] == ["here"]


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "x" * 200, "new\nline"])
def test_names_cannot_leave_the_folder(small_models, outside, name):
    with pytest.raises(ParameterError):
        weights.import_file(outside("ok.th", b"data"), name or " ")
    assert not (small_models / "custom").exists()


def test_bad_input(small_models, outside, tmp_path):
    for path in (tmp_path, tmp_path / "nothing", outside("empty.pt", b"")):
        with pytest.raises(ModelError):
            weights.import_file(path)


def test_damage_after_import_is_seen(small_models, outside):
    weights.import_file(outside("a", BODY), "one")
    weights.import_file(outside("net.th", b"network"))
    found, custom = weights.find("one"), weights.find("net")
    for path in (found.path, custom.path):
        data = bytearray(path.read_bytes())
        data[3] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(1, 1))
    for weight in (found, custom):
        with pytest.raises(ModelError, match="changed"):
            weight.verify()
        with pytest.raises(ModelError, match=r"damaged|changed"):
            weights.find(weight.name)


def test_hashes_are_remembered_until_the_file_changes(small_models, outside, monkeypatch):
    weights.import_file(outside("a", BODY), "one")
    weights.find("one")
    calls = []
    real = store.hash_file
    monkeypatch.setattr(store, "hash_file", lambda path: calls.append(path) or real(path))
    weights.find("one")
    assert calls == []
    (small_models / ".hashes.json").write_text("{ broken")
    assert weights.find("one") is not None
    assert len(calls) == 1


def test_a_file_dropped_into_the_folder_by_hand_is_found(small_models):
    (small_models / "whisper").mkdir(parents=True)
    (small_models / "whisper" / "one.pt").write_bytes(BODY)
    assert weights.find("one").sha256 == digest(BODY)


def test_a_broken_note_of_an_imported_file_is_named(small_models, outside):
    weights.import_file(outside("net.th", b"network"))
    (small_models / "custom" / "net.th.json").write_text("{")
    with pytest.raises(AudiolabError, match=r"net\.th\.json"):
        weights.find("net")
    (small_models / "custom" / "net.th.json").write_text(json.dumps(["odd"]))
    assert weights.find("net") is None


# ---- folders -------------------------------------------------------------------------------------


@pytest.fixture
def model_folder(tmp_path):
    folder = tmp_path / "faster-whisper-thing"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_bytes(name.encode() * 100)
    (folder / "README.md").write_text("not part of the model")
    (folder / ".cache").mkdir()
    return folder


def test_folders_are_kept_with_the_hash_of_every_file(small_models, model_folder):
    assert weights.import_file(model_folder) == "faster-whisper-thing"
    found = weights.find("faster-whisper-thing")
    assert found.kind == "ctranslate2"
    assert found.folder == small_models / "custom" / "faster-whisper-thing"
    assert [path.name for path in found.paths] == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    assert found.hashes == tuple(digest(path.name.encode() * 100) for path in found.paths)
    found.verify()
    (row,) = [row for row in weights.listing() if row.kind == "ctranslate2"]
    assert (row.state, row.size) == ("here", sum(path.stat().st_size for path in found.paths))
    assert weights.import_file(model_folder) == "faster-whisper-thing"
    (model_folder / "model.bin").write_bytes(b"another")
    with pytest.raises(ModelError, match="another model"):
        weights.import_file(model_folder)
    assert weights.import_file(model_folder, "other") == "other"


def test_changes_in_a_folder_are_seen(small_models, model_folder):
    weights.import_file(model_folder, "thing")
    found = weights.find("thing")
    (found.folder / "added.json").write_text("{}")
    with pytest.raises(ModelError, match=r"changed.*added\.json"):
        weights.find("thing")
    (found.folder / "added.json").unlink()
    (found.folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="changed"):
        weights.find("thing")
    with pytest.raises(ModelError, match="changed"):
        found.verify()


def test_notes_of_folders_cannot_name_files_elsewhere(small_models, model_folder):
    weights.import_file(model_folder, "thing")
    note = small_models / "custom" / "thing.json"
    record = json.loads(note.read_text())
    record["files"]["../../secret"] = "0" * 64
    note.write_text(json.dumps(record))
    with pytest.raises(ModelError, match="damaged"):
        weights.find("thing")


def test_folders_have_no_official_names(small_models, model_folder):
    with pytest.raises(ModelError, match="official"):
        weights.import_file(model_folder, "one")
    for name in ("../evil", ".hidden"):
        with pytest.raises(ParameterError):
            weights.import_file(model_folder, name)
