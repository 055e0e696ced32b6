"""Families and their labels, as shipped and as the user extends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from audiolab.config import get_settings, shipped_folder
from audiolab.errors import ParameterError

__all__ = ["UNKNOWN", "Taxonomy", "load_taxonomy"]

UNKNOWN = "unknown"
"""The label, and family, of a sound that no label fits well enough."""


@dataclass(frozen=True)
class Taxonomy:
    """Which family each label belongs to."""

    families: Mapping[str, tuple[str, ...]]

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, family by family."""
        return tuple(label for labels in self.families.values() for label in labels)

    def family(self, label: str) -> str:
        """Give the family of a label; `unknown` for one that the taxonomy does not hold."""
        return next((family for family, labels in self.families.items() if label in labels), UNKNOWN)

    def extended(self, other: Taxonomy) -> Taxonomy:
        """Give this taxonomy with the families and labels of another added; a label stands where the other has it."""
        moved = set(other.labels)
        families = {name: [x for x in labels if x not in moved] for name, labels in self.families.items()}
        for name, labels in other.families.items():
            families.setdefault(name, []).extend(labels)
        return Taxonomy({name: tuple(labels) for name, labels in families.items() if labels})


def load_taxonomy() -> Taxonomy:
    """Read the shipped taxonomy, extended by the user's configs/taxonomy.yaml if there is one.

    Raises
    ------
    ParameterError
        If a file is not a taxonomy, or a label stands in two families.
    """
    shipped = shipped_folder("configs") / "taxonomy.yaml"
    own = get_settings().path("configs") / "taxonomy.yaml"
    taxonomy = _read(shipped)
    if own.is_file() and own.resolve() != shipped.resolve():
        return taxonomy.extended(_read(own))
    return taxonomy


def _read(path: Path) -> Taxonomy:
    return _parse(path, path.stat().st_mtime_ns)


@cache
def _parse(path: Path, changed: int) -> Taxonomy:
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        families = {str(name): tuple(str(x) for x in labels) for name, labels in document["families"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(f"{str(path)!r} is not a taxonomy (families: {{name: [label, ...]}}): {error}") from None
    labels = [label for members in families.values() for label in members]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ParameterError(f"{str(path)!r}: in more than one family: {', '.join(twice)}")
    return Taxonomy(families)
