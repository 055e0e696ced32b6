"""What classification says of a sound, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Classification", "Kind"]

Kind = Literal["one-shot", "loop"]


@dataclass(frozen=True, slots=True)
class Classification:
    """What one sound was taken for.

    Parameters
    ----------
    name : str
        The file as given, or the name of a sound in memory.
    label, family : str
        After the `unknown` rule.
    confidence : float
        Calibrated probability of the best label.
    top : tuple of (str, float)
        The five best labels before the `unknown` rule.
    drums : dict
        Probability that each drum class is in the sound; several may be.
    kind : str
        `one-shot` or `loop`.
    """

    name: str
    label: str
    family: str
    confidence: float
    top: tuple[tuple[str, float], ...]
    drums: dict[str, float]
    kind: Kind

    def to_dict(self, path: str | Path | None = None) -> dict[str, Any]:
        """Give the JSON document; `path` replaces the name."""
        return {"path": str(self.name if path is None else path), **self.item()}

    def item(self) -> dict[str, Any]:
        """Give the JSON document without the path."""
        return {
            "label": self.label,
            "family": self.family,
            "confidence": self.confidence,
            "top": [[label, p] for label, p in self.top],
            "drums": dict(self.drums),
            "kind": self.kind,
        }
