"""From files that were looked at to rows: one durable write of the media, then one transaction, for a whole batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.addreport import AddLine
from audiolab.library.clock import utc_now
from audiolab.library.derived import chunks, refresh_facts, refresh_labels
from audiolab.library.embedded import embedded_label
from audiolab.library.foldertags import Matched, Rule
from audiolab.library.importtags import give_facts, give_tags, import_state
from audiolab.library.intake import Intake
from audiolab.library.models import SoundRow
from audiolab.library.ops import note, note_all
from audiolab.library.shelving import Shelf
from audiolab.library.sounds import Sound
from audiolab.library.stemnames import stem_name
from audiolab.library.taking import Look, discard
from audiolab.library.text import clean_text, shorten
from audiolab.library.trash import restore_rows

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["Keeper", "auto_kind", "display_name"]

_REMOVED = "it was deleted from the library meanwhile; add it again"
SAMPLE_SECONDS = 15.0
"""Shorter files are samples, unless the user says otherwise."""
_LOCKED_SECONDS = 2.0


@dataclass(slots=True)
class _Batch:
    """The rows that a batch needs, looked up all at once."""

    own: dict[str, SoundRow] = field(default_factory=dict)
    """By id: what was added."""
    same: dict[str, list[SoundRow]] = field(default_factory=lambda: defaultdict(list))
    """By content_id, the best first: also what was made."""
    bytes_: dict[str, SoundRow] = field(default_factory=dict)
    """By the hash of the file."""
    fresh: list[SoundRow] = field(default_factory=list)
    """Rows whose facts are to be computed."""
    tagged: list[str] = field(default_factory=list)
    added: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What the history says of new sounds."""
    words: list[tuple[SoundRow, str | None, tuple[str, ...]]] = field(default_factory=list)
    """Tags of new sounds, to be given once their rows are there."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Takes batches into a library.

    Attributes
    ----------
    kind : str
        As in `Library.add`.
    rule : Rule, optional
        What the names of folders say.
    shelf : Shelf, optional
        Where the files are noted.
    """

    library: Library
    kind: str = "auto"
    rule: Rule | None = None
    shelf: Shelf | None = None

    def keep(self, looks: Sequence[Look]) -> list[AddLine]:
        """Store what is new and write the rows, durably; only then are the lines given.

        Where that fails for a batch it is tried file by file, so that one that cannot be stored stops no other.
        """
        started = monotonic()
        try:
            try:
                return self._keep(looks)
            except CatalogError as error:
                # After a long wait for a locked database it would only be waited for again.
                if len(looks) == 1 or monotonic() - started > _LOCKED_SECONDS:
                    return [_failed(look, error) for look in looks]
            return [self._keep_one(look) for look in looks]
        finally:
            discard(looks)

    def _keep_one(self, look: Look) -> AddLine:
        try:
            return self._keep([look])[0]
        except CatalogError as error:
            return _failed(look, error)

    def _keep(self, looks: Sequence[Look]) -> list[AddLine]:
        with self.library.store.transaction(write=False) as session:
            before = _lookup(session, looks)
        wanted = [look.intake for look in looks if look.intake is not None and self._needs_file(before, look.intake)]
        stored = self._store(wanted)
        with self.library.store.transaction() as session:
            # Looked up again under the write lock: another process may have been faster.
            batch = _lookup(session, looks)
            lines = [self._one(session, batch, look, stored) for look in looks]
            session.flush()
            note_all(session, self.library.actor, "add", batch.added)
            for row, label, tags in batch.words:
                give_tags(session, row, label, tags)
                batch.tagged.append(row.id)
            refresh_facts(session, batch.fresh)
            refresh_labels(session, batch.tagged)
            return lines if self.shelf is None else self.shelf.put(session, looks, lines)

    def _needs_file(self, batch: _Batch, intake: Intake) -> bool:
        if not intake.copied:
            return False
        known = self._same_content(batch, intake.content_id)
        return known is None or not self.library.media.exists(known.media or "")

    def _store(self, intakes: Sequence[Intake]) -> set[str]:
        """Store the files, one of each content; give the hashes of what is stored now."""
        first = {intake.content_id: intake for intake in reversed(intakes)}
        self.library.media.put_all([(item.path, item.suffix, item.media) for item in first.values()])
        return {item.media for item in first.values()}

    def _same_content(self, batch: _Batch, content: str) -> SoundRow | None:
        """Find the same audio: as something that was added, else, unless a kind was asked for, as something made."""
        if (own := batch.own.get(content)) is not None:
            return own
        kinds = (row for row in batch.same[content] if self.kind in {"auto", row.kind})
        return next(kinds, None)

    def _one(self, session: Session, batch: _Batch, look: Look, stored: set[str]) -> AddLine:
        if look.seen is None:
            return AddLine(look.item.origin, "failed", look.why)
        known = batch.bytes_.get(look.seen.media) if look.intake is None else None
        if look.intake is not None:
            known = self._same_content(batch, look.intake.content_id)
        elif known is None:
            return AddLine(look.item.origin, "failed", _REMOVED)
        found = self.rule.match(look.item.within) if self.rule is not None else None
        if known is None:
            assert look.intake is not None
            if not self._stored(look.intake, stored):
                return AddLine(look.item.origin, "failed", _REMOVED)
            return self._add(session, batch, look, look.intake, found)
        if look.intake is not None and not self.library.media.exists(known.media or ""):
            # Its file was lost, or (where files are referred to) tagged anew; the same sound has come back.
            if not self._stored(look.intake, stored):
                return AddLine(look.item.origin, "failed", _REMOVED)
            columns = look.intake.columns()
            for name in ("suffix", "size", "format", "subtype", "embedded"):
                setattr(known, name, columns[name])
            known.media = look.intake.media
            batch.fresh.append(known)
        return self._existing(session, batch, look, known, found)

    def _stored(self, intake: Intake, stored: set[str]) -> bool:
        """Make sure, under the write lock, that the file is there: somebody may have purged the same one meanwhile."""
        if not intake.copied:
            return True
        if intake.media not in stored:
            stored |= self._store([intake])
        return self.library.media.exists(intake.media)

    def _add(self, session: Session, batch: _Batch, look: Look, intake: Intake, found: Matched | None) -> AddLine:
        kind = self.kind if self.kind != "auto" else auto_kind(intake)
        row = SoundRow(
            **intake.columns(),
            id=intake.content_id,
            kind=kind,
            name=(found.name if found else None) or display_name(intake.name),
            stem=stem_name(intake.name) if kind == "stem" else None,
            media=intake.media,
            added_at=utc_now(),
            facts={},
            current=True,
            # Said outright, so that computing them finds nothing to change where there is nothing.
            **dict.fromkeys(("bpm", "key", "rating", "favourite", "note")),
        )
        session.add(row)
        after: dict[str, Any] = {"kind": kind, "origin": intake.origin}
        label = found.label if found else None
        if label is None and kind == "sample":
            label = embedded_label(intake.tags)
        if found is not None:
            give_facts(row, found)
        tags = found.tags if found else ()
        if label is not None or tags:
            batch.words.append((row, label, tags))
            after |= {"label": label, "tags": list(tags)}
        batch.added.append((row.id, after))
        batch.own[row.id] = row
        batch.bytes_.setdefault(intake.media, row)
        batch.fresh.append(row)
        why = [*intake.notes, *self._misfit(found)]
        return AddLine(look.item.origin, "added", "; ".join(why), Sound(self.library, row))

    def _existing(self, session: Session, batch: _Batch, look: Look, row: SoundRow, found: Matched | None) -> AddLine:
        """Say that a sound is known; if it was in the trash or of another kind than asked for, change that."""
        library, why = self.library, [f"the same audio is here as {shorten(row.name)!r}"]
        if row.deleted_at is not None:
            session.flush()
            restore_rows(session, library.actor, [row.id])
            session.refresh(row)
            why.append("taken out of the trash")
        if self.kind not in {"auto", row.kind} and row.parent_id is None:
            note(session, library.actor, "kind", row.id, before={"kind": row.kind}, after={"kind": self.kind})
            why.append(f"now a {self.kind}, before a {row.kind}")
            row.kind = self.kind
            row.stem = stem_name(row.original_name or row.name) if self.kind == "stem" else None
        if found is not None:
            old = dict(row.made_facts)
            facts, words = give_facts(row, found), give_tags(session, row, found.label, found.tags)
            if facts or words:
                before = {name: old[name] for name in facts if name in old}
                note(session, library.actor, "import", row.id, before=before, after=import_state(facts, words))
                batch.tagged.append(row.id)
                batch.fresh.append(row)
                why.append("tagged by its folders")
        return AddLine(look.item.origin, "existing", "; ".join([*why, *self._misfit(found)]), Sound(library, row))

    def _misfit(self, found: Matched | None) -> list[str]:
        return [] if self.rule is None or found is not None else ["its path does not fit the rule"]


def _failed(look: Look, error: CatalogError) -> AddLine:
    return AddLine(look.item.origin, "failed", look.why or str(error))


def _lookup(session: Session, looks: Sequence[Look]) -> _Batch:
    batch = _Batch()
    contents = [look.intake.content_id for look in looks if look.intake is not None]
    hashes = [look.seen.media for look in looks if look.seen is not None and look.intake is None]
    for part in chunks(contents):
        batch.own.update({row.id: row for row in session.scalars(select(SoundRow).where(SoundRow.id.in_(part)))})
        same = select(SoundRow).where(SoundRow.content_id.in_(part), SoundRow.deleted_at.is_(None))
        for row in session.scalars(same.order_by(SoundRow.current.desc(), SoundRow.added_at, SoundRow.id)):
            batch.same[row.content_id or ""].append(row)
    for part in chunks(hashes):
        mine = select(SoundRow).where(SoundRow.media.in_(part), SoundRow.parent_id.is_(None))
        for row in session.scalars(mine.order_by(SoundRow.id)):
            batch.bytes_.setdefault(row.media or "", row)
    return batch


def auto_kind(intake: Intake) -> Literal["song", "sample"]:
    """Take short files, and those that a sample editor marked as loop or one-shot, for samples."""
    marked = intake.tags.loop is not None or intake.tags.one_shot is not None
    return "sample" if marked or intake.seconds < SAMPLE_SECONDS else "song"


def display_name(file_name: str) -> str:
    """Give the name of a sound: its file's without the suffix."""
    return clean_text(PurePath(file_name).stem.strip() or file_name)
