"""What a file says about itself, in one typed and canonical shape whatever its format."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from audiolab.audio.tags import Tags
from audiolab.library.keys import canonical_key
from audiolab.library.labelwords import label_of
from audiolab.library.text import clean_json, clean_text

__all__ = ["embedded_document", "embedded_facts", "embedded_label", "parse_bpm", "parse_date", "parse_key"]

_TEXTS = ("title", "artist", "album", "genre", "comment", "publisher", "description", "originator")
_BPM = re.compile(r"\s*(\d{1,4}(?:[.,]\d{1,6})?)\s*(?:bpm)?\s*", re.IGNORECASE)
_OPEN_KEY = re.compile(r"(1[0-2]|[1-9])([md])", re.IGNORECASE)
_GERMAN = {"H": "B", "DES": "Db", "ES": "Eb", "GES": "Gb", "AS": "Ab", "CIS": "C#", "DIS": "D#", "FIS": "F#",
           "GIS": "G#", "AIS": "A#"}  # fmt: skip


def embedded_document(tags: Tags) -> dict[str, Any]:
    """Give the tags of a file as JSON.

    Returns
    -------
    dict
        title, artist, album, genre, comment, publisher, description, originator: texts; bpm: float; key: canonical
        (`F#m`); date: ISO, as exact as known (`2020`, `2020-05`, `2020-05-17`); year: int; keywords: list of texts;
        loop, one_shot: bool; root_note, beats, loop_start, loop_stop, time_reference: int; cues; artwork;
        raw: every text as it was found. What the file does not say, or what cannot be understood, is left out.
    """
    document = tags.to_dict()
    for name in _TEXTS:
        if name in document:
            document[name] = " ".join(clean_text(str(document[name])).split()) or None
    document["key"] = parse_key(tags.key)
    document["date"] = parse_date(tags.date)
    document["year"] = int(document["date"][:4]) if document["date"] else None
    if tags.bpm is not None:
        document["bpm"] = round(float(tags.bpm), 4)
    cleaned: dict[str, Any] = clean_json({name: value for name, value in document.items() if value is not None})
    return cleaned


def embedded_facts(tags: Tags) -> dict[str, Any]:
    """Give what a file says that counts as facts of its sound."""
    names = ("loop", "one_shot", "root_note", "beats")
    return {name: value for name in names if (value := getattr(tags, name)) is not None}


def embedded_label(tags: Tags) -> str | None:
    """Give the label that the keywords of a file name, if they name just one."""
    found = {label for word in tags.keywords if (label := label_of(word)) is not None}
    return found.pop() if len(found) == 1 else None


def parse_bpm(text: str) -> float | None:
    """Read a tempo: `128`, `127,5`, `174 BPM`; None if it is none."""
    match = _BPM.fullmatch(text)
    value = float(match[1].replace(",", ".")) if match else 0.0
    return value if 20 <= value <= 400 else None


def parse_key(text: str | None) -> str | None:
    """Read a musical key in any spelling (also Open Key and German names); None if it is none."""
    plain = (text or "").strip()
    if found := _OPEN_KEY.fullmatch(plain):
        # Open Key 1d is C major, Camelot 8B; both wheels turn by fifths.
        return canonical_key(f"{(int(found[1]) + 6) % 12 + 1}{'A' if found[2].lower() == 'm' else 'B'}")
    if found := re.fullmatch(
        r"(?i)(des|es|ges|as|cis|dis|fis|gis|ais|h)([\s_-]*(?:m|dur|moll|major|minor|maj|min)?)", plain
    ):
        mode = found[2] if found[2] == "M" else found[2].lower()
        return canonical_key(f"{_GERMAN[found[1].upper()]}{mode}")
    return canonical_key(re.sub(r"^0(?=\d[ABab]$)", "", plain))


def parse_date(text: str | None) -> str | None:
    """Read a date as exact as it is: `2020`, `2020-05`, `2020-05-17`; None if no year can be found."""
    plain = (text or "").strip()
    if found := re.match(r"(\d{4})(?:[-./](\d{1,2})(?:[-./](\d{1,2}))?)?(?!\d)", plain):
        year, month, day = (int(part) if part else 0 for part in found.groups())
    elif found := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", plain):
        day, month, year = (int(part) for part in found.groups())
    elif found := re.fullmatch(r"(\d{4})(\d{2})(\d{2})", plain):
        year, month, day = (int(part) for part in found.groups())
    else:
        return None
    if not 1000 <= year <= 2999:
        return None
    try:
        if day:
            return date(year, month, day).isoformat()
        return date(year, month, 1).isoformat()[:7] if month else f"{year:04}"
    except ValueError:
        return f"{year:04}"
