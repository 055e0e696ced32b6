"""Writing human edits: overlays and names; reading results with the edits in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.clock import utc_now
from audiolab.library.derived import BY_HAND, chunks, latest_of, refresh_facts
from audiolab.library.models import DocumentRow, ResultRow, SetItemRow, SoundRow, TagRow
from audiolab.library.ops import note
from audiolab.library.overlays import check_overlay, overlaid, relabelled
from audiolab.library.store import touch
from audiolab.library.text import clean_json, clean_text

__all__ = [
    "FIELDS",
    "NAME",
    "effective",
    "named",
    "overlay",
    "put_name",
    "rename",
    "require",
    "set_overlay",
    "write_document",
]

NAME = "name"
"""Kind of the document that keeps a name given by a person."""
FIELDS = "fields"
"""Kind of the document that keeps a person's rating, favourite mark and note."""


def require(session: Session, sound_id: str) -> SoundRow:
    """Give a row, or raise `CatalogError`."""
    row = session.get(SoundRow, sound_id)
    if row is None:
        raise CatalogError(f"the library has no sound {sound_id[:12]!r}")
    return row


def effective(session: Session, unit: str, stage: str) -> dict[str, Any] | None:
    """Give the newest document of a stage on a sound (or its sets, or one set), with the human's edits in it.

    Where the stage never ran, what people wrote or imported in its place stands alone.
    """
    found = latest_of(session, unit, stage)
    if found is None:
        body = overlay(session, unit, stage)
        return overlaid({}, body) or None if body else None
    document = overlaid(found.document, overlay(session, found.sound_id, stage))
    return _with_labels(session, found, document)


def _with_labels(session: Session, result: ResultRow, document: dict[str, Any]) -> dict[str, Any]:
    """Put people's labels in the place of a model's, if the document is one label an item, aligned with its sounds."""
    items = document.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) and "label" in item for item in items):
        return document
    ids = [result.sound_id]
    if result.set_id is not None:
        members = select(SetItemRow.sound_id).where(SetItemRow.set_id == result.set_id)
        ids = list(session.scalars(members.order_by(SetItemRow.position)))
    if len(ids) != len(items):
        return document
    given: dict[str, dict[str, float]] = defaultdict(dict)
    denied: dict[str, set[str]] = defaultdict(set)
    for part in chunks(ids):
        human = select(TagRow).where(TagRow.sound_id.in_(part), TagRow.source == "human", TagRow.role == "label")
        for tag in session.scalars(
            human.order_by(TagRow.created_at.desc(), TagRow.confidence.desc(), TagRow.label.desc())
        ):
            if tag.denied:
                denied[tag.sound_id].add(tag.label)
            else:
                given[tag.sound_id][tag.label] = tag.confidence
    if not given and not denied:
        return document
    return relabelled(document, [given[i] for i in ids], [denied[i] for i in ids])


def overlay(session: Session, sound_id: str, kind: str) -> dict[str, Any] | None:
    """Give the overlay of a kind as it was written, if there is one."""
    body = session.scalar(select(DocumentRow.body).where(DocumentRow.sound_id == sound_id, DocumentRow.kind == kind))
    return None if body is None else dict(body)


def set_overlay(session: Session, actor: str, sound_id: str, kind: str, body: Mapping[str, Any] | None) -> None:
    """Write, replace or (with None) remove an overlay."""
    sound = require(session, sound_id)
    if not kind or len(kind) > 64 or kind in {NAME, FIELDS, BY_HAND} or ":" in kind:
        raise ParameterError(f"an overlay's kind is the name of a stage, or 'facts', not {kind!r}")
    before = overlay(session, sound_id, kind)
    if body:
        check_overlay(body)
    wanted = clean_json(body) if body else None
    write_document(session, sound_id, kind, wanted)
    states = {"kind": kind, "body": before}, {"kind": kind, "body": wanted}
    note(session, actor, "overlay", sound_id, before=states[0], after=states[1])
    refresh_facts(session, [sound])


def rename(session: Session, actor: str, sound_id: str, name: str) -> None:
    """Give a sound another name, kept as an overlay so that it survives the sound's being made again."""
    require(session, sound_id)
    name = clean_text(name)
    if not name.strip():
        raise ParameterError("a name must not be empty")
    before = named(session, sound_id)
    put_name(session, sound_id, {"name": name, "given": True})
    note(session, actor, "rename", sound_id, before=before, after=named(session, sound_id))


def named(session: Session, sound_id: str) -> dict[str, Any]:
    """Give a sound's name and whether a person gave it, as the history keeps it."""
    given = session.get(DocumentRow, (sound_id, NAME)) is not None
    return {"name": require(session, sound_id).name, "given": given}


def put_name(session: Session, sound_id: str, state: Mapping[str, Any]) -> None:
    """Give a sound a name, as one that a person gave or as one that it was made with."""
    sound = require(session, sound_id)
    sound.name = state["name"]
    if state.get("given", True):
        write_document(session, sound_id, NAME, {"name": sound.name})
    else:
        write_document(session, sound_id, NAME, None)
    refresh_facts(session, [sound])


def write_document(session: Session, sound_id: str, kind: str, body: dict[str, Any] | None) -> None:
    """Write, replace or (with None) remove a document that a person made."""
    if body is not None:
        session.merge(DocumentRow(sound_id=sound_id, kind=kind, body=body, source="human", updated_at=utc_now()))
    elif (row := session.get(DocumentRow, (sound_id, kind))) is not None:
        session.delete(row)
    parent = session.scalar(select(SoundRow.parent_id).where(SoundRow.id == sound_id))
    if parent is not None:  # what is sung in a stem is also asked for of its song
        touch(session, [parent])
