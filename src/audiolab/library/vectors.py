"""Embeddings as the catalog keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.library.derived import chunks, visible
from audiolab.library.models import SoundRow, VectorRow

__all__ = ["read_vectors"]


def read_vectors(
    session: Session, encoder: str, sound_ids: Sequence[str] | None
) -> tuple[list[str], NDArray[np.float32]]:
    """Give the ids of sounds that have a vector of this encoder, and the vectors, shape (n, dimensions)."""
    found: dict[str, bytes] = {}
    rows = select(VectorRow.sound_id, VectorRow.data).where(VectorRow.encoder == encoder)
    if sound_ids is None:
        shown = rows.join(SoundRow, SoundRow.id == VectorRow.sound_id).where(visible()).order_by(VectorRow.sound_id)
        found.update(session.execute(shown).all())
        ids = list(found)
    else:
        for part in chunks(sound_ids):
            found.update(session.execute(rows.where(VectorRow.sound_id.in_(part))).all())
        ids = [sound_id for sound_id in sound_ids if sound_id in found]
    if not ids:
        return [], np.zeros((0, 0), np.float32)
    joined = np.frombuffer(b"".join(found[sound_id] for sound_id in ids), "<f4")
    return ids, joined.reshape(len(ids), -1).astype(np.float32)
