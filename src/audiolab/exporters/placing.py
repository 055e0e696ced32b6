"""Putting a finished export under its name: a folder or a zip, whole or not at all, never over what is not ours."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiolab.audio import atomic_path
from audiolab.errors import ExportError
from audiolab.exporters.manifest import JSON_NAME, files_in

__all__ = ["Target"]

_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_LARGEST_MANIFEST = 1 << 28


class Target:
    """Where an export goes.

    Parameters
    ----------
    path : Path
        Folder, or zip file.
    as_zip : bool
        Whether it becomes a zip.
    overwrite : bool
        Whether files that an earlier export of ours made there may be replaced.

    Raises
    ------
    ExportError
        If there is something already which is not ours to replace, or the folder above cannot be made.
    """

    def __init__(self, path: Path, *, as_zip: bool, overwrite: bool) -> None:
        self.path, self.as_zip = path, as_zip
        self._ours: frozenset[str] = frozenset()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                self._ours = self._refuse_foreign(overwrite)
        except OSError as error:
            raise ExportError(f"cannot export to {str(path)!r}: {error.strerror or error}") from error

    def _refuse_foreign(self, overwrite: bool) -> frozenset[str]:
        path, name = self.path, str(self.path)
        if self.as_zip:
            if not path.is_file():
                raise ExportError(f"{name!r} is not a file; give another name for the zip")
            ours = _manifest_of_zip(path)
        else:
            if not path.is_dir():
                raise ExportError(f"{name!r} is a file, not a folder; give another name, or one that ends in .zip")
            if not any(path.iterdir()):
                return frozenset()
            ours = _manifest_of_folder(path)
        if ours is None:
            raise ExportError(f"{name!r} holds other things, which no export made; choose a new or an empty folder")
        if not overwrite:
            raise ExportError(f"{name!r} holds an earlier export; pass overwrite=True (--overwrite) to replace it")
        return ours

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give an empty folder beside the target; it is removed if anything goes wrong, and afterwards."""
        work = self.path.parent / f".{secrets.token_hex(8)}.part"
        try:
            work.mkdir()
        except OSError as error:
            raise ExportError(f"cannot write to {str(self.path.parent)!r}: {error.strerror or error}") from error
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def place(self, work: Path, files: list[str]) -> None:
        """Put the finished folder under its name.

        Raises
        ------
        ExportError
            If a file of the user's own is in the way, or the disk is full.
        """
        try:
            if self.as_zip:
                self._zip(work, files)
            elif not os.path.lexists(self.path) or not any(self.path.iterdir()):
                _flush(work)
                if self.path.is_dir():
                    self.path.rmdir()
                os.replace(work, self.path)
            else:
                self._merge(work, files)
        except OSError as error:
            raise ExportError(f"cannot export to {str(self.path)!r}: {error.strerror or error}") from error

    def _zip(self, work: Path, files: list[str]) -> None:
        with atomic_path(self.path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(files):
                info = zipfile.ZipInfo(name, _TIMESTAMP)
                info.external_attr = 0o100644 << 16
                info.create_system = 3
                info.file_size = (work / name).stat().st_size
                with (work / name).open("rb") as source, archive.open(info, "w") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)

    def _merge(self, work: Path, files: list[str]) -> None:
        """Replace an earlier export file by file. Each is whole at every moment; the user's own files stay."""
        for name in files:
            there = self.path / name
            if os.path.lexists(there) and (name not in self._ours or there.is_dir()):
                raise ExportError(f"{str(there)!r} was not made by an export; move it away or choose another folder")
            for above in list(there.parents)[: len(Path(name).parts) - 1]:
                if os.path.lexists(above) and (above.is_symlink() or not above.is_dir()):
                    raise ExportError(f"{str(above)!r} is in the way; move it or choose another folder")
        _flush(work)
        # The manifest goes last: stopped half-way, the old one still names every file that it made.
        for name in sorted(files, key=lambda name: (name == JSON_NAME, name)):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(work / name, self.path / name)
        for name in sorted(self._ours - set(files)):
            self._remove(name)

    def _remove(self, name: str) -> None:
        path = self.path / name
        parents = list(path.parents)[: len(Path(name).parts) - 1]
        if any(above.is_symlink() for above in parents) or (path.is_dir() and not path.is_symlink()):
            return
        path.unlink(missing_ok=True)
        for above in parents:
            if above.is_dir() and not any(above.iterdir()):
                above.rmdir()


def _flush(work: Path) -> None:
    """Bring what was written to the disk before it gets its name."""
    for path in work.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _manifest_of_folder(path: Path) -> frozenset[str] | None:
    manifest = path / JSON_NAME
    if manifest.is_symlink() or not manifest.is_file() or manifest.stat().st_size > _LARGEST_MANIFEST:
        return None
    return files_in(manifest.read_bytes())


def _manifest_of_zip(path: Path) -> frozenset[str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(JSON_NAME).file_size > _LARGEST_MANIFEST:
                return None
            return files_in(archive.read(JSON_NAME))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError):
        return None
