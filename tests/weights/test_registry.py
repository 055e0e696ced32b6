"""The tables against the installed packages that they were taken from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from audiolab.weights import ALIASES, MODELS, official_name


def package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent


def test_whisper_models_are_those_of_the_package():
    whisper = pytest.importorskip("whisper")
    for name, url in whisper._MODELS.items():
        model = MODELS[official_name(name)]
        (form,) = model.members[0].forms
        assert (form.url, form.name) == (url, url.rsplit("/", 1)[1])
        assert form.sha256 == url.split("/")[-2]
    assert {model.name for model in MODELS.values() if model.kind == "whisper"} | set(ALIASES) == set(whisper._MODELS)


@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_ft", "htdemucs_6s"])
def test_demucs_bags_and_files_are_those_of_the_package(name):
    remote = package_folder("demucs") / "remote"
    bag = yaml.safe_load((remote / f"{name}.yaml").read_text())
    files = (remote / "files.txt").read_text().split()
    model = MODELS[name]
    assert [member.signature for member in model.members] == bag["models"]
    assert (None if model.mixing is None else [list(row) for row in model.mixing]) == bag.get("weights")
    for member in model.members:
        safe, pickled = member.forms
        assert pickled.name in files
        assert pickled.name == f"{member.signature}-{pickled.sha256[:8]}.th"
        assert safe.name == f"{member.signature}.safetensors"
        assert len(safe.sha256) == 64


def test_every_file_has_a_hash_a_licence_and_a_secure_address():
    for model in MODELS.values():
        assert model.licence
        assert model.size
        for member in model.members:
            for form in member.forms:
                assert form.url.startswith("https://")
                assert form.url.endswith(form.name)
                assert len(form.sha256) in {8, 64}
                assert set(form.sha256) <= set("0123456789abcdef")
