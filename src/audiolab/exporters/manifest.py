"""The manifest of an export: what lies where and how it was made, as JSON and as a table.

The JSON names every file of the export, so that a later export to the same place knows what is ours.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from audiolab.exporters.base import Item
from audiolab.exporters.cards import Cards
from audiolab.exporters.lineage import Lineage

__all__ = ["CSV_NAME", "JSON_NAME", "build", "files_in", "rows", "to_csv"]

JSON_NAME, CSV_NAME = "manifest.json", "manifest.csv"
_TOOL = "audiolab export"
_VERSION = 1
_COLUMNS = (
    "path", "kind", "id", "label", "confidence", "song", "stem", "start", "stop", "bpm", "key", "root_note",
    "sample_rate", "channels", "frames", "provenance",
)  # fmt: skip
# A cell that starts like this is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(items: Iterable[Item], cards: Cards, lineage: Lineage) -> list[dict[str, Any]]:
    """Describe every file: one JSON object each."""
    described = []
    for item in items:
        sound, song = item.sound, cards.song(item.sound)
        row: dict[str, Any] = {
            "path": item.path,
            "kind": item.kind,
            "id": sound.id,
            "name": sound.name,
            "label": sound.label,
            "confidence": sound.confidence,
            "label_source": sound.label_source,
            "song": song.name if song is not None else None,
            "stem": sound.stem,
            "start": sound.start,
            "stop": sound.stop,
            "bpm": sound.bpm,
            "key": sound.key,
            "sample_rate": sound.sample_rate,
            "channels": sound.channels,
            "frames": sound.frames,
            **item.facts,
            "provenance": lineage.of(sound),
        }
        described.append(row)
    return described


def build(
    described: Sequence[Mapping[str, Any]],
    lineage: Lineage,
    *,
    title: str,
    format_name: str,
    options: Mapping[str, Any],
    notes: Sequence[str],
    version: str,
) -> str:
    """Give the text of `manifest.json`."""
    document = {
        "tool": _TOOL,
        "manifest_version": _VERSION,
        "audiolab": version,
        "title": title,
        "format": format_name,
        "options": dict(options),
        "notes": list(notes),
        "files": [dict(row) for row in described],
        "sources": lineage.sources,
        "made": sorted([*(str(row["path"]) for row in described), JSON_NAME, CSV_NAME]),
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def to_csv(described: Sequence[Mapping[str, Any]]) -> str:
    """Give the text of `manifest.csv` (UTF-8, commas); what a spreadsheet would take for a formula gets a quote."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in described:
        writer.writerow([_cell(row.get(name)) for name in _COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def files_in(text: str | bytes) -> frozenset[str] | None:
    """Name the files of an earlier export from its manifest; None if it is not one of ours.

    Only plain relative paths count: a manifest that was tampered with must not point elsewhere.
    """
    try:
        document = json.loads(text)
        if document["tool"] != _TOOL:
            return None
        listed = document["made"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(listed, list):
        return None
    return frozenset(name for name in listed if isinstance(name, str) and _is_plain(name))


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name
