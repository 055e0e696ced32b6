"""The house stands as planned: imports, front doors, pins, shipped files."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOORS = (
    "Library", "Audio", "Recipe", "process", "show", "export", "settings", "Run", "similar", "duplicates", "takes",
    "uncertain", "teach", "retag", "Uploader", "browse", "mix", "annotate", "workbench",
)  # fmt: skip


def _fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_import_is_light():
    heavy = ("torch", "matplotlib", "dask", "distributed", "librosa", "numpy", "sqlalchemy", "pandas")
    out = _fresh(f"import sys, audiolab; print([name for name in {heavy} if name in sys.modules])")
    assert out.stdout.strip() == "[]"


def test_import_takes_under_half_a_second():
    code = "import time; t = time.perf_counter(); import audiolab; print(time.perf_counter() - t)"
    assert min(float(_fresh(code).stdout) for _ in range(3)) < 0.5


def test_help_takes_under_a_second():
    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "audiolab.cli", "--help"], capture_output=True, check=True)
        return time.perf_counter() - started

    assert min(once() for _ in range(3)) < 1.0


def test_every_module_imports_and_every_front_door_is_still_callable():
    """A submodule that shares a door's name would take its place once it is imported."""
    import audiolab

    modules = [info.name for info in pkgutil.walk_packages(audiolab.__path__, "audiolab.")]
    for name in modules:
        if not name.endswith("__main__") and ".migrations" not in name:
            importlib.import_module(name)
    assert len(modules) > 40
    for door in DOORS:
        assert callable(getattr(audiolab, door)), door
    for door in ("analyze", "separate", "slice", "classify", "embed", "midi", "lyrics"):
        assert callable(getattr(audiolab.stages, door)), door


def test_installed_versions_are_the_pinned_ones():
    from audiolab.versions import differing_pins, read_pins

    assert len(read_pins(ROOT / "constraints.txt")) > 100
    assert differing_pins(ROOT / "constraints.txt") == []


def test_every_stage_declares_itself():
    from audiolab.stages.base import Params
    from audiolab.stages.registry import get_stage, stage_names

    for name in stage_names():
        stage = get_stage(name)
        assert stage.name == name
        assert stage.version >= 1
        assert issubclass(stage.params, Params)
        assert stage.params()  # defaults make sense by themselves
        assert stage.takes.kinds
        assert stage.makes
        for need in stage.needs:
            assert need.stage in stage_names()


@pytest.mark.slow
def test_wheel_holds_configs_notebooks_models_and_migrations(tmp_path):
    import zipfile

    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True
    )
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    for wanted in (
        "audiolab/_data/configs/recipes/full.yaml",
        "audiolab/_data/notebooks/batch/run_report.ipynb",
        "audiolab/py.typed",
        "audiolab/__init__.pyi",
    ):
        assert wanted in names
    assert any(name.endswith(".onnx") for name in names)
    assert any("/migrations/versions/" in name for name in names)
