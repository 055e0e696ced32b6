"""The files that ship: small, whole, unchanged, and never a pickle."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiolab.errors import ModelError
from audiolab.stages.classification.encoder import MODEL_FOLDER, Encoder, read_verified, shipped_hash
from audiolab.stages.classification.head import get_head, load_head

FILES = ("encoder.onnx", "head.npz")


def test_encoder_and_head_fit_in_three_megabytes():
    assert sum((MODEL_FOLDER / name).stat().st_size for name in FILES) <= 3_000_000


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_before_it_is_opened(name, tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(MODEL_FOLDER, folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(ModelError, match="changed"):
        read_verified(name, folder)


def test_missing_files_say_so(tmp_path: Path):
    with pytest.raises(ModelError, match=r"model\.json"):
        read_verified("head.npz", tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"sha256": {"head.npz": "0" * 64}}))
    with pytest.raises(ModelError, match="reinstall"):
        read_verified("head.npz", tmp_path)
    with pytest.raises(ModelError, match="no shipped"):
        shipped_hash("other.bin")


def test_a_graph_that_is_none_is_a_model_error():
    with pytest.raises(ModelError, match="onnxruntime"):
        Encoder(b"not a graph")


def test_a_head_survives_its_file():
    head = get_head()
    again = load_head(head.to_bytes())
    assert (again.labels, again.drums, again.encoder) == (head.labels, head.drums, head.encoder)
    assert np.array_equal(again.weight, head.weight)
    assert (again.temperature, again.unknown_below) == (head.temperature, head.unknown_below)
    assert again.to_bytes() == head.to_bytes()


def test_a_head_of_another_encoder_is_refused():
    with pytest.raises(ModelError, match="another encoder"):
        load_head(get_head().to_bytes(), encoder="f" * 64)


def broken_heads() -> dict[str, bytes]:
    buffer = io.BytesIO()
    np.savez(buffer, labels=np.array([{"a": 1}], dtype=object))
    heads = {"pickle": buffer.getvalue(), "cut off": get_head().to_bytes()[:500], "text": b"hello", "empty": b""}
    arrays = dict(np.load(io.BytesIO(get_head().to_bytes()), allow_pickle=False))
    for name, change in (
        ("shape", {"weight": arrays["weight"][:, :3]}),
        ("nan", {"bias": arrays["bias"] * np.nan}),
        ("temperature", {"calibration": np.array([0.0, 0.5])}),
        ("lacks an array", {"drum_weight": None}),
    ):
        buffer = io.BytesIO()
        np.savez(buffer, **{k: v for k, v in (arrays | change).items() if v is not None})
        heads[name] = buffer.getvalue()
    return heads


@pytest.mark.parametrize(
    "name", ["pickle", "cut off", "text", "empty", "shape", "nan", "temperature", "lacks an array"]
)
def test_broken_heads_are_model_errors(name):
    with pytest.raises(ModelError):
        load_head(broken_heads()[name])


def test_probabilities_are_probabilities():
    head = get_head()
    vectors = np.random.default_rng(0).standard_normal((50, head.weight.shape[0])).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = 0
    p, drums = head.probabilities(vectors), head.drum_probabilities(vectors)
    assert np.allclose(p.sum(axis=1), 1)
    assert np.allclose(p[7], 1 / len(head.labels))
    assert ((drums >= 0) & (drums <= 1)).all()
    assert not drums[7].any()


def test_the_card_credits_every_source_and_states_the_scores():
    card = (MODEL_FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    scores = json.loads((MODEL_FOLDER / "scores.json").read_text(encoding="utf-8"))
    assert shipped_hash("encoder.onnx") in card
    for source in ("avl_drumkits", "olpc_berklee", "lmms", "sonic_pi", "rendered"):
        assert f"| {source} |" in card
    own = scores["out_of_fold"]["cnn"]["labels"]["accuracy"]
    assert f"{own:.3f}" in card
    assert "ExtraTrees" in card
    assert "/work" not in card


def test_no_machine_path_is_left_in_the_graph():
    data = (MODEL_FOLDER / "encoder.onnx").read_bytes()
    assert b"/work" not in data
    assert b".py" not in data


def test_the_wheel_includes_the_model():
    builders = pytest.importorskip("hatchling.builders.wheel")
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    included = {file.distribution_path for file in builders.WheelBuilder(str(root)).recurse_included_files()}
    for name in (*FILES, "model.json", "MODEL_CARD.md"):
        assert f"audiolab/stages/classification/model/{name}" in included
