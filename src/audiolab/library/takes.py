"""Takes as the catalog keeps them: facts of each sample, found by a program, over which a person's choice lies.

`take` is `best` or `other`, `take_group` names the drum (`kick 1`), `take_number` counts its takes, the best one
first, and `take_quality` says how clean it is. A person's choice is a correction of the kind `facts`, so it has a
history, can be taken back, and stays when takes are found anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.clock import utc_now
from audiolab.library.derived import FACTS_OF, chunks, refresh_facts
from audiolab.library.models import DocumentRow, SoundRow
from audiolab.library.overlaying import overlay, set_overlay

if TYPE_CHECKING:
    from audiolab.library.lists import SoundList
    from audiolab.library.sounds import Sound

__all__ = ["choose_take", "chosen_takes", "takes_of", "write_takes"]

_KIND = f"{FACTS_OF}takes"
_CHOICE = "facts"


def write_takes(session: Session, among: Iterable[str], found: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace what was found about the takes among some samples."""
    ids = list(among)
    for part in chunks(ids):
        session.execute(delete(DocumentRow).where(DocumentRow.sound_id.in_(part), DocumentRow.kind == _KIND))
    session.expire_all()
    now = utc_now()
    session.add_all(
        DocumentRow(sound_id=sound_id, kind=_KIND, body=dict(body), source="model", updated_at=now)
        for sound_id, body in found.items()
    )
    session.flush()
    for part in chunks(ids):
        refresh_facts(session, session.scalars(select(SoundRow).where(SoundRow.id.in_(part))).all())


def chosen_takes(session: Session, among: Iterable[str]) -> dict[str, str]:
    """Give what people said of takes: `best` or `other` by id."""
    found: dict[str, str] = {}
    for part in chunks(among):
        rows = select(DocumentRow.sound_id, DocumentRow.body).where(
            DocumentRow.sound_id.in_(part), DocumentRow.kind == _CHOICE
        )
        found.update({i: body["take"] for i, body in session.execute(rows) if body.get("take") in {"best", "other"}})
    return found


def choose_take(session: Session, actor: str, sound_id: str) -> None:
    """Let a sample be the best take of its drum, by a person's choice; it and the one before change places."""
    row = session.get(SoundRow, sound_id)
    group = None if row is None else row.facts.get("take_group")
    if row is None or group is None:
        name = sound_id[:12] if row is None else row.name
        raise CatalogError(f"{name!r} is no take of a drum; find the takes of its song first (audiolab takes SONG)")
    if row.facts.get("take") == "best":
        return
    number = row.facts.get("take_number")
    family = SoundRow.song_id == row.song_id if row.song_id else SoundRow.parent_id == row.parent_id
    for mate in session.scalars(select(SoundRow).where(family, SoundRow.kind == "sample")).all():
        if mate.id != sound_id and mate.facts.get("take_group") == group and mate.facts.get("take") == "best":
            _say(session, actor, mate.id, {"take": "other", "take_number": number})
    _say(session, actor, sound_id, {"take": "best", "take_number": 1})


def _say(session: Session, actor: str, sound_id: str, words: Mapping[str, Any]) -> None:
    set_overlay(session, actor, sound_id, _CHOICE, {**(overlay(session, sound_id, _CHOICE) or {}), **words})


def takes_of(song: Sound) -> dict[str, SoundList]:
    """Give the takes of each drum of a song that were found, the best one first."""
    from audiolab.library.lists import SoundList

    groups: dict[str, list[SoundRow]] = defaultdict(list)
    with song.library.store.transaction(write=False) as session:
        family = SoundRow.song_id == song.id if song.kind == "song" else SoundRow.parent_id == song.id
        rows = select(SoundRow).where(family, SoundRow.kind == "sample", SoundRow.deleted_at.is_(None))
        for row in session.scalars(rows):
            if isinstance(group := row.facts.get("take_group"), str):
                groups[group].append(row)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return {
        name: SoundList(
            song.library,
            sorted(rows, key=lambda row: (row.facts.get("take") != "best", row.facts.get("take_number", 0), row.id)),
            f"takes of {name}",
        )
        for name, rows in ordered
    }
