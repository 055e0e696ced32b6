"""From text to the words that a search compares: the same for every database, so that every database finds the same.

A text is cut where neither letters nor digits are, and once more, finer, where small letters meet capitals, letters
meet digits, and around each Chinese or Japanese sign. Both readings are kept: `BigKick808` is found by `bigkick8`,
by `kick` and by `808`. Case and the accents of Latin letters do not count. In the index a word consists of
a-z, 0-9 and `_`; other letters are written `_<hex>_`, which keeps beginnings: an index that knows only ASCII finds
`größe` by `grö`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from audiolab.library.text import clean_text, fold_text

__all__ = ["GAP", "alternatives", "index_words"]

GAP = "__"
"""A word that nobody can ask for; keeps phrases from reaching over the end of a text."""
_ACCENTS = re.compile("[\u0300-\u036f]")
_SIGNS = re.compile(
    "[\u2e80-\u2fff\u3005-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ASCII_RUN = re.compile("[a-z0-9]+")
_ASCII_PART = re.compile("[A-Z]+[a-z]*|[a-z]+|[0-9]+")
_MAX = 200
"""Signs of a word that count; databases have limits."""


def index_words(texts: Iterable[str | None]) -> str:
    """Give the words of some texts for the index, with spaces between them.

    Each text gives its fine words in order; if they differ, then the whole ones in order.
    """
    found: list[str] = []
    for text in texts:
        if not text:
            continue
        whole, fine = _both(text)
        for words in (fine, whole) if whole != fine else (fine,):
            if words:
                found += [*words, GAP]
    return " ".join(found[:-1])


def alternatives(text: str) -> list[list[str]]:
    """Give the phrases of which one must be in the index for `text` to be found; the last word of each may go on.

    Empty if there is no word in it.
    """
    whole, fine = _both(text)
    return [words for words in ([whole, fine] if whole != fine else [whole]) if words]


@lru_cache(maxsize=1 << 15)
def _both(text: str) -> tuple[list[str], list[str]]:
    """Give the whole words and the fine ones; tags and names of stems come again and again."""
    if text.isascii() and len(text) <= _MAX:
        lower = text.lower()
        return _ASCII_RUN.findall(lower), [part.lower() for part in _ASCII_PART.findall(text)]
    return _both_of_any(text)


def _both_of_any(text: str) -> tuple[list[str], list[str]]:
    whole, fine = [], []
    for run in _runs(unicodedata.normalize("NFKC", clean_text(text))):
        parts = _parts(run)
        if not any(_SIGNS.match(sign) for sign in run):
            whole.append(_encoded(run))
            fine += [_encoded(part) for part in parts]
        else:  # Chinese and Japanese have no spaces; each sign is a word in both readings
            fine += (encoded := [_encoded(part) for part in parts])
            whole += encoded
    return whole, fine


def _runs(text: str) -> list[str]:
    """Cut a text where neither letters, digits nor marks are."""
    runs: list[str] = []
    current: list[str] = []
    for sign in text:
        if sign.isalnum() or (current and unicodedata.category(sign)[0] == "M"):
            current.append(sign)
        elif current:
            runs.append("".join(current))
            current = []
    return [*runs, "".join(current)] if current else runs


def _parts(run: str) -> list[str]:
    parts: list[str] = []
    last = ""
    for sign in run:
        kind = _kind(sign, last)
        if not parts or (kind not in {last, "mark"} and not (last == "upper" and kind == "lower")) or kind == "sign":
            parts.append(sign)
        else:
            parts[-1] += sign
        last = last if kind == "mark" else kind
    return parts


def _kind(sign: str, last: str) -> str:
    if _SIGNS.match(sign):
        return "sign"
    category = unicodedata.category(sign)
    if category[0] == "M":
        return "mark"
    if category[0] == "N":
        return "digit"
    return "upper" if category in {"Lu", "Lt"} else "lower"


def _encoded(word: str) -> str:
    plain = fold_text(unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", fold_text(word)))))
    signs = [sign if sign.isascii() and sign.isalnum() else f"_{ord(sign):x}_" for sign in plain]
    kept: list[str] = []
    length = 0
    for sign in signs:
        length += len(sign)
        if length > _MAX:
            break
        kept.append(sign)
    return "".join(kept) or "_0_"
