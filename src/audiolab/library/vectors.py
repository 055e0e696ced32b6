"""Embeddings as the catalog keeps them, and their copy in one file, which is read at once.

The copy lies in `cache/vectors/` and is named after what it holds: the encoder, how often vectors were written, the
result that wrote them last, and how many there are. So a copy is never changed, only replaced, and whoever has one
open keeps it; two processes that make the same one make equal files. It also holds sounds in the trash: readers look
up who is shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audiolab.audio import atomic_path
from audiolab.errors import CatalogError
from audiolab.library.derived import chunks, visible
from audiolab.library.models import MetaRow, SoundRow, VectorRow
from audiolab.library.store import Store

__all__ = ["MEASURED", "KeptVectors", "kept_vectors", "mark_written", "read_vectors", "vector_counts", "written_mark"]

MEASURED = "0" * 16
"""Begins the name of what was measured and is no embedding, where an encoder's hash stands."""
_META = "vectors"
_PAGE = 20_000
_STALE_SECONDS = 600.0


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


def vector_counts(session: Session) -> dict[str, int]:
    """Count the embeddings of each encoder; what was merely measured is not among them."""
    rows = select(VectorRow.encoder, func.count()).where(VectorRow.encoder.not_like(f"{MEASURED}%"))
    return dict(session.execute(rows.group_by(VectorRow.encoder)).all())


def mark_written(session: Session, by: str) -> None:
    """Note that vectors were written or removed, in the transaction that does it; `by` is the result, or a word."""
    row = session.get(MetaRow, _META)
    changes = 0 if row is None else int(row.value.get("changes", 0))
    session.merge(MetaRow(key=_META, value={"changes": changes + 1, "last": by[:16]}))


def written_mark(session: Session) -> str:
    """Say what wrote vectors last: as long as this is the same, so are all vectors. One row is read."""
    row = session.get(MetaRow, _META)
    value = {} if row is None else row.value
    return f"{value.get('changes', 0)}-{value.get('last', '')}"


@dataclass(frozen=True, slots=True)
class KeptVectors:
    """All vectors of one encoder, in order of the ids.

    Attributes
    ----------
    stamp : str
        What tells this state from others.
    ids : ndarray of str [shape=(n,)]
    values : ndarray [float32, shape=(n, dimensions)]
        Memory-mapped, not to be written to.
    path : Path
        The file of the values; whoever derives something from them may keep it beside, under this name.
    """

    stamp: str
    ids: NDArray[np.str_]
    values: NDArray[np.float32]
    path: Path

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Give the place of each id, -1 for those without a vector."""
        if not len(self.ids) or not len(ids):
            return np.full(len(ids), -1, np.int64)
        wanted = np.asarray(ids, self.ids.dtype if max(map(len, ids)) * 4 <= self.ids.dtype.itemsize else str)
        places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[places] == wanted, places, -1)


def _stamp_of(session: Session, encoder: str) -> str:
    """Say in which state the vectors of an encoder are."""
    count = session.scalar(select(func.count()).select_from(VectorRow).where(VectorRow.encoder == encoder)) or 0
    return f"{encoder[:24]}-{written_mark(session)}-{count}"


def kept_vectors(store: Store, folder: Path, encoder: str) -> KeptVectors:
    """Give all vectors of an encoder from their copy; it is made if there is none of this state.

    Raises
    ------
    CatalogError
        If a vector in the catalog is damaged.
    """
    with store.transaction(write=False) as session:
        stamp = _stamp_of(session, encoder)
        path = folder / "vectors" / f"{stamp}.npy"
        found = _opened(path, stamp)
        if found is not None:
            return found
        ids, values = _read_all(session, encoder)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_path(path.with_suffix(".json"), sync=False) as temporary:
            temporary.write_text(json.dumps(ids))
        with atomic_path(path, sync=False) as temporary:
            np.save(temporary, values, allow_pickle=False)
    except OSError:
        return KeptVectors(stamp, np.asarray(ids, str), values, path)  # a full or read-only disk: it works without
    _remove_older(path, encoder)
    return KeptVectors(stamp, np.asarray(ids, str), values, path)


def _opened(path: Path, stamp: str) -> KeptVectors | None:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        ids = np.asarray(json.loads(path.with_suffix(".json").read_text()), str)
    except (OSError, ValueError, EOFError):  # not there, or torn: it is made again
        return None
    if values.ndim != 2 or values.dtype != np.float32 or len(values) != len(ids):
        return None
    return KeptVectors(stamp, ids, values, path)


def _read_all(session: Session, encoder: str) -> tuple[list[str], NDArray[np.float32]]:
    ids: list[str] = []
    parts: list[NDArray[np.float32]] = []
    rows = select(VectorRow.sound_id, VectorRow.data).where(VectorRow.encoder == encoder).order_by(VectorRow.sound_id)
    size: int | None = None
    for page in session.execute(rows.execution_options(yield_per=_PAGE)).partitions(_PAGE):
        for sound_id, data in page:
            size = len(data) if size is None else size
            if len(data) != size or size % 4 or not size:
                raise CatalogError(
                    f"the vector of {sound_id[:12]} has {len(data)} bytes, others {size}; run `audiolab fsck`"
                )
        ids += [sound_id for sound_id, _ in page]
        joined = np.frombuffer(b"".join(data for _, data in page), "<f4")
        parts.append(joined.reshape(len(page), -1).astype(np.float32))
    # Databases sort by their own rules; ours must be that of numpy.
    values = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return [ids[i] for i in order], values[order] if order else values


def _remove_older(path: Path, encoder: str) -> None:
    """Remove copies of earlier states; who has one open goes on reading it. Fresh ones may be another process's."""
    import time

    for other in path.parent.glob(f"{encoder[:24]}-*"):
        if other.name.split(".", 1)[0] == path.stem:
            continue
        try:
            if time.time() - other.stat().st_mtime > _STALE_SECONDS:
                other.unlink()
        except OSError:
            continue  # another process was faster, or has it open on a system that minds
