"""`fsck --repair`: for each kind of problem a defined, safe repair; what cannot be repaired is said, with what is lost.

Nothing is deleted: what has no place is moved to `lost+found/` with a line that says what it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from audiolab.errors import AudiolabError, CatalogError
from audiolab.library import cards, catching_up
from audiolab.library.checking import check_rows
from audiolab.library.folding import fold_again
from audiolab.library.fsck import Problem, fsck
from audiolab.library.loading import Source, open_backup
from audiolab.library.loosening import loosen, reorder, take_out_rows
from audiolab.library.lostfound import LostAndFound
from audiolab.library.media import FileMediaStore, hash_file
from audiolab.library.models import ResultRow, SetRow, SoundRow
from audiolab.library.ops import note
from audiolab.library.recording import record_of, vectors_of
from audiolab.library.records import Record
from audiolab.library.rederiving import rederive
from audiolab.library.remote_media import RemoteMediaStore
from audiolab.library.repaired import Fix, RepairReport
from audiolab.library.scratch import scratch_folder
from audiolab.library.text import shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["repair"]

_YOUNG = 3600.0


def repair(
    library: Library,
    *,
    deep: bool = False,
    backups: Iterable[str | Path] = (),
    adopt: bool = False,
    min_age: float = _YOUNG,
) -> RepairReport:
    """Repair what `fsck` finds.

    Parameters
    ----------
    deep : bool
        Look for what only reading every byte, and computing all derived rows, can show.
    backups : iterable of path-like
        Backups from which missing files and records may be taken.
    adopt : bool
        Add files that nothing uses to the library as sounds; otherwise they go to lost+found.
    min_age : float
        Leave files in peace that are younger than so many seconds: somebody may be about to use them.
    """
    found = fsck(library, deep=deep)
    if not found.problems:
        return RepairReport((), found, None)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_backup(path)) for path in backups]
        work = _Repair(library, sources, adopt=adopt, min_age=min_age)
        work.run(found.problems)
    if any(fix.done for fix in work.fixes):
        with library.store.transaction() as session:
            done = [f"{fix.problem.kind} {fix.problem.what}" for fix in work.fixes if fix.done][:100]
            note(session, library.actor, "repair", "library", after={"repaired": done})
    folder = work.lost.folder if work.lost.folder.exists() else None
    return RepairReport(tuple(work.fixes), fsck(library, deep=deep), folder)


class _Repair:
    """One repair: problems go through it in an order in which one repair can help the next."""

    def __init__(self, library: Library, sources: Sequence[Source], *, adopt: bool, min_age: float) -> None:
        self.library, self.sources, self.adopt, self.min_age = library, sources, adopt, min_age
        self.lost = LostAndFound(library.path)
        self.fixes: list[Fix] = []

    def run(self, problems: Sequence[Problem]) -> None:
        """Repair all that can be."""
        ways: tuple[tuple[tuple[str, ...], Callable[[Problem], None]], ...] = (
            (("database",), self._database),
            (("torn",), self._torn),
            (("truncated", "changed"), self._bad_media),
            (("missing",), self._missing),
            (("lost record",), self._lost_record),
        )
        for kinds, way in ways:
            for problem in _each(problems, kinds):
                way(problem)
        self._unfolded(_each(problems, ("unfolded",)))
        for kinds, way in (
            (("gap",), self._gap),
            (("dangling",), self._dangling),
            (("order",), self._order),
            (("orphaned",), self._orphaned),
            (("stray",), self._stray),
            (("leftover",), self._leftover),
        ):
            for problem in _each(problems, kinds):
                way(problem)
        self._loose(_each(problems, ("loose",)))
        self._stale(_each(problems, ("stale",)))

    def _say(self, problem: Problem, done: bool, how: str) -> None:
        self.fixes.append(Fix(problem, done, how))

    # ---- the catalog's file ------------------------------------------------------------------------

    def _database(self, problem: Problem) -> None:
        if "points to a missing" in problem.detail:
            with self.library.store.transaction(keys=False) as session:
                if take_out_rows(session, self.lost):
                    cards.rebuild(session)
            self._say(problem, True, "the row is in lost+found; a sound with a file of its own stays without a parent")
            return
        self._say(
            problem, False,
            "the file is damaged: load a backup, or close the library everywhere and run `audiolab fsck --salvage`, "
            "which saves what can be read",
        )  # fmt: skip

    # ---- records -----------------------------------------------------------------------------------

    def _torn(self, problem: Problem) -> None:
        for path in catching_up.record_files(self.library.path):
            if path.name == problem.what:
                self.lost.take(path, "torn", problem.detail)
        key = problem.what.removesuffix(".json")
        with self.library.store.transaction(write=False) as session:
            known = session.get(ResultRow, key) is not None
        if source := self._fetch_record(key):
            self._say(problem, True, f"taken from {source}; the torn one is in lost+found")
        elif known:
            self._lost_record(problem)
        else:
            self._say(problem, True, "moved to lost+found; its job can be run again")

    def _fetch_record(self, key: str) -> str:
        """Bring a record back; says where from, empty if nobody has it."""
        try:
            path = self.library.record_path(key)
        except CatalogError:
            return ""
        if self.library.remote is not None and path.exists() and _whole(path):
            return "the media URL"
        with scratch_folder(self.library.tmp_dir, "repair") as folder:
            for source in self.sources:
                copy = folder / f"{key}.json"
                if source.record(key, copy):
                    self.library.keep_record(Record.read(copy))
                    return "a backup"
        return ""

    def _lost_record(self, problem: Problem) -> None:
        key = problem.what.removesuffix(".json")
        if source := self._fetch_record(key):
            self._say(problem, True, f"taken from {source}")
            return
        try:
            with self.library.store.transaction(write=False) as session:
                record = record_of(session, self.library.media, key)
            self.library.keep_record(record)
        except (AudiolabError, ValueError, OSError) as error:
            self._say(problem, False, f"its rows do not tell all of it ({shorten(str(error), 100)}); run the job again")
        else:
            self._say(problem, True, "written again from the rows of the catalog")

    def _unfolded(self, problems: Sequence[Problem]) -> None:
        if not problems:
            return
        self.library.fold_new()
        with self.library.store.transaction(write=False) as session:
            known = set(session.scalars(select(ResultRow.key)))
        for problem in problems:
            if problem.what in known:
                self._say(problem, True, "folded into the catalog")
                continue
            why = next((text for text in self.library.warnings if problem.what[:12] in text), "its sound is not here")
            path = self.library.record_path(problem.what)
            if path.exists():
                self.lost.take(path, "unfolded", why)
            self._say(problem, True, f"moved to lost+found ({shorten(why, 100)}); the job can be run again")
        self.library.fold_new()

    # ---- files -------------------------------------------------------------------------------------

    def _bad_remote(self, problem: Problem, store: RemoteMediaStore) -> None:
        if not store.exists(problem.what):
            return  # dealt with already
        if store.digest(problem.what) == problem.what:
            self._sizes(problem)
            return
        with scratch_folder(self.library.tmp_dir, "repair") as folder:
            store.copy(problem.what, folder / problem.what)
            self.lost.take(folder / problem.what, problem.kind, problem.detail)
        store.remove(problem.what)
        self._missing(problem, "; the damaged file is in lost+found")

    def _bad_media(self, problem: Problem) -> None:
        if isinstance(self.library.media, RemoteMediaStore):
            self._bad_remote(problem, self.library.media)
            return
        if not self._inside(problem.what):
            return  # dealt with already, or not ours: a file outside
        path = self.library.media.local(problem.what)
        if hash_file(path) == problem.what:
            self._sizes(problem)
            return
        self.lost.take(path, problem.kind, problem.detail)
        self._missing(problem, "; the damaged file is in lost+found")

    def _inside(self, media: str) -> bool:
        store = self.library.media
        return isinstance(store, FileMediaStore) and any((store.root / media[:2]).glob(f"{media}*"))

    def _sizes(self, problem: Problem) -> None:
        """Correct the catalog, as the file is right."""
        size = self.library.media.size(problem.what)
        with self.library.store.transaction() as session:
            for row in session.scalars(select(SoundRow).where(SoundRow.media == problem.what)):
                row.size = size
        self._say(problem, True, "the file is whole; its size in the catalog was wrong")

    def _missing(self, problem: Problem, more: str = "") -> None:
        media = problem.what
        if self.library.media.exists(media):
            return
        if self._fetch_media(media):
            self._say(problem, True, f"taken from a backup{more}")
        elif self._write_vectors(media):
            self._say(problem, True, f"the vectors were written again from the catalog{more}")
        else:
            self._say(problem, False, self._advice(media) + more)

    def _fetch_media(self, media: str) -> bool:
        with scratch_folder(self.library.tmp_dir, "repair") as folder:
            for source in self.sources:
                suffix = source.manifest.media.get(media, (".bin", 0))[0]
                copy = folder / f"{media}{suffix}"
                if source.media(media, copy):
                    self.library.media.put(copy, suffix)
                    return True
        return False

    def _write_vectors(self, media: str) -> bool:
        for record in self._records_with(media):
            if record.vectors is None or record.vectors.media != media:
                continue
            with self.library.store.transaction(write=False) as session:
                rows = vectors_of(session, record.vectors.encoder, list(record.vectors.sound_ids))
            if rows is None:
                continue
            with scratch_folder(self.library.tmp_dir, "repair") as folder:
                np.save(folder / "vectors.npy", rows)
                if hash_file(folder / "vectors.npy") == media:
                    self.library.media.put(folder / "vectors.npy", ".npy")
                    return True
        return False

    def _records_with(self, media: str) -> list[Record]:
        with self.library.store.transaction(write=False) as session:
            rows = session.execute(select(ResultRow.key, ResultRow.media)).all()
        found = []
        for key, hashes in rows:
            if media in map(str, hashes) and self.library.record_path(key).exists():
                try:
                    found.append(Record.read(self.library.record_path(key)))
                except CatalogError:
                    continue  # torn: named as a problem of its own
        return found

    def _advice(self, media: str) -> str:
        with self.library.store.transaction(write=False) as session:
            row = session.scalars(select(SoundRow).where(SoundRow.media == media)).first()
        if row is None:
            return "lost: a file of a result; run the job again"
        name = shorten(row.name, 30)
        if row.result_key is not None:
            return f"lost: the file of {name!r}; `audiolab rebuild {row.id[:12]}` can make it again"
        file = shorten(row.original_name or row.name, 40)
        ways = f"add {file!r} again, `audiolab relink` a folder that has it, or give a backup"
        return f"lost: the file of {name!r}; {ways}"

    def _orphaned(self, problem: Problem) -> None:
        if not self.library.media.exists(problem.what) or self._used_by_now(problem.what):
            self._say(problem, True, "it is used now")
            return
        if self.library.remote is not None:
            self._say(problem, False, f"it stays at {self.library.media_url}, for somebody may be about to use it")
            return
        path = self.library.media.local(problem.what)
        if _age(path) < self.min_age:
            self._say(problem, False, "it is new: somebody may be about to use it; nothing is lost")
            return
        if self.adopt:
            try:
                sound = self.library.add(path)
            except AudiolabError as error:
                self.lost.take(path, "orphaned", problem.detail)
                self._say(problem, True, f"moved to lost+found: it is no sound ({shorten(str(error), 80)})")
                return
            if sound.media == problem.what:
                self._say(problem, True, f"added as {shorten(sound.name, 30)!r}")
                return
        self.lost.take(path, "orphaned", problem.detail)
        self._say(problem, True, "moved to lost+found; `audiolab add` takes it in if it is wanted")

    def _used_by_now(self, media: str) -> bool:
        with self.library.store.transaction(write=False) as session:
            if session.scalars(select(SoundRow.id).where(SoundRow.media == media)).first() is not None:
                return True
        return bool(self._records_with(media))

    def _stray(self, problem: Problem) -> None:
        assert isinstance(self.library.media, FileMediaStore)
        for path in [path for path in self.library.media.strays() if path.name == problem.what]:
            if _age(path) < self.min_age:
                self._say(problem, False, "it is new: somebody may be writing it; nothing is lost")
                return
            self.lost.take(path, "stray", problem.detail)
            self._say(problem, True, "moved to lost+found")
            return

    def _leftover(self, problem: Problem) -> None:
        media, path = self.library.media, self.library.tmp_dir / Path(problem.what).name
        remote = media.remote if isinstance(media, RemoteMediaStore) and "/" in problem.what else None
        if remote is not None:
            remote.get(problem.what, path)
        if path.exists():
            self.lost.take(path, "leftover", problem.detail)
        if remote is not None:
            remote.remove(problem.what)
        self._say(problem, True, "moved to lost+found")

    # ---- rows --------------------------------------------------------------------------------------

    def _gap(self, problem: Problem) -> None:
        """Cut the set again as its record says: folding is the one way in which sets are written."""
        with self.library.store.transaction(write=False) as session:
            found = session.get(SetRow, problem.what)
            key = None if found is None else found.result_key
        if key is None or not self._fold_again(key):
            self._say(problem, False, "lost: places in this set; slice its sound again")
        else:
            self._say(problem, True, "the samples were cut again as the record says")

    def _dangling(self, problem: Problem) -> None:
        with self.library.store.transaction(write=False) as session:
            still = any(problem.what == what for kind, what, _ in check_rows(session) if kind == "dangling")
            row = session.get(SoundRow, problem.what)
            key = None if row is None else row.result_key
        if not still:
            self._say(problem, True, "its record was folded")
        elif key is not None and self._fetch_record(key) and self.library.fold_new():
            self._say(problem, True, "its record was taken from a backup")
        elif key is not None and self._fold_again(key):
            self._say(problem, True, "its record was folded again")
        else:
            self._say(problem, False, "lost: how it was made; it stays as it is, and can be heard if its file is there")

    def _fold_again(self, key: str) -> bool:
        """Write a result's rows again from its record."""
        try:
            record = Record.read(self.library.record_path(key))
            return fold_again(self.library.store, self.library.media, record)
        except CatalogError:
            return False

    def _order(self, problem: Problem) -> None:
        with self.library.store.transaction() as session:
            reorder(session, problem.what)
        self._say(problem, True, "each sound has a place of its own again")

    def _loose(self, problems: Sequence[Problem]) -> None:
        if not problems:
            return
        with self.library.store.transaction() as session:
            loosen(session)
        with self.library.store.transaction(write=False) as session:
            left = {what for kind, what, _ in check_rows(session) if kind == "loose"}
        for problem in problems:
            gone = problem.what not in left
            self._say(problem, gone, "the reference was taken out" if gone else "lost: its sample set; slice again")

    def _stale(self, problems: Sequence[Problem]) -> None:
        if not problems:
            return
        rederive(self.library.store, keep=True)
        with self.library.store.transaction() as session:
            cards.rebuild(session)
        for problem in problems:
            self._say(problem, True, "computed anew")


def _each(problems: Iterable[Problem], kinds: tuple[str, ...]) -> list[Problem]:
    return [problem for problem in problems if problem.kind in kinds]


def _whole(record: Path) -> bool:
    try:
        Record.read(record)
    except CatalogError:
        return False
    return True


def _age(path: Path) -> float:
    status = path.stat()
    # A renamed file keeps its time of change; when its name was given is in ctime.
    return time.time() - max(status.st_mtime, status.st_ctime)
