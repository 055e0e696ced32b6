"""Hosts as network namespaces joined by a bridge: each with a name and an address of its own, and a cable to pull.

It needs root and `ip` (iproute2); `NoHosts` says what is missing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Hosts", "NoHosts", "network"]


class NoHosts(Exception):
    """There can be no network namespaces here."""


def _ip() -> str:
    found = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise NoHosts("`ip` is not installed (Debian: apt-get install iproute2)")
    return found


def _do(*command: str) -> None:
    done = subprocess.run([_ip(), *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoHosts(f"ip {' '.join(command)}: {done.stderr.strip()}")


class Hosts:
    """Namespaces by name; the first one holds the bridge."""

    def __init__(self, names: Sequence[str]) -> None:
        self._token = secrets.token_hex(3)
        self.names = list(names)
        number = int(self._token[:2], 16)
        self.addresses = {name: f"10.213.{number}.{at}" for at, name in enumerate(names, start=1)}

    def _space(self, name: str) -> str:
        return f"al{self._token}-{name}"

    def set_up(self, stack: ExitStack) -> None:
        for name in self.names:
            _do("netns", "add", self._space(name))
            stack.callback(_do, "netns", "del", self._space(name))
            _do("-n", self._space(name), "link", "set", "lo", "up")
        first = self._space(self.names[0])
        _do("-n", first, "link", "add", "bridge", "type", "bridge")
        _do("-n", first, "addr", "add", f"{self.addresses[self.names[0]]}/24", "dev", "bridge")
        _do("-n", first, "link", "set", "bridge", "up")
        for name in self.names[1:]:
            space = self._space(name)
            _do("-n", first, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", space)
            _do("-n", first, "link", "set", f"to-{name}", "master", "bridge", "up")
            _do("-n", space, "addr", "add", f"{self.addresses[name]}/24", "dev", "eth0")
            _do("-n", space, "link", "set", "eth0", "up")

    def cable(self, name: str, *, plugged: bool) -> None:
        """Pull a host's cable, or plug it in again."""
        _do("-n", self._space(self.names[0]), "link", "set", f"to-{name}", "up" if plugged else "down")

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        hidden: Path | None = None,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start a program on a host.

        Parameters
        ----------
        hidden : Path, optional
            A folder that this host does not see: an empty one lies over it.
        """
        prepare = 'hostname "$0"; test -z "$1" || mount -t tmpfs none "$1"; shift; exec "$@"'
        inside = ["unshare", "-u", "sh", "-ec", prepare, name, str(hidden or ""), *command]
        return subprocess.Popen(
            [_ip(), "netns", "exec", self._space(name), *inside], env=dict(environment), text=True, **options
        )


@contextmanager
def network(*names: str) -> Iterator[Hosts]:
    """Make hosts; all is taken away afterwards.

    Raises
    ------
    NoHosts
        If that is not permitted here.
    """
    if os.geteuid() != 0:
        raise NoHosts("network namespaces need root")
    hosts = Hosts(names)
    with ExitStack() as stack:
        hosts.set_up(stack)
        with hosts.start(names[0], ["true"], os.environ, hidden=Path("/mnt"), stderr=subprocess.PIPE) as probe:
            if probe.wait(20):
                raise NoHosts(f"mounts and host names cannot be changed here: {probe.stderr.read().strip()}")
        yield hosts
