"""Map coordinates as the catalog keeps them: two numbers a sound, under a name that holds the encoder's hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError
from audiolab.library.models import MetaRow, VectorRow
from audiolab.library.vectors import MEASURED, read_vectors

__all__ = ["map_name", "read_map", "write_map"]

_MAP = MEASURED + "3a9"
_META = "map:"


def map_name(encoder: str) -> str:
    """Give the name under which the coordinates of a map of an encoder's vectors are kept."""
    return f"{_MAP}{encoder}"


def read_map(
    session: Session, encoder: str, ids: Sequence[str] | None = None
) -> tuple[dict[str, Any] | None, list[str], NDArray[np.float32]]:
    """Give what is known about the map of an encoder (None if there is none), and the places of sounds on it."""
    row = session.get(MetaRow, _meta(encoder))
    if row is None:
        return None, [], np.zeros((0, 2), np.float32)
    found, places = read_vectors(session, map_name(encoder), ids)
    if not found:
        return dict(row.value), [], np.zeros((0, 2), np.float32)
    if places.shape[1] != 2:
        raise CatalogError("the coordinates of the map are damaged; make it anew (audiolab map --refit)")
    return dict(row.value), found, places


def write_map(
    session: Session, encoder: str, ids: Sequence[str], places: NDArray[np.float32], about: Mapping[str, Any] | None
) -> None:
    """Write places: with `about`, of a new map in the place of the old one; without, of further sounds."""
    name = map_name(encoder)
    if about is not None:
        session.execute(delete(VectorRow).where(VectorRow.encoder == name))
        session.merge(MetaRow(key=_meta(encoder), value=dict(about)))
    # Plain statements: places change no card, so no card must be looked at.
    rows = [
        {"sound_id": i, "encoder": name, "data": place.astype("<f4").tobytes()}
        for i, place in zip(ids, places, strict=True)
    ]
    if rows:
        session.execute(insert(VectorRow), rows)


def _meta(encoder: str) -> str:
    return f"{_META}{encoder[:40]}"
