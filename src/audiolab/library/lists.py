"""Lists of sounds: what queries, collections and slicing give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

from audiolab.errors import MissingDependency
from audiolab.library.paging import PagedRows
from audiolab.library.tables import html_table, seconds_text

if TYPE_CHECKING:
    import pandas as pd

    from audiolab.library.library import Library
    from audiolab.library.models import SoundRow
    from audiolab.library.sounds import Sound
    from audiolab.library.tags import Role

__all__ = ["SampleSet", "SoundList"]

_SHOWN = 25


class SoundList(Sequence["Sound"]):
    """Some sounds of a library, in order: those that there were when it was asked for.

    Parameters
    ----------
    library : Library
        Where they are.
    rows : iterable of SoundRow, or PagedRows
        Their rows; paged ones are read when they are looked at.
    title : str
        What to call them.
    """

    def __init__(self, library: Library, rows: Iterable[SoundRow] | PagedRows, title: str = "sounds") -> None:
        self.library, self.title = library, title
        self._rows: Sequence[SoundRow] = rows if isinstance(rows, PagedRows) else list(rows)

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return self._rows.ids() if isinstance(self._rows, PagedRows) else [row.id for row in self._rows]

    @property
    def seconds(self) -> float:
        """Their length together."""
        return self._rows.seconds() if isinstance(self._rows, PagedRows) else sum(row.duration for row in self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sound: ...
    @overload
    def __getitem__(self, index: slice) -> SoundList: ...
    def __getitem__(self, index: int | slice) -> Sound | SoundList:
        if isinstance(index, slice):
            return SoundList(self.library, self._rows[index], self.title)
        return self._sound(self._rows[index])

    def __iter__(self) -> Iterator[Sound]:
        return (self._sound(row) for row in self._rows)

    def __contains__(self, sound: object) -> bool:
        return getattr(sound, "id", sound) in self.ids

    def _sound(self, row: SoundRow) -> Sound:
        from audiolab.library.sounds import Sound

        return Sound(self.library, row)

    def tag(self, label: str, confidence: float = 1.0, *, role: Role | None = None) -> SoundList:
        """Give all of them a label (by a person); see `Sound.tag`."""
        self.library.tag(self.ids, label, confidence, role=role)
        return self

    def untag(self, label: str) -> SoundList:
        """Take a label away from all of them; see `Sound.untag`."""
        self.library.untag(self.ids, label)
        return self

    def to_frame(self) -> pd.DataFrame:
        """Give a pandas table, one row a sound, with its facts as further columns.

        Raises
        ------
        MissingDependency
            If pandas is not installed.
        """
        return to_frame(self.library, list(self._rows))

    def __repr__(self) -> str:
        return f"<{len(self)} {self.title}>"

    def _repr_html_(self) -> str:
        rows = [
            (row.id[:10], row.kind, row.name, row.stem, row.label, row.label_confidence, row.bpm, row.key,
             seconds_text(row.duration), row.sample_rate, row.channels)
            for row in islice(self._rows, _SHOWN)
        ]  # fmt: skip
        header = ("id", "kind", "name", "stem", "label", "confidence", "bpm", "key", "length", "rate", "channels")
        more = len(self) - _SHOWN
        return html_table(f"{len(self)} {self.title}", header, rows, note=f"and {more} more" if more > 0 else "")


class SampleSet(SoundList):
    """What one slice job cut from one sound, in order of time; empty if nothing was cut.

    Attributes
    ----------
    id : str
        Hash of the result key; empty if the sound was never cut.
    result_key : str or None
        The job.
    superseded_by : str or None
        The set that took its place.
    """

    def __init__(
        self,
        library: Library,
        rows: Iterable[SoundRow],
        *,
        id: str = "",
        parent_id: str | None = None,
        result_key: str | None = None,
        superseded_by: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(library, rows, "samples")
        self.id, self.result_key, self.superseded_by = id, result_key, superseded_by
        self.facts = dict(facts or {})
        self._parent_id = parent_id

    @property
    def parent(self) -> Sound | None:
        """The sound that was cut."""
        return self.library.sound(self._parent_id) if self._parent_id else None


def to_frame(library: Library, rows: Sequence[SoundRow]) -> pd.DataFrame:
    """Give rows as a pandas table; see `SoundList.to_frame`."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependency("to_frame needs pandas. Install: pip install 'audiolab[notebooks]'") from error

    names = library.names({row.song_id for row in rows if row.song_id})
    columns: dict[str, list[Any]] = {
        "id": [row.id for row in rows],
        "kind": [row.kind for row in rows],
        "name": [row.name for row in rows],
        "stem": [row.stem for row in rows],
        "song": [names.get(row.song_id or "") for row in rows],
        "label": [row.label for row in rows],
        "confidence": [row.label_confidence for row in rows],
        "label_source": [row.label_source for row in rows],
        "bpm": [row.bpm for row in rows],
        "key": [row.key for row in rows],
        "duration": [row.duration for row in rows],
        "start": [row.start for row in rows],
        "stop": [row.stop for row in rows],
        "sample_rate": [row.sample_rate for row in rows],
        "channels": [row.channels for row in rows],
        "format": [row.format for row in rows],
        "parent_id": [row.parent_id for row in rows],
        "song_id": [row.song_id for row in rows],
        "added_at": [row.added_at for row in rows],
    }
    known = set(columns)
    facts = sorted({name for row in rows for name in row.facts if name not in known})
    for name in facts:
        columns[name] = [row.facts.get(name) for row in rows]
    return pd.DataFrame(columns)
