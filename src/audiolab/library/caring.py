"""The part of `Library` that checks, mends and copies it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from audiolab.library.adding import Progress
from audiolab.library.backup import BackupReport, backup
from audiolab.library.cards import rebuild
from audiolab.library.fsck import FsckReport, fsck
from audiolab.library.rederiving import rederive
from audiolab.library.store import Store

if TYPE_CHECKING:
    from audiolab.library.library import Library
    from audiolab.library.repaired import RepairReport

__all__ = ["Caring"]


class Caring:
    """Checks, repairs and backups."""

    store: Store

    @property
    def _cared_for(self) -> Library:
        return cast("Library", self)

    def fsck(self, *, deep: bool = False) -> FsckReport:
        """Report what is missing, changed, torn or left over; touches nothing. `deep` reads every byte."""
        return fsck(self._cared_for, deep=deep)

    def repair(
        self,
        *,
        deep: bool = False,
        backups: Iterable[str | Path] = (),
        adopt: bool = False,
        min_age: float = 3600.0,
    ) -> RepairReport:
        """Repair what `fsck` finds; nothing is deleted, what has no place goes to `lost+found/`.

        Parameters
        ----------
        deep : bool
            Look for what only reading every byte can show.
        backups : iterable of path-like
            Backups from which missing files and records may be taken.
        adopt : bool
            Add files that nothing uses as sounds; otherwise they go to lost+found.
        min_age : float
            Leave files in peace that are younger than so many seconds: somebody may be about to use them.
        """
        from audiolab.library.repairing import repair  # reads backups, which open libraries

        return repair(self._cared_for, deep=deep, backups=backups, adopt=adopt, min_age=min_age)

    def rebuild_derived(self) -> dict[str, list[str]]:
        """Compute all derived columns and cards anew; give the ids of what was wrong, with its columns."""
        wrong = rederive(self.store, keep=True)
        with self.store.transaction() as session:
            rebuild(session)
        return wrong

    def backup(self, target: str | Path, *, with_files: bool = False, progress: Progress | None = None) -> BackupReport:
        """Copy the library, also while others use it, to a folder or to a file that ends in .zip.

        A folder that holds an earlier backup gets what is new. `with_files` also takes in the files outside to which
        the library refers. See `audiolab.library.loading.load_backup` for the way back.

        Raises
        ------
        CatalogError
            If the target is something else, or the disk is full; an earlier backup there stays whole.
        """
        return backup(self._cared_for, target, with_files=with_files, progress=progress)
