"""Opening Demucs checkpoints: official formats load; anything else is refused and never runs."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from separation_cases import package_of, save_safetensors, save_th, small_network, song

from audiolab.errors import ModelError
from audiolab.stages.separation.checkpoints import Checkpoint, find_checkpoint, load_networks

pytest.importorskip("demucs", reason="demucs is not installed")


def load(path: Path) -> list[object]:
    found = find_checkpoint(str(path))
    assert found is not None
    return load_networks(found)


def states_equal(one: object, other: object) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all((mine[key] == theirs[key]).all() for key in mine)


@pytest.mark.parametrize("save", [save_th, save_safetensors])
def test_official_formats_load(tmp_path: Path, save: object) -> None:
    network = small_network(1)
    loaded = load(save(network, tmp_path, "abc"))
    assert len(loaded) == 1
    assert states_equal(loaded[0], network)
    assert loaded[0].segment == network.segment
    assert not loaded[0].training


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    import torch

    package = package_of(small_network(1))
    package["state"] = {key: value.half() for key, value in package["state"].items()}
    torch.save(package, tmp_path / "half.th")
    (network,) = load(tmp_path / "half.th")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_bag_loads_and_weights_are_checked(tmp_path: Path) -> None:
    save_th(small_network(1), tmp_path, "aaa")
    save_safetensors(small_network(2), tmp_path, "bbb")
    bag = tmp_path / "two.yaml"
    bag.write_text("models: [aaa, bbb]\nweights: [[1, 1, 0, 0], [0, 0, 1, 1]]\n")
    assert len(load(bag)) == 2
    plain, swapped = find_checkpoint(str(bag)), tmp_path / "swapped.yaml"
    swapped.write_text("models: [aaa, bbb]\nweights: [[0, 0, 1, 1], [1, 1, 0, 0]]\n")
    assert plain.sha256 != find_checkpoint(str(swapped)).sha256
    for text, what in (
        ("models: [aaa, bbb]\nweights: [[1, 1, 1, 1]]\n", "2 models and weights for 1"),
        ("models: [aaa]\nweights: [[1, 1, 1]]\n", "another number of stems"),
        ("models: [aaa]\nweights: [[1, 1, 1, 0]]\n", "leave a stem out"),
        ("models: [nowhere]\n", "not beside it"),
        ("models: ['../aaa']\n", "no signature"),
        ("nonsense", "not a bag"),
    ):
        bag.write_text(text)
        with pytest.raises(ModelError, match=what):
            load(bag)


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("how", ["torch", "plain", "inside"])
def test_a_pickle_that_asks_to_run_code_does_not_run(tmp_path: Path, how: str) -> None:
    import torch

    target, path = tmp_path / "it-ran", tmp_path / "evil.th"
    if how == "torch":
        torch.save(Evil(target), path)
    elif how == "plain":
        path.write_bytes(pickle.dumps(Evil(target)))
    else:
        package = package_of(small_network(1))
        package["training_args"] = Evil(target)
        torch.save(package, path)
    with pytest.raises(ModelError, match=r"evil\.th.*not loaded"):
        load(path)
    assert not target.exists()
    with contextlib.suppress(RuntimeError):  # the file is not harmless: an unsafe reader runs it (then may complain)
        torch.load(path, weights_only=False)
    assert target.exists()


def test_wrong_files_are_refused_by_name(tmp_path: Path) -> None:
    import torch

    good = save_th(small_network(1), tmp_path, "abc")
    damaged = tmp_path / good.name.replace("abc", "abd")
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(ModelError, match="promises a sha256"):
        find_checkpoint(str(damaged))
    for name, content, what in (
        ("noise.th", b"\x00" * 100, "not a plain Demucs checkpoint"),
        ("text.safetensors", b"hello", "not a Demucs model"),
        ("empty.th", b"", "not a plain Demucs checkpoint"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=what):
            load(tmp_path / name)
    package = package_of(small_network(1))
    for name, change, what in (
        ("list.th", [1, 2], "holds a list"),
        ("klass.th", {**package, "klass": None}, "names no HTDemucs"),
        ("quantized.th", {**package, "state": {"__quantized": True}}, "quantized"),
        ("state.th", {**package, "state": {}}, "do not fit"),
        ("kwargs.th", {**package, "kwargs": {**package["kwargs"], "channels": 12}}, "do not fit"),
    ):
        torch.save(change, tmp_path / name)
        with pytest.raises(ModelError, match=what):
            load(tmp_path / name)


def test_a_file_that_changes_after_it_was_found_is_not_loaded(tmp_path: Path) -> None:
    path = save_th(small_network(1), tmp_path, "abc")
    found = find_checkpoint(str(path))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="changed"):
        load_networks(found)


def test_networks_of_a_bag_must_agree(tmp_path: Path) -> None:
    one = find_checkpoint(str(save_th(small_network(1), tmp_path, "one")))
    other = find_checkpoint(str(save_th(small_network(1, sources=["a", "b", "c", "d"]), tmp_path, "other")))
    with pytest.raises(ModelError, match="differ"):
        load_networks(Checkpoint("mixed", one.paths + other.paths, one.hashes + other.hashes))


def test_no_such_file_or_name(tmp_path: Path) -> None:
    assert find_checkpoint("nothing") is None
    with pytest.raises(ModelError, match=r"no file .*nothing\.th"):
        find_checkpoint(str(tmp_path / "nothing.th"))


def test_a_folder_of_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no Demucs model"):
        find_checkpoint(str(tmp_path))
    one = save_th(small_network(1), tmp_path, "aaa")
    assert find_checkpoint(str(tmp_path)).paths == (one,)
    two = save_safetensors(small_network(2), tmp_path, "bbb")
    with pytest.raises(ModelError, match="several models: name one"):
        find_checkpoint(str(tmp_path))
    assert find_checkpoint(str(tmp_path / "bbb")).paths == (two,)
    (tmp_path / "both.yaml").write_text("models: [aaa, bbb]\n")
    assert find_checkpoint(str(tmp_path)).paths == find_checkpoint(str(tmp_path / "both")).paths == (one, two)
    with pytest.raises(ModelError, match="holds no model 'ccc'"):
        find_checkpoint(str(tmp_path / "ccc"))


def test_a_bag_may_set_the_segment_as_upstream_does(tmp_path: Path) -> None:
    save_th(small_network(1), tmp_path, "aaa")
    bag = tmp_path / "long.yaml"
    for segment, expected in ((1, 1), (44, 1.5)):  # HTDemucs takes no longer segments than its own
        bag.write_text(f"models: [aaa]\nsegment: {segment}\n")
        assert float(load(bag)[0].segment) == expected
    bag.write_text("models: [aaa]\nsegment: 0\n")
    with pytest.raises(ModelError, match="segments of 0 s"):
        find_checkpoint(str(bag))


def upstream(network: object, mix: np.ndarray, overlap: float) -> np.ndarray:
    """What demucs' own Separator does with a whole file."""
    import torch
    from demucs.apply import apply_model

    wave = torch.from_numpy(mix)
    reference = wave.mean(0)
    mean, deviation = reference.mean(), reference.std() + 1e-8
    out = apply_model(network, ((wave - mean) / deviation)[None], shifts=0, split=True, overlap=overlap)
    return (out[0] * deviation + mean).numpy()


@pytest.mark.parametrize(("seconds", "overlap"), [(4.3, 0.25), (1.5, 0.25), (0.4, 0.25), (3.0, 0.6), (3.2, 0.0)])
def test_blocks_equal_upstream(seconds: float, overlap: float) -> None:
    from audiolab.audio import Audio
    from audiolab.stages.separation.htdemucs import Demucs

    network, mix = small_network(3), song(seconds)
    blocks = list(Demucs([network], overlap=overlap).blocks(Audio(mix, 44100)))
    expected = upstream(network, mix, overlap)
    peak = np.abs(expected).max()
    for index, name in enumerate(network.sources):
        got = np.concatenate([block[name] for block in blocks], axis=1)
        assert np.abs(got - expected[index]).max() <= 1e-5 * peak
        level = 10 * np.log10((expected[index] ** 2).mean() / (mix**2).mean())
        assert abs(level) < 12, "a stem far below the mix would prove little"


def test_bag_equals_upstream() -> None:
    from demucs.apply import BagOfModels

    from audiolab.audio import Audio
    from audiolab.stages.separation.htdemucs import Demucs

    networks, mix = [small_network(4), small_network(5, segment=1)], song(3.7)
    mixing = ((1.0, 0.0, 0.5, 2.0), (0.0, 1.0, 0.5, 1.0))
    expected = upstream(BagOfModels(networks, [list(row) for row in mixing]), mix, 0.25)
    blocks = list(Demucs(networks, mixing=mixing).blocks(Audio(mix, 44100)))
    got = np.stack([np.concatenate([block[name] for block in blocks], axis=1) for name in networks[0].sources])
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


def test_mono_song_is_what_the_same_stereo_song_gives() -> None:
    from audiolab.audio import Audio
    from audiolab.stages.separation.htdemucs import Demucs

    engine, mix = Demucs([small_network(6)]), song(2.0, channels=1)
    one = list(engine.blocks(Audio(mix, 44100)))
    two = list(engine.blocks(Audio(np.repeat(mix, 2, axis=0), 44100)))
    for single, double in zip(one, two, strict=True):
        for name in engine.stems():
            assert np.allclose(single[name], double[name].mean(axis=0), atol=1e-6)
