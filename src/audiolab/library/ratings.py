"""Ratings, favourites and notes: what a person thinks of a sound. They are one document, of the kind `fields`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import ParameterError
from audiolab.library.derived import chunks, refresh_facts
from audiolab.library.models import DocumentRow, SoundRow
from audiolab.library.ops import note
from audiolab.library.overlaying import FIELDS, overlay, require, write_document
from audiolab.library.text import clean_text

__all__ = ["NAMES", "fields_of", "put_fields", "set_fields"]

NAMES = ("rating", "favourite", "note")
_LONGEST = 100_000


def set_fields(session: Session, actor: str, sound_ids: Iterable[str], changes: Mapping[str, Any]) -> int:
    """Set fields of sounds; None takes one away.

    Parameters
    ----------
    changes : mapping
        Any of `rating` (1 to 5), `favourite` (true or false), `note` (text).

    Returns
    -------
    int
        Number of sounds that changed.

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """
    wanted = {name: _checked(name, value) for name, value in changes.items()}
    ids = list(dict.fromkeys(sound_ids))
    known: set[str] = set()
    bodies: dict[str, Mapping[str, Any]] = {}
    for part in chunks(ids):
        known.update(session.scalars(select(SoundRow.id).where(SoundRow.id.in_(part))))
        own = select(DocumentRow.sound_id, DocumentRow.body).where(
            DocumentRow.sound_id.in_(part), DocumentRow.kind == FIELDS
        )
        bodies.update(dict(session.execute(own).all()))
    changed = []
    for sound_id in ids:
        if sound_id not in known:
            require(session, sound_id)
        before = {name: bodies.get(sound_id, {}).get(name) for name in wanted}
        if before != wanted:
            changed.append(sound_id)
            note(session, actor, "fields", sound_id, before=before, after=wanted)
    put_fields(session, changed, wanted)
    return len(changed)


def fields_of(session: Session, sound_id: str, names: Iterable[str]) -> dict[str, Any]:
    """Give some fields of a sound; None for those that nobody has set."""
    body = overlay(session, sound_id, FIELDS) or {}
    return {name: body.get(name) for name in names}


def put_fields(session: Session, sound_ids: Iterable[str], changes: Mapping[str, Any]) -> None:
    """Write fields of sounds without a word in the history."""
    ids = list(sound_ids)
    for sound_id in ids:
        body = {**(overlay(session, sound_id, FIELDS) or {}), **changes}
        body = {name: value for name, value in body.items() if value is not None}
        write_document(session, sound_id, FIELDS, body or None)
    for part in chunks(ids):
        refresh_facts(session, session.scalars(select(SoundRow).where(SoundRow.id.in_(part))))


def _checked(name: str, value: Any) -> Any:
    if name == "rating":
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5):
            raise ParameterError(f"a rating is a whole number from 1 to 5, or None, not {value!r}")
        return value
    if name == "favourite":
        if not isinstance(value, bool) and value is not None:
            raise ParameterError(f"a favourite is True or False, not {value!r}")
        return value or None
    if name == "note":
        text = clean_text(value).strip() if isinstance(value, str) else value
        if text is not None and not isinstance(text, str):
            raise ParameterError(f"a note is text, not {value!r}")
        if text and len(text) > _LONGEST:
            raise ParameterError(f"a note has at most {_LONGEST} signs, not {len(text)}")
        return text or None
    raise ParameterError(f"a sound has no field {name!r}; there are rating, favourite and note")
