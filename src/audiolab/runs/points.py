"""The sounds of a library as points that can be compared: their embeddings and aspects, kept until vectors change."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, require_stereo
from audiolab.errors import CatalogError
from audiolab.library import Library, Sound
from audiolab.library.vectors import vector_counts, written_mark
from audiolab.similarity.index import VectorIndex
from audiolab.similarity.space import Point, Space

__all__ = ["chosen_encoder", "counts_of", "library_space", "point_of_sound", "point_of_source"]


@dataclass(slots=True)
class _Held:
    """What is kept of an open library, as long as nobody writes vectors."""

    mark: str
    counts: dict[str, int]
    spaces: dict[str, tuple[Space, NDArray[np.str_]]] = field(default_factory=dict)


_held: WeakKeyDictionary[Library, _Held] = WeakKeyDictionary()


def _now(library: Library) -> _Held:
    with library.store.transaction(write=False) as session:
        mark = written_mark(session)
        held = _held.get(library)
        if held is None or held.mark != mark:
            held = _held[library] = _Held(mark, vector_counts(session))
    return held


def counts_of(library: Library) -> dict[str, int]:
    """Count the embeddings of each encoder, like `lib.encoders()`, but only when vectors were written."""
    return _now(library).counts


def chosen_encoder(library: Library, sound_id: str | None = None) -> str:
    """Give the encoder in use if the library has embeddings of it, else, for a sound that has one, the commonest.

    Raises
    ------
    CatalogError
        If there are no embeddings that could be compared.
    """
    from audiolab.stages.classification.encoder import get_encoder

    current, counts = get_encoder().sha256, counts_of(library)
    if counts.get(current):
        return current
    if sound_id is not None:
        for encoder in sorted(counts, key=lambda name: (-counts[name], name)):
            if library.vectors(encoder, [sound_id])[0]:
                return encoder
    other = sum(counts.values())
    what = f"only embeddings of another encoder ({other} of them)" if other else "no embeddings"
    raise CatalogError(
        f"the library has {what}, so nothing can be compared: let the stage `embed` run on its samples "
        "(any recipe but `stems` does)"
    )


def library_space(library: Library, encoder: str) -> tuple[Space, NDArray[np.str_]]:
    """Give all embedded sounds of a library, with those in the trash, and their ids; kept until vectors change."""
    from audiolab.stages.analysis.aspects import ASPECTS, envelope_features, pitch_features

    held = _now(library)
    if encoder in held.spaces:
        return held.spaces[encoder]
    kept, measured = library.kept_vectors(encoder), library.kept_vectors(ASPECTS)
    ids = kept.ids
    index = VectorIndex(kept.values, ids, saved=kept.path.with_suffix(".usearch"))  # type: ignore[arg-type]
    described = np.zeros(len(ids), bool)
    aspects = np.zeros((len(ids), measured.values.shape[1] if len(measured.ids) else 24), np.float32)
    rows = measured.rows_of(ids.tolist())
    if len(measured.ids):
        have = rows >= 0
        aspects[have] = measured.values[rows[have]]
        described = have & (aspects[:, 0] > 0)
    space = Space(index, envelope_features(aspects), pitch_features(aspects), described)
    held.spaces[encoder] = space, ids
    return space, ids


def point_of_sound(library: Library, sound: Sound, space: Space, ids: NDArray[np.str_], encoder: str) -> Point:
    """Give a sound of the library as a point: from what is stored, else measured now."""
    at = int(np.searchsorted(ids, sound.id)) if len(ids) else 0
    if at < len(ids) and ids[at] == sound.id:
        described = bool(space.described[at]) and space.envelope is not None and space.pitch is not None
        envelope = space.envelope[at] if described and space.envelope is not None else None
        pitch = space.pitch[at] if described and space.pitch is not None else None
        if not described and space.index.audible[at]:
            measured = point_of_source(sound.source(), embed=False)
            envelope, pitch = measured.envelope, measured.pitch
        return Point(np.asarray(space.index.vectors[at]), envelope, pitch, at)
    return point_of_source(sound.source())


def point_of_source(source: BlockSource, *, embed: bool = True) -> Point:
    """Listen to a sound: its embedding and its aspects."""
    from audiolab.stages.analysis.aspects import envelope_features, pitch_features
    from audiolab.stages.analysis.oneshot import describe_sound
    from audiolab.stages.embedding import embed as run_embed

    aspects = describe_sound(require_stereo(source, downmix=True)).aspects[None, :]
    vector = run_embed([source], downmix=True).values[0] if embed else np.zeros(0, np.float32)
    if not aspects[0, 0]:
        return Point(vector)
    return Point(vector, envelope_features(aspects)[0], pitch_features(aspects)[0])
