"""The map of a library: every embedded sound has a place, which stays until the map is made anew."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from audiolab.errors import CatalogError
from audiolab.library import Library
from audiolab.library.cardrows import CardRow
from audiolab.library.mapping import read_map, write_map
from audiolab.runs.points import chosen_encoder, library_space
from audiolab.similarity.maps import SEED, Method, fit_map, place_by_neighbours
from audiolab.stages.base import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SoundMap", "place_on_map"]


@dataclass(frozen=True, slots=True)
class SoundMap:
    """Where the sounds of a library lie.

    Attributes
    ----------
    ids, names, labels : tuple of str
        The sounds, in order of their ids; label `""` where there is none.
    places : ndarray [float32, shape=(n, 2)]
        Their coordinates, the widest side of the fitted ones from -1 to 1.
    encoder : str
        Hash of the encoder whose embeddings were laid out.
    about : dict
        `method` (umap or pca), `seed`, `sounds`, `fitted`, `note` and `made_at` of the fit.
    placed : int
        How many sounds were placed now, by their neighbours.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    places: NDArray[np.float32]
    encoder: str
    about: dict[str, Any]
    placed: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def families(self) -> tuple[str, ...]:
        """The family of each label."""
        from audiolab.stages.classification.taxonomy import load_taxonomy

        taxonomy = load_taxonomy()
        known = {label: taxonomy.family(label) for label in set(self.labels)}
        return tuple(known[label] for label in self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab map --json` prints."""
        sounds = [
            {"id": i, "name": name, "label": label or None, "family": family, "x": float(x), "y": float(y)}
            for i, name, label, family, (x, y) in zip(
                self.ids, self.names, self.labels, self.families, self.places.tolist(), strict=True
            )
        ]
        return {"encoder": self.encoder, **self.about, "placed": self.placed, "sounds": sounds}

    def to_frame(self) -> pd.DataFrame:
        """Give a pandas table: id, name, label, family, x, y."""
        from audiolab.library.frames import frame_of, need

        need("pandas", "a table")
        rows = self.to_dict()["sounds"]
        return frame_of({name: [row[name] for row in rows] for name in ("id", "name", "label", "family", "x", "y")})

    def picture(self, path: str | Path | None = None, *, size: int = 900) -> str:
        """Draw it as SVG, coloured by family; with a path, write it there (.svg, or .png with matplotlib).

        Raises
        ------
        ParameterError
            If the name ends otherwise.
        MissingDependency
            If a PNG is wanted and matplotlib is not installed.
        """
        from audiolab.runs.map_picture import draw_svg, write_picture

        title = f"{len(self)} sounds, {self.about.get('method', '')}"
        if path is None:
            return draw_svg(self.places, self.families, self.names, title, size)
        return str(write_picture(Path(path), self.places, self.families, self.names, title=title, size=size))

    def _repr_html_(self) -> str:
        return self.picture(size=600)

    def __repr__(self) -> str:
        families = ", ".join(f"{name} {count}" for name, count in Counter(self.families).most_common(6))
        return f"<map of {len(self)} sounds by {self.about.get('method')}: {families}>"


def place_on_map(
    library: Library, *, refit: bool = False, method: Method = "auto", progress: Progress | None = None
) -> SoundMap:
    """Give the map of a library; sounds that have no place yet get one by their nearest neighbours.

    Parameters
    ----------
    library : Library
    refit : bool
        Lay everything out anew. Without it, places never change; a map is made where there is none.
    method : {"auto", "umap", "pca"}
        How a new map is made; see `audiolab.similarity.fit_map`.
    progress : callable, optional
        Gets (done, total); what it raises stops the work, and nothing is changed then.

    Returns
    -------
    SoundMap
        Of all embedded sounds but silent ones and those in the trash. The same sounds give the same map.

    Raises
    ------
    CatalogError
        If the library has no embeddings.
    """
    hook = progress or no_progress
    encoder = chosen_encoder(library)
    space, all_ids = library_space(library, encoder)
    shown = _shown(library)
    rows = [row for row, i in enumerate(all_ids.tolist()) if space.index.audible[row] and i in shown]
    if not rows:
        raise CatalogError("the library has no audible sounds with embeddings, so there is nothing to map")
    ids = [str(all_ids[row]) for row in rows]
    vectors = np.ascontiguousarray(space.index.vectors[rows])
    with library.store.transaction(write=False) as session:
        about, known, places = read_map(session, encoder, ids)
    placed = 0
    if refit or about is None or not known:
        made = fit_map(vectors, method=method, progress=lambda done: hook(done, 1.0))
        about = {
            "method": made.method, "seed": SEED, "sounds": len(ids), "fitted": len(made.fitted), "note": made.note,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        with library.store.transaction() as session:
            write_map(session, encoder, ids, made.coordinates, about)
        coordinates = made.coordinates
    else:
        coordinates, placed = _place_new(library, encoder, ids, vectors, known, places)
        hook(1.0, 1.0)
    names, labels = zip(*(shown[i] for i in ids), strict=True)
    return SoundMap(tuple(ids), names, labels, coordinates, encoder, about, placed)


def _place_new(  # noqa: PLR0917 - one map, taken apart
    library: Library,
    encoder: str,
    ids: list[str],
    vectors: NDArray[np.float32],
    known: list[str],
    places: NDArray[np.float32],
) -> tuple[NDArray[np.float32], int]:
    where = dict(zip(known, places, strict=True))
    old = np.asarray([i in where for i in ids], bool)
    coordinates = np.zeros((len(ids), 2), np.float32)
    coordinates[old] = [where[i] for i in ids if i in where]
    new = np.flatnonzero(~old)
    if len(new):
        coordinates[new] = place_by_neighbours(vectors[new], vectors[old], coordinates[old])
        fresh = [ids[row] for row in new]
        with library.store.transaction() as session:
            # Another process may have placed some meanwhile: theirs stay.
            _, taken, theirs = read_map(session, encoder, fresh)
            there = dict(zip(taken, theirs, strict=True))
            left = [row for row in new if ids[row] not in there]
            write_map(session, encoder, [ids[row] for row in left], coordinates[left], None)
        for row in new:
            coordinates[row] = there.get(ids[row], coordinates[row])
    return coordinates, len(new)


def _shown(library: Library) -> dict[str, tuple[str, str]]:
    """Give name and label of all sounds that are shown."""
    from audiolab.library.models import SoundRow

    with library.store.transaction(write=False) as session:
        rows = select(SoundRow.id, SoundRow.name, SoundRow.label).join(CardRow, CardRow.sound_id == SoundRow.id)
        return {i: (name, label or "") for i, name, label in session.execute(rows.where(CardRow.shown))}
