"""Ports for servers that tests start."""

from __future__ import annotations

import os
import random
import socket

__all__ = ["free_port"]

_GIVEN: set[int] = set()
"""One test may ask for several before it uses the first."""


def free_port() -> int:
    """Give a free port on loopback that nobody else is given before it is used.

    Ports that the system gives by itself (32768 and above) may go to any connection or kernel that comes first, so it
    is one of others, and each process of the tests has its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0) % 6
    while True:
        port = 20_000 + 2_000 * worker + random.SystemRandom().randrange(2_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port
