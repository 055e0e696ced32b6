"""Text from anywhere, made safe to store: names are data, never paths, and always valid Unicode."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["clean_json", "clean_text", "fold_text", "shorten"]


def clean_text(text: str) -> str:
    """Give `text` as valid Unicode without NUL: what a database refuses becomes U+FFFD, nothing else changes.

    File names that are not UTF-8 reach Python with lone surrogates; their bytes become replacement signs.
    """
    if not text.isascii():
        text = text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace").decode("utf-8", "replace")
    return text.replace("\0", "\ufffd")


def _escaped(text: str) -> bool:
    return all(not 0xD800 <= ord(sign) <= 0xDFFF or 0xDC80 <= ord(sign) <= 0xDCFF for sign in text)


def fold_text(text: str) -> str:
    """Give the form in which texts are compared: compatibility-normalised, without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean_text(text)).casefold())


def shorten(text: str, length: int = 60) -> str:
    """Give `text` on one line, at most `length` signs long, for messages and tables."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    return line if len(line) <= length else line[: length - 1] + "…"


def clean_json(value: Any) -> Any:
    """Give a copy of `value` that every JSON database takes.

    Numpy scalars and arrays become numbers and lists, tuples become lists, NaN and infinities become None,
    keys become strings, texts are cleaned.

    Raises
    ------
    TypeError
        If a value has no JSON form.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [clean_json(item) for item in items]
    if isinstance(value, (np.ndarray, np.generic)):
        return clean_json(value.tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form")
