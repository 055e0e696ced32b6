"""Annotations from JAMS files: beats, tempo, key, notes and lyrics as corrections, tags as tags.

Whose word it is follows from the file's `data_source`: with `manual`, `human`, `by hand`, `expert` or `crowd` in it
corrections and tags are a person's, else an import's, which people's words overrule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from audiolab.audio.jams import JamsAnnotation, JamsFile, open_jams
from audiolab.errors import AnnotationError, CatalogError
from audiolab.library import annotating
from audiolab.library.clock import utc_now
from audiolab.library.derived import latest_of, refresh_labels
from audiolab.library.keys import canonical_key
from audiolab.library.models import DocumentRow, SoundRow, TagRow
from audiolab.library.ops import note
from audiolab.library.overlaying import effective, overlay, set_overlay
from audiolab.library.tags import STANDARD_LABELS, add_tags
from audiolab.library.tempo import TEMPO_WORDS, correction
from audiolab.library.text import clean_json, clean_text, fold_text, shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["ImportReport", "import_jams"]

_MANUAL = ("manual", "human", "hand", "expert", "crowd")
_NEAR_SECONDS = 0.1
"""How far lengths may differ where a name says that two files are one; lossy copies have padding."""
_SAME_SECONDS = 0.001
_MADE_HERE = frozenset({"onset", "segment_open"})


@dataclass(slots=True)
class ImportReport:
    """What was taken from a file."""

    path: str
    sound_id: str
    sound: str
    found_by: str
    """How the sound was found: content, name, length, or given."""
    taken: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    """What the library knew already."""
    left: list[str] = field(default_factory=list)
    """What was not understood or has no place, and why."""

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        lines = [f"{self.path}: {shorten(self.sound)} ({self.sound_id[:12]}, found by {self.found_by})"]
        for word, texts in (("taken", self.taken), ("known", self.same), ("left", self.left)):
            lines += [f"  {word}: {text}" for text in texts]
        return "\n".join(lines)


def import_jams(library: Library, path: str | Path, sound: Any = None) -> ImportReport:
    """Take what a JAMS file says about a sound; one transaction.

    Parameters
    ----------
    sound : Sound or str, optional
        The sound; by default found by content, by name, or by length.

    Raises
    ------
    AnnotationError
        If the file is not JAMS, or a value is not what its namespace says; nothing is taken then.
    CatalogError
        If no sound or several fit.
    """
    file = open_jams(path)
    chosen = None if sound is None else library.sound(getattr(sound, "id", sound)).id
    with library.store.transaction() as session:
        row, how = (session.get_one(SoundRow, chosen), "given") if chosen else _find(session, file)
        report = ImportReport(str(path), row.id, row.name, how)
        _Taking(session, library.actor, file, row, report).take()
    return report


# ---- which sound --------------------------------------------------------------------------------


def _find(session: Session, file: JamsFile) -> tuple[SoundRow, str]:
    known = file.sandbox.get("audiolab")
    ids = [known.get(name) for name in ("id", "content_id")] if isinstance(known, Mapping) else []
    ids = [value for value in ids if isinstance(value, str)]
    for which in (SoundRow.id.in_(ids), SoundRow.content_id.in_(ids)) if ids else ():
        here = select(SoundRow).where(which, SoundRow.deleted_at.is_(None))
        found = session.scalars(here.order_by(SoundRow.current.desc(), SoundRow.id)).first()
        if found is not None:
            return found, "content"
    alive = select(SoundRow).where(SoundRow.deleted_at.is_(None), SoundRow.current, SoundRow.start.is_(None))
    names = [file.path.stem, file.title]
    if isinstance(known, Mapping):
        names += [str(known[name]) for name in ("name", "original_name") if known.get(name)]
    named = {fold_text(name) for name in names if name.strip()} | {fold_text(Path(name).stem) for name in names if name}
    rows = list(session.scalars(alive.where(_length(file.duration, _NEAR_SECONDS))))
    fitting = [row for row in rows if {fold_text(row.name), fold_text(Path(row.original_name or "").stem)} & named]
    if len(fitting) == 1:
        return fitting[0], "name"
    if not fitting and file.duration is not None:
        fitting = [row for row in rows if abs(row.duration - file.duration) <= _SAME_SECONDS]
        songs = [row for row in fitting if row.parent_id is None]
        if len(songs) == 1:
            return songs[0], "length"
    length = f" of {file.duration:.3f} s" if file.duration is not None else ""
    if not fitting:
        raise CatalogError(
            f"{str(file.path)!r} describes {shorten(file.title or file.path.stem)!r}{length}, and no sound here has "
            "this name or length; add it first, or say which it is (sound=..., --sound)"
        )
    some = ", ".join(f"{shorten(row.name, 30)!r} {row.id[:10]}" for row in fitting[:5])
    raise CatalogError(f"{str(file.path)!r} may describe several sounds: {some}; say which (sound=..., --sound)")


def _length(duration: float | None, near: float) -> Any:
    if duration is None:
        return or_(SoundRow.duration > 0)
    return SoundRow.duration.between(duration - near, duration + near)


# ---- what it says -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Taking:
    session: Session
    actor: str
    file: JamsFile
    row: SoundRow
    report: ImportReport

    def take(self) -> None:
        """Take every annotation, the first of each namespace (and stem)."""
        groups: dict[str, list[JamsAnnotation]] = {}
        for annotation in self.file.annotations:
            groups.setdefault(annotation.namespace, []).append(annotation)
        if not groups:
            raise AnnotationError(f"{str(self.file.path)!r} holds no annotations")
        self._music(groups)
        self._notes([*groups.pop("note_midi", []), *groups.pop("note_hz", [])])
        self._lyrics(groups.pop("lyrics", []))
        for namespace in [name for name in groups if name.startswith("tag_")]:
            for annotation in groups.pop(namespace):
                self._tags(annotation)
        for namespace, rest in groups.items():
            why = "samples are cut here by slicing" if namespace in _MADE_HERE else "it has no place in a library"
            self.report.left.append(f"{namespace} ({len(rest)} annotation{'s' if len(rest) > 1 else ''}): {why}")

    def _music(self, groups: dict[str, list[JamsAnnotation]]) -> None:
        patch: dict[str, Any] = {}
        told, source = [], "human"
        for namespace, read in annotating.MUSIC.items():
            found = groups.pop(namespace, [])
            if not found:
                continue
            if len(found) > 1:
                self.report.left.append(f"{namespace}: {len(found) - 1} further annotations; the first counts")
            seen = found[0].observations()
            try:
                given, text = read(found[0], seen, self.row.duration)
            except AnnotationError as error:
                raise AnnotationError(f"{error}; nothing was taken") from error
            if given is None:
                self.report.left.append(f"{namespace}: {text}")
                continue
            # A tempo that was written down counts before one that follows from beats.
            patch |= given
            told.append(text)
            source = _source(found[0]) if source == "human" else source
        if patch:
            self._lay(self.row, "analyze", patch, ", ".join(told), source)

    def _tempo_words(self, patch: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """Turn a tempo without beats into a correction that beats, bars and map follow."""
        result = latest_of(self.session, self.row.id, "analyze")
        bpm, found = patch["tempo"]["bpm"], None if result is None else result.document
        words = correction(found, before, factor=None, bpm=bpm, downbeat=None, beats_per_bar=None)
        return {**{name: value for name, value in patch.items() if name != "tempo"}, **words}

    def _lay(self, row: SoundRow, stage: str, patch: Mapping[str, Any], told: str, source: str) -> None:
        """Lay a correction over a stage's document, unless it says so already."""
        patch = clean_json(patch)
        now = effective(self.session, row.id, stage) or {}
        if all(_known(now.get(name), name, value, row) for name, value in patch.items()):
            self.report.same.append(told)
            return
        before = overlay(self.session, row.id, stage) or {}
        if stage == "analyze" and "tempo" in patch and "beats" not in patch:
            patch = self._tempo_words(patch, before)
        retimed = "beats" in patch or not patch.keys().isdisjoint(TEMPO_WORDS)
        kept = {name: value for name, value in before.items() if not (retimed and name in TEMPO_WORDS)}
        set_overlay(self.session, self.actor, row.id, stage, {**kept, **patch})
        self.session.flush()
        self.session.get_one(DocumentRow, (row.id, stage)).source = source
        self.report.taken.append(f"{told} ({'by hand' if source == 'human' else 'imported'})")

    def _owner(self, annotation: JamsAnnotation) -> SoundRow | None:
        """Give the stem that an annotation is about, if the song has it here."""
        stem = annotation.sandbox.get("stem")
        if not isinstance(stem, str):
            return self.row
        stems = select(SoundRow).where(
            SoundRow.parent_id == self.row.id, SoundRow.stem == stem, SoundRow.current, SoundRow.deleted_at.is_(None)
        )
        return self.session.scalars(stems.order_by(SoundRow.id)).first()

    def _notes(self, found: Sequence[JamsAnnotation]) -> None:
        loose: list[dict[str, Any]] = []
        source = "human"
        for annotation in found:
            notes = annotating.notes(annotation, annotation.observations())
            about, owner = annotation.sandbox.get("document"), self._owner(annotation)
            if owner is None or (owner is self.row and len(found) > 1):
                stem = annotation.sandbox.get("stem")
                loose += [{**note, "stem": stem} if stem else note for note in notes]
                source = _source(annotation) if source == "human" else source
                continue
            patch = {**(about if isinstance(about, Mapping) else {}), "notes": notes}
            where = f" of {shorten(owner.name, 30)}" if owner is not self.row else ""
            self._lay(owner, "midi", patch, f"{len(notes)} notes{where}", _source(annotation))
        if loose:
            loose.sort(key=lambda note: (note["start"], note["pitch"]))
            self._lay(self.row, "midi", {"notes": loose}, f"{len(loose)} notes", source)

    def _lyrics(self, found: Sequence[JamsAnnotation]) -> None:
        if not found:
            return
        document = annotating.lyrics([(annotation, annotation.observations()) for annotation in found])
        if not document["segments"]:
            self.report.left.append("lyrics: no text")
            return
        owner = self._owner(found[0]) or self.row
        words = sum(len(line.get("words", ())) for line in document["segments"])
        told = f"lyrics: {len(document['segments'])} lines, {words} timed words"
        self._lay(owner, "lyrics", document, told, _source(found[0]))

    def _tags(self, annotation: JamsAnnotation) -> None:
        roles, source = annotation.sandbox.get("roles"), _source(annotation)
        words: list[str] = []
        known: list[str] = []
        for index, seen in enumerate(annotation.observations()):
            label = clean_text(seen.value).strip() if isinstance(seen.value, str) else ""
            if not label or len(label) > 255:
                self.report.left.append(f"{annotation.namespace}: {shorten(repr(seen.value), 40)} is no tag")
                continue
            sure = annotating.share(seen.confidence, 1.0)
            role = roles[index] if isinstance(roles, list) and len(roles) > index else None
            role = role if role in {"label", "tag"} else None
            new = self._person(label, sure, role) if source == "human" else self._import(label, sure, role)
            (words if new else known).append(label)
        who = "by hand" if source == "human" else "imported"
        if words:
            self.report.taken.append(f"{len(words)} tags ({who}): {shorten(', '.join(words), 80)}")
        if known:
            self.report.same.append(f"{len(known)} tags: {shorten(', '.join(known), 80)}")

    def _person(self, label: str, sure: float, role: Any) -> bool:
        there = self.session.get(TagRow, (self.row.id, "human", "", label))
        if there is not None and not there.denied and there.confidence == sure and role in {None, there.role}:
            return False
        add_tags(self.session, self.actor, [self.row.id], label, confidence=sure, role=role)
        return True

    def _import(self, label: str, sure: float, role: Any) -> bool:
        said = select(TagRow).where(TagRow.sound_id == self.row.id, TagRow.label == label, TagRow.denied.is_(False))
        if self.session.scalars(said).first() is not None:
            return False  # somebody says so already
        as_label = role == "label" or (role is None and label in STANDARD_LABELS)
        state = {"label": label, "role": "label" if as_label else "tag", "confidence": sure}
        self.session.add(TagRow(sound_id=self.row.id, source="import", stage="", created_at=utc_now(), **state))
        note(self.session, self.actor, "annotate", self.row.id, after=state)
        refresh_labels(self.session, [self.row.id])
        return True


def _known(now: Any, name: str, given: Any, row: SoundRow) -> bool:
    """Say whether the library knows a value already; how sure somebody is of a tempo or key makes no other one."""
    if name == "tempo":
        return annotating.same((now or {}).get("bpm", row.bpm), given["bpm"])
    if name == "key":
        return canonical_key(now or row.key) == canonical_key(given)
    return annotating.same(now, given)


def _source(annotation: JamsAnnotation) -> str:
    """Say whose word an annotation is: a person's or an import's."""
    said = str(annotation.metadata.get("data_source") or "").lower()
    return "human" if any(word in said for word in _MANUAL) else "import"
