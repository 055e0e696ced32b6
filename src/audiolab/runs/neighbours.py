"""`similar`: the sounds of a library that are most like a sound, a file, or audio in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from audiolab.audio import BlockSource, as_source
from audiolab.errors import ParameterError
from audiolab.library import Library, Sound, SoundList
from audiolab.library.cardrows import CardRow
from audiolab.library.derived import chunks
from audiolab.library.search import search
from audiolab.library.tables import html_table, seconds_text
from audiolab.runs.points import chosen_encoder, counts_of, library_space, point_of_sound, point_of_source
from audiolab.similarity.index import Hits
from audiolab.similarity.space import Point, Space, Weights

if TYPE_CHECKING:
    from audiolab.library.models import SoundRow

__all__ = ["Neighbours", "SoundLike", "rows_of", "shown_hits", "similar"]

SoundLike: TypeAlias = BlockSource | str | Path | tuple[NDArray[np.float32], int]
_MASKED = 5000
"""A query that finds no more sounds than this is turned into a mask; of larger ones, only candidates are looked up."""


class Neighbours(SoundList):
    """What `similar` found, the nearest first.

    Attributes
    ----------
    scores : tuple of float
        How near each is: the cosine of the embeddings, or with other weights the weighted mean of the aspects.
    why : tuple of dict
        For each how near it is in every aspect known of both: timbre, envelope, pitch.
    of : str
        What was asked about.
    weights : dict
        Shares of the aspects that counted.
    encoder : str
        Hash of the encoder whose embeddings were compared.
    engine : str
        `numpy` (exact) or `usearch`.
    notes : tuple of str
        What could not be compared, and why.
    """

    def __init__(
        self,
        library: Library,
        rows: Sequence[SoundRow],
        *,
        scores: Sequence[float],
        why: Sequence[Mapping[str, float]],
        of: str,
        weights: Mapping[str, float],
        encoder: str,
        engine: str,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(library, rows, f"sounds like {of}")
        self.scores, self.why = tuple(scores), tuple(dict(item) for item in why)
        self.of, self.weights, self.encoder, self.engine = of, dict(weights), encoder, engine
        self.notes = tuple(notes)

    def to_dicts(self) -> Iterator[dict[str, Any]]:
        """Give each sound as JSON, with `score` and `why`."""
        for row, score, why in zip(super().to_dicts(), self.scores, self.why, strict=True):
            yield {**row, "score": round(score, 6), "why": why}

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab similar --json` prints."""
        names = ("id", "name", "kind", "label", "duration", "score", "why")
        return {
            "sound": self.of,
            "encoder": self.encoder,
            "engine": self.engine,
            "weights": self.weights,
            "neighbours": [{name: row[name] for name in names} for row in self.to_dicts()],
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        header = ("score", "name", "label", "length", "timbre", "envelope", "pitch", "id")
        rows = [
            (round(row["score"], 3), row["name"], row["label"], seconds_text(row["duration"]),
             *(row["why"].get(name) for name in ("timbre", "envelope", "pitch")), row["id"][:10])
            for row in self.to_dicts()
        ]  # fmt: skip
        return html_table(f"{len(self)} {self.title}", header, rows, note="; ".join(self.notes))


@overload
def similar(
    what: Sound, /, n: int = 20, *, query: str = "", timbre: float = 1.0, envelope: float = 0.0, pitch: float = 0.0
) -> Neighbours: ...
@overload
def similar(
    what: Library, sound: SoundLike | Sound, /, n: int = 20, *, query: str = "", timbre: float = 1.0,
    envelope: float = 0.0, pitch: float = 0.0,
) -> Neighbours: ...  # fmt: skip
def similar(
    what: Sound | Library,
    *given: Any,
    n: int | None = None,
    query: str = "",
    timbre: float = 1.0,
    envelope: float = 0.0,
    pitch: float = 0.0,
) -> Neighbours:
    """Find the sounds that are most like another.

    Parameters
    ----------
    what : Sound or Library
        A sound of a library: `similar(sound, 20)`. Or a library, followed by a sound: `similar(lib, "file.wav", 20)`.
    sound : path, Audio, block source, (array, rate), Sound, or the id or name of one
        What to look for, if `what` is a library.
    n : int
        How many, at most; 20.
    query : str
        Only among the sounds that this query finds.
    timbre, envelope, pitch : float
        How much each aspect counts. By default the embedding alone: a cosine.

    Returns
    -------
    Neighbours
        A list of sounds with scores, the nearest first; ties in order of the ids. Never the sound itself, silence, or
        what lies in the trash. Empty for silence.

    Raises
    ------
    CatalogError
        If the library has no embeddings.
    ParameterError
        If the weights or the arguments make no sense.
    """
    library, sound, count = _arguments(what, given, n)
    weights = Weights(timbre, envelope, pitch)
    if isinstance(sound, Sound):
        encoder = chosen_encoder(library, sound.id)
        space, ids = library_space(library, encoder)
        point, name = point_of_sound(library, sound, space, ids, encoder), sound.name
    else:
        encoder = chosen_encoder(library)
        space, ids = library_space(library, encoder)
        source = as_source(sound)
        point = point_of_source(source)
        name = str(sound) if isinstance(sound, (str, Path)) else source.name
    hits = shown_hits(library, space, ids, point, count, weights=weights, query=query)
    notes = _notes(library, space, point, weights, encoder)
    rows = rows_of(library, [str(ids[row]) for row in hits.rows])
    engine = space.index.engine if set(weights.shares) == {"timbre"} and not query else "numpy"
    return Neighbours(
        library, rows, scores=hits.scores.tolist(), why=space.why(point, hits.rows.tolist()), of=name,
        weights=weights.shares, encoder=encoder, engine=engine, notes=notes,
    )  # fmt: skip


def _arguments(what: Any, given: tuple[Any, ...], n: int | None) -> tuple[Library, Any, int]:
    sound: Any
    if isinstance(what, Sound):
        library, sound, rest = what.library, what, given
    elif isinstance(what, Library):
        if not given:
            raise ParameterError('similar(library, ...) needs a sound: similar(lib, "file.wav")')
        library, sound, rest = what, given[0], given[1:]
    else:
        raise ParameterError(f"similar takes a Sound, or a Library and a sound, not {type(what).__name__}")
    if len(rest) > 1 or (rest and n is not None):
        raise ParameterError(
            "similar takes one number of sounds, n; all else by name: similar(sound, 20, envelope=0.5)"
        )
    count = rest[0] if rest else 20 if n is None else n
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ParameterError(f"n is how many sounds to give, not {count!r}")
    if isinstance(sound, str) and not Path(sound).expanduser().exists():
        sound = library.sound(sound)
    elif isinstance(sound, (str, Path)):
        sound = Path(sound).expanduser()
    return library, sound, count


# ---- who may be found ------------------------------------------------------------------------------


def shown_hits(
    library: Library, space: Space, ids: NDArray[np.str_], point: Point, n: int, *, weights: Weights, query: str = ""
) -> Hits:
    """Search among the sounds that a query finds (all that are shown, without one); exact either way."""
    numbers: set[int] | None = None
    if query:
        with library.store.transaction(write=False) as session:
            found = search(session, query)
        if len(found) <= _MASKED:
            return space.nearest(point, n, weights, allowed=_mask(library, ids, found))
        numbers = set(found)
    everything = None if numbers is None else np.ones(len(ids), bool)

    def ask(count: int) -> Hits:
        return space.nearest(point, count, weights, allowed=everything)

    return _widened(library, ids, ask, n, numbers)


def _widened(
    library: Library, ids: NDArray[np.str_], ask: Callable[[int], Hits], n: int, numbers: set[int] | None
) -> Hits:
    """Ask for more until enough of what comes is shown: what lies in the trash keeps its vectors."""
    count = n + 20
    while True:
        hits = ask(count)
        shown = _shown(library, [str(ids[row]) for row in hits.rows], numbers)
        good = np.asarray([str(ids[row]) in shown for row in hits.rows], bool)
        if good.sum() >= n or len(hits) < count:
            return Hits(hits.rows[good][:n], hits.scores[good][:n])
        count *= 4


def _shown(library: Library, ids: Sequence[str], numbers: set[int] | None) -> set[str]:
    found: set[str] = set()
    with library.store.transaction(write=False) as session:
        for part in chunks(ids):
            cards = select(CardRow.sound_id, CardRow.number).where(CardRow.sound_id.in_(part))
            if numbers is None:
                cards = cards.where(CardRow.shown)
            found.update(i for i, number in session.execute(cards) if numbers is None or number in numbers)
    return found


def _mask(library: Library, ids: NDArray[np.str_], numbers: Sequence[int]) -> NDArray[np.bool_]:
    mask = np.zeros(len(ids), bool)
    if not len(ids):
        return mask
    with library.store.transaction(write=False) as session:
        for part in chunks(numbers):
            for sound_id in session.scalars(select(CardRow.sound_id).where(CardRow.number.in_(part))):
                at = int(np.searchsorted(ids, sound_id))
                if at < len(ids) and ids[at] == sound_id:
                    mask[at] = True
    return mask


def rows_of(library: Library, ids: Sequence[str]) -> list[SoundRow]:
    """Give the rows of some sounds, in order."""
    from audiolab.library.models import SoundRow

    found: dict[str, SoundRow] = {}
    with library.store.transaction(write=False) as session:
        for part in chunks(ids):
            found.update({row.id: row for row in session.scalars(select(SoundRow).where(SoundRow.id.in_(part)))})
    return [found[i] for i in ids]


def _notes(library: Library, space: Space, point: Point, weights: Weights, encoder: str) -> list[str]:
    notes = []
    if lacking := point.lacks(list(weights.shares)):
        notes.append(f"the sound has no {' and no '.join(lacking)} (silence has none), so nothing is like it")
    others = {name: count for name, count in counts_of(library).items() if name != encoder}
    if others:
        notes.append(
            f"{sum(others.values())} embeddings are of another encoder and were not compared; let `embed` run again"
        )
    if set(weights.shares) - {"timbre"}:
        missing = int((space.index.audible & ~space.described).sum())
        if missing:
            notes.append(f"{missing} sounds have no envelope and pitch yet; let the stage `describe` run on them")
    return notes
