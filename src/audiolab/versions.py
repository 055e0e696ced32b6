"""What is installed, compared with the set of versions proven together."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

__all__ = ["differing_pins", "own_version", "read_pins"]


def own_version() -> str:
    """Give audiolab's version."""
    return metadata.version("audiolab")


def read_pins(path: Path) -> dict[str, str]:
    """Read `name==version` lines."""
    pins = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, sign, version = line.partition("#")[0].strip().partition("==")
        if sign:
            pins[name.strip()] = version.strip()
    return pins


def differing_pins(path: Path | None = None) -> list[str] | None:
    """List packages whose installed version is not the pinned one; None where there is no constraints.txt.

    Packages that are pinned but not installed do not count: extras are a choice.
    """
    path = path or Path(__file__).parents[2] / "constraints.txt"
    if not path.is_file():
        return None
    differing = []
    for name, pinned in read_pins(path).items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if installed.partition("+")[0] != pinned:
            differing.append(f"{name} {installed} (proven: {pinned})")
    return differing
