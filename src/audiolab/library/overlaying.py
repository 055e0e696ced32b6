"""Writing human edits: overlays and names; reading results with the edits in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.clock import utc_now
from audiolab.library.derived import latest_of, refresh_facts
from audiolab.library.models import DocumentRow, SoundRow
from audiolab.library.ops import note
from audiolab.library.overlays import check_overlay, overlaid
from audiolab.library.text import clean_json, clean_text

__all__ = ["effective", "overlay", "rename", "require", "set_overlay"]

NAME = "name"
"""Kind of the document that keeps a name given by a person."""


def require(session: Session, sound_id: str) -> SoundRow:
    """Give a row, or raise `CatalogError`."""
    row = session.get(SoundRow, sound_id)
    if row is None:
        raise CatalogError(f"the library has no sound {sound_id[:12]!r}")
    return row


def effective(session: Session, unit: str, stage: str) -> dict[str, Any] | None:
    """Give the newest document of a stage on a sound (or its sets, or one set), with the human's edits in it."""
    found = latest_of(session, unit, stage)
    if found is None:
        return None
    return overlaid(found.document, overlay(session, found.sound_id, stage))


def overlay(session: Session, sound_id: str, kind: str) -> dict[str, Any] | None:
    """Give the overlay of a kind as it was written, if there is one."""
    body = session.scalar(select(DocumentRow.body).where(DocumentRow.sound_id == sound_id, DocumentRow.kind == kind))
    return None if body is None else dict(body)


def set_overlay(session: Session, actor: str, sound_id: str, kind: str, body: Mapping[str, Any] | None) -> None:
    """Write, replace or (with None) remove an overlay."""
    sound = require(session, sound_id)
    if not kind or len(kind) > 64 or kind == NAME:
        raise ParameterError(f"an overlay's kind is the name of a stage, or 'facts', not {kind!r}")
    before = overlay(session, sound_id, kind)
    if body:
        check_overlay(body)
        _write(session, sound_id, kind, clean_json(body))
    elif before is not None:
        session.delete(session.get_one(DocumentRow, (sound_id, kind)))
    states = {"kind": kind, "body": before}, {"kind": kind, "body": body or None}
    note(session, actor, "overlay", sound_id, before=states[0], after=states[1])
    refresh_facts(session, [sound])


def rename(session: Session, actor: str, sound_id: str, name: str) -> None:
    """Give a sound another name, kept as an overlay so that it survives the sound's being made again."""
    sound = require(session, sound_id)
    name = clean_text(name)
    if not name.strip():
        raise ParameterError("a name must not be empty")
    before, sound.name = sound.name, name
    _write(session, sound_id, NAME, {"name": name})
    note(session, actor, "rename", sound_id, before={"name": before}, after={"name": name})
    refresh_facts(session, [sound])


def _write(session: Session, sound_id: str, kind: str, body: dict[str, Any]) -> None:
    session.merge(DocumentRow(sound_id=sound_id, kind=kind, body=body, source="human", updated_at=utc_now()))
