"""Names of files that Windows, macOS and Linux all take, none of which collide."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

__all__ = ["NameBook", "clean_name"]

_MAX_BYTES = 120
"""Of one part of a path; Windows counts 260 signs for the whole."""
_FORBIDDEN = frozenset('<>:"/\\|?*')
# Signs that change the direction of writing can make `gpj.exe` look like `exe.jpg`.
_INVISIBLE = frozenset("\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"]
)


def clean_name(text: str, *, fallback: str = "unnamed", max_bytes: int = _MAX_BYTES) -> str:
    """Turn any text into one part of a path that every system takes.

    Parameters
    ----------
    text : str
        A name as users give it: it may hold slashes, control signs, half a UTF-16 pair, or be a device's name.
    fallback : str
        Used if nothing is left.
    max_bytes : int
        Longest result in UTF-8.

    Returns
    -------
    str
        Not empty, in Unicode's composed form, without leading or trailing dots and spaces.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
    text = unicodedata.normalize("NFC", text)
    signs = []
    for sign in text:
        if sign in _INVISIBLE:
            continue
        if sign in _FORBIDDEN:
            signs.append("_")
        elif sign.isspace() or unicodedata.category(sign) in {"Cc", "Cs", "Cn", "Co"}:
            signs.append(" ")
        else:
            signs.append(sign)
    text = " ".join("".join(signs).split())
    # A leading dot hides a file, a leading hyphen reads as an option, a trailing dot is lost on Windows.
    text = _shorten(text.lstrip(" .-~").rstrip(" ."), max_bytes).rstrip(" .")
    if text.split(".", 1)[0].rstrip().lower() in _RESERVED:
        text = f"_{text}"
    return text or fallback


def _shorten(text: str, max_bytes: int) -> str:
    raw = text.encode()
    if len(raw) <= max_bytes:
        return text
    cut = raw[:max_bytes].decode(errors="ignore")
    # Do not leave the first half of a sign that is put together from several.
    while cut and (unicodedata.combining(text[len(cut)]) or text[len(cut)] == "\u200d" or cut[-1] == "\u200d"):
        cut = cut[:-1]
    return cut


class NameBook:
    """The names given out in one export: compared as Windows and macOS do, so that none hides another."""

    def __init__(self, taken: tuple[str, ...] = ()) -> None:
        self._taken = {self._key(name) for name in taken}

    @staticmethod
    def _key(path: str) -> str:
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())

    def claim(self, folder: str, stem: str, suffix: str) -> str:
        """Give a path for a new file, numbered if the name is taken (`kick.wav`, `kick_2.wav`).

        Parameters
        ----------
        folder : str
            Relative, with forward slashes, of clean parts; empty for the top.
        stem : str
            Clean name without suffix.
        suffix : str
            With its dot.
        """
        number = 1
        while True:
            name = f"{stem}{'' if number == 1 else f'_{number}'}{suffix}"
            path = str(PurePosixPath(folder, name))
            if self._key(path) not in self._taken:
                self._taken.add(self._key(path))
                return path
            number += 1
