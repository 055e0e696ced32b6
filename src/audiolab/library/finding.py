"""Which files are meant by a path: a file, the files of a folder, the members of a zip."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from threading import Lock

from audiolab.errors import AudioError, AudiolabError
from audiolab.library.archives import ArchiveLimits, Member, extract, is_zip, list_members
from audiolab.library.media import clean_suffix
from audiolab.library.places import DATABASE, MARKER
from audiolab.library.text import clean_text

__all__ = ["AUDIO_SUFFIXES", "Candidate", "Refusal", "as_it_is", "candidates", "handed_over", "walk"]

AUDIO_SUFFIXES = frozenset(
    {
        ".wav", ".wave", ".rf64", ".w64", ".bwf", ".flac", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd",
        ".mp3", ".mp2", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".mp4", ".aac", ".alac", ".wma", ".wv",
        ".ape", ".tta", ".tak", ".ac3", ".eac3", ".dts", ".mka", ".amr", ".sd2", ".voc", ".webm",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a sound.

    Attributes
    ----------
    name : str
        Its file name, cleaned.
    origin : str
        Its path within the folder or zip that was given.
    open : callable
        Gives a context with a readable path; members of a zip are unpacked to the folder it gets.
    within : tuple of str
        Names of the folders and zips that it lies in, within what was given, then its own.
    path : Path, optional
        The file itself; None for members of a zip, whose unpacked file is the library's to keep.
    size, mtime_ns : int
        Bytes and time of the last change, as far as known.
    """

    name: str
    origin: str
    open: Callable[[Path], AbstractContextManager[Path]]
    within: tuple[str, ...] = ()
    path: Path | None = None
    size: int = 0
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that will not be tried, and why."""

    origin: str
    why: str
    failed: bool = False


def candidates(path: Path, limits: ArchiveLimits | None = None) -> Iterator[Candidate | Refusal]:
    """Find what a path means, in order of names.

    Hidden files, files that are no audio by their suffix, and whole libraries are refused with a reason.
    Links are followed, but no folder is visited twice.
    """
    name = clean_text(os.path.basename(os.path.abspath(path)) or "folder")  # noqa: PTH100, PTH119 - links keep their names
    if os.path.isdir(path):  # noqa: PTH112 - unlike Path.is_dir it takes any text
        yield from _folder(path, name, (), limits, {_identity(path)})
    elif is_zip(path):
        yield from _zip(path, name, (), limits)
    else:
        yield as_it_is(path, name, (name,))


def walk(folder: Path, name: str) -> Iterator[Candidate | Refusal]:
    """Find the files of a folder without opening any: zips are given as they are."""
    yield from _folder(folder, name, (), None, {_identity(folder)}, whole=True)


def as_it_is(path: Path, origin: str, within: tuple[str, ...], status: os.stat_result | None = None) -> Candidate:
    """Give a plain file as a candidate."""
    try:
        status = status or path.stat()
        size, mtime_ns = status.st_size, status.st_mtime_ns
    except (OSError, ValueError):
        size = mtime_ns = 0  # whoever opens it says what is wrong
    return Candidate(within[-1], origin, partial(_plain, path), within, path, size, mtime_ns)


def handed_over(path: Path, within: tuple[str, ...]) -> Iterator[Candidate | Refusal]:
    """Give a file that the library may keep for itself, under the names that it had elsewhere; of a zip its members."""
    origin = "/".join(within)
    if is_zip(path):
        yield from _zip(path, origin, within, None)
    else:
        yield Candidate(within[-1], origin, partial(_plain, path), within, None, path.stat().st_size)


def _folder(
    folder: Path,
    origin: str,
    within: tuple[str, ...],
    limits: ArchiveLimits | None,
    seen: set[tuple[int, int]],
    *,
    whole: bool = False,
) -> Iterator[Candidate | Refusal]:
    if any((folder / name).exists() for name in (DATABASE, MARKER)) and (folder / "media").is_dir():
        yield Refusal(origin, "it is an audiolab library")
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Refusal(origin, f"the folder cannot be read: {error.strerror or error}", failed=True)
        return
    for entry in entries:
        name = clean_text(entry.name)
        inner, here = f"{origin}/{name}", (*within, name)
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - a Path for each of 100,000 files is slow
        if name.startswith("."):
            yield Refusal(inner, "a hidden file")
        elif _is(entry.is_dir):
            try:
                identity = _identity(Path(entry.path))
            except OSError as error:
                yield Refusal(inner, f"the folder cannot be read: {error.strerror or error}", failed=True)
                continue
            if identity not in seen:
                seen.add(identity)
                yield from _folder(Path(entry.path), inner, here, limits, seen, whole=whole)
        elif not _is(entry.is_file):
            yield Refusal(inner, "a broken link" if entry.is_symlink() else "not a file")
        elif suffix == ".zip" and not whole and is_zip(Path(entry.path)):
            yield from _zip(Path(entry.path), inner, here, limits)
        elif suffix not in AUDIO_SUFFIXES and not (whole and suffix == ".zip"):
            yield Refusal(inner, f"not audio by its suffix {clean_text(suffix)!r}")
        else:
            yield as_it_is(Path(entry.path), inner, here)


def _is(what: Callable[[], bool]) -> bool:
    try:
        return what()
    except OSError:  # a link that leads round in a circle
        return False


class _Archive:
    """A zip that stays open until its last member was unpacked: reading its list anew for each takes long."""

    def __init__(self, path: Path, members: int) -> None:
        self._path, self._left = path, members
        self._open: zipfile.ZipFile | None = None
        self._lock = Lock()

    def unpack(self, member: Member, target: Path) -> None:
        with self._lock:
            if self._open is None:
                self._open = zipfile.ZipFile(self._path)
            archive = self._open
        try:
            extract(archive, member, target)
        finally:
            with self._lock:
                self._left -= 1
                if self._left <= 0 and self._open is not None:
                    self._open.close()
                    self._open = None


def _zip(
    path: Path, origin: str, within: tuple[str, ...], limits: ArchiveLimits | None
) -> Iterator[Candidate | Refusal]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = list_members(archive, name=origin, limits=limits)
    except (AudiolabError, zipfile.BadZipFile, OSError, ValueError) as error:
        yield Refusal(origin, str(error), failed=True)
        return
    good: list[tuple[Member, PurePosixPath]] = []
    for member in members:
        shown = PurePosixPath(member.name.replace("\\", "/"))
        inner, suffix = f"{origin}/{member.name}", shown.suffix.lower()
        if member.refused is not None:
            yield Refusal(inner, member.refused, failed=True)
        elif shown.name.startswith(".") or "__MACOSX" in shown.parts:
            yield Refusal(inner, "a hidden file")
        elif suffix == ".zip":
            yield Refusal(inner, "a zip inside a zip; unpack it yourself")
        elif suffix not in AUDIO_SUFFIXES:
            yield Refusal(inner, f"not audio by its suffix {shown.suffix!r}")
        else:
            good.append((member, shown))
    # A zip stands for the folder that it was made of.
    above = (*within[:-1], PurePosixPath(within[-1]).stem) if within else ()
    opened = _Archive(path, len(good))
    for member, shown in good:
        origin_ = f"{origin}/{member.name}"
        unpack = partial(_unpacked, opened, member)
        yield Candidate(shown.name, origin_, unpack, (*above, *shown.parts), None, member.info.file_size)


@contextmanager
def _unpacked(archive: _Archive, member: Member, folder: Path) -> Iterator[Path]:
    target = folder / f"member{next(_numbers)}{clean_suffix(PurePosixPath(member.name).suffix)}"
    try:
        try:
            archive.unpack(member, target)
        except (zipfile.BadZipFile, OSError) as error:
            raise AudioError(f"{member.name!r} cannot be unpacked: {error}") from error
        yield target
    finally:
        target.unlink(missing_ok=True)


_numbers = count()


def _plain(path: Path, _: Path) -> AbstractContextManager[Path]:
    return nullcontext(path)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
