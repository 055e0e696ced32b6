"""From the observations of a JAMS file to what stages' documents say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from audiolab.audio import Seconds, TempoMap
from audiolab.audio.jams import JamsAnnotation, Observation
from audiolab.errors import AnnotationError, ParameterError
from audiolab.library.keys import camelot, canonical_key

__all__ = ["MUSIC", "lyrics", "notes", "same", "share"]

Read: TypeAlias = tuple[dict[str, Any] | None, str]
"""What to lay over the document of `analyze` (None: nothing), and what it is or why not."""
_VELOCITY = 80
"""Of notes whose file says nothing about it."""


def same(now: Any, given: Any) -> bool:
    """Say whether a document holds a value already; numbers may differ by rounding."""
    if isinstance(given, Mapping):
        return isinstance(now, Mapping) and all(same(now.get(name), value) for name, value in given.items())
    if isinstance(given, list):
        return isinstance(now, list) and len(now) == len(given) and all(map(same, now, given))
    if isinstance(given, float) and isinstance(now, (int, float)):
        return math.isclose(now, given, rel_tol=1e-9, abs_tol=1e-9)
    return bool(now == given)


def share(value: Any, otherwise: float) -> float:
    """Give a confidence, 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return otherwise
    return min(1.0, max(0.0, float(value)))


def _beats(annotation: JamsAnnotation, seen: Sequence[Observation], duration: Seconds) -> Read:
    times = [item.time for item in seen]
    if len(times) < 2:
        return None, "fewer than two beats"
    if (np.diff(times) <= 0).any():
        raise AnnotationError(f"{annotation.where}: two beats lie at one time")
    if times[-1] > duration + 1:
        raise AnnotationError(
            f"{annotation.where}: the last beat lies at {times[-1]:.3f} s, beyond the sound's end ({duration:.3f} s)"
        )
    places = [_place(annotation, item) for item in seen]
    tempo_map = _map(annotation, times, places)
    patch: dict[str, Any] = {"beats": times}
    if any(place == 1 for place in places):
        patch["downbeats"] = [time for time, place in zip(times, places, strict=True) if place == 1]
    if tempo_map is not None:
        patch |= {"tempo_map": tempo_map.to_dict(), "meter": f"{tempo_map.beats_per_bar}/4"}
        patch["tempo"] = {"bpm": tempo_map.bpm(), "confidence": 1.0}
    return patch, f"{len(times)} beats"


def _place(annotation: JamsAnnotation, item: Observation) -> float | None:
    if item.value is None or isinstance(item.value, str):
        return None
    if isinstance(item.value, bool) or not isinstance(item.value, (int, float)) or not math.isfinite(item.value):
        raise AnnotationError(f"{annotation.where}: {item.value!r} is no place in a bar")
    return float(item.value)


def _map(annotation: JamsAnnotation, times: Sequence[float], places: Sequence[float | None]) -> TempoMap | None:
    stored = annotation.sandbox.get("tempo_map")
    try:
        if isinstance(stored, Mapping):
            known = TempoMap.from_dict(stored)
            if np.abs(known.time_at(np.rint(known.beat_at(np.array(times)))) - times).max() < 1e-6:
                return known  # it is the one that these beats come from
        bars = [index for index, place in enumerate(places) if place == 1]
        lengths = np.diff(bars)
        meter = int(np.bincount(lengths).argmax()) if len(lengths) else 4
        return TempoMap.from_beats(
            times, first_downbeat=bars[0] if bars else 0, beats_per_bar=min(max(meter, 1), 32), tolerance=1e-3
        )
    except ParameterError as error:
        raise AnnotationError(f"{annotation.where}: {error}") from error


def _tempo(annotation: JamsAnnotation, seen: Sequence[Observation], duration: Seconds) -> Read:
    """Take the tempo that holds longest."""
    if not seen:
        return None, "it is empty"
    longest = max(seen, key=lambda item: item.duration)
    bpm = longest.value
    if isinstance(bpm, bool) or not isinstance(bpm, (int, float)) or not 5 <= bpm <= 1000:
        raise AnnotationError(f"{annotation.where}: a tempo lies between 5 and 1000 bpm, not {bpm!r}")
    sure = share(longest.confidence, 1.0)
    return {"tempo": {"bpm": float(bpm), "confidence": sure}}, f"tempo {bpm:.4g} bpm"


def _key(annotation: JamsAnnotation, seen: Sequence[Observation], duration: Seconds) -> Read:
    if not seen:
        return None, "it is empty"
    longest = max(seen, key=lambda item: item.duration)
    if not isinstance(longest.value, str):
        raise AnnotationError(f"{annotation.where}: {longest.value!r} is no key")
    tonic, _, mode = longest.value.partition(":")
    key = canonical_key(f"{tonic} {mode or 'major'}")
    if key is None:
        return None, f"{longest.value!r} is neither a major nor a minor key"
    minor = key.endswith("m")
    found = {
        "tonic": key.removesuffix("m"),
        "mode": "minor" if minor else "major",
        "camelot": camelot(key),
        "confidence": share(longest.confidence, 1.0),
    }
    return {"key": found}, f"key {key}"


MUSIC: dict[str, Callable[[JamsAnnotation, Sequence[Observation], Seconds], Read]] = {
    "beat": _beats,
    "tempo": _tempo,
    "key_mode": _key,
}


def notes(annotation: JamsAnnotation, seen: Sequence[Observation]) -> list[dict[str, Any]]:
    """Read notes: pitches as MIDI numbers, or as frequencies in `note_hz`.

    Raises
    ------
    AnnotationError
        If a pitch or a length makes no sense.
    """
    found = []
    extra = _fields(annotation, len(seen))
    for item, more in zip(seen, extra, strict=True):
        value = item.value
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
        if not good and value != 0:
            raise AnnotationError(f"{annotation.where}: the note at {item.time:g} s has the pitch {value!r}")
        if item.duration <= 0:
            raise AnnotationError(f"{annotation.where}: the note at {item.time:g} s has no length")
        pitch = 69 + 12 * math.log2(value / 440) if annotation.namespace == "note_hz" else value
        if not 0 <= round(pitch) <= 127:
            raise AnnotationError(
                f"{annotation.where}: the note at {item.time:g} s has the pitch {pitch:g}, beyond MIDI"
            )
        note = {"start": item.time, "end": item.time + item.duration, "pitch": round(pitch)}
        found.append(note | {"velocity": _VELOCITY} | more)
    return found


def lyrics(found: Sequence[tuple[JamsAnnotation, Sequence[Observation]]]) -> dict[str, Any]:
    """Read lines and timed words; words find their line by its number, else by time.

    Single words with lengths, as other programs write them, become one line each second of silence between.
    """
    document: dict[str, Any] = {}
    lines: list[dict[str, Any]] = []
    words: list[tuple[int | None, dict[str, Any]]] = []
    for annotation, seen in found:
        about = annotation.sandbox.get("document")
        if isinstance(about, Mapping):
            document |= about
        for item in seen:
            if not isinstance(item.value, str):
                raise AnnotationError(f"{annotation.where}: {item.value!r} at {item.time:g} s is no text")
        extra = _fields(annotation, len(seen))
        level = annotation.sandbox.get("level")
        single = all(len(str(item.value).split()) == 1 and item.duration > 0 for item in seen)
        if level == "words" or (level is None and single and seen):
            numbers = annotation.sandbox.get("lines")
            for index, (item, more) in enumerate(zip(seen, extra, strict=True)):
                at = numbers[index] if isinstance(numbers, list) and len(numbers) == len(seen) else None
                word = {"start": item.time, "end": item.time + item.duration, "word": item.value}
                word |= {"probability": share(item.confidence, 1.0)} | more
                words.append((at if isinstance(at, int) else None, word))
        elif not lines:
            lines = [
                {"start": item.time, "end": item.time + item.duration, "text": item.value, "flags": [], "words": []}
                | more
                for item, more in zip(seen, extra, strict=True)
            ]
    _put_words(lines, words)
    return {**document, "segments": lines}


def _put_words(lines: list[dict[str, Any]], words: Sequence[tuple[int | None, dict[str, Any]]]) -> None:
    if not lines:
        for _, word in words:
            if not lines or word["start"] - lines[-1]["end"] > 1.0:
                lines.append({"start": word["start"], "end": word["end"], "text": "", "flags": [], "words": []})
            lines[-1]["words"].append(word)
            lines[-1]["end"] = max(lines[-1]["end"], word["end"])
        for line in lines:
            line["text"] = " ".join(str(word["word"]).strip() for word in line["words"])
        return
    for at, word in words:
        if at is None or not 0 <= at < len(lines):
            later = [index for index, line in enumerate(lines) if line["start"] <= word["start"]]
            at = later[-1] if later else 0
        lines[at]["words"].append(word)


def _fields(annotation: JamsAnnotation, count: int) -> list[dict[str, Any]]:
    """Give what audiolab kept beside each observation in the sandbox, if the file is as it was written."""
    extra = annotation.sandbox.get("fields")
    if isinstance(extra, list) and len(extra) == count and all(isinstance(item, Mapping) for item in extra):
        return [dict(item) for item in extra]
    return [{} for _ in range(count)]
