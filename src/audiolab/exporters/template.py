"""Naming templates: `{song}_{stem}_{label}_{n:03}`."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from audiolab.errors import ParameterError
from audiolab.exporters.names import clean_name

__all__ = ["DEFAULT_TEMPLATE", "FIELDS", "Template"]

DEFAULT_TEMPLATE = "{song}_{stem}_{label}_{n:03}"
FIELDS: Mapping[str, str] = {
    "song": "name of the song it comes from",
    "stem": "drums, bass, vocals, other",
    "label": "kick, snare, ...",
    "take": "drum and take that it is: kick_1_rr1 is the best take of the drum kick 1, kick_1_rr2 the next",
    "n": "number among the files that are otherwise called the same, from 1",
    "name": "its own name in the library",
    "bpm": "tempo",
    "key": "musical key",
    "root_note": "root note, C4 is MIDI note 60",
    "id": "its id; {id:.10} gives the first ten digits",
    "confidence": "how sure the label is, 0 to 1",
}
_GAP = "\0"
_SEPARATORS = r"[_\-. ]*"
_COLLAPSE = re.compile(f"(?P<left>{_SEPARATORS}){_GAP}(?:{_SEPARATORS}{_GAP})*(?P<right>{_SEPARATORS})")


class Template:
    """A checked naming template.

    A field without a value leaves nothing, and the separators around it become one.

    Parameters
    ----------
    text : str
        Python format syntax with the names of `FIELDS` only: no attributes, no indices, no conversions.

    Raises
    ------
    ParameterError
        If a field is unknown or the text is no template; the message lists the fields.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        known = f"fields are: {', '.join(FIELDS)}"
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ParameterError(f"{text!r} is not a naming template ({error}); {known}") from None
        for literal, name, spec, conversion in parts:
            if set(literal) & set("/\\\0"):
                raise ParameterError(f"{text!r}: a naming template names files, not folders; leave out slashes")
            if name is None:
                continue
            if name not in FIELDS:
                raise ParameterError(f"{text!r}: there is no field {name!r}; {known}")
            if conversion or "{" in (spec or ""):
                raise ParameterError(f"{text!r}: conversions and nested fields are not taken; {known}")
        if not any(name for _, name, _, _ in parts):
            raise ParameterError(f"{text!r} has no field, so all files would be called the same; {known}")
        self._parts = [(literal, name, spec or "") for literal, name, spec, _ in parts]
        example = {"n": 1, "bpm": 120.0, "confidence": 0.5}
        self.name({field: example.get(field, "x") for field in FIELDS}, fallback="x")

    @property
    def numbered(self) -> bool:
        """True if it uses `n`."""
        return any(name == "n" for _, name, _ in self._parts)

    def name(self, values: Mapping[str, Any], *, fallback: str) -> str:
        """Give a clean file name without suffix; None values leave nothing."""
        text = ""
        for literal, name, spec in self._parts:
            text += literal
            if name is not None:
                text += self._value(values.get(name), spec) or _GAP
        return clean_name(_COLLAPSE.sub(_one_separator, text), fallback=fallback)

    def _value(self, value: Any, spec: str) -> str:
        if value is None or value == "":
            return ""
        if isinstance(value, str):
            value = value.replace(_GAP, " ")
        elif isinstance(value, float) and not spec:
            return f"{value:.2f}".rstrip("0").rstrip(".")
        try:
            return format(value, spec)
        except ValueError as error:
            raise ParameterError(f"{self.text!r}: {value!r} cannot be written as {spec!r}: {error}") from None


def _one_separator(match: re.Match[str]) -> str:
    at_an_end = match.start() == 0 or match.end() == len(match.string)
    return "" if at_an_end else (match["left"] or match["right"])
