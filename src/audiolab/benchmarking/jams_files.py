"""JAMS files (one JSON document with all annotations of a sound), read as plain JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio.jams import open_jams
from audiolab.benchmarking.truth import Truth, parse_key
from audiolab.errors import AnnotationError

__all__ = ["jams_kinds", "read_jams"]

_NAMESPACES = {
    "onset": "onsets",
    "beat": "beats",
    "tempo": "tempo",
    "key_mode": "key",
    "note_midi": "notes",
    "note_hz": "notes",
    "lyrics": "lyrics",
}
"""Namespaces that are scored; the first annotation of each counts, others (segments, chords) are left alone."""


def jams_kinds(path: Path) -> frozenset[str]:
    """Name the kinds of truth in a file."""
    return frozenset(_annotations(path))


def read_jams(path: Path) -> Truth:
    """Read a JAMS file.

    Raises
    ------
    AnnotationError
        If it is not JSON, not JAMS, or a value is not what its namespace says.
    """
    values: dict[str, Any] = {}
    for kind, (namespace, rows) in _annotations(path).items():
        where = f"{str(path)!r}, namespace {namespace}"
        if not rows:
            raise AnnotationError(f"{where}: the annotation is empty")
        values.update(_READERS[kind](where, namespace, rows))
    return Truth(**values)


Rows = list[tuple[float, float, Any]]


def _annotations(path: Path) -> dict[str, tuple[str, Rows]]:
    found: dict[str, tuple[str, Rows]] = {}
    for annotation in open_jams(path).annotations:
        kind = _NAMESPACES.get(annotation.namespace)
        if kind is not None and kind not in found:
            rows = [(seen.time, seen.duration, seen.value) for seen in annotation.observations()]
            found[kind] = (annotation.namespace, rows)
    return found


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise AnnotationError(f"{where}: {value!r} is not a number")
    return float(value)


def _onsets(where: str, namespace: str, rows: Rows) -> dict[str, Any]:
    return {"onsets": tuple(sorted((time, value if isinstance(value, str) else "") for time, _, value in rows))}


def _beats(where: str, namespace: str, rows: Rows) -> dict[str, Any]:
    places = [value for _, _, value in rows]
    positions = None if None in places else tuple(int(_number(value, where)) for value in places)
    return {"beats": np.array([time for time, _, _ in rows]), "positions": positions}


def _tempo(where: str, namespace: str, rows: Rows) -> dict[str, Any]:
    """Take the tempo that holds longest."""
    return {"tempo": _number(max(rows, key=lambda row: row[1])[2], where)}


def _key(where: str, namespace: str, rows: Rows) -> dict[str, Any]:
    value = str(max(rows, key=lambda row: row[1])[2])
    key = parse_key(value)
    if key is None:
        raise AnnotationError(f"{where}: {value!r} is not a major or minor key")
    return {"key": key}


def _notes(where: str, namespace: str, rows: Rows) -> dict[str, Any]:
    notes = []
    for time, duration, value in rows:
        pitch = _number(value, where)
        if duration <= 0 or pitch <= 0:
            raise AnnotationError(f"{where}: the note at {time:g} s has duration {duration:g} and pitch {pitch:g}")
        notes.append((time, time + duration, pitch if namespace == "note_midi" else _midi_pitch(pitch)))
    return {"notes": tuple(sorted(notes))}


def _midi_pitch(hertz: float) -> float:
    return 69.0 + 12.0 * math.log2(hertz / 440.0)


def _lyrics(where: str, namespace: str, rows: Rows) -> dict[str, Any]:
    """Take single words with durations as words with times, too."""
    texts = [str(value).strip() for _, _, value in rows]
    found: dict[str, Any] = {"lyrics": "\n".join(texts)}
    if all(len(text.split()) == 1 for text in texts) and all(duration > 0 for _, duration, _ in rows):
        found["words"] = tuple((t, t + d, text) for (t, d, _), text in zip(rows, texts, strict=True))
    return found


_READERS = {"onsets": _onsets, "beats": _beats, "tempo": _tempo, "key": _key, "notes": _notes, "lyrics": _lyrics}
