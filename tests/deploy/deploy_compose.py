"""Compose files as Compose reads them, as far as ours go: variables, merges, and what a file of settings says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<sign>:?[-?])(?P<rest>[^{}]*))?\}|(?P<plain>\w+))")


class ComposeError(ValueError):
    """A file that Compose would refuse."""


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Put variables into all texts of a document."""
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    return _text(value, variables) if isinstance(value, str) else value


def _text(text: str, variables: Mapping[str, str]) -> str:
    def put(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        name = found["name"] or found["plain"]
        sign, rest = found["sign"] or "", found["rest"] or ""
        there = name in variables and (bool(variables[name]) or not sign.startswith(":"))
        if there:
            return variables[name]
        if sign.endswith("?"):
            raise ComposeError(f"{name} is not set: {rest}")
        return rest if sign.endswith("-") else ""

    done = _VARIABLE.sub(put, text)
    if "${" in done:
        raise ComposeError(f"cannot read the variables of {text!r}")
    return done


def merge(one: Any, two: Any) -> Any:
    """Lay a second file over the first: maps by key, lists one after the other, all else replaced."""
    if isinstance(one, dict) and isinstance(two, dict):
        both = {**one}
        for key, item in two.items():
            both[key] = merge(one[key], item) if key in one and key not in {"command", "test"} else item
        return both
    if isinstance(one, list) and isinstance(two, list):
        return [*one, *(item for item in two if item not in one)]
    return two


def load(*names: str, variables: Mapping[str, str] | None = None, root: Path = ROOT) -> dict[str, Any]:
    """Read compose files of the repository, one over the other, with variables put in."""
    document: dict[str, Any] = {}
    for name in names:
        document = merge(document, yaml.safe_load((root / name).read_text(encoding="utf-8")))
    return dict(interpolate(document, variables or {}))


def environment(service: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Give a service's variables; those without a value are taken from outside, or left out."""
    given = service.get("environment") or {}
    if isinstance(given, list):
        given = dict(item.split("=", 1) if "=" in item else (item, None) for item in given)
    found = {name: variables.get(name) if value is None else _plain(value) for name, value in given.items()}
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def dependencies(service: Mapping[str, Any]) -> dict[str, str]:
    """Give the services that must come first, and what is waited for."""
    given = service.get("depends_on") or {}
    if isinstance(given, list):
        return dict.fromkeys(given, "service_started")
    return {name: item["condition"] for name, item in given.items()}


def in_order(services: Mapping[str, Any]) -> list[str]:
    """Give the services, each after those that it depends on."""
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ComposeError(f"services wait for each other: {' -> '.join((*above, name))}")
        if name not in services:
            raise ComposeError(f"{above[-1]!r} depends on {name!r}, which is no service")
        for needed in dependencies(services[name]):
            visit(needed, (*above, name))
        if name not in order:
            order.append(name)

    for name in services:
        visit(name, ())
    return order


def faults(document: Mapping[str, Any]) -> list[str]:
    """Name what a schema cannot see: references to nothing, open ports, services nobody watches."""
    found = []
    services, volumes = document["services"], document.get("volumes") or {}
    networks = document.get("networks") or {}
    for name, service in services.items():
        for needed, condition in dependencies(service).items():
            if needed not in services:
                found.append(f"{name} depends on {needed}, which is no service")
            elif condition == "service_healthy" and "healthcheck" not in services[needed]:
                found.append(f"{name} waits for {needed} to be healthy, which has no health check")
        for volume in service.get("volumes") or []:
            source = volume.split(":")[0] if isinstance(volume, str) else volume.get("source", "")
            if not source.startswith((".", "/", "~")) and source not in volumes:
                found.append(f"{name} uses the volume {source}, which is not declared")
        found += [f"{name} is in the network {net}, which is not declared"
                  for net in service.get("networks") or [] if net not in networks]  # fmt: skip
        for port in service.get("ports") or []:
            if not (isinstance(port, str) and port.startswith("127.0.0.1:") and port.count(":") == 2):
                found.append(f"{name} publishes {port} to other machines")
        test = (service.get("healthcheck") or {}).get("test") or []
        if not test or test == ["NONE"] or (service["healthcheck"].get("disable")):
            found.append(f"{name} has no health check")
        if service.get("privileged") or service.get("network_mode") == "host" or service.get("user") in {"0", "root"}:
            found.append(f"{name} runs with more rights than it needs")
        text = " ".join(map(str, environment(service, {}).items()))
        for other in re.findall(r"\w+://([a-z][\w-]*):\d+", text):
            if other not in services and other != "localhost":
                found.append(f"{name} talks to {other}, which is no service")
    used = {str(volume).split(":")[0] for service in services.values() for volume in service.get("volumes") or []}
    found += [f"the volume {name} is used by nobody" for name in volumes if name not in used]
    return found
