"""Starts the services of compose.yaml natively: same commands, same variables, same health checks, same order.

What a container would have of its own is replaced: names of services by 127.0.0.1, ports by free ones, volumes by
folders, the image's programs by those of this interpreter. Everything else is what compose.yaml and the Dockerfile say.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deploy_compose
import deploy_dockerfile

from free_ports import free_port

ROOT = Path(__file__).resolve().parents[2]
_MARK = "AUDIOLAB_HARNESS"
# Names in here are compared with what a browser says; nobody connects to them.
_KEPT = {"MLFLOW_SERVER_ALLOWED_HOSTS"}


class StackError(AssertionError):
    """A service did not come up, or would not go down."""


@dataclass
class Service:
    """One running service."""

    name: str
    command: list[str]
    env: dict[str, str]
    cwd: Path
    health: list[str]
    grace: float
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def output(self) -> str:
        """Give what it has printed."""
        return self.log.read_text(errors="replace")


@dataclass
class Stack:
    """All services, with the ports and folders that took the place of the container's."""

    services: dict[str, Service]
    ports: dict[int, int]
    folders: dict[str, Path]
    mark: str
    exit_codes: dict[str, int] = field(default_factory=dict)

    def url(self, port: int) -> str:
        """Give the address under which a container's port is found."""
        return f"http://127.0.0.1:{self.ports[port]}"

    def start(self, name: str) -> None:
        """Start one service and wait until it is healthy."""
        service = self.services[name]
        with service.log.open("wb") as log:
            service.process = subprocess.Popen(
                service.command, cwd=service.cwd, env=service.env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 180
        said = "not asked yet"
        while time.monotonic() < deadline:
            if service.process.poll() is not None:
                raise StackError(f"{name} ended with {service.process.returncode}:\n{service.output()[-4000:]}")
            asked = subprocess.run(
                service.health,
                cwd=service.cwd,
                env=service.env,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            if asked.returncode == 0:
                return
            said = asked.stdout + asked.stderr
            time.sleep(1)
        raise StackError(f"{name} is not healthy: {said}\n{service.output()[-4000:]}")

    def healthy(self, name: str) -> bool:
        """Ask a service's health check once."""
        service = self.services[name]
        asked = subprocess.run(service.health, cwd=service.cwd, env=service.env, capture_output=True, check=False)
        return asked.returncode == 0

    def kill(self, name: str) -> None:
        """Kill a service's first process without warning."""
        process = self.services[name].process
        assert process is not None
        process.kill()
        process.wait()

    def remaining(self, name: str, seconds: float = 10) -> list[int]:
        """Give the processes that a service that has ended left behind; helpers get a moment to notice."""
        deadline = time.monotonic() + seconds
        while (found := marked(f"{self.mark}-{name}")) and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def stop(self) -> dict[str, int]:
        """Stop everything as Compose does, last first; give the number of killed or forgotten processes by service."""
        left: dict[str, int] = {}
        for name, service in reversed(self.services.items()):
            process = service.process
            if process is None:
                continue
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    # Compose would kill it after the grace; a busy machine is given three times as long.
                    process.wait(3 * service.grace)
                except subprocess.TimeoutExpired:
                    left[name] = 1
            self.exit_codes[name] = process.poll() if process.poll() is not None else -1
            remaining = self.remaining(name)
            if remaining:
                left[name] = len(remaining)
            for pid in remaining:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait()
            service.process = None
        return left


def marked(mark: str) -> list[int]:
    """Give the processes that were started with our mark, children of children too."""
    found = []
    wanted = f"{_MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except (OSError, IndexError):
                continue
    return found


def plan(document: Mapping[str, Any], folder: Path, variables: Mapping[str, str]) -> Stack:
    """Work out what to start, without starting it."""
    stages = deploy_dockerfile.stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    services = document["services"]
    programs = Path(sys.executable).parent
    base = {"PATH": f"{programs}{os.pathsep}/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    roles = {
        name: deploy_dockerfile.role(stages, service["build"]["target"], base) for name, service in services.items()
    }
    exposed = [rest for stage in stages.values() for word, rest in stage.steps if word == "EXPOSE"]
    numbers = {int(number) for rest in exposed for number in rest.split()}
    ports = {number: free_port() for number in sorted(numbers)}
    folders: dict[str, Path] = {}
    mounts: dict[str, Path] = {}
    for name in document["volumes"]:
        folders[name] = folder / "volumes" / name
        folders[name].mkdir(parents=True)
    for service in services.values():
        for volume in service.get("volumes") or []:
            source, target = volume.split(":")[:2]
            mounts[target] = folders[source]

    def native(text: str) -> str:
        for target, path in mounts.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(target)}(?=/|$)", str(path), text)
        for name in services:
            text = re.sub(rf"(?<=//){re.escape(name)}(?=:\d)", "127.0.0.1", text)
        text = text.replace("0.0.0.0", "127.0.0.1")
        for number, port in ports.items():
            text = re.sub(rf"(?:(?<=:)|^){number}(?=/|$)", str(port), text)
            text = re.sub(rf"^:{port}$", f"127.0.0.1:{port}", text)
        return text

    mark = uuid.uuid4().hex
    planned: dict[str, Service] = {}
    for name in deploy_compose.in_order(services):
        service, role = services[name], roles[name]
        env = {**role.env, **deploy_compose.environment(service, variables)}
        env = {key: value if key in _KEPT or key == "PATH" else native(value) for key, value in env.items()}
        home = folder / "homes" / name
        home.mkdir(parents=True)
        # What the harness adds: where the sources are, a home, a mark to find what is left, and the port that moved.
        env |= {"PYTHONPATH": str(ROOT / "src"), "HOME": str(home), "TMPDIR": str(home), _MARK: f"{mark}-{name}"}
        env |= {"AUDIOLAB_SCHEDULER_PAGE": f"http://127.0.0.1:{ports[8787]}"}
        command = service.get("command") or role.command
        test = service["healthcheck"]["test"]
        cwd = Path(native(role.workdir))
        planned[name] = Service(
            name=name,
            command=[native(part) for part in command],
            env=env,
            cwd=cwd if cwd.is_dir() else home,
            health=[native(part) for part in test[1:]],
            grace=float(str(service.get("stop_grace_period", "10s")).rstrip("s")),
            log=folder / f"{name}.log",
        )
    return Stack(planned, ports, folders, mark)


@contextmanager
def running(
    folder: Path, *files: str, variables: Mapping[str, str] | None = None, only: Sequence[str] | None = None
) -> Iterator[Stack]:
    """Start all services (or `only` some) in their order, and stop them at the end whatever happens."""
    variables = variables or {}
    stack = plan(deploy_compose.load(*(files or ("compose.yaml",)), variables=variables), folder, variables)
    try:
        for name in stack.services:
            if only is None or name in only:
                stack.start(name)
        yield stack
    finally:
        stack.stop()
