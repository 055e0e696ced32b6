"""Words that mean labels, as sample packs and people write them: `configs/synonyms.yaml`, the user's or the shipped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from audiolab.config import get_settings, shipped_folder
from audiolab.errors import ParameterError
from audiolab.library.text import fold_text

__all__ = ["label_of", "listed_words", "tidy_label", "word_key"]

FILE = "synonyms.yaml"


def listed_words() -> tuple[tuple[str, str], ...]:
    """Give pairs (word, what it means) from the file.

    Raises
    ------
    ParameterError
        If the file is not a list of words for each word.
    """
    own = get_settings().path("configs") / FILE
    return _read(own if own.is_file() else shipped_folder("configs") / FILE)


@cache
def _read(path: Path) -> tuple[tuple[str, str], ...]:
    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ParameterError(f"{str(path)!r} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise ParameterError(f"{str(path)!r} must give for each word a list of words that mean it")
    pairs: list[tuple[str, str]] = []
    for means, words in content.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ParameterError(f"{str(path)!r}: {means!r} must have a list of words; numbers need quotes")
        pairs += [(word, str(means)) for word in words]
    return tuple(pairs)


@cache
def _by_key(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    found = {word_key(word): means for word, means in pairs}
    return found | {word_key(means): means for means in found.values()}


def word_key(text: str) -> str:
    """Give the form in which such words are compared: without case, and whatever stands between them."""
    return re.sub(r"[\W_]+", "_", fold_text(text)).strip("_") or fold_text(text).strip()


def label_of(text: str) -> str | None:
    """Give the standard label that a text means as a whole, such as `Closed Hats`; None if it means none."""
    return _by_key(listed_words()).get(word_key(text))


def tidy_label(text: str) -> str:
    """Give a label for a text: a standard one if it means one, else the text itself in lower case, words joined by _.

    Counting words in front and shop words around it do not matter: `03 - Kick Samples` is kick.
    """
    plain, known = word_key(text), _by_key(listed_words())
    core = re.sub(r"^\d+_|_(?:samples?|one_?shots?|hits?|sounds?|loops?|\d+)$", "", plain)
    return known.get(plain) or known.get(core) or (core or plain)[:255]
