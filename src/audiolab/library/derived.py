"""Columns that follow from other rows, each with the one function that computes it.

They exist so that tables and queries read one row. They can always be computed anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, or_, select, true, update
from sqlalchemy.orm import Session

from audiolab.library.cardrows import CardRow
from audiolab.library.keys import canonical_key
from audiolab.library.models import DocumentRow, ResultRow, SetItemRow, SetRow, SoundRow, TagRow
from audiolab.library.overlays import overlaid_facts
from audiolab.library.store import touch

__all__ = [
    "BY_HAND",
    "CHUNK",
    "FACTS_OF",
    "chunks",
    "latest_of",
    "refresh_current",
    "refresh_facts",
    "refresh_labels",
    "visible",
]

_Item = TypeVar("_Item", str, int)

FACTS_OF = "facts:"
"""Begins the kind of a document that holds what a stage found about one sound of a set."""
BY_HAND = "cut"
"""Kind of the document that says that a person cut or moved this slice; see `hand_slices`."""
CHUNK = 400
"""Values in one `IN (...)`: below every database's limit."""


def chunks(ids: Iterable[_Item]) -> Iterator[Sequence[_Item]]:
    """Give ids or numbers, each once, in lists short enough for one statement."""
    listed = list(dict.fromkeys(ids))
    for at in range(0, len(listed), CHUNK):
        yield listed[at : at + CHUNK]


def visible() -> ColumnElement[bool]:
    """Say which sounds a user sees: neither in the trash nor superseded, unless a person has held on to them."""
    return SoundRow.id.in_(select(CardRow.sound_id).where(CardRow.shown))


def latest_of(session: Session, unit: str, stage: str) -> ResultRow | None:
    """Give the result of a stage that counts for a sound (its own, or of its sample sets) or for one set."""
    mine = or_(ResultRow.sound_id == unit, ResultRow.set_id == unit)
    newest = select(ResultRow).where(mine, ResultRow.stage == stage)
    return session.scalars(newest.order_by(ResultRow.used_at.desc(), ResultRow.key.desc()).limit(1)).first()


def refresh_facts(session: Session, sounds: Iterable[SoundRow]) -> None:
    """Merge what is known about sounds, oldest first, and fill the columns that queries look at."""
    session.flush()
    by_id = {sound.id: sound for sound in sounds}
    given: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    edits: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for ids in chunks(by_id):
        results = select(ResultRow.sound_id, ResultRow.facts).where(
            ResultRow.sound_id.in_(ids), ResultRow.set_id.is_(None)
        )
        for sound_id, facts in session.execute(results.order_by(ResultRow.used_at, ResultRow.key)):
            given[sound_id].append(facts)
        documents = select(DocumentRow).where(DocumentRow.sound_id.in_(ids))
        for row in session.scalars(documents.order_by(DocumentRow.updated_at, DocumentRow.kind)):
            if row.kind.startswith(FACTS_OF):
                given[row.sound_id].append(row.body)
            else:
                edits[row.sound_id][row.kind] = row.body
    edits = defaultdict(dict, {sound_id: dict(sorted(bodies.items())) for sound_id, bodies in edits.items()})
    for sound in by_id.values():
        _fill(sound, given[sound.id], edits[sound.id])


def _fill(sound: SoundRow, given: Sequence[Mapping[str, Any]], edits: Mapping[str, Mapping[str, Any]]) -> None:
    facts = dict(sound.made_facts)
    for found in given:
        facts.update(found)
    facts = overlaid_facts(facts, edits)
    if facts != sound.facts:
        sound.facts = facts
    embedded = sound.embedded or {}
    bpm = facts.get("bpm", embedded.get("bpm"))
    sound.bpm = float(bpm) if isinstance(bpm, (int, float)) and bpm > 0 else None
    sound.key = canonical_key(facts.get("key")) or canonical_key(embedded.get("key"))
    sound.duration = sound.frames / sound.sample_rate
    own = edits.get("fields", {})
    sound.rating, sound.favourite, sound.note = own.get("rating"), own.get("favourite"), own.get("note")


def refresh_labels(session: Session, sound_ids: Iterable[str]) -> None:
    """Choose the label that counts for each sound.

    A person's newest label, else the import's, else the model's surest one (the newest model first) unless
    a person has denied it.
    """
    session.flush()
    for ids in chunks(sound_ids):
        found = defaultdict(list)
        for tag in session.scalars(select(TagRow).where(TagRow.sound_id.in_(ids), TagRow.role == "label")):
            found[tag.sound_id].append(tag)
        for sound in session.scalars(select(SoundRow).where(SoundRow.id.in_(ids))):
            best = _best(found[sound.id])
            chosen = (best.label, best.confidence, best.source) if best else (None, None, None)
            if chosen != (sound.label, sound.label_confidence, sound.label_source):
                sound.label, sound.label_confidence, sound.label_source = chosen


def _best(tags: list[TagRow]) -> TagRow | None:
    denied = {tag.label for tag in tags if tag.denied}
    rank = {"model": 0, "import": 1, "human": 2}
    left = [tag for tag in tags if not tag.denied and (tag.source == "human" or tag.label not in denied)]
    return max(left, key=lambda tag: (rank[tag.source], tag.created_at, tag.confidence, tag.label), default=None)


def refresh_current(session: Session, root: str) -> None:
    """Say of everything that was made from `root` whether it is the newest of its kind."""
    session.flush()
    todo = [root]
    while todo:
        parent = session.get_one(SoundRow, todo.pop())
        changed = [*_refresh_views(session, parent), *_refresh_made(session, parent)]
        session.flush()
        for ids in chunks(changed):
            parents = select(SoundRow.parent_id).where(SoundRow.parent_id.in_(ids)).distinct()
            todo += [found for found in session.scalars(parents) if found is not None]


def _refresh_views(session: Session, parent: SoundRow) -> list[str]:
    sets = session.scalars(
        select(SetRow).where(SetRow.parent_id == parent.id).order_by(SetRow.used_at, SetRow.id)
    ).all()
    newest = sets[-1] if sets else None
    for found in sets:
        superseded_by = None if newest is None or found is newest else newest.id
        if found.superseded_by != superseded_by:
            found.superseded_by = superseded_by
    # What people cut belongs to no set, so that none takes its place.
    by_hand = select(DocumentRow.sound_id).where(DocumentRow.kind == BY_HAND, DocumentRow.sound_id == SoundRow.id)
    held: ColumnElement[bool] = true()
    if newest is not None:
        in_newest = select(SetItemRow.sound_id).where(SetItemRow.set_id == newest.id)
        held = SoundRow.id.in_(in_newest) | by_hand.exists()
    views = select(SoundRow.id).where(SoundRow.parent_id == parent.id, SoundRow.start.is_not(None))
    on = views.where(SoundRow.current.is_(False), held) if parent.current else None
    off = views.where(SoundRow.current.is_(True))
    off = off.where(~held) if parent.current else off
    changed: list[str] = []
    for statement, current in ((on, True), (off, False)):
        found_ids = session.scalars(statement).all() if statement is not None else []
        for ids in chunks(found_ids):
            session.execute(update(SoundRow).where(SoundRow.id.in_(ids)).values(current=current))
            touch(session, ids)
        changed += found_ids
    return changed


def _refresh_made(session: Session, parent: SoundRow) -> list[str]:
    statement = (
        select(SoundRow, ResultRow)
        .outerjoin(ResultRow, ResultRow.key == SoundRow.result_key)
        .where(SoundRow.parent_id == parent.id, SoundRow.start.is_(None))
    )
    children = [(row.SoundRow, row.ResultRow) for row in session.execute(statement)]
    # Only results that made sounds compete: a later job of the stage that found nothing hides nothing.
    newest: dict[str, tuple[Any, str]] = {}
    for _, result in children:
        if result is not None:
            newest[result.stage] = max(newest.get(result.stage, (result.used_at, "")), (result.used_at, result.key))
    changed = []
    for child, result in children:
        current = parent.current and (result is None or newest[result.stage][1] == result.key)
        if child.current != current:
            child.current = current
            changed.append(child.id)
    return changed
