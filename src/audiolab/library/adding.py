"""Adding files: copied into the store byte for byte, checked by decoding, recognised by content.

The file itself is only ever read. Its copy is decoded to the end before anything is stored; the row comes last,
so a process killed in between leaves at most a media file without a row, which `fsck` names.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.audio import open_source
from audiolab.audio.content import content_id
from audiolab.audio.tags import Tags, read_tags
from audiolab.errors import AudioError, AudiolabError, CatalogError, ParameterError
from audiolab.library.addreport import AddLine, AddReport
from audiolab.library.clock import utc_now
from audiolab.library.derived import refresh_facts
from audiolab.library.finding import Candidate, Refusal, candidates
from audiolab.library.media import clean_suffix, copy_and_hash, hash_file
from audiolab.library.models import SoundRow
from audiolab.library.ops import note
from audiolab.library.scratch import scratch_folder
from audiolab.library.sounds import Sound
from audiolab.library.stemnames import stem_name
from audiolab.library.text import clean_json, clean_text, shorten
from audiolab.library.trash import restore_rows

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["Intake", "Kind", "Progress", "add_paths", "take_in"]

Kind: TypeAlias = Literal["auto", "song", "stem", "sample"]
KINDS = ("auto", "song", "stem", "sample")
SAMPLE_SECONDS = 15.0
"""Shorter files are samples, unless the user says otherwise."""


class Progress(Protocol):
    """Called as files are done; may raise `Cancelled`, which passes through."""

    def __call__(self, done: float, total: float) -> None:
        """Say that `done` of `total` files are done."""


@dataclass(frozen=True, slots=True)
class Intake:
    """A file that was copied to scratch, decoded and found good."""

    path: Path
    """The copy; the caller stores it."""
    name: str
    origin: str
    suffix: str
    size: int
    content_id: str
    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str
    tags: Tags
    notes: tuple[str, ...] = field(default=())

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.sample_rate

    def columns(self) -> dict[str, Any]:
        """Give the columns of a row that come from the file."""
        facts = {
            name: value for name in ("loop", "one_shot", "root_note") if (value := getattr(self.tags, name)) is not None
        }
        if self.notes:
            facts["import_notes"] = list(self.notes)
        return {
            "content_id": self.content_id,
            "suffix": self.suffix,
            "size": self.size,
            "format": self.format,
            "subtype": self.subtype,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "frames": self.frames,
            "duration": self.seconds,
            "original_name": self.name,
            "origin": self.origin,
            "embedded": clean_json(self.tags.to_dict()) or None,
            "made_facts": facts,
        }


def add_paths(library: Library, paths: Iterable[str | Path], kind: Kind, progress: Progress | None) -> AddReport:
    """Add files, folders and zips; one bad file never stops the others."""
    if kind not in KINDS:
        raise ParameterError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    found: list[Candidate | Refusal] = []
    for path in paths:
        if not str(path):
            raise ParameterError("a path is empty; '.' is the current folder")
        found += candidates(Path(path).expanduser())
    report = AddReport()
    total = sum(isinstance(item, Candidate) for item in found)
    done = 0
    with scratch_folder(library.tmp_dir, "add") as folder:
        for item in found:
            if isinstance(item, Refusal):
                report.lines.append(AddLine(item.origin, "failed" if item.failed else "skipped", item.why))
                continue
            report.lines.append(_add_one(library, item, kind, folder))
            done += 1
            if progress is not None:
                progress(done, total)
    return report


def take_in(path: Path, name: str, origin: str, folder: Path) -> Intake:
    """Copy a file to scratch and decode the copy to its end.

    Raises
    ------
    AudioError
        If it is not audio, empty, cut off or damaged; the message names it.
    CatalogError
        If the disk is full.
    """
    suffix = clean_suffix(path.suffix)
    open_source(path)  # before anything is copied: most bad files show here, under their own names
    copy = folder / f"take{suffix}"
    copy.unlink(missing_ok=True)
    try:
        copy_and_hash(path, copy)
    except OSError as error:
        copy.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        hint = "; the disk is full" if free < (1 << 20) else ""
        raise CatalogError(f"{shorten(name)!r} cannot be copied: {error.strerror or error}{hint}") from error
    try:
        source: Any = open_source(copy)
        content = content_id(source)
        tags = read_tags(copy)
    except AudioError as error:
        copy.unlink(missing_ok=True)
        raise AudioError(str(error).replace(repr(copy.name), repr(name))) from error
    return Intake(
        path=copy,
        name=name,
        origin=origin,
        suffix=suffix,
        size=copy.stat().st_size,
        content_id=content,
        sample_rate=source.sample_rate,
        channels=source.channels,
        frames=source.frames,
        format=source.format,
        subtype=source.subtype,
        tags=tags,
        notes=tuple(source.notes),
    )


def _add_one(library: Library, item: Candidate, kind: Kind, folder: Path) -> AddLine:
    try:
        with item.open(folder) as path:
            known = _same_bytes(library, path)
            if known is not None:
                return _existing(library, known, item.origin, kind)
            intake = take_in(path, item.name, item.origin, folder)
            return _keep(library, intake, kind)
    except AudiolabError as error:
        return AddLine(item.origin, "failed", str(error))
    except OSError as error:
        return AddLine(item.origin, "failed", f"{item.name!r} cannot be read: {error.strerror or error}")


def _same_bytes(library: Library, path: Path) -> str | None:
    """Find a sound whose file has the very same bytes, without decoding; files are hashed only if a size fits."""
    if not path.is_file():
        return None
    with library.store.transaction(write=False) as session:
        size = path.stat().st_size
        sizes = select(SoundRow.media).where(SoundRow.size == size, SoundRow.parent_id.is_(None))
        hashes = set(session.scalars(sizes))
    if not hashes:
        return None
    media = hash_file(path)
    if media not in hashes or not library.media.exists(media):
        return None
    with library.store.transaction(write=False) as session:
        return session.scalars(
            select(SoundRow.id).where(SoundRow.media == media, SoundRow.parent_id.is_(None)).order_by(SoundRow.id)
        ).first()


def _keep(library: Library, intake: Intake, kind: Kind) -> AddLine:
    with library.store.transaction(write=False) as session:
        known = _same_content(session, intake.content_id, kind)
    if known is not None and library.media.exists(known.media or ""):
        return _existing(library, known.id, intake.origin, kind)
    media = library.media.put(intake.path, intake.suffix)
    with library.store.transaction() as session:
        known = _same_content(session, intake.content_id, kind)  # another process may have been faster
        if known is None:
            row = _row(session, library, intake, kind, media)
            return AddLine(intake.origin, "added", "; ".join(intake.notes), Sound(library, row))
        if not library.media.exists(known.media or ""):
            # Its file was lost; the same sound has come back.
            known.media, known.suffix, known.size = media, intake.suffix, intake.size
    return _existing(library, known.id, intake.origin, kind)


def _same_content(session: Session, content: str, kind: Kind) -> SoundRow | None:
    """Find the same audio: as something that was added, else, unless a kind was asked for, as something made."""
    own = session.get(SoundRow, content)
    if own is not None:
        return own
    same = select(SoundRow).where(SoundRow.content_id == content, SoundRow.deleted_at.is_(None))
    if kind != "auto":
        same = same.where(SoundRow.kind == kind)
    return session.scalars(same.order_by(SoundRow.current.desc(), SoundRow.added_at, SoundRow.id)).first()


def _row(session: Session, library: Library, intake: Intake, kind: Kind, media: str) -> SoundRow:
    chosen = kind if kind != "auto" else auto_kind(intake)
    stem = stem_name(intake.name) if chosen == "stem" else None
    row = SoundRow(
        **intake.columns(),
        id=intake.content_id,
        kind=chosen,
        name=display_name(intake.name),
        stem=stem,
        media=media,
        added_at=utc_now(),
        facts={},
        current=True,
    )
    session.add(row)
    refresh_facts(session, [row])
    note(session, library.actor, "add", row.id, after={"kind": chosen, "origin": intake.origin})
    return row


def _existing(library: Library, sound_id: str, origin: str, kind: Kind) -> AddLine:
    """Say that a sound is known; if it was in the trash or of another kind than asked for, change that."""
    with library.store.transaction(write=False) as session:
        row = session.get_one(SoundRow, sound_id)
    why = [f"the same audio is here as {shorten(row.name)!r}"]
    other_kind = kind not in {"auto", row.kind} and row.parent_id is None
    if row.deleted_at is not None or other_kind:
        with library.store.transaction() as session:
            row = session.get_one(SoundRow, sound_id)
            if row.deleted_at is not None:
                restore_rows(session, library.actor, [sound_id])
                why.append("taken out of the trash")
            if other_kind:
                note(session, library.actor, "kind", row.id, before={"kind": row.kind}, after={"kind": kind})
                why.append(f"now a {kind}, before a {row.kind}")
                row.kind = kind
                row.stem = stem_name(row.original_name or row.name) if kind == "stem" else None
    return AddLine(origin, "existing", "; ".join(why), Sound(library, row))


def auto_kind(intake: Intake) -> Literal["song", "sample"]:
    """Take short files, and those that a sample editor marked as loop or one-shot, for samples."""
    marked = intake.tags.loop is not None or intake.tags.one_shot is not None
    return "sample" if marked or intake.seconds < SAMPLE_SECONDS else "song"


def display_name(file_name: str) -> str:
    """Give the name of a sound: its file's without the suffix."""
    return clean_text(PurePath(file_name).stem.strip() or file_name)
