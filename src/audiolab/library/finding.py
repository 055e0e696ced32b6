"""Which files are meant by a path: a file, the files of a folder, the members of a zip."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from audiolab.errors import AudioError, AudiolabError
from audiolab.library.archives import ArchiveLimits, Member, extract, is_zip, list_members
from audiolab.library.media import clean_suffix
from audiolab.library.places import DATABASE, MARKER
from audiolab.library.text import clean_text

__all__ = ["AUDIO_SUFFIXES", "Candidate", "Refusal", "candidates"]

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
    """

    name: str
    origin: str
    open: Callable[[Path], AbstractContextManager[Path]]


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
        yield from _folder(path, name, limits, {_identity(path)})
    elif is_zip(path):
        yield from _zip(path, name, limits)
    else:
        yield Candidate(name, name, partial(_as_it_is, path))


def _folder(
    folder: Path, origin: str, limits: ArchiveLimits | None, seen: set[tuple[int, int]]
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
        path, name = Path(entry.path), clean_text(entry.name)
        inner = f"{origin}/{name}"
        if name.startswith("."):
            yield Refusal(inner, "a hidden file")
        elif path.is_dir():
            identity = _identity(path)
            if identity not in seen:
                seen.add(identity)
                yield from _folder(path, inner, limits, seen)
        elif not path.is_file():
            yield Refusal(inner, "a broken link" if path.is_symlink() else "not a file")
        elif path.suffix.lower() == ".zip" and is_zip(path):
            yield from _zip(path, inner, limits)
        elif path.suffix.lower() not in AUDIO_SUFFIXES:
            yield Refusal(inner, f"not audio by its suffix {clean_text(path.suffix)!r}")
        else:
            yield Candidate(name, inner, partial(_as_it_is, path))


def _zip(path: Path, origin: str, limits: ArchiveLimits | None) -> Iterator[Candidate | Refusal]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = list_members(archive, name=origin, limits=limits)
    except (AudiolabError, zipfile.BadZipFile, OSError, ValueError) as error:
        yield Refusal(origin, str(error), failed=True)
        return
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
            yield Candidate(shown.name, inner, partial(_unpacked, path, member))


@contextmanager
def _unpacked(path: Path, member: Member, folder: Path) -> Iterator[Path]:
    target = folder / f"member{clean_suffix(PurePosixPath(member.name).suffix)}"
    try:
        try:
            with zipfile.ZipFile(path) as archive:
                extract(archive, member, target)
        except (zipfile.BadZipFile, OSError) as error:
            raise AudioError(f"{member.name!r} cannot be unpacked: {error}") from error
        yield target
    finally:
        target.unlink(missing_ok=True)


def _as_it_is(path: Path, _: Path) -> AbstractContextManager[Path]:
    return nullcontext(path)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
