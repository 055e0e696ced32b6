"""A person's correction of a tempo, as words of an overlay over `analyze`, and what they do to its document.

tempo_factor        count the same music that many times as fast; `tempo_found` is the tempo it was said of,
                    so that a better analysis later on is not corrected a second time
tempo_bpm           the tempo as it was typed
tempo_beats_per_bar beats a bar
tempo_downbeat      seconds at which a bar begins
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from audiolab.audio import TempoMap
from audiolab.errors import ParameterError

__all__ = ["TEMPO_WORDS", "check_tempo", "corrected_bpm", "corrected_document", "correction", "simple_ratio"]

TEMPO_WORDS = ("tempo_factor", "tempo_found", "tempo_bpm", "tempo_beats_per_bar", "tempo_downbeat")
LIMITS: dict[str, tuple[float, float, str]] = {
    "tempo_factor": (1 / 16, 16, "1/16 and 16"),
    "tempo_found": (1, 2000, "1 and 2000 bpm"),
    "tempo_bpm": (5, 1000, "5 and 1000 bpm"),
    "tempo_beats_per_bar": (1, 32, "1 and 32"),
    "tempo_downbeat": (0, 1e6, "0 and the length of the sound"),
}
RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3, 1.5, 2 / 3, 4.0, 0.25, 0.75, 4 / 3)
"""Between the ways in which the same music may be counted."""
NEAR = 0.04


def simple_ratio(value: float) -> float | None:
    """Give the simple ratio within 4 % of a value, if there is one."""
    return min((ratio for ratio in RATIOS if abs(value / ratio - 1) < NEAR), key=lambda r: abs(value - r), default=None)


def check_tempo(body: Mapping[str, Any]) -> None:
    """Raise `ParameterError` if the words of a correction make no sense."""
    for name, (low, high, text) in LIMITS.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ParameterError(f"{name} must lie between {text}, not {value!r}")
        if name == "tempo_beats_per_bar" and value != int(value):
            raise ParameterError(f"tempo_beats_per_bar is a whole number, not {value!r}")


def corrected_bpm(found: Any, body: Mapping[str, Any]) -> Any:
    """Give the tempo with the correction in it; `found` as it is if there is none."""
    if (typed := body.get("tempo_bpm")) is not None:
        return float(typed)
    if not isinstance(found, (int, float)) or body.get("tempo_factor") is None:
        return found
    return found * _factor(float(found), body)


def _factor(found: float, body: Mapping[str, Any]) -> float:
    """Give the factor for a tempo found now, which may be another than the one that was corrected."""
    factor, then = float(body["tempo_factor"]), body.get("tempo_found")
    if then is None:
        return factor
    needed = factor * float(then) / found
    return factor if abs(needed / factor - 1) < NEAR else simple_ratio(needed) or needed


def corrected_document(document: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Give the document of `analyze` with tempo, candidates, beats, downbeats, meter and map corrected together."""
    changed = dict(document)
    words = {name: body[name] for name in TEMPO_WORDS if body.get(name) is not None}
    if not words:
        return changed
    tempo = changed.get("tempo") if isinstance(changed.get("tempo"), Mapping) else {}
    assert isinstance(tempo, Mapping)
    bpm = corrected_bpm(tempo.get("bpm"), words)
    if isinstance(bpm, (int, float)) and ("tempo_bpm" in words or "tempo_factor" in words):
        changed["tempo"] = _tempo(tempo, float(bpm))
    with contextlib.suppress(ParameterError):  # a count beyond 5 to 1000 bpm: the old map stays
        tempo_map = _map(changed, tempo, bpm, words)
        if tempo_map is not None:
            changed |= _beats(changed, tempo_map)
    return changed


def _tempo(tempo: Mapping[str, Any], bpm: float) -> dict[str, Any]:
    listed = [item for item in tempo.get("candidates", ()) if isinstance(item, Mapping)]
    others = [item for item in listed if abs(item["bpm"] / bpm - 1) > 0.03]
    candidates = [{"bpm": bpm, "confidence": 1.0}, *({**item, "confidence": 0.0} for item in others)]
    return {**tempo, "bpm": bpm, "confidence": 1.0, "candidates": candidates, "source": "human"}


def _map(document: Mapping[str, Any], tempo: Mapping[str, Any], bpm: Any, words: Mapping[str, Any]) -> TempoMap | None:
    stored, found = document.get("tempo_map"), tempo.get("bpm")
    if isinstance(stored, Mapping):
        tempo_map = TempoMap.from_dict(stored)
        factor = float(words.get("tempo_factor", 1.0))
        if isinstance(found, (int, float)) and isinstance(bpm, (int, float)):
            factor = bpm / (tempo_map.bpm() if len(tempo_map.segments) == 1 else found)
        if factor != 1:
            tempo_map = tempo_map.scaled(factor)
    elif "tempo_bpm" in words:  # nothing was found, but a person knows
        tempo_map = TempoMap.constant(float(bpm), first_downbeat=float(words.get("tempo_downbeat", 0.0)))
    else:
        return None
    if "tempo_beats_per_bar" in words:
        tempo_map = tempo_map.with_meter(int(words["tempo_beats_per_bar"]))
    if "tempo_downbeat" in words:
        tempo_map = tempo_map.with_downbeat_at(float(words["tempo_downbeat"]))
    return tempo_map


def _beats(document: Mapping[str, Any], tempo_map: TempoMap) -> dict[str, Any]:
    found: dict[str, Any] = {"tempo_map": tempo_map.to_dict()}
    if "meter" in document:
        found["meter"] = f"{tempo_map.beats_per_bar}/4"
    if isinstance(document.get("duration"), (int, float)):
        found["beats"] = tempo_map.beats(document["duration"]).tolist()
        found["downbeats"] = tempo_map.downbeats(document["duration"]).tolist()
    return found


def correction(
    document: Mapping[str, Any] | None,
    before: Mapping[str, Any],
    *,
    factor: float | None,
    bpm: float | None,
    downbeat: float | None,
    beats_per_bar: int | None,
) -> dict[str, Any]:
    """Give the words of a new correction on top of an earlier one.

    Parameters
    ----------
    document : mapping or None
        What `analyze` found, without any correction; None if it never ran.
    before : mapping
        The overlay so far.
    factor : float, optional
        Relative to the tempo as it is shown now, with the earlier correction in it.
    bpm : float, optional
        The tempo itself. Where the music drifts and this is nearly a simple multiple of what was found, the
        beats found are kept and only counted otherwise.
    downbeat : float, optional
        Seconds.
    beats_per_bar : int, optional
        Of quarter notes.

    Raises
    ------
    ParameterError
        If both factor and bpm are given or nothing is; if there is no tempo to multiply; if a value makes no sense.
    """
    if factor is not None and bpm is not None:
        raise ParameterError("correct_tempo takes factor or bpm, not both")
    given = {"tempo_bpm": bpm, "tempo_factor": factor, "tempo_downbeat": downbeat, "tempo_beats_per_bar": beats_per_bar}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        raise ParameterError("correct_tempo needs factor, bpm, downbeat or beats_per_bar")
    check_tempo(given)
    words = {name: before[name] for name in TEMPO_WORDS if before.get(name) is not None}
    tempo = (document or {}).get("tempo")
    found = tempo.get("bpm") if isinstance(tempo, Mapping) else None
    if bpm is None and "tempo_bpm" not in words and not isinstance(found, (int, float)):
        raise ParameterError("no tempo is known to correct; analyze the song first, or say bpm=...")
    if bpm is not None:
        words = {name: words[name] for name in words if name not in {"tempo_factor", "tempo_found"}} | {
            "tempo_bpm": bpm
        }
        ratio = simple_ratio(bpm / found) if isinstance(found, (int, float)) else None
        if ratio is not None and len(((document or {}).get("tempo_map") or {}).get("segments", ())) > 1:
            del words["tempo_bpm"]
            words |= {"tempo_factor": ratio, "tempo_found": found}
    elif factor is not None and "tempo_bpm" in words:
        words["tempo_bpm"] = words["tempo_bpm"] * factor
    elif factor is not None:
        words |= {"tempo_factor": float(corrected_bpm(found, words)) / float(found) * factor, "tempo_found": found}  # type: ignore[arg-type]
    words |= {name: value for name, value in given.items() if name in {"tempo_downbeat", "tempo_beats_per_bar"}}
    check_tempo(words)
    return words
