"""What never changes of a sound."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from audiolab.audio import Frames

if TYPE_CHECKING:
    from audiolab.library.models import SoundRow

__all__ = ["Fixed"]


class Fixed:
    """The columns of a sound that are settled when it comes into the library."""

    __slots__ = ("_row",)

    def __init__(self, row: SoundRow) -> None:
        self._row = row

    @property
    def id(self) -> str:
        """Its id: hexadecimal, follows from what it is."""
        return self._row.id

    @property
    def kind(self) -> str:
        """Song, stem or sample."""
        return self._row.kind

    @property
    def stem(self) -> str | None:
        """Name of the stem that it is or was cut from: drums, bass, vocals, other."""
        return self._row.stem

    @property
    def parent_id(self) -> str | None:
        """Id of the sound that it was made or cut from."""
        return self._row.parent_id

    @property
    def content_id(self) -> str | None:
        """Hash of its samples (or packets); None for views."""
        return self._row.content_id

    @property
    def media(self) -> str | None:
        """Hash of its file in the media store; None for views."""
        return self._row.media

    @property
    def suffix(self) -> str:
        """Suffix of its file."""
        return self._row.suffix

    @property
    def format(self) -> str:
        """Format of its file, as the decoder calls it."""
        return self._row.format

    @property
    def subtype(self) -> str:
        """Encoding of its file."""
        return self._row.subtype

    @property
    def sample_rate(self) -> int:
        """Frames a second."""
        return self._row.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._row.channels

    @property
    def frames(self) -> Frames:
        """Length in frames."""
        return self._row.frames

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self._row.frames / self._row.sample_rate

    @property
    def start(self) -> Frames | None:
        """First frame in the parent, if it is a view."""
        return self._row.start

    @property
    def stop(self) -> Frames | None:
        """Last frame in the parent (exclusive), if it is a view."""
        return self._row.stop

    @property
    def added_at(self) -> datetime:
        """When it was added or made."""
        return self._row.added_at

    @property
    def original_name(self) -> str | None:
        """Name of the file that was added."""
        return self._row.original_name

    @property
    def origin(self) -> str | None:
        """Path of that file within the folder or zip that was added."""
        return self._row.origin

    @property
    def embedded(self) -> Mapping[str, Any]:
        """Tags found in that file."""
        return self._row.embedded or {}

    @property
    def result_key(self) -> str | None:
        """The job that made it."""
        return self._row.result_key
