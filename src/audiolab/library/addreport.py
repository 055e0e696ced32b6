"""What came of adding files: one line a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, get_args

from audiolab.errors import CatalogError
from audiolab.library.sounds import Sound
from audiolab.library.tables import html_table
from audiolab.library.text import shorten

__all__ = ["AddLine", "AddReport", "FileNote", "Status"]

Status: TypeAlias = Literal[
    "added", "existing", "changed", "moved", "relinked", "collected", "missing", "skipped", "failed"
]


class FileNote(NamedTuple):
    """A file and why it is not in the library."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class AddLine:
    """One file: what came of it and why."""

    path: str
    status: Status
    why: str = ""
    sound: Sound | None = None

    def __str__(self) -> str:
        return f"{self.status}: {shorten(self.path, 80)}" + (f" ({self.why})" if self.why else "")


@dataclass(slots=True)
class AddReport:
    """What came of adding some files.

    Attributes
    ----------
    lines : list of AddLine
        One a file, in the order in which they were looked at.
    """

    lines: list[AddLine] = field(default_factory=list)
    unchanged: int = 0
    """Files that a rescan did not have to look at."""

    def _sounds(self, *statuses: Status) -> list[Sound]:
        found = (line.sound for line in self.lines if line.status in statuses)
        return list(dict.fromkeys(sound for sound in found if sound is not None))

    def _notes(self, status: Status) -> list[FileNote]:
        return [FileNote(line.path, line.why) for line in self.lines if line.status == status]

    @property
    def added(self) -> list[Sound]:
        """New sounds."""
        return self._sounds("added")

    @property
    def existing(self) -> list[Sound]:
        """Sounds that were there already, whatever the file's name; `lines` say under which."""
        new = {sound.id for sound in self._sounds("added")}
        return [sound for sound in self._sounds("existing") if sound.id not in new]

    @property
    def skipped(self) -> list[FileNote]:
        """Files that are no audio, with the reason."""
        return self._notes("skipped")

    @property
    def failed(self) -> list[FileNote]:
        """Files that could not be added, with the reason."""
        return self._notes("failed")

    @property
    def changed(self) -> list[Sound]:
        """The sounds of files that held another one before."""
        return self._sounds("changed")

    @property
    def moved(self) -> list[Sound]:
        """Sounds whose file was found at another place of the same folder."""
        return self._sounds("moved")

    @property
    def relinked(self) -> list[Sound]:
        """Sounds whose lost file was found."""
        return self._sounds("relinked", "collected")

    @property
    def missing(self) -> list[FileNote]:
        """Files that are no longer where they were."""
        return self._notes("missing")

    @property
    def sounds(self) -> list[Sound]:
        """The sounds, new and known, each once."""
        return self._sounds("added", "existing", "changed", "moved", "relinked", "collected")

    @property
    def sound(self) -> Sound:
        """The one sound.

        Raises
        ------
        CatalogError
            If there is not exactly one.
        """
        sounds = self.sounds
        if len(sounds) != 1:
            raise CatalogError(f"{len(sounds)} sounds came of this, not one: {self}")
        return sounds[0]

    def __str__(self) -> str:
        counts = Counter(line.status for line in self.lines)
        parts = [f"{counts[status]} {status}" for status in get_args(Status) if counts[status]]
        parts += [f"{self.unchanged} unchanged"] if self.unchanged else []
        head = ", ".join(parts) or "nothing found"
        return "\n".join([head, *(f"  {line}" for line in self.lines if line.status != "added")])

    def __repr__(self) -> str:
        return f"AddReport({str(self).splitlines()[0]})"

    def _repr_html_(self) -> str:
        rows = [(line.status, line.path, line.sound.name if line.sound else "", line.why) for line in self.lines[:200]]
        note = f"and {len(self.lines) - 200} more" if len(self.lines) > 200 else ""
        return html_table(str(self).splitlines()[0], ("", "file", "sound", "why"), rows, note=note)
