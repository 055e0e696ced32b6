"""The ways back: how each kind of change in the history is taken back, and when it is refused.

Before a change is gone, what is there is compared with what it left; what the history did not keep is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.clock import utc_now
from audiolab.library.collecting import PREFIX, collection_row, collection_state, put_collection
from audiolab.library.collections import rename_collection
from audiolab.library.derived import BY_HAND, refresh_current, refresh_facts, refresh_labels
from audiolab.library.models import FolderRow, SoundRow, SynonymRow, TagRow
from audiolab.library.ops import Op, note
from audiolab.library.overlaying import named, overlay, put_name, write_document
from audiolab.library.ratings import fields_of, put_fields
from audiolab.library.rechoosing import RETAG, newest_key
from audiolab.library.stemnames import stem_name
from audiolab.library.store import touch
from audiolab.library.tags import human_tag, put_human_tag
from audiolab.library.text import clean_json, shorten
from audiolab.library.trash import bury, restore_rows

__all__ = ["CHOOSE", "take_back"]

CHOOSE = "choose result"
"""Under this name the session holds a function that lets a result count again, given the session and its key."""
State: TypeAlias = Mapping[str, Any] | None


def take_back(session: Session, actor: str, op: Op) -> None:
    """Take one change back, or refuse with a CatalogError that says why."""
    way = _COLLECTION_WAYS.get(op.what) if op.target.startswith(PREFIX) else _WAYS.get(op.what)
    if way is None:
        raise CatalogError(f"{op.what!r} of {shorten(op.target, 24)!r} cannot be taken back")
    way(session, actor, op)


def _refuse(op: Op, why: str) -> CatalogError:
    what = f"{op.what} of {shorten(op.target, 24)!r} at {op.at:%Y-%m-%d %H:%M:%S} UTC"
    return CatalogError(f"{what} cannot be taken back: {why}; nothing was changed")


def _compare(op: Op, now: State) -> None:
    """Refuse if what is there is not what the change left; keys that the history did not keep are not compared."""
    left = op.after
    same = (now is None) == (left is None)
    if same and now is not None and left is not None:
        found = clean_json(now)
        same = all(found.get(name) == value for name, value in left.items())
    if not same:
        raise _refuse(op, "it has been changed since")


def _sound(session: Session, op: Op) -> SoundRow:
    row = session.get(SoundRow, op.target)
    if row is None:
        raise _refuse(op, "the sound was removed for good")
    return row


def _note_swapped(session: Session, actor: str, op: Op) -> None:
    note(session, actor, op.what, op.target, before=op.after, after=op.before)


def _back_from_add(session: Session, actor: str, op: Op) -> None:
    if _sound(session, op).deleted_at is not None:
        raise _refuse(op, "the sound is in the trash")
    bury(session, actor, op.target)


def _back_from_delete(session: Session, actor: str, op: Op) -> None:
    at = _sound(session, op).deleted_at
    _compare(op, None if op.after is None else {"deleted": None if at is None else at.isoformat()})
    if at is None:
        raise _refuse(op, "the sound is no longer in the trash")
    restore_rows(session, actor, [op.target])


def _back_from_restore(session: Session, actor: str, op: Op) -> None:
    if _sound(session, op).deleted_at is not None:
        raise _refuse(op, "the sound is in the trash again")
    before = op.before or {}
    at = datetime.fromisoformat(before["deleted"]) if before.get("deleted") else None
    bury(session, actor, op.target, at=at, spared=frozenset(before.get("alive", ())))


def _back_from_tag(session: Session, actor: str, op: Op) -> None:
    _sound(session, op)
    states = [None if state is None or "role" not in state else state for state in (op.before, op.after)]
    label = next(state["label"] for state in (op.before, op.after) if state is not None)
    now = human_tag(session, op.target, label)
    if (now is None) != (states[1] is None):
        raise _refuse(op, "it has been changed since")
    if now is not None:
        _compare(op, now)
    put_human_tag(session, op.target, label, states[0])
    note(session, actor, op.what, op.target, before=op.after or {"label": label}, after=op.before or {"label": label})
    refresh_labels(session, [op.target])


def _back_from_annotate(session: Session, actor: str, op: Op) -> None:
    """Take an imported word away, or bring it back."""
    _sound(session, op)
    state = op.after or op.before or {}
    row = session.get(TagRow, (op.target, "import", "", state["label"]))
    _compare(op, None if row is None else {"label": row.label, "role": row.role, "confidence": row.confidence})
    if row is not None:
        session.delete(row)
    if op.before is not None:
        session.merge(TagRow(sound_id=op.target, source="import", stage="", created_at=op.at, **op.before))
    _note_swapped(session, actor, op)
    refresh_labels(session, [op.target])


def _back_from_rename(session: Session, actor: str, op: Op) -> None:
    _sound(session, op)
    _compare(op, named(session, op.target))
    put_name(session, op.target, op.before or {})
    _note_swapped(session, actor, op)


def _back_from_import(session: Session, actor: str, op: Op) -> None:
    """Take back what a rule read from the names of folders: facts, and tags of the source `import`."""
    sound, before, after = _sound(session, op), dict(op.before or {}), dict(op.after or {})
    words = [_import_words(state) for state in (before, after)]
    there = {row.label: row.role for row in session.scalars(_import_tags(op.target))}
    facts = dict(sound.made_facts)
    names = [name for name in {**before, **after} if name not in {"label", "tags"}]
    if words[1].items() - there.items() or any(facts.get(name) != after.get(name) for name in names):
        raise _refuse(op, "it has been changed since")
    for name in names:
        facts.pop(name, None)
    sound.made_facts = facts | {name: before[name] for name in names if name in before}
    session.execute(delete(TagRow).where(_of_import(op.target), TagRow.label.in_(words[1])))
    session.add_all(
        TagRow(sound_id=op.target, source="import", stage="", label=word, role=role, created_at=utc_now())
        for word, role in words[0].items()
    )
    refresh_facts(session, [sound])
    refresh_labels(session, [op.target])
    touch(session, [op.target])
    _note_swapped(session, actor, op)


def _import_words(state: Mapping[str, Any]) -> dict[str, str]:
    label = state.get("label")
    return dict.fromkeys(state.get("tags", ()), "tag") | ({label: "label"} if label else {})


def _import_tags(sound_id: str) -> Select[TagRow]:
    return select(TagRow).where(_of_import(sound_id))


def _of_import(sound_id: str) -> ColumnElement[bool]:
    return (TagRow.sound_id == sound_id) & (TagRow.source == "import")


def _back_from_overlay(session: Session, actor: str, op: Op) -> None:
    sound, before = _sound(session, op), op.before or {}
    kind = before["kind"]
    _compare(op, {"kind": kind, "body": overlay(session, op.target, kind)})
    write_document(session, op.target, kind, before["body"])
    refresh_facts(session, [sound])
    _note_swapped(session, actor, op)


def _back_from_cut(session: Session, actor: str, op: Op) -> None:
    """Let a slice be a run's again, or one by hand."""
    sound = _sound(session, op)
    _compare(op, {"body": overlay(session, op.target, BY_HAND)})
    write_document(session, op.target, BY_HAND, (op.before or {})["body"])
    refresh_facts(session, [sound])
    if sound.parent_id is not None:
        refresh_current(session, sound.parent_id)
    _note_swapped(session, actor, op)


def _back_from_fields(session: Session, actor: str, op: Op) -> None:
    _sound(session, op)
    before = op.before or {}
    _compare(op, fields_of(session, op.target, before))
    put_fields(session, [op.target], before)
    _note_swapped(session, actor, op)


def _back_from_kind(session: Session, actor: str, op: Op) -> None:
    sound = _sound(session, op)
    _compare(op, {"kind": sound.kind})
    sound.kind = (op.before or {})["kind"]
    sound.stem = stem_name(sound.original_name or sound.name) if sound.kind == "stem" else None
    _note_swapped(session, actor, op)


def _back_from_synonym(session: Session, actor: str, op: Op) -> None:
    word = op.target.removeprefix("synonym:")
    row = session.get(SynonymRow, word)
    _compare(op, None if row is None else {"word": word, "means": row.means})
    if op.before is None:
        session.delete(row)
    else:
        session.merge(SynonymRow(word=word, means=op.before["means"]))
    _note_swapped(session, actor, op)


def _back_from_folder(session: Session, actor: str, op: Op) -> None:
    row = session.get(FolderRow, op.target.removeprefix("folder:"))
    columns = FolderRow.__table__.columns.keys()
    now = None if row is None else {name: _plain(getattr(row, name)) for name in columns}
    _compare(op, now)
    if op.before is None:
        session.delete(row)
    else:
        values = {name: value for name, value in op.before.items() if name in columns}
        added_at = datetime.fromisoformat(values["added_at"]) if "added_at" in values else op.at
        session.merge(FolderRow(**{"name": op.target.removeprefix("folder:"), **values, "added_at": added_at}))
    _note_swapped(session, actor, op)


def _back_from_watch(session: Session, actor: str, op: Op) -> None:
    row = session.get(FolderRow, op.target.removeprefix("folder:"))
    if row is None:
        raise _refuse(op, "the library no longer knows this folder")
    after = op.after or {"watched": False}
    _compare(replace(op, after=after), {name: getattr(row, name) for name in after})
    before = op.before or {"watched": False}
    for name, value in before.items():
        setattr(row, name, value)
    _note_swapped(session, actor, replace(op, before=before, after=after))


def _back_from_retag(session: Session, actor: str, op: Op) -> None:
    """Let the results count again that counted before."""
    _sound(session, op)
    before, after = (op.before or {})["key"], (op.after or {})["key"]
    if newest_key(session, after) != after:
        raise _refuse(op, "it has been classified anew since")
    if newest_key(session, before) is None:
        raise _refuse(op, "the result that counted before was removed for good")
    session.info[CHOOSE](session, before)
    _note_swapped(session, actor, op)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _back_from_items(session: Session, actor: str, op: Op) -> None:
    name = op.target.removeprefix(PREFIX)
    before, after = _whole(op, op.before), _whole(op, op.after)
    now = clean_json(collection_state(session, name, after.get("sounds", ())))
    if any(now.get(key) != value for key, value in after.items() if key != "made"):
        raise _refuse(op, "it has been changed since")
    try:
        put_collection(session, name, before)
    except CatalogError as error:
        raise _refuse(op, str(error)) from error
    note(session, actor, op.what, op.target, before=after, after=before)


def _whole(op: Op, state: State) -> dict[str, Any]:
    """Give a state of a collection as it is written today; older histories kept less."""
    if state is not None and "exists" in state:
        return dict(state)
    if op.what == "save":
        return {"exists": state is not None, "query": (state or {}).get("query"), "sounds": [], "positions": []}
    other = op.after if state is None else op.before
    given = dict(state or {})
    sounds = given.get("sounds") or (other or {}).get("sounds", [])
    if state is None:
        positions: list[int | None] = [None] * len(sounds)
    else:
        first = given.get("position", 0)
        positions = given.get("positions") or list(range(first, first + len(sounds)))
    # What was collected first made the collection.
    exists = state is not None or (op.what != "delete" and bool((other or {}).get("position")))
    if state is None and op.what == "uncollect":
        exists = True
    query = {"query": given["query"]} if given.get("query") else {}
    return {"exists": exists, "sounds": sounds, "positions": positions, **query}


def _back_from_naming(session: Session, actor: str, op: Op) -> None:
    old, new = (op.before or {})["name"], (op.after or {})["name"]
    if collection_row(session, new) is None:
        raise _refuse(op, f"there is no collection {shorten(new)!r}")
    if collection_row(session, old) is not None:
        raise _refuse(op, f"there is another collection {shorten(old)!r}")
    rename_collection(session, actor, new, old)


_WAYS: dict[str, Callable[[Session, str, Op], None]] = {
    "add": _back_from_add,
    "delete": _back_from_delete,
    "restore": _back_from_restore,
    "tag": _back_from_tag,
    "untag": _back_from_tag,
    "annotate": _back_from_annotate,
    "rename": _back_from_rename,
    "import": _back_from_import,
    "overlay": _back_from_overlay,
    BY_HAND: _back_from_cut,
    "fields": _back_from_fields,
    "kind": _back_from_kind,
    "synonym": _back_from_synonym,
    "folder": _back_from_folder,
    "watch": _back_from_watch,
    "unwatch": _back_from_watch,
    RETAG: _back_from_retag,
}
_COLLECTION_WAYS: dict[str, Callable[[Session, str, Op], None]] = {
    "collect": _back_from_items,
    "uncollect": _back_from_items,
    "order": _back_from_items,
    "save": _back_from_items,
    "delete": _back_from_items,
    "rename": _back_from_naming,
}
