"""Comparing what a job gives now with what it gave then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import open_source
from audiolab.library.text import clean_json, shorten

__all__ = [
    "AUDIO_TOLERANCE",
    "DOCUMENT_TOLERANCE",
    "audio_difference",
    "first_difference",
    "profile_differences",
    "vector_difference",
]

AUDIO_TOLERANCE = 1e-4
"""Largest difference of samples (and of numbers of a vector) under another compute profile."""
DOCUMENT_TOLERANCE = 1e-6
"""Largest relative difference of numbers in documents."""
_TINY = 1e-12


def audio_difference(then: str | Path, now: str | Path) -> float | str:
    """Give the largest absolute difference of two files' samples, or say why they cannot be compared."""
    old, new = open_source(then), open_source(now)
    for what in ("sample_rate", "channels", "frames"):
        was, is_ = getattr(old, what), getattr(new, what)
        if was != is_:
            return f"{what} {was}, now {is_}"
    largest = 0.0
    for left, right in zip_longest(old.blocks(), new.blocks()):
        if left is None or right is None or left.shape != right.shape:
            return "other blocks"
        if left.size:
            largest = max(largest, float(np.abs(left.astype(np.float64) - right).max()))
    return largest


def vector_difference(then: NDArray[np.float32], now: NDArray[np.float32]) -> float | str:
    """Give the largest absolute difference of two arrays of vectors, or say why they cannot be compared."""
    if then.shape != now.shape:
        return f"shape {then.shape}, now {now.shape}"
    return float(np.abs(then.astype(np.float64) - now).max()) if then.size else 0.0


def first_difference(then: Any, now: Any, where: str = "") -> str | None:
    """Say where two documents differ first; numbers may differ by 1e-6 of the larger one. None if nowhere."""
    return _differ(clean_json(then), clean_json(now), where)


def _differ(then: Any, now: Any, where: str) -> str | None:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in sorted({*then, *now}):
            place = f"{where}.{name}" if where else name
            if name not in now or name not in then:
                return f"{place}: {'is new' if name in now else 'is gone'}"
            if found := _differ(then[name], now[name], place):
                return found
        return None
    if isinstance(then, list) and isinstance(now, list):
        if len(then) != len(now):
            return f"{where}: {len(then)} items, now {len(now)}"
        return next(
            (found for i, pair in enumerate(zip(then, now, strict=True)) if (found := _differ(*pair, f"{where}[{i}]"))),
            None,
        )
    if _number(then) and _number(now):
        same = math.isclose(then, now, rel_tol=DOCUMENT_TOLERANCE, abs_tol=_TINY)
        return None if same else f"{where}: {then!r}, now {now!r} (apart by {abs(then - now):.3g})"
    if then == now and type(then) is type(now):
        return None
    return f"{where}: {shorten(repr(then), 40)}, now {shorten(repr(now), 40)}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def profile_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Give what differs between two compute profiles: name, then, now."""
    apart = [name for name in sorted({*then, *now}) if str(then.get(name)) != str(now.get(name))]
    return {name: (then.get(name), now.get(name)) for name in apart}
