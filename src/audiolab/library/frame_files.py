"""Tables of sounds as files: Parquet and CSV, and reading them back to equal values.

CSV is read by spreadsheets, which take a cell that begins with =, +, - or @ for a formula and run it. Names are
data from anywhere, so such texts get an apostrophe before them, which spreadsheets take for "this is text".
The same sign marks every text that would otherwise be read back as something else (an empty text, a fact that is a
text but looks like a number, one that begins with an apostrophe itself), so reading takes one away and nothing is lost.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError, ParameterError
from audiolab.library.frames import COLUMNS, VECTOR, frame_of, kind_of_values, need, series_of
from audiolab.library.text import shorten

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_csv", "read_parquet", "read_table", "to_csv", "to_parquet", "write_table"]

_META = b"audiolab"
_GUARD = "'"
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠|%" + _GUARD)
_INT = re.compile(r"-?\d+")
_FLOAT = re.compile(r"-?\d+\.\d+|-?\d+(?:\.\d+)?e[+-]?\d+")
_LARGEST_CELL = 1 << 27


def write_table(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table to a file whose name ends in .parquet or .csv; see `to_parquet` and `to_csv`."""
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        return to_parquet(frame, path)
    if suffix == ".csv":
        return to_csv(frame, path)
    raise ParameterError(f"a table is written to NAME.parquet or NAME.csv, not to {shorten(str(path))!r}")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote: equal columns, types and values."""
    return read_csv(path) if Path(path).suffix.lower() == ".csv" else read_parquet(path)


# ---- Parquet ------------------------------------------------------------------------------------


def to_parquet(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as Parquet, whole or not at all.

    Lists of texts and vectors are lists there; facts of mixed kinds are JSON texts. What each column was is kept in the
    file's metadata under `audiolab`.

    Raises
    ------
    MissingDependency
        If pyarrow is not installed.
    CatalogError
        If the file cannot be written.
    """
    need("pyarrow", "Parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = {"text": pa.string(), "float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}
    plain |= {"time": pa.timestamp("us", "UTC"), "category": pa.dictionary(pa.int32(), pa.string())}
    plain |= {"list": pa.list_(pa.string()), "vector": pa.list_(pa.float32()), "any": pa.string()}
    kinds = {name: _kind(name, frame[name]) for name in frame.columns}
    shown = frame.copy(deep=False)
    for name, kind in kinds.items():
        if kind == "any":
            shown[name] = series_of([None if _none(value) else _json(value) for value in frame[name]], "text")
    schema = pa.schema([pa.field(name, plain[kind]) for name, kind in kinds.items()])
    table = pa.Table.from_pandas(shown, schema=schema, preserve_index=False)
    meta = {**(table.schema.metadata or {}), _META: json.dumps({"format": 1, "columns": kinds}).encode()}

    def write(temporary: Path) -> None:
        pq.write_table(table.replace_schema_metadata(meta), temporary, compression="zstd")

    return _put(path, write)


def read_parquet(path: str | Path) -> pd.DataFrame:
    """Read what `to_parquet` wrote.

    Raises
    ------
    CatalogError
        If the file is missing, damaged or another table.
    """
    need("pyarrow", "Parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        kinds = json.loads((table.schema.metadata or {})[_META])["columns"]
    except (OSError, pa.ArrowInvalid, ValueError, TypeError) as error:
        raise CatalogError(f"{Path(path).name!r} cannot be read as Parquet: {error}") from error
    except KeyError:
        raise CatalogError(f"{Path(path).name!r} is no table of sounds that audiolab wrote") from None
    import pandas as pd

    columns = {}
    for name, kind in kinds.items():
        values = table.column(name).to_pylist()
        if kind == "any":
            values = [None if value is None else json.loads(value) for value in values]
        elif kind == "vector":
            values = [None if value is None else np.array(value, np.float32) for value in values]
        columns[name] = series_of(values, kind)
    return pd.DataFrame(columns)


# ---- CSV ----------------------------------------------------------------------------------------


def to_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as CSV (UTF-8 with a byte order mark, commas), whole or not at all.

    Nothing known is an empty cell, times are ISO 8601 in UTC, lists are JSON. Texts that a spreadsheet would run as a
    formula get an apostrophe before them; `read_csv` takes it away.

    Raises
    ------
    CatalogError
        If the file cannot be written.
    """
    kinds = {name: _kind(name, frame[name]) for name in frame.columns}
    columns = [[_cell(value, kind, sure=name in COLUMNS) for value in frame[name]] for name, kind in kinds.items()]

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([_guarded(name, sure=True) for name in kinds])
            writer.writerows(zip(*columns, strict=True))

    return _put(path, write)


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read what `to_csv` wrote.

    Raises
    ------
    CatalogError
        If the file is missing, or a cell is not what its column holds.
    """
    need("pandas", "a table")
    before = csv.field_size_limit(_LARGEST_CELL)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        names = [_bare(name) for name in header]
        if not {"id", "kind", "name"} <= set(names):
            raise CatalogError(f"{Path(path).name!r} is no table of sounds: it has no columns id, kind and name")
        cells = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return frame_of({name: _values(name, column) for name, column in zip(names, cells, strict=True)})
    except (OSError, csv.Error, ValueError, TypeError) as error:
        raise CatalogError(f"{Path(path).name!r} cannot be read as a table of sounds: {error}") from error
    finally:
        csv.field_size_limit(before)


def _cell(value: Any, kind: str, *, sure: bool) -> str:
    if kind == "vector":
        return "" if value is None else _json([float(number) for number in value])
    if kind in {"list", "any"}:
        return "" if _none(value) else _json(value)
    if _none(value):
        return ""
    if kind == "float":
        return repr(float(value))
    if kind == "int":
        return str(int(value))
    if kind == "bool":
        return "true" if value else "false"
    if kind == "time":
        return str(value.isoformat())
    return _guarded(str(value), sure=sure)


def _guarded(text: str, *, sure: bool) -> str:
    """Mark a text that a spreadsheet would run, or (unless its column is `sure`) be read back as something else."""
    first = text.lstrip()[:1]
    unsafe = not first or first in _FORMULA or text[0] in _FORMULA or (not sure and _is_json(text))
    return _GUARD + text if unsafe else text


def _bare(text: str) -> str:
    return text.removeprefix(_GUARD)


def _values(name: str, cells: Sequence[str]) -> list[Any]:
    kind = COLUMNS.get(name, VECTOR if name == VECTOR else _kind_of_cells(cells))
    readers: dict[str, Callable[[str], Any]] = {
        "float": float,
        "int": int,
        "bool": _bool,
        "time": datetime.fromisoformat,
        "list": json.loads,
        "vector": lambda cell: np.array(json.loads(cell), np.float32),
        "any": json.loads,
    }
    read = readers.get(kind, _bare)
    return [read(cell) if cell else None for cell in cells]


def _bool(cell: str) -> bool:
    if cell not in {"true", "false"}:
        raise ValueError(f"{shorten(cell)!r} is neither true nor false")
    return cell == "true"


def _kind_of_cells(cells: Sequence[str]) -> str:
    known = [cell for cell in cells if cell]
    if not known:
        return "any"
    if all(_INT.fullmatch(cell) for cell in known):
        return kind_of_values(map(int, known))
    if all(_FLOAT.fullmatch(cell) for cell in known):
        return "float"
    if all(cell in {"true", "false"} for cell in known):
        return "bool"
    return "any" if all(map(_is_json, known)) else "text"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


# ---- both ---------------------------------------------------------------------------------------


def _kind(name: str, column: Any) -> str:
    """Say what a column of a table holds."""
    if name == VECTOR:
        return "vector"
    if name in COLUMNS:
        return COLUMNS[name]
    kinds = {"string": "text", "Float64": "float", "Int64": "int", "boolean": "bool"}
    return kinds.get(str(column.dtype), "any")


def _none(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_listed)


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _put(path: str | Path, write: Callable[[Path], None]) -> Path:
    path = Path(path).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            write(temporary)
    except OSError as error:
        raise CatalogError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    return path
