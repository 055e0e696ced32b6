"""What the annotator shows of a sound: its slices as regions, with people's labels and models' proposals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from audiolab.library import Library, Sound
from audiolab.library.derived import BY_HAND, chunks
from audiolab.library.models import DocumentRow, SoundRow, TagRow
from audiolab.stages.classification.taxonomy import UNKNOWN, load_taxonomy

__all__ = ["REJECT", "label_choices", "regions_of", "root_of", "unsure_first"]

REJECT = "reject"
"""The free tag of what is not wanted."""
_MOST_LABELS = 400


def root_of(sound: Sound) -> Sound:
    """Give the sound whose waveform is shown: of a slice, what it was cut from."""
    while sound.start is not None and sound.parent is not None:
        sound = sound.parent
    return sound


def regions_of(sound: Sound, top: Mapping[str, Sequence[Sequence[Any]]] | None = None) -> list[dict[str, Any]]:
    """Give the regions of a sound in order of time, as JSON.

    A sample that is a file of its own is one region from beginning to end, which can be labelled but not moved.

    Parameters
    ----------
    top : mapping, optional
        Newer proposals than those in the library: by id, (label, probability), the best first.
    """
    rows = list(sound.samples._rows)
    if sound.kind == "sample":
        rows.insert(0, sound.library.sound_row(sound.id))
    ids = [row.id for row in rows]
    tags: dict[str, list[TagRow]] = defaultdict(list)
    by_hand: set[str] = set()
    with sound.library.store.transaction(write=False) as session:
        for part in chunks(ids):
            for tag in session.scalars(select(TagRow).where(TagRow.sound_id.in_(part))):
                tags[tag.sound_id].append(tag)
            hand = select(DocumentRow.sound_id).where(DocumentRow.sound_id.in_(part), DocumentRow.kind == BY_HAND)
            by_hand.update(session.scalars(hand))
    given = top or {}
    return [
        _region(row, tags[row.id], by_hand=row.id in by_hand, top=given.get(row.id), whole=row.id == sound.id)
        for row in rows
    ]


def _region(
    row: SoundRow, tags: Sequence[TagRow], *, by_hand: bool, top: Sequence[Sequence[Any]] | None, whole: bool
) -> dict[str, Any]:
    denied = {tag.label for tag in tags if tag.denied}
    said = [tag for tag in tags if tag.source == "model" and tag.label not in denied]
    best = max(said, key=lambda tag: (tag.created_at, tag.confidence), default=None)
    proposal: dict[str, Any] | None = None
    if top:
        proposal = {"label": top[0][0], "confidence": round(float(top[0][1]), 4), "top": [list(pair) for pair in top]}
    elif best is not None:
        others = [list(pair) for pair in best.top or ()][:3]
        proposal = {"label": best.label, "confidence": round(best.confidence, 4), "top": others}
    human = row.label_source == "human"
    return {
        "id": row.id,
        "name": row.name,
        "start": 0 if whole else row.start,
        "stop": row.frames if whole else row.stop,
        "whole": whole,
        "label": row.label,
        "source": row.label_source,
        "confidence": None if row.label_confidence is None else round(row.label_confidence, 4),
        "mine": row.label if human else None,
        "proposal": proposal,
        "rejected": any(tag.label == REJECT and tag.source == "human" and not tag.denied for tag in tags),
        "by_hand": by_hand,
    }


def unsure_first(regions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the ids of the regions that nobody has judged, those first of which the model is least sure."""
    open_ = [region for region in regions if region["mine"] is None and not region["rejected"]]
    return [region["id"] for region in sorted(open_, key=_sureness)]


def _sureness(region: Mapping[str, Any]) -> tuple[float, int]:
    proposal = region["proposal"]
    if proposal is None:
        return 2.0, region["start"]  # nothing to be unsure of: they come last
    top = [float(pair[1]) for pair in proposal["top"]]
    gap = top[0] - top[1] if len(top) > 1 else float(proposal["confidence"])
    return (0.0 if proposal["label"] == UNKNOWN else gap), region["start"]


def label_choices(library: Library) -> list[str]:
    """Give labels to choose from: those that people use here first, the commonest first; then the taxonomy's."""
    with library.store.transaction(write=False) as session:
        used = session.execute(
            select(TagRow.label, func.count())
            .where(TagRow.role == "label", TagRow.denied.is_(False), TagRow.source == "human")
            .group_by(TagRow.label)
        )
        people: Counter[str] = Counter(dict(used.all()))
        guessed = session.execute(
            select(SoundRow.label, func.count())
            .where(SoundRow.label.is_not(None), SoundRow.deleted_at.is_(None))
            .group_by(SoundRow.label)
        )
        models: Counter[str] = Counter({str(label): count for label, count in guessed})
    ranked = sorted(people, key=lambda label: (-people[label], label))
    ranked += sorted(models, key=lambda label: (-models[label], label))
    ranked += load_taxonomy().labels
    return [label for label in dict.fromkeys(ranked) if label != UNKNOWN][:_MOST_LABELS]
