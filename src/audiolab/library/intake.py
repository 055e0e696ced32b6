"""Looking at one file: its bytes hashed (and copied to scratch) in one reading, the audio decoded to its end."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from audiolab.audio import open_source
from audiolab.audio.content import content_id
from audiolab.audio.tags import Tags, read_tags
from audiolab.errors import AudioError, CatalogError
from audiolab.library.embedded import embedded_document, embedded_facts
from audiolab.library.media import clean_suffix, copy_and_hash, hash_bytes, hash_file
from audiolab.library.text import shorten

__all__ = ["Intake", "Known", "Seen", "check_same", "decode", "take_bytes", "take_in"]

_SMALL = 16 << 20
"""Files up to this size are read into memory, so that known ones need no copy and new ones no second reading."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The bytes of a file, as they were when it was looked at."""

    path: Path
    """What holds them: a copy in scratch, or the file itself if it is not to be copied."""
    media: str
    """blake2b hash of the bytes."""
    size: int
    mtime_ns: int
    copied: bool


@dataclass(frozen=True, slots=True)
class Intake:
    """A file that was decoded and found good."""

    path: Path
    """The copy, which the caller stores; or the file itself if it stays where it is."""
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
    media: str = ""
    """Hash of its bytes."""
    copied: bool = True

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.sample_rate

    def columns(self) -> dict[str, Any]:
        """Give the columns of a row that come from the file."""
        facts = embedded_facts(self.tags)
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
            "embedded": embedded_document(self.tags) or None,
            "made_facts": facts,
        }


def take_in(path: Path, name: str, origin: str, folder: Path) -> Intake:
    """Copy a file to scratch and decode the copy to its end.

    Raises
    ------
    AudioError
        If it is not audio, empty, cut off or damaged; the message names it.
    CatalogError
        If the disk is full.
    """
    return decode(take_bytes(path, name, folder, copy=True), name, origin)


class Known(Protocol):
    """What the library has already."""

    def has(self, media: str) -> bool:
        """Say whether a sound has the bytes of this hash as its file."""

    def has_size(self, size: int) -> bool:
        """Say whether a sound has a file of that many bytes."""


def take_bytes(
    path: Path, name: str, folder: Path, *, copy: bool, own: bool = False, known: Known | None = None
) -> Seen:
    """Read a file once: hash it, and copy it to scratch if it is to be stored.

    Parameters
    ----------
    own : bool
        The file is ours (it was unpacked to scratch): it is moved instead of copied.
    known : optional
        Files with bytes that the library has already are not copied.

    Raises
    ------
    AudioError
        If it is missing, empty, cannot be read, or is no file.
    CatalogError
        If it cannot be copied, or was changed meanwhile.
    """
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode) or before.st_size == 0:
            open_source(path)  # says what is wrong with it
            raise AudioError(f"{name!r} is no file")
    except (OSError, ValueError):
        open_source(path)
        raise
    target = folder / f"take{next(_numbers)}{clean_suffix(path.suffix)}"
    try:
        if not copy:
            media, copied = hash_file(path), False
        elif own:
            media, copied = hash_file(path), True
            os.replace(path, target)
        elif before.st_size <= _SMALL:
            media, copied = _take_small(path, target, known)
        else:
            open_source(path)  # before gigabytes are copied: most bad files show here
            media, copied = _take_large(path, target, before.st_size, known)
    except OSError as error:
        target.unlink(missing_ok=True)
        if isinstance(error, PermissionError):
            open_source(path)
        free = shutil.disk_usage(folder).free
        hint = "; the disk is full" if free < (1 << 20) else ""
        raise CatalogError(f"{shorten(name)!r} cannot be copied: {error.strerror or error}{hint}") from error
    seen = Seen(target if copied else path, media, before.st_size, before.st_mtime_ns, copied)
    if not own:
        check_same(path, name, seen)
    return seen


def check_same(path: Path, name: str, seen: Seen) -> None:
    """Raise `CatalogError` if a file is no longer what it was when it was looked at: somebody still writes it."""
    try:
        after = path.stat()
    except OSError as error:
        raise CatalogError(f"{shorten(name)!r} went away while it was read") from error
    if (after.st_size, after.st_mtime_ns) != (seen.size, seen.mtime_ns):
        raise CatalogError(f"{shorten(name)!r} was changed while it was read; add it again when it is finished")


def decode(seen: Seen, name: str, origin: str) -> Intake:
    """Decode what was taken to its end and read its tags; a bad copy is removed.

    Raises
    ------
    AudioError
        If it is not audio, cut off or damaged; the message names it.
    """
    try:
        source: Any = open_source(seen.path)
        content = content_id(source)
        tags = read_tags(seen.path)
    except AudioError as error:
        if not seen.copied:
            raise
        seen.path.unlink(missing_ok=True)
        said = str(error).replace(repr(seen.path.name), repr(name)).replace(str(seen.path), name)
        raise AudioError(said) from error
    return Intake(
        path=seen.path,
        name=name,
        origin=origin,
        suffix=clean_suffix(seen.path.suffix),
        size=seen.size,
        content_id=content,
        sample_rate=source.sample_rate,
        channels=source.channels,
        frames=source.frames,
        format=source.format,
        subtype=source.subtype,
        tags=tags,
        notes=tuple(source.notes),
        media=seen.media,
        copied=seen.copied,
    )


def _take_small(path: Path, target: Path, known: Known | None) -> tuple[str, bool]:
    data = path.read_bytes()
    media = hash_bytes(data)
    if known is not None and known.has(media):
        return media, False
    with target.open("xb") as file:
        file.write(data)
    return media, True


def _take_large(path: Path, target: Path, size: int, known: Known | None) -> tuple[str, bool]:
    if known is not None and known.has_size(size) and known.has(media := hash_file(path)):
        return media, False
    return copy_and_hash(path, target), True


_numbers = count()
