"""Near-duplicates: the same recording at another level, cut otherwise, from a codec, at another rate.

Two steps: the embedding proposes, the waveforms decide. How near an embedding must be to be proposed is not a fixed
number, since that is another one for every encoder: some of the library's own sounds are copied in memory, as copies
are made, and embedded again; what nearly all of these copies reach is near enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio, resample
from audiolab.errors import AudiolabError
from audiolab.library import Library, Sound
from audiolab.library.tables import html_table, seconds_text
from audiolab.runs.neighbours import rows_of
from audiolab.runs.points import chosen_encoder, library_space
from audiolab.similarity.comparing import Prepared, Verdict, compare_recordings, prepare_recording
from audiolab.similarity.grouping import Groups
from audiolab.similarity.index import VectorIndex
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.preparing import Heard, listen

__all__ = ["Copy", "DuplicateGroup", "Duplicates", "copies_floor", "duplicates", "floor_of"]

_PROPOSED = 12
"""Nearest sounds that are looked at for each."""
_CALIBRATION = 40
_QUANTILE = 0.05
_HELD = 512
_LOSSY = frozenset({"MP3", "OGG", "VORBIS", "OPUS", "AAC", "M4A", "MP4", "WMA", "MPEG"})
_REENCODED = 0.995
_LEVEL_DB, _OFFSET_S, _LENGTH_S = 0.1, 0.001, 0.005


@dataclass(frozen=True, slots=True)
class Copy:
    """One sound of a group."""

    sound: Sound
    keep: bool
    """Whether it is the one proposed to be kept."""
    verdict: Verdict
    """How it compares with that one."""
    differences: tuple[str, ...]
    """In words: `6.0 dB quieter`, `starts 0.020 s later`, `MP3`, `22050 Hz` ..."""

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON document."""
        return {
            "id": self.sound.id, "name": self.sound.name, "keep": self.keep, "duration": round(self.sound.duration, 4),
            "agreement": round(self.verdict.agreement, 4), "gain_db": round(self.verdict.gain_db, 2),
            "offset_s": round(self.verdict.offset, 5), "differences": list(self.differences),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Copies of one recording; the one to keep comes first."""

    copies: tuple[Copy, ...]

    @property
    def keep(self) -> Sound:
        """The one proposed to be kept: lossless, then longest, then of the highest rate, then the earliest."""
        return self.copies[0].sound

    @property
    def others(self) -> list[Sound]:
        """The other copies."""
        return [copy.sound for copy in self.copies[1:]]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What `duplicates` found. Nothing was changed; to clear up: `lib.delete(group.others)`."""

    groups: tuple[DuplicateGroup, ...]
    looked_at: int
    compared: int
    """Pairs whose waveforms were compared."""
    floor: float
    """Cosine from which on pairs were proposed; found for this encoder and library."""
    encoder: str
    left_out: tuple[tuple[str, str], ...] = field(default=())
    """Sounds that could not be read, and why."""

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[DuplicateGroup]:
        return iter(self.groups)

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab similar --duplicates --json` prints."""
        return {
            "groups": [[copy.to_dict() for copy in group.copies] for group in self.groups],
            "looked_at": self.looked_at, "compared": self.compared, "floor": round(self.floor, 4),
            "encoder": self.encoder, "left_out": [{"sound": name, "why": why} for name, why in self.left_out],
        }  # fmt: skip

    def _repr_html_(self) -> str:
        rows = [
            (number, "keep" if copy.keep else "", copy.sound.name, seconds_text(copy.sound.duration),
             ", ".join(copy.differences), copy.sound.id[:10])
            for number, group in enumerate(self.groups, start=1) for copy in group.copies
        ]  # fmt: skip
        note = f"{len(self.left_out)} sounds could not be read" if self.left_out else ""
        header = ("group", "", "name", "length", "differences", "id")
        return html_table(f"{len(self)} groups of copies among {self.looked_at} sounds", header, rows, note=note)


def duplicates(library: Library, query: str = "kind:sample", *, progress: Progress | None = None) -> Duplicates:
    """Find sounds that are one recording.

    Parameters
    ----------
    library : Library
    query : str
        Which sounds to look at; only embedded ones can be.
    progress : callable, optional
        Gets (done, total); what it raises stops the search.

    Returns
    -------
    Duplicates
        Groups of copies with their differences, and which of each to keep. Nothing is ever deleted.

    Raises
    ------
    CatalogError
        If the library has no embeddings.
    """
    hook = progress or no_progress
    encoder = chosen_encoder(library)
    space, all_ids = library_space(library, encoder)
    wanted = set(library.query(query).ids)
    places = [row for row, i in enumerate(all_ids.tolist()) if i in wanted and space.index.audible[row]]
    ids = [str(all_ids[row]) for row in places]
    index = VectorIndex(np.asarray(space.index.vectors[places]) if places else np.zeros((0, 1), np.float32), ids)
    work = _Work(library, ids)
    floor = copies_floor(library, ids, index.vectors) if ids else 1.0
    pairs = list(_proposed(index, floor, lambda done: hook(0.3 * done, len(ids))))
    groups, compared = Groups(len(ids)), 0
    for number, (first, second) in enumerate(pairs, start=1):
        if not groups.together(first, second):
            compared += 1
            if work.compare(first, second).same:
                groups.join(first, second)
        hook(len(ids) * (0.3 + 0.7 * number / len(pairs)), len(ids))
    found = [work.group(members) for members in groups.all()]
    left = tuple((ids[row], why) for row, why in sorted(work.failed.items()))
    hook(len(ids), len(ids))
    return Duplicates(tuple(found), len(ids), compared, floor, encoder, left)


def copies_floor(library: Library, ids: Sequence[str], vectors: NDArray[np.float32]) -> float:
    """Find the cosine from which on sounds of this library are looked at as copies; see `floor_of`."""
    chosen = sorted({round(at) for at in np.linspace(0, len(ids) - 1, min(len(ids), _CALIBRATION))})
    heard: list[Heard] = []
    of: list[int] = []
    for row in chosen:
        try:
            heard.append(listen(library.sound(ids[row]).source()))
        except AudiolabError:
            continue  # it is named when it is compared
        of.append(row)
    return floor_of(heard, vectors[of])


def floor_of(heard: Sequence[Heard], vectors: NDArray[np.float32]) -> float:
    """Find the cosine that nearly all copies of some sounds reach, with the encoder in use.

    The copies lack what lies above 8 kHz, or the first 5 ms, or the second half.

    Parameters
    ----------
    heard : sequence of Heard
        The sounds.
    vectors : ndarray [shape=(n, dimensions)]
        Their embeddings. If they are another encoder's, half the way to a right angle is taken: 0.5.
    """
    from audiolab.stages.classification.encoder import get_encoder
    from audiolab.stages.classification.stage import embed_sources

    copies: list[Audio] = []
    for sound in heard:
        mono, rate = sound.mono[None, :], sound.sample_rate
        later, shorter = mono[:, round(0.005 * rate) :], mono[:, : max(1, mono.shape[1] // 2)]
        copies += [resample(Audio(mono, rate), 16_000), Audio(later, rate), Audio(shorter, rate)]
    made = [part for part, _ in embed_sources(copies, get_encoder(), kinds=False)]
    values = np.concatenate(made) if made else np.zeros((0, 0), np.float32)
    if not len(values) or values.shape[1] != vectors.shape[1]:
        return 0.5
    cosines = (values * np.repeat(vectors, 3, axis=0)).sum(axis=1)[values.any(axis=1)]
    return float(np.quantile(cosines, _QUANTILE)) if len(cosines) else 0.5


def _proposed(index: VectorIndex, floor: float, progress: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """Give each pair of near sounds once, in an order that does not depend on the machine."""
    seen: set[tuple[int, int]] = set()
    for row in range(len(index)):
        hits = index.search(np.asarray(index.vectors[row]), _PROPOSED, exclude=row)
        for other, score in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True):
            pair = (min(row, other), max(row, other))
            if score >= floor and pair not in seen:
                seen.add(pair)
                yield pair
        progress(row + 1)


class _Work:
    """Reads sounds when they are needed, and holds the last ones."""

    def __init__(self, library: Library, ids: Sequence[str]) -> None:
        self.library, self.ids = library, ids
        self.failed: dict[int, str] = {}
        self._prepared = lru_cache(maxsize=_HELD)(self._prepare)

    def _prepare(self, row: int) -> Prepared:
        try:
            heard = listen(self.library.sound(self.ids[row]).source())
        except AudiolabError as error:
            self.failed[row] = str(error)
            return Prepared(np.zeros(0))
        return prepare_recording(heard.mono, heard.sample_rate)

    def compare(self, first: int, second: int) -> Verdict:
        return compare_recordings(self._prepared(first), self._prepared(second))

    def group(self, members: Sequence[int]) -> DuplicateGroup:
        from audiolab.library.sounds import Sound as Found

        rows = rows_of(self.library, [self.ids[row] for row in members])
        sounds = dict(zip(members, (Found(self.library, row) for row in rows), strict=True))
        order = sorted(members, key=lambda member: _worth(sounds[member]))
        kept = order[0]
        copies = [Copy(sounds[kept], True, Verdict(1.0, overlap=1.0), ())]
        for member in order[1:]:
            verdict = self.compare(kept, member)
            copies.append(Copy(sounds[member], False, verdict, _differences(sounds[kept], sounds[member], verdict)))
        return DuplicateGroup(tuple(copies))


def _worth(sound: Sound) -> tuple[Any, ...]:
    carrier = sound.carrier
    return (_lossy(carrier), -sound.duration, -sound.sample_rate, -sound.channels, carrier.added_at, sound.id)


def _lossy(sound: Sound) -> bool:
    named = {sound.format.upper(), sound.subtype.upper()}
    return any(word in text for word in _LOSSY for text in named)


def _differences(kept: Sound, other: Sound, verdict: Verdict) -> tuple[str, ...]:
    """Say in words how a copy differs from the one that is kept."""
    words = []
    if not verdict.same:
        words.append("like another of these copies, not this one")
    if abs(verdict.gain_db) >= _LEVEL_DB:
        words.append(f"{abs(verdict.gain_db):.1f} dB {'louder' if verdict.gain_db > 0 else 'quieter'}")
    if verdict.inverted:
        words.append("polarity inverted")
    if abs(verdict.offset) >= _OFFSET_S:
        words.append(f"starts {abs(verdict.offset):.3f} s {'later' if verdict.offset > 0 else 'earlier'}")
    ends = verdict.offset + other.duration - kept.duration
    if abs(ends) >= _LENGTH_S:
        words.append(f"ends {abs(ends):.3f} s {'later' if ends > 0 else 'earlier'}")
    if other.sample_rate != kept.sample_rate:
        words.append(f"{other.sample_rate} Hz")
    if other.channels != kept.channels:
        words.append(f"{other.channels} channels" if other.channels > 1 else "mono")
    if _lossy(other.carrier):
        words.append(other.carrier.format or other.carrier.subtype)
    elif verdict.same and verdict.agreement < _REENCODED:
        words.append("came through a codec or an effect")
    return tuple(words) or ("the same samples",)
