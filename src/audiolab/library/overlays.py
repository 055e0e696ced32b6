"""Overlays: human edits that lie over a stage's document and survive its being made again.

An overlay's body is a JSON merge patch (RFC 7396): objects merge, null removes, anything else replaces. The
words of `library.tempo` mean more: they correct tempo, beats, bars and map together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from audiolab.library.tempo import TEMPO_WORDS, check_tempo, corrected_bpm, corrected_document

__all__ = ["check_overlay", "merge_patch", "overlaid", "overlaid_facts", "relabelled"]


def merge_patch(document: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396) and give the new document."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def check_overlay(body: Mapping[str, Any]) -> None:
    """Raise `ParameterError` if a body's special words make no sense."""
    check_tempo(body)


def overlaid(document: Mapping[str, Any], body: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give a document with a human's edits in it; the document itself stays as it is."""
    if not body:
        return dict(document)
    patch = {name: value for name, value in body.items() if name not in TEMPO_WORDS}
    # A corrected count first, so that a document patched by hand is taken as it stands.
    return dict(merge_patch(corrected_document(document, body), patch))


def relabelled(
    document: Mapping[str, Any], given: Sequence[Mapping[str, float]], denied: Sequence[Collection[str]]
) -> dict[str, Any]:
    """Give a document whose `items` say what sounds are, with people's labels in it.

    Parameters
    ----------
    document : mapping
        With `items`, one a sound, each with `label`, `confidence` and perhaps `drums` {label: probability}.
    given : sequence of mapping
        For each sound the labels that people gave, with their confidence; the one that counts first.
    denied : sequence of collection
        For each sound the labels that people said are wrong.
    """
    items = []
    for item, labels, wrong in zip(document["items"], given, denied, strict=True):
        changed = dict(item)
        if labels:
            label, confidence = next(iter(labels.items()))
            changed |= {"label": label, "confidence": confidence, "source": "human"}
            if "drums" in item:
                changed["drums"] = dict(labels)
        elif wrong:
            if item.get("label") in wrong:
                changed |= {"label": "unknown", "confidence": 0.0, "source": "human"}
            if "drums" in item:
                changed["drums"] = {name: share for name, share in item["drums"].items() if name not in wrong}
        items.append(changed)
    return {**document, "items": items}


def overlaid_facts(facts: Mapping[str, Any], bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Give a sound's facts with a human's edits: corrected tempo and key, and overlays of the kind `facts`."""
    merged = dict(facts)
    for body in bodies.values():
        if any(body.get(word) is not None for word in TEMPO_WORDS):
            merged["bpm"] = corrected_bpm(merged.get("bpm"), body)
            if merged["bpm"] is None:
                del merged["bpm"]
        tempo = body.get("tempo")
        if isinstance(tempo, Mapping) and isinstance(tempo.get("bpm"), (int, float)):
            merged["bpm"] = tempo["bpm"]
        if isinstance(body.get("key"), (str, Mapping)):
            merged["key"] = body["key"]
    return dict(merge_patch(merged, bodies.get("facts", {})))
