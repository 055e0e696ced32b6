"""JAMS files: one JSON document with all annotations of a sound, read as plain JSON.

A file holds `file_metadata`, a list `annotations` (each of one namespace, with observations of time, duration, value
and confidence), and a `sandbox` in which programs keep what they like.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiolab.audio.units import Seconds
from audiolab.errors import AnnotationError

__all__ = ["JamsAnnotation", "JamsFile", "Observation", "open_jams", "read_text"]

_LARGEST = 1 << 28


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that somebody heard."""

    time: Seconds
    duration: Seconds
    value: Any
    confidence: Any = None


@dataclass(frozen=True, slots=True)
class JamsAnnotation:
    """What one annotator wrote in one namespace."""

    where: str
    """File and namespace, for messages."""
    namespace: str
    metadata: Mapping[str, Any]
    sandbox: Mapping[str, Any]
    data: Any

    def observations(self) -> list[Observation]:
        """Read its observations in order of time.

        Raises
        ------
        AnnotationError
            If one has no time or duration, or they make no sense.
        """
        return sorted(_observations(self.data, self.where), key=lambda seen: seen.time)


@dataclass(frozen=True, slots=True)
class JamsFile:
    """A JAMS file."""

    path: Path
    title: str = ""
    artist: str = ""
    duration: Seconds | None = None
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    annotations: tuple[JamsAnnotation, ...] = ()


def open_jams(path: str | Path) -> JamsFile:
    """Read a JAMS file; observations are read when they are asked for.

    Raises
    ------
    AnnotationError
        If it is not JSON, or not JAMS.
    """
    path = Path(path)
    try:
        document = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{str(path)!r}, line {error.lineno}: not JSON, so not JAMS: {error.msg}") from None
    except RecursionError:
        raise AnnotationError(f"{str(path)!r} is not JAMS: its JSON is nested without end") from None
    annotations = document.get("annotations") if isinstance(document, Mapping) else None
    if not isinstance(annotations, list):
        raise AnnotationError(f"{str(path)!r} is not JAMS: it has no list `annotations`")
    about = _mapping(document.get("file_metadata"))
    length = about.get("duration")
    timed = isinstance(length, (int, float)) and not isinstance(length, bool) and math.isfinite(length) and length > 0
    return JamsFile(
        path,
        _text(about.get("title")),
        _text(about.get("artist")),
        float(length) if timed else None,  # type: ignore[arg-type]
        _mapping(document.get("sandbox")),
        tuple(_annotation(path, item) for item in annotations if isinstance(item, Mapping)),
    )


def read_text(path: Path) -> str:
    """Read a text file.

    Raises
    ------
    AnnotationError
        If it is not UTF-8 text, is too large, or holds nothing.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise AnnotationError(f"{str(path)!r} is larger than 256 MB, so no file of annotations")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{str(path)!r} cannot be read as UTF-8 text: {error}") from None
    if not text.strip():
        raise AnnotationError(f"{str(path)!r} is empty: remove it, or write the annotation into it")
    return text


def _annotation(path: Path, item: Mapping[str, Any]) -> JamsAnnotation:
    namespace = str(item.get("namespace"))
    return JamsAnnotation(
        f"{str(path)!r}, namespace {namespace}",
        namespace,
        _mapping(item.get("annotation_metadata")),
        _mapping(item.get("sandbox")),
        item.get("data"),
    )


def _observations(data: Any, where: str) -> Iterator[Observation]:
    """Read observations, as a list of records or as columns (JAMS has both)."""
    if isinstance(data, Mapping):
        keys = ("time", "duration", "value", "confidence")
        columns = [data.get(key) for key in keys]
        count = len(columns[0]) if isinstance(columns[0], list) else 0
        filled = [column if isinstance(column, list) else [None] * count for column in columns]
        if any(len(column) != count for column in filled):
            raise AnnotationError(f"{where}: its columns have different lengths")
        data = [dict(zip(keys, row, strict=True)) for row in zip(*filled, strict=True)]
    if data is not None and not isinstance(data, list):
        raise AnnotationError(f"{where}: its data is neither a list nor columns")
    for number, row in enumerate(data or [], 1):
        try:
            time, duration = float(row["time"]), float(row.get("duration") or 0.0)
            value, confidence = row.get("value"), row.get("confidence")
        except (TypeError, KeyError, ValueError, AttributeError):
            raise AnnotationError(f"{where}, observation {number}: no time, duration and value") from None
        if not (math.isfinite(time) and math.isfinite(duration)) or time < 0 or duration < 0:
            raise AnnotationError(f"{where}, observation {number}: time {time:g}, duration {duration:g}")
        yield Observation(time, duration, value, confidence)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
