"""Building the widgets' views at install: with Node.js, and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a wheel is made of, without anything that was built."""
    copy = tmp_path / "checkout"
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "configs", "notebooks", "src"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("node_modules", "static", "__pycache__"))
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    return copy


def _without_node(tmp_path: Path) -> dict[str, str]:
    """An environment with a shell but neither Node.js nor a package index."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "env"):
        (tools / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PATH": str(tools), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}


def _wheel(checkout: Path, to: Path, environment: dict[str, str]) -> list[str]:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(to), "."]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = to.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="builds an environment out of links")
def test_without_node_the_wheel_is_made_and_says_why(checkout, tmp_path):
    names = _wheel(checkout, tmp_path / "out", _without_node(tmp_path))
    assert "audiolab/widgets/static/why_missing.txt" in names
    assert "audiolab/widgets/static/audiolab.js" not in names
    why = (checkout / "src/audiolab/widgets/static/why_missing.txt").read_text()
    assert "Node.js 18 or newer with npm was not found" in why


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_the_wheel_holds_the_bundle_and_not_its_sources(checkout, tmp_path):
    names = _wheel(checkout, tmp_path / "out", dict(os.environ))
    assert "audiolab/widgets/static/audiolab.js" in names
    assert "audiolab/widgets/static/why_missing.txt" not in names
    assert not [name for name in names if "node_modules" in name or name.startswith("audiolab/widgets/js")]


def test_the_bundle_asks_for_nothing_from_the_net():
    from audiolab.widgets.bundle import load_bundle

    bundle = load_bundle()
    if bundle is None:
        pytest.skip("the views are not built")
    code = bundle.code.decode()
    for host in ("unpkg", "jsdelivr", "cdnjs", "esm.sh", "googleapis"):
        assert host not in code
    assert len(bundle.code) < 1_000_000


def test_the_lock_names_no_registry():
    lock = (ROOT / "src/audiolab/widgets/js/package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
