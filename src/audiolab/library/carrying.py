"""Carrying what was said of a slice over to the slice that takes its place."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.collecting import collection_state, put_collection, target_of
from audiolab.library.derived import BY_HAND, FACTS_OF, refresh_facts, refresh_labels
from audiolab.library.models import CollectionItemRow, CollectionRow, DocumentRow, SoundRow, TagRow
from audiolab.library.ops import note
from audiolab.library.overlaying import FIELDS, NAME, named, overlay, put_name, set_overlay
from audiolab.library.ratings import NAMES, fields_of, set_fields
from audiolab.library.tags import human_tag, put_human_tag

__all__ = ["carry", "overlap"]

_SAME = 0.5
"""Share of common frames from which on what a model said of one span holds for another."""


def carry(session: Session, actor: str, old: SoundRow, new: SoundRow) -> None:
    """Give a slice the words, name, rating, corrections and places in collections of another.

    The places in collections are given up by the old one; everything else it keeps, for when it comes back.
    All of it is noted, with a way back.
    """
    _people(session, actor, old.id, new.id)
    _name(session, actor, old.id, new.id)
    set_fields(session, actor, [new.id], fields_of(session, old.id, NAMES))
    _corrections(session, actor, old.id, new.id)
    _others(session, old.id, new.id, "import")
    new.render = old.render
    if overlap(old, new) >= _SAME:
        _others(session, old.id, new.id, "model")
        new.made_facts = {**old.made_facts, **new.made_facts}
        _found(session, old.id, new.id)
    _collections(session, actor, old.id, new.id)
    refresh_facts(session, [new])
    refresh_labels(session, [new.id])


def overlap(one: SoundRow, other: SoundRow) -> float:
    """Give the share of frames that two slices of one sound have in common, of all that either has."""
    starts, stops = (one.start or 0, other.start or 0), (one.stop or 0, other.stop or 0)
    return max(0, min(stops) - max(starts)) / (max(stops) - min(starts))


def _people(session: Session, actor: str, old: str, new: str) -> None:
    """Let people have said of the new one just what they said of the old one."""
    words = session.scalars(
        select(TagRow.label).where(TagRow.sound_id.in_((old, new)), TagRow.source == "human").distinct()
    ).all()
    for label in sorted(words):
        wanted, now = human_tag(session, old, label), human_tag(session, new, label)
        if wanted == now:
            continue
        put_human_tag(session, new, label, wanted)
        what = "untag" if wanted is None else "tag"
        note(session, actor, what, new, before=now or {"label": label}, after=wanted or {"label": label})
    session.flush()


def _name(session: Session, actor: str, old: str, new: str) -> None:
    wanted, before = named(session, old), named(session, new)
    if wanted["given"] and wanted != before:
        put_name(session, new, wanted)
        note(session, actor, "rename", new, before=before, after=wanted)


def _corrections(session: Session, actor: str, old: str, new: str) -> None:
    kinds = session.scalars(select(DocumentRow.kind).where(DocumentRow.sound_id == old)).all()
    for kind in sorted(kinds):
        if kind not in {NAME, FIELDS, BY_HAND} and not kind.startswith(FACTS_OF):
            body = overlay(session, old, kind)
            if body != overlay(session, new, kind):
                set_overlay(session, actor, new, kind, body)


def _others(session: Session, old: str, new: str, source: str) -> None:
    """Copy what imports or models said, unless they have said something of the new one itself."""
    if session.scalars(select(TagRow).where(TagRow.sound_id == new, TagRow.source == source)).first() is not None:
        return
    for row in session.scalars(select(TagRow).where(TagRow.sound_id == old, TagRow.source == source)).all():
        # Without the result's key: that result has not heard this very slice, and cannot be asked about it.
        session.add(
            TagRow(
                sound_id=new, source=source, stage=row.stage, label=row.label, role=row.role, denied=row.denied,
                confidence=row.confidence, model=row.model, top=row.top, result_key=None, created_at=row.created_at,
            )
        )  # fmt: skip
    session.flush()


def _found(session: Session, old: str, new: str) -> None:
    """Copy what stages found about the slice."""
    for row in session.scalars(
        select(DocumentRow).where(DocumentRow.sound_id == old, DocumentRow.kind.startswith(FACTS_OF))
    ).all():
        if session.get(DocumentRow, (new, row.kind)) is None:
            body = dict(row.body)
            session.add(
                DocumentRow(sound_id=new, kind=row.kind, body=body, source=row.source, updated_at=row.updated_at)
            )
    session.flush()


def _collections(session: Session, actor: str, old: str, new: str) -> None:
    held = (
        select(CollectionRow.name, CollectionItemRow.position)
        .join(CollectionItemRow, CollectionItemRow.collection_id == CollectionRow.id)
        .where(CollectionItemRow.sound_id == old)
        .order_by(CollectionRow.name)
    )
    for name, position in session.execute(held).all():
        before = collection_state(session, name, [old, new])
        place = before["positions"][1]
        put_collection(
            session,
            name,
            {"exists": True, "sounds": [old, new], "positions": [None, position if place is None else place]},
        )
        note(
            session,
            actor,
            "collect",
            target_of(name),
            before=before,
            after=collection_state(session, name, [old, new]),
        )
