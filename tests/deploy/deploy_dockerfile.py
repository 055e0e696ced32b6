"""A reader of Dockerfiles, as far as ours goes: stages with their instructions, and what ends up in a role."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Stage:
    """One FROM with what follows it."""

    name: str
    source: str
    steps: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Role:
    """What a target of the image starts as."""

    env: dict[str, str]
    user: str
    workdir: str
    command: list[str]
    health: list[str]
    timings: dict[str, str]


def stages(text: str, arguments: Mapping[str, str] | None = None) -> dict[str, Stage]:
    """Read a Dockerfile: stages by name. `arguments` are those of before the first FROM."""
    found: dict[str, Stage] = {}
    general: dict[str, str] = {}
    current: Stage | None = None
    for word, rest in instructions(text):
        if word == "FROM":
            source, _, name = re.sub(r"\s+AS\s+", " ", rest).partition(" ")
            current = Stage(name or str(len(found)), expand(source, general))
            found[current.name] = current
        elif current is None:
            if word != "ARG":
                raise ValueError(f"{word} before the first FROM")
            name, _, value = rest.partition("=")
            general[name] = (arguments or {}).get(name, value)
        else:
            current.steps.append((word, rest))
    return found


def instructions(text: str) -> list[tuple[str, str]]:
    """Give (instruction, rest) with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            found.append((word.upper(), rest.strip()))
    return found


def expand(text: str, values: Mapping[str, str]) -> str:
    """Put in $NAME and ${NAME}."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values.get(m[1] or m[2], ""), text)


def assignments(rest: str) -> dict[str, str]:
    """Read what ENV says."""
    return dict(part.split("=", 1) for part in shlex.split(rest))


def role(found: Mapping[str, Stage], name: str, base_env: Mapping[str, str]) -> Role:
    """Give what a container of this target starts as."""
    chain = [found[name]]
    while chain[-1].source in found:
        chain.append(found[chain[-1].source])
    made = Role(dict(base_env), "root", "/", [], [], {})
    for stage in reversed(chain):
        for word, rest in stage.steps:
            if word == "ENV":
                made.env |= {key: expand(value, made.env) for key, value in assignments(rest).items()}
            elif word == "USER":
                made.user = rest
            elif word == "WORKDIR":
                made.workdir = rest
            elif word == "CMD":
                made.command = json.loads(rest)
            elif word == "HEALTHCHECK":
                options, _, command = rest.partition("CMD ")
                made.health = json.loads(command)
                made.timings = dict(re.findall(r"--([\w-]+)=(\S+)", options))
            elif word == "ENTRYPOINT":
                raise ValueError("an entry point: this reader knows none")
    return made


def copies(stage: Stage) -> list[tuple[list[str], str]]:
    """Give what a stage copies from the build context: sources and target."""
    found = []
    for word, rest in stage.steps:
        if word == "COPY" and "--from=" not in rest:
            *sources, target = [part for part in rest.split() if not part.startswith("--")]
            found.append((sources, target))
    return found


def ignored(path: str, rules: list[str]) -> bool:
    """Say whether .dockerignore keeps a path (relative, with /) out of the context; the last rule that fits counts."""
    out = False
    parts = PurePosixPath(path).parts
    heads = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for rule in rules:
        keep, pattern = rule.startswith("!"), rule.lstrip("!").rstrip("/")
        if any(_fits(head, pattern) for head in heads):
            out = not keep
    return out


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        tails = path.split("/")
        return any(fnmatch("/".join(tails[n:]), pattern[3:]) for n in range(len(tails)))
    return path.count("/") == pattern.count("/") and fnmatch(path, pattern)


def ignore_rules(root: Path = ROOT) -> list[str]:
    """Read .dockerignore."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
