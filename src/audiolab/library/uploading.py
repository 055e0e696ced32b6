"""Files that arrive in pieces, from a browser: kept under names of our own until they are whole, then added.

Nothing that the sender says is used as a path. The names of its folders are kept for what a rule reads from them, as
with a folder that is added.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.adding import Kind, check_kind, take_all
from audiolab.library.addreport import AddLine, Status
from audiolab.library.cards import count_anew
from audiolab.library.finding import AUDIO_SUFFIXES, Candidate, Refusal, handed_over
from audiolab.library.foldertags import parse_rule
from audiolab.library.keeping import Keeper
from audiolab.library.media import clean_suffix
from audiolab.library.scratch import scratch_folder
from audiolab.library.text import clean_text, shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["RESERVE", "Upload", "names_within"]

RESERVE = 256 << 20
"""Bytes of the disk that uploads leave free."""
_LONGEST_NAME, _DEEPEST = 255, 32


@dataclass(slots=True)
class _Arriving:
    """One file on its way."""

    within: tuple[str, ...]
    size: int
    path: Path
    received: int = 0
    over: bool = False
    """It is in the library, or never will be."""


def names_within(path: str) -> tuple[str, ...]:
    """Give the names of the folders and of the file in a path that somebody sent, harmless as names.

    They are kept as texts and never used as a path; `..` and empty parts are left out all the same.
    """
    parts = (clean_text(part).strip() for part in path.replace("\\", "/").split("/"))
    names = [part[-_LONGEST_NAME:] for part in parts if part not in {"", ".", ".."}]
    return tuple(names[-_DEEPEST:]) or ("file",)


class Upload:
    """Some files that are sent in pieces; a context that leaves nothing half behind.

    Parameters
    ----------
    library : Library
        Where they go.
    files : sequence of (str, int)
        Name or path, as the sender has it, and bytes of each.
    kind, rule
        As in `Library.add`.

    Attributes
    ----------
    refused : list of (int, AddLine)
        Files that need not be sent, by their number.

    Raises
    ------
    ParameterError
        If the kind or the rule makes no sense.
    CatalogError
        If the disk has no room for them.
    """

    def __init__(
        self, library: Library, files: Sequence[tuple[str, int]], *, kind: Kind = "auto", rule: str | None = None
    ) -> None:
        check_kind(kind)
        self.library = library
        self._keeper = Keeper(library, kind, parse_rule(rule) if rule else None)
        with contextlib.ExitStack() as stack:
            self._folder = stack.enter_context(scratch_folder(library.tmp_dir, "upload"))
            self._files = [self._expect(path, size) for path, size in files]
            self.refused = [
                (index, AddLine("/".join(file.within), *why))
                for index, file in enumerate(self._files)
                if (why := _refusal(file)) is not None
            ]
            for index, _ in self.refused:
                self._files[index].over = True
            self._check_room()
            self._stack = stack.pop_all()

    def _expect(self, path: str, size: int) -> _Arriving:
        within = names_within(path)
        name = f"{secrets.token_hex(12)}{clean_suffix(PurePosixPath(within[-1]).suffix)}"
        return _Arriving(within, size, self._folder / name)

    def _check_room(self) -> None:
        needed = sum(file.size for file in self._files if not file.over)
        free = shutil.disk_usage(self._folder).free
        if needed > free - RESERVE:
            raise CatalogError(
                f"the files have {needed / 1e9:.2f} GB, but the library's disk has only {free / 1e9:.2f} GB free "
                f"({RESERVE / 1e9:.2f} GB stay free); free some space or send fewer files"
            )

    # ---- pieces --------------------------------------------------------------------------------

    def name(self, index: int) -> str:
        """Give a file's path among what is sent, as text."""
        return "/".join(self._file(index).within)

    def write(self, index: int, offset: int, data: bytes | memoryview) -> bool:
        """Append a piece to a file; give True once it is whole.

        Raises
        ------
        ParameterError
            If it is not the piece that comes next.
        CatalogError
            If it cannot be written: the disk is full. The file is given up then.
        """
        file = self._file(index)
        if file.over:
            raise ParameterError(f"{shorten(file.within[-1])!r} is not expected any more")
        if offset != file.received or file.received + len(data) > file.size:
            raise ParameterError(
                f"{shorten(file.within[-1])!r}: a piece of {len(data)} bytes at {offset} does not fit: {file.received} "
                f"of {file.size} are here"
            )
        try:
            with file.path.open("ab") as out:
                out.write(data)
        except OSError as error:
            self.give_up(index)
            hint = "; the disk is full" if shutil.disk_usage(self._folder).free < (4 << 20) else ""
            raise CatalogError(
                f"{shorten(file.within[-1])!r} cannot be written: {error.strerror or error}{hint}"
            ) from error
        file.received += len(data)
        return file.received == file.size

    def give_up(self, index: int) -> None:
        """Forget a file and remove what came of it."""
        file = self._file(index)
        file.over = True
        file.path.unlink(missing_ok=True)

    @property
    def left(self) -> list[int]:
        """Files that are neither in the library nor given up."""
        return [index for index, file in enumerate(self._files) if not file.over]

    def _file(self, index: int) -> _Arriving:
        if not 0 <= index < len(self._files):
            raise ParameterError(f"there is no file {index} among the {len(self._files)} that were announced")
        return self._files[index]

    # ---- into the library ----------------------------------------------------------------------

    def take(self, indices: Iterable[int]) -> list[AddLine]:
        """Add files that are whole; what cannot be added is said in its line and stops no other."""
        lines = []
        for found in self._found(indices):
            lines += take_all(self.library, found, self._keeper).lines
        count_anew(self.library.store)
        return lines

    def _found(self, indices: Iterable[int]) -> Iterable[list[Candidate | Refusal]]:
        files = [self._file(index) for index in indices]
        plain: list[Candidate | Refusal] = []
        for file in files:
            if file.over or file.received != file.size:
                raise ParameterError(f"{shorten(file.within[-1])!r} is not whole")
            file.over = True
            found = list(handed_over(file.path, file.within)) or [Refusal("/".join(file.within), "an empty zip")]
            if len(found) == 1:
                plain += found
            else:  # a zip: unpacked by itself, for it may hold much
                yield found
                file.path.unlink(missing_ok=True)
        yield plain
        for file in files:
            file.path.unlink(missing_ok=True)

    # ---- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Remove all that is not in the library."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refusal(file: _Arriving) -> tuple[Status, str] | None:
    """Say why a file need not be sent: the same words as of a folder that is added."""
    name = file.within[-1]
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - as in `finding`
    if any(part.startswith(".") for part in file.within):
        return "skipped", "a hidden file"
    if len(file.within) > 1 and suffix not in AUDIO_SUFFIXES | {".zip"}:
        return "skipped", f"not audio by its suffix {suffix!r}"
    if file.size <= 0:
        return "failed", f"{shorten(name)!r} is empty (0 bytes)"
    return None
