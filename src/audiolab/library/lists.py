"""Lists of sounds: what queries, collections and slicing give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from audiolab.library.frame_files import to_csv, to_parquet
from audiolab.library.frames import to_frame
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

    def to_dicts(self) -> Iterator[dict[str, Any]]:
        """Give each sound as JSON, in order; rows are read in pages."""
        for row in self._rows:
            yield {
                "id": row.id,
                "kind": row.kind,
                "name": row.name,
                "stem": row.stem,
                "label": row.label,
                "confidence": row.label_confidence,
                "bpm": row.bpm,
                "key": row.key,
                "rating": row.rating,
                "favourite": bool(row.favourite),
                "note": row.note,
                "duration": round(row.frames / row.sample_rate, 4),
                "sample_rate": row.sample_rate,
                "channels": row.channels,
                "facts": dict(row.facts),
            }

    def to_frame(self, *, vectors: str | bool = False) -> pd.DataFrame:
        """Give a pandas table, one row a sound, with its facts as further columns.

        Parameters
        ----------
        vectors : bool or str
            Add a column with the embeddings: True, or the hash of an encoder.

        Raises
        ------
        MissingDependency
            If pandas is not installed.
        """
        return to_frame(self.library, self._rows, vectors=vectors)

    def to_parquet(self, path: str | Path, *, vectors: str | bool = False) -> Path:
        """Write the table of `to_frame` as Parquet; `audiolab.library.read_table` gives it back."""
        return to_parquet(self.to_frame(vectors=vectors), path)

    def to_csv(self, path: str | Path) -> Path:
        """Write the table of `to_frame` as CSV; `audiolab.library.read_table` gives it back."""
        return to_csv(self.to_frame(), path)

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
