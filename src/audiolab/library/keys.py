"""Musical keys as people write them: `Am`, `A minor`, `C# maj`, `Dbm`, and Camelot codes (`8A`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["camelot", "canonical_key"]

_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_NAME = re.compile(r"([A-Ga-g])\s*([#♯b♭]?)[\s_-]*(major|maj|minor|min|dur|moll|m|M)?", re.UNICODE)
_CAMELOT = re.compile(r"(1[0-2]|[1-9])([ABab])")


def canonical_key(value: Any) -> str | None:
    """Give one spelling for a key: sharps, and `m` for minor (`Am`, `F#`).

    Parameters
    ----------
    value : str or mapping
        `"A minor"`, `"Am"`, `"8A"`, `"Bb"`, or `{"tonic": "A", "mode": "minor"}`.

    Returns
    -------
    str or None
        None if it is not a key.
    """
    if isinstance(value, Mapping):
        tonic, mode = value.get("tonic"), value.get("mode")
        return canonical_key(f"{tonic} {mode or ''}".strip()) if tonic else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if found := _CAMELOT.fullmatch(text):
        number, minor = int(found[1]), found[2].upper() == "A"
        # 8B is C, 8A is A minor; one step up the wheel is a fifth.
        return _spell((0 if not minor else 9) + 7 * (number - 8), minor=minor)
    if found := _NAME.fullmatch(text):
        word = found[3] or ""
        minor = word == "m" or word.lower() in {"minor", "min", "moll"}
        return _spell(_LETTERS[found[1].upper()] + _SIGNS[found[2]], minor=minor)
    return None


def camelot(key: str) -> str | None:
    """Give the Camelot code of a key in any spelling (`Am` is 8A); None if it is not a key."""
    spelled = canonical_key(key)
    if spelled is None:
        return None
    minor = spelled.endswith("m")
    pitch = _SHARPS.index(spelled.removesuffix("m"))
    number = (7 * (pitch - (9 if minor else 0)) + 7) % 12 + 1
    return f"{number}{'A' if minor else 'B'}"


def _spell(pitch: int, *, minor: bool) -> str:
    return _SHARPS[pitch % 12] + ("m" if minor else "")
