"""Recognising stems by the names people give their files."""

from __future__ import annotations

import re
from pathlib import PurePath

from audiolab.library.text import clean_text, fold_text

__all__ = ["is_mix_name", "is_stem_name", "stem_name"]

_WORDS = {
    "drums": ("drums", "drum", "drm", "drms", "beat", "schlagzeug", "batterie"),
    "bass": ("bass", "bas"),
    "vocals": ("vocals", "vocal", "vox", "voc", "voice", "voices", "singing", "acapella", "acappella"),
    "other": ("other", "others", "rest", "accompaniment", "music"),
    "guitar": ("guitar", "guitars", "gtr", "gtrs"),
    "piano": ("piano", "pno"),
    "keys": ("keys", "key", "keyboard", "keyboards", "organ", "rhodes"),
    "synth": ("synth", "synths", "pad", "pads", "lead"),
    "strings": ("strings", "string", "violin", "cello"),
    "percussion": ("percussion", "perc", "percs"),
    "fx": ("fx", "sfx", "effects"),
    "instrumental": ("instrumental", "instrumentals", "inst", "novocals"),
}
_MIX = frozenset({"mix", "mixture", "mixdown", "master", "fullmix", "full", "song"})
_BY_WORD = {word: name for name, words in _WORDS.items() for word in words}


def stem_name(file_name: str) -> str:
    """Give the stem that a file name means, else the name itself in lower case.

    The last word that says something counts: `Bass Song - drums.wav` is drums.
    """
    known = [_BY_WORD[word] for word in _words(file_name) if word in _BY_WORD]
    if known:
        return known[-1]
    return clean_text(PurePath(file_name).stem).strip().lower()[:64] or "stem"


def is_stem_name(name: str) -> bool:
    """Say whether a name holds a word for a stem."""
    return any(word in _BY_WORD for word in _words(name))


def is_mix_name(file_name: str) -> bool:
    """Say whether a file among stems is the whole mix."""
    words = _words(file_name)
    return bool(words) and words[-1] in _MIX


def _words(file_name: str) -> list[str]:
    return [word for word in re.split(r"[\W\d_]+", fold_text(PurePath(file_name).stem)) if word]
