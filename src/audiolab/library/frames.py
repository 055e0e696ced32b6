"""Sounds as a pandas table: one row a sound, one column a property or fact, every column of one known type."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from audiolab.errors import MissingDependency, ParameterError
from audiolab.library.derived import chunks
from audiolab.library.models import TagRow

if TYPE_CHECKING:
    import pandas as pd

    from audiolab.library.library import Library
    from audiolab.library.models import SoundRow

__all__ = ["COLUMNS", "VECTOR", "frame_of", "kind_of_values", "need", "series_of", "to_frame"]

COLUMNS: dict[str, str] = {
    "id": "text",
    "kind": "category",
    "name": "text",
    "stem": "category",
    "song": "text",
    "label": "category",
    "confidence": "float",
    "label_source": "category",
    "tags": "list",
    "rating": "int",
    "favourite": "bool",
    "note": "text",
    "bpm": "float",
    "key": "category",
    "duration": "float",
    "start": "int",
    "stop": "int",
    "frames": "int",
    "sample_rate": "int",
    "channels": "int",
    "format": "category",
    "parent_id": "text",
    "song_id": "text",
    "added_at": "time",
}
"""The columns that every table has, in this order, and what each holds. Facts follow, in order of their names."""
VECTOR = "vector"
_SAME = frozenset({"bpm", "key", "rating", "favourite", "note", "duration", "sample_rate", "channels"})
"""Facts that a column of the same name shows already."""
_DTYPES = {"text": "string", "float": "Float64", "int": "Int64", "bool": "boolean"}
_WHOLE = 1 << 53


def to_frame(library: Library, rows: Iterable[SoundRow], *, vectors: str | bool = False) -> pd.DataFrame:
    """Give rows of the catalog as a table.

    Parameters
    ----------
    rows : iterable of SoundRow
        The sounds, in order.
    vectors : bool or str
        Add a column `vector` with the embedding (float32 arrays, None where there is none): True for the encoder
        that most sounds of the library have, or an encoder's hash or the beginning of it.

    Returns
    -------
    DataFrame
        Texts are `string`, numbers `Int64`, `Float64` or `boolean` (with NA where nothing is known), `added_at` is
        in UTC, words of a small choice are categories, `tags` holds lists. A fact whose name a column has already
        comes as `fact_NAME`.

    Raises
    ------
    MissingDependency
        If pandas is not installed.
    ParameterError
        If the library has no such encoder.
    """
    need("pandas", "a table")
    listed = list(rows)
    names = library.names({row.song_id for row in listed if row.song_id})
    tags = _tags(library, [row.id for row in listed])
    given: dict[str, Any] = {"song": lambda row: names.get(row.song_id or ""), "tags": lambda row: tags[row.id]}
    columns: dict[str, Sequence[Any]] = {}
    for name in COLUMNS:
        if name == "confidence":
            columns[name] = [row.label_confidence for row in listed]
        elif name in given:
            columns[name] = [given[name](row) for row in listed]
        else:
            columns[name] = [getattr(row, name, None) for row in listed]
    columns |= _facts([row.facts for row in listed])
    if vectors:
        columns[VECTOR] = _vectors(library, [row.id for row in listed], vectors)
    return frame_of(columns)


def frame_of(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Make a table of lists; columns that are not in `COLUMNS` get the type that fits their values."""
    import pandas as pd

    typed = {name: series_of(values, COLUMNS.get(name) or kind_of_values(values)) for name, values in columns.items()}
    return pd.DataFrame(typed)


def kind_of_values(values: Iterable[Any]) -> str:
    """Say what a column of facts holds: bool, int, float, text, or `any` for lists, objects and mixtures."""
    known = [value for value in values if value is not None]
    if not known:
        return "any"
    if all(isinstance(value, bool) for value in known):
        return "bool"
    if all(isinstance(value, str) for value in known):
        return "text"
    if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in known):
        return "any"
    whole = [value for value in known if isinstance(value, int)]
    if len(whole) == len(known):
        return "int" if all(-(1 << 63) <= value < 1 << 63 for value in whole) else "any"
    return "float" if all(abs(value) <= _WHOLE for value in whole) else "any"


def series_of(values: Sequence[Any], kind: str) -> Any:
    """Make one column of a kind."""
    import pandas as pd

    if kind == "category":
        words = sorted({value for value in values if value is not None})
        return pd.Series(pd.Categorical(values, categories=pd.Index(words, dtype="str" if not words else None)))
    if kind == "time":
        return pd.Series(pd.to_datetime(pd.Series(list(values), dtype="object"), utc=True)).astype(
            "datetime64[us, UTC]"
        )
    if kind in _DTYPES:
        plain = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
        return pd.Series(pd.array(plain, dtype=_DTYPES[kind]))
    column = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        column[index] = value
    return pd.Series(column, dtype=object)


def need(module: str, what: str) -> None:
    """Raise `MissingDependency` with the line to type if a package is not here."""
    if find_spec(module) is None:
        raise MissingDependency(f"{what} needs {module}. Install: pip install 'audiolab[tables]'")


def _facts(facts: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    found: dict[str, Sequence[Any]] = {}
    for name in sorted({name for each in facts for name in each} - _SAME):
        column = name
        while column in COLUMNS or column == VECTOR or column in found:
            column = f"fact_{column}"
        found[column] = [each.get(name) for each in facts]
    return found


def _tags(library: Library, ids: Sequence[str]) -> dict[str, list[str]]:
    """Give the words on each sound that nobody has denied: people's first, each once."""
    rank = {"human": 0, "import": 1, "model": 2}
    said: dict[str, dict[str, tuple[Any, ...]]] = defaultdict(dict)
    denied: dict[str, set[str]] = defaultdict(set)
    with library.store.transaction(write=False) as session:
        for part in chunks(ids):
            wanted = select(TagRow.sound_id, TagRow.label, TagRow.source, TagRow.confidence, TagRow.denied)
            for sound_id, label, source, confidence, no in session.execute(wanted.where(TagRow.sound_id.in_(part))):
                if no:
                    denied[sound_id].add(label)
                else:
                    place = (rank[source], -confidence, label)
                    said[sound_id][label] = min(place, said[sound_id].get(label, place))
    ordered = {sound_id: sorted(places, key=places.__getitem__) for sound_id, places in said.items()}
    return {i: [label for label in ordered.get(i, ()) if label not in denied[i]] for i in ids}


def _vectors(library: Library, ids: Sequence[str], which: str | bool) -> list[NDArray[np.float32] | None]:
    known = library.encoders()
    if which is True:
        found = sorted(known, key=lambda name: (-known[name], name))[:1]
    else:
        found = [name for name in known if name.startswith(str(which))]
    if len(found) != 1:
        raise ParameterError(
            f"the library has {'several encoders' if found else 'no vectors of an encoder'} {which!r}; "
            f"there are: {', '.join(name[:12] for name in known) or 'none (run the stage embed)'}"
        )
    have, values = library.vectors(found[0], ids) if ids else ([], np.zeros((0, 0), np.float32))
    by_id = dict(zip(have, values, strict=True))
    return [by_id.get(sound_id) for sound_id in ids]
