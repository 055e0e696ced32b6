"""What classification says of a sound, and its JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from audiolab.audio import atomic_path

__all__ = ["Classification", "Classifications", "Kind"]

Kind = Literal["one-shot", "loop"]


@dataclass(frozen=True, slots=True)
class Classification:
    """What one sound was taken for.

    Parameters
    ----------
    path : str
        The file, or the name of a sound in memory.
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

    path: str
    label: str
    family: str
    confidence: float
    top: tuple[tuple[str, float], ...]
    drums: dict[str, float]
    kind: Kind

    def as_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {**asdict(self), "top": [[label, p] for label, p in self.top]}

    def to_json(self, path: str | Path | None = None) -> str:
        """Give (and write to `path`, if given) the JSON document of this one sound: a list of one."""
        return Classifications([self]).to_json(path)


class Classifications(list[Classification]):
    """Results of several sounds, in the order of the sounds."""

    def as_list(self) -> list[dict[str, Any]]:
        """Give plain JSON values."""
        return [item.as_dict() for item in self]

    def to_json(self, path: str | Path | None = None) -> str:
        """Give (and write to `path`, if given) the JSON document."""
        text = json.dumps(self.as_list(), indent=1, ensure_ascii=False)
        if path is not None:
            with atomic_path(path) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
        return text
