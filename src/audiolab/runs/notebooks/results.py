"""What a batch notebook leaves in numbers: `results.json` in its folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiolab.audio.writing import atomic_path
from audiolab.errors import ParameterError

__all__ = ["FOLDER_VARIABLE", "RESULTS", "leave_results", "numbers_of", "read_results"]

FOLDER_VARIABLE = "AUDIOLAB_BATCH_FOLDER"
RESULTS = "results.json"


def leave_results(**results: Any) -> dict[str, Any]:
    """Leave results of a batch notebook; called again, it adds to them.

    In a notebook that `audiolab batch` executes they go to `results.json` in its folder: numbers become metrics in
    MLflow, and all are columns of a sweep's table. Elsewhere nothing is written.

    Parameters
    ----------
    **results
        Plain JSON; numbers of numpy are made plain.

    Returns
    -------
    dict
        All results so far.

    Raises
    ------
    ParameterError
        If something is no JSON.
    """
    try:
        plain = json.loads(json.dumps(results, default=_plain))
    except (TypeError, ValueError) as error:
        raise ParameterError(f"results must be plain JSON: {error}") from None
    if not (named := os.environ.get(FOLDER_VARIABLE)):
        return dict(plain)
    folder = Path(named)
    everything = {**read_results(folder), **plain}
    with atomic_path(folder / RESULTS) as temporary:
        temporary.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return everything


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON: {value!r}"[:200])


def read_results(folder: Path) -> dict[str, Any]:
    """Give what a notebook left in a folder; nothing if there is none or it is no mapping."""
    try:
        found = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def numbers_of(results: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Give all finite numbers, those inside mappings with the names joined by dots."""
    found: dict[str, float] = {}
    for name, value in results.items():
        if isinstance(value, Mapping):
            found |= numbers_of(value, f"{prefix}{name}.")
        elif isinstance(value, (bool, int, float)) and math.isfinite(value):
            found[f"{prefix}{name}"] = float(value)
    return found
