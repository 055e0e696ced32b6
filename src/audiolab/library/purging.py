"""Emptying the trash: rows, records and files are removed for good, as far as nothing else needs them.

The catalog goes first, then the records, then the files. What is still to be removed is written down together with the
rows that go; a process killed in between leaves it to whoever opens the library next.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks, refresh_current, refresh_facts
from audiolab.library.models import (
    CollectionItemRow,
    DocumentRow,
    FileRow,
    MetaRow,
    ResultRow,
    SetItemRow,
    SetRow,
    SoundRow,
    TagRow,
    VectorRow,
)
from audiolab.library.ops import note
from audiolab.library.store import touch
from audiolab.library.vectors import mark_written

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["PurgeReport", "finish_purges", "purge", "purged_records"]

_TODO = "purging "
"""How the keys of what is still to be removed begin."""

HAS_CHILDREN = "something made from it is not in the trash, or not long enough"
_FILES = 5000
"""Files removed under one write lock."""
NOT_ALONE = "others that were made with it are not in the trash, or not long enough"


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What went for good, or would go, and what stays in the trash and why.

    Attributes
    ----------
    sounds : tuple of str
        Ids of the rows removed.
    results, media : int
        Number of results (with their records) and of files.
    bytes : int
        Size of these files.
    kept : mapping
        Ids of sounds that are needed, and what for.
    """

    sounds: tuple[str, ...] = ()
    results: int = 0
    media: int = 0
    bytes: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    dry_run: bool = False

    def __str__(self) -> str:
        verb = "would go" if self.dry_run else "gone"
        text = (
            f"{verb}: {len(self.sounds)} sounds, {self.results} results, {self.media} files ({self.bytes / 1e6:.1f} MB)"
        )
        return text + (f"; {len(self.kept)} sounds stay in the trash" if self.kept else "")


def purge(library: Library, *, older_than: timedelta | float | None = None, dry_run: bool = False) -> PurgeReport:
    """Remove for good what is in the trash.

    Parameters
    ----------
    older_than : timedelta or float, optional
        Only what has been there for so long; a number counts days.
    dry_run : bool
        Only say what would go.
    """
    age = timedelta(days=older_than) if isinstance(older_than, (int, float)) else older_than or timedelta(0)
    if age < timedelta(0):
        raise ParameterError(f"older_than must not be negative, not {older_than}")
    with library.store.transaction(write=not dry_run) as session:
        sounds, kept = _chosen(session, None if older_than is None else utc_now() - age)
        results = _results_of(session, sounds)
        media = _media_of(session, sounds, results)
        roots = _roots(session, sounds)
        if not dry_run and sounds:
            _remove_rows(session, sounds, results)
            after = {"sounds": len(sounds), "results": len(results), "names": roots}
            note(session, library.actor, "purge", "trash", after=after)
        unused = media - _used(session, media, sounds if dry_run else set(), results if dry_run else set())
        if not dry_run and sounds:
            todo = MetaRow(
                key=f"{_TODO}{secrets.token_hex(8)}", value={"records": sorted(results), "media": sorted(unused)}
            )
            session.add(todo)
    sizes = {file.hash: file.size for file in library.media.files() if file.hash in unused} if unused else {}
    report = PurgeReport(tuple(sorted(sounds)), len(results), len(sizes), sum(sizes.values()), kept, dry_run)
    if not dry_run and sounds:
        _remove_files(library, todo)
    return report


def finish_purges(library: Library) -> None:
    """Remove what purges that were killed have left; records that cannot be removed are named in the warnings."""
    with library.store.transaction(write=False) as session:
        left = session.scalars(select(MetaRow).where(MetaRow.key.startswith(_TODO))).all()
    for todo in left:
        try:
            _remove_files(library, todo)
        except (OSError, CatalogError) as error:
            library.warnings.append(f"what was purged cannot be removed: {error}")


def purged_records(session: Session) -> set[str]:
    """Give the keys of records that are about to be removed: what they say must not come back."""
    left = session.scalars(select(MetaRow).where(MetaRow.key.startswith(_TODO)))
    return {str(key) for todo in left for key in todo.value["records"]}


# ---- what may go -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trashed:
    parent: str | None
    song: str | None
    key: str | None
    view: bool


def _chosen(session: Session, before: datetime | None) -> tuple[set[str], dict[str, str]]:
    """Choose the sounds in the trash that nothing outside of it needs; say why the others stay."""
    gone = SoundRow.deleted_at.is_not(None) if before is None else SoundRow.deleted_at <= before
    columns = (SoundRow.id, SoundRow.parent_id, SoundRow.song_id, SoundRow.result_key, SoundRow.start)
    rows = {
        row.id: _Trashed(row.parent_id, row.song_id, row.result_key, row.start is not None)
        for row in session.execute(select(*columns).where(gone))
    }
    chosen, kept = set(rows), dict[str, str]()
    groups = list(_groups(session, rows))
    above: set[str] = set()
    for part in chunks(rows):
        related = or_(SoundRow.parent_id.in_(part), SoundRow.song_id.in_(part))
        for found in session.execute(select(SoundRow.id, SoundRow.parent_id, SoundRow.song_id).where(related)):
            if found.id not in rows:
                above.update({found.parent_id, found.song_id} & chosen)
    todo = {sound_id: HAS_CHILDREN for sound_id in above if sound_id is not None}
    while True:
        chosen -= todo.keys()
        kept |= todo
        todo = {
            above_id: HAS_CHILDREN
            for sound_id in todo
            for above_id in (rows[sound_id].parent, rows[sound_id].song)
            if above_id is not None and above_id in chosen
        }
        for parent, members in groups:
            # What one job made of a sound that stays goes as a whole: its results are aligned with it.
            if parent not in chosen and not members <= chosen:
                todo |= dict.fromkeys(members & chosen, NOT_ALONE)
        if not todo:
            break
    return chosen, kept


def _groups(session: Session, rows: dict[str, _Trashed]) -> Iterator[tuple[str | None, frozenset[str]]]:
    """Give what each job made or cut, where any of it is in the trash, with the sound that it worked on."""
    made: defaultdict[str, set[str]] = defaultdict(set)
    parents: dict[str, str | None] = {}
    for row in rows.values():
        if row.key is not None and not row.view:
            parents[row.key] = row.parent
    for part in chunks(parents):
        siblings = select(SoundRow.result_key, SoundRow.id).where(
            SoundRow.result_key.in_(part), SoundRow.start.is_(None)
        )
        for key, sound_id in session.execute(siblings):
            made[str(key)].add(sound_id)
    for key, members in made.items():
        yield parents[key], frozenset(members)
    sets: dict[str, str] = {}
    for part in chunks(sound_id for sound_id, row in rows.items() if row.view):
        of = select(SetRow.id, SetRow.parent_id).join(SetItemRow).where(SetItemRow.sound_id.in_(part)).distinct()
        sets.update(session.execute(of).all())
    cut: defaultdict[str, set[str]] = defaultdict(set)
    for part in chunks(sets):
        items = select(SetItemRow.set_id, SetItemRow.sound_id).where(SetItemRow.set_id.in_(part))
        for found_id, sound_id in session.execute(items):
            cut[found_id].add(sound_id)
    for found_id, members in cut.items():
        yield sets[found_id], frozenset(members)


def _results_of(session: Session, sounds: set[str]) -> set[str]:
    """Give the results that go: those on the sounds, and those of which nothing is left."""
    keys: set[str] = set()
    for part in chunks(sounds):
        keys.update(session.scalars(select(ResultRow.key).where(ResultRow.sound_id.in_(part))))
        made = select(SoundRow.result_key).where(SoundRow.id.in_(part), SoundRow.start.is_(None))
        keys.update(key for key in session.scalars(made) if key is not None)
    emptied: set[str] = set()
    for part in chunks(sounds):
        of = select(SetRow.id, SetRow.result_key).join(SetItemRow).where(SetItemRow.sound_id.in_(part)).distinct()
        for found_id, key in session.execute(of):
            emptied.add(found_id)
            keys.add(key)
    for part in chunks(emptied):
        keys.update(session.scalars(select(ResultRow.key).where(ResultRow.set_id.in_(part))))
    known: set[str] = set()
    for part in chunks(keys):
        known.update(session.scalars(select(ResultRow.key).where(ResultRow.key.in_(part))))
    return known


def _media_of(session: Session, sounds: set[str], results: set[str]) -> set[str]:
    media: set[str] = set()
    for part in chunks(sounds):
        media.update(found for found in session.scalars(select(SoundRow.media).where(SoundRow.id.in_(part))) if found)
    for part in chunks(results):
        for hashes in session.scalars(select(ResultRow.media).where(ResultRow.key.in_(part))):
            media.update(map(str, hashes))
    return media


def _used(session: Session, media: set[str], sounds: set[str], results: set[str]) -> set[str]:
    """Give those of some files that a sound, a result or a file in a folder names, `sounds` and `results` aside."""
    used: set[str] = set()
    for part in chunks(media):
        rows = session.execute(select(SoundRow.media, SoundRow.id).where(SoundRow.media.in_(part)))
        used.update(str(found) for found, sound_id in rows if sound_id not in sounds)
    if media - used:
        # Files of results are not indexed; one look at all of them.
        for key, hashes in session.execute(select(ResultRow.key, ResultRow.media)):
            if key not in results:
                used.update(media.intersection(map(str, hashes)))
    return used


def _roots(session: Session, sounds: set[str]) -> list[str]:
    """Give the names of the sounds that were not made from others that go."""
    names: list[str] = []
    for part in chunks(sounds):
        rows = session.execute(select(SoundRow.name, SoundRow.parent_id).where(SoundRow.id.in_(part)))
        names += [name for name, parent in rows if parent not in sounds]
    return sorted(names)[:100]


# ---- removing --------------------------------------------------------------------------------------


def _remove_rows(session: Session, sounds: set[str], results: set[str]) -> None:
    parents: set[str] = set()
    for part in chunks(sounds):
        above = session.scalars(select(SoundRow.parent_id).where(SoundRow.id.in_(part)))
        parents.update(found for found in above if found is not None and found not in sounds)
    for part in chunks(results):
        dead = select(SetRow.id).where(SetRow.result_key.in_(part))
        session.execute(delete(SetItemRow).where(SetItemRow.set_id.in_(dead)))
        session.execute(delete(SetRow).where(SetRow.result_key.in_(part)))
        session.execute(update(TagRow).where(TagRow.result_key.in_(part)).values(result_key=None))
    for part in chunks(sounds):
        for row in (CollectionItemRow, SetItemRow, TagRow, DocumentRow, VectorRow):
            session.execute(delete(row).where(row.sound_id.in_(part)))
        session.execute(update(FileRow).where(FileRow.sound_id.in_(part)).values(sound_id=None, status="purged"))
        session.execute(update(SoundRow).where(SoundRow.id.in_(part)).values(parent_id=None, song_id=None))
    for part in chunks(results):
        session.execute(delete(ResultRow).where(ResultRow.key.in_(part)))
    for part in chunks(sounds):
        session.execute(delete(SoundRow).where(SoundRow.id.in_(part)))  # its card goes with it
    session.expire_all()
    mark_written(session, "purge")
    for part in chunks(parents):
        refresh_facts(session, session.scalars(select(SoundRow).where(SoundRow.id.in_(part))).all())
    for parent in sorted(parents):
        refresh_current(session, parent)
    touch(session, parents)


def _remove_files(library: Library, todo: MetaRow) -> None:
    for key in todo.value["records"]:
        library.remove_record(key)
    _remove_media(library, todo.value["media"])
    with library.store.transaction() as session:
        session.execute(delete(MetaRow).where(MetaRow.key == todo.key))


def _remove_media(library: Library, hashes: Iterable[str]) -> None:
    """Remove files, under the write lock: nobody can begin to use one between the last look and its removal."""
    listed = list(hashes)
    for at in range(0, len(listed), _FILES):
        part = set(listed[at : at + _FILES])
        with library.store.transaction() as session:
            for media in part - _used(session, part, set(), set()):
                library.media.remove(media)
