"""Takes: the hits of each drum of a song, the cleanest of them marked, the others kept as round-robins.

What decides on a take, each from 0 to 1 and weighed as in `WEIGHTS`: how quiet it is just before the hit, how long it
may ring until the next one, how little the drum head hears of other drums in it, how far it has faded where it was
cut, and how loud it is beside its loudest mate.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio
from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library, Sound
from audiolab.library.tables import html_table
from audiolab.library.takes import chosen_takes, write_takes
from audiolab.runs.points import chosen_encoder, library_space
from audiolab.similarity.clusters import TAKES_APART, cluster_takes
from audiolab.stages.analysis.neatness import Neatness, measure_neatness

__all__ = ["WEIGHTS", "Take", "TakeGroup", "Takes", "drum_spread", "takes"]

WEIGHTS = {"before": 0.25, "room": 0.2, "pure": 0.3, "ending": 0.15, "loud": 0.1}
_DRUMS = {
    "kick": "kick", "snare": "snare", "rim": "snare", "clap": "clap", "closed_hat": "hat", "open_hat": "hat",
    "tom": "tom", "crash": "cymbal", "ride": "cymbal", "cowbell": "percussion", "percussion": "percussion",
}  # fmt: skip
"""Labels that one drum may get, by the class within which hits are compared."""
_QUIET_DB, _FADED_DB, _SOFT_DB = 60.0, 40.0, 24.0
_RINGS_S = 0.6


@dataclass(frozen=True, slots=True)
class Take:
    """One hit of a drum."""

    sound: Sound
    best: bool
    quality: float
    """0 to 1, see `WEIGHTS`; a person's choice does not change it."""
    why: Mapping[str, float]
    """What it is made of."""

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON document."""
        why = {name: round(value, 3) for name, value in self.why.items()}
        start_s = round((self.sound.start or 0) / self.sound.sample_rate, 5)
        return {
            "id": self.sound.id, "start_s": start_s, "best": self.best, "quality": round(self.quality, 4), "why": why,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class TakeGroup:
    """The hits of one drum, the best take first, the others by falling quality."""

    name: str
    label: str
    takes: tuple[Take, ...]

    @property
    def best(self) -> Sound:
        """The best take: a person's choice, else the cleanest."""
        return self.takes[0].sound

    @property
    def round_robins(self) -> list[Sound]:
        """The other takes."""
        return [take.sound for take in self.takes[1:]]


@dataclass(frozen=True, slots=True)
class Takes:
    """The drums of a song, those of most hits first."""

    song: Sound
    groups: tuple[TakeGroup, ...]
    encoder: str
    spread: float
    """Cosine distance between unlike drums with this encoder, the unit of `apart`."""
    apart: float
    left_out: tuple[tuple[str, str], ...] = ()
    """Samples that are in no group, and why."""

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[TakeGroup]:
        return iter(self.groups)

    def __getitem__(self, name: str) -> TakeGroup:
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(f"{name!r}; there are: {', '.join(group.name for group in self.groups)}")

    def to_dict(self) -> dict[str, Any]:
        """Give the document that `audiolab takes --json` prints."""
        groups = [
            {
                "name": group.name,
                "label": group.label,
                "best": group.best.id,
                "takes": [take.to_dict() for take in group.takes],
            }
            for group in self.groups
        ]
        left = [{"sound": sound, "why": why} for sound, why in self.left_out]
        return {"song": self.song.id, "encoder": self.encoder, "spread": round(self.spread, 4), "apart": self.apart,
                "groups": groups, "left_out": left}  # fmt: skip

    def _repr_html_(self) -> str:
        rows = [
            (group.name, group.label, len(group.takes), group.takes[0].sound.name, round(group.takes[0].quality, 2))
            for group in self.groups
        ]
        note = f"{len(self.left_out)} samples are in no group" if self.left_out else ""
        return html_table(f"{len(self)} drums of {self.song.name}", ("drum", "label", "hits", "best take", "quality"),
                          rows, note=note)  # fmt: skip


def takes(song: Sound, *, apart: float = TAKES_APART) -> Takes:
    """Find the hits of each drum of a song and mark the best take of each; what was found before is replaced.

    Afterwards `take:best` and `take:other` can be asked for, `song.takes` gives the drums, and exporters know `{take}`.

    Parameters
    ----------
    song : Sound
        A song whose samples, or whose stems' samples, are cut, described, embedded and classified. Any stem stands
        for its song.
    apart : float
        How far hits of one drum may lie apart; 1 is the usual distance of unlike drums.

    Returns
    -------
    Takes
        A person's choice (`lib.choose_take`) counts before what was measured.

    Raises
    ------
    CatalogError
        If there are no samples with embeddings.
    ParameterError
        If it is a sample, or a distance makes no sense.
    """
    if song.kind == "sample":
        raise ParameterError(f"{song.name!r} is a sample; takes are found among those of a song or a stem")
    if not 0 < apart < 10:
        raise ParameterError(f"apart must lie between 0 and 10, not {apart}")
    song = song.song or song
    library = song.library
    encoder = chosen_encoder(library)
    hits, left, among = _hits(library, song, encoder)
    spread = drum_spread()
    groups: list[TakeGroup] = []
    with library.store.transaction(write=False) as session:
        chosen = chosen_takes(session, among)
    if hits:
        vectors, envelope = np.stack([hit.vector for hit in hits]), np.stack([hit.envelope for hit in hits])
        classes = [hit.drum for hit in hits]
        counts: Counter[str] = Counter()
        for members in cluster_takes(vectors, envelope, classes, spread=spread, apart=apart):
            label = Counter(hits[row].label for row in members).most_common(1)[0][0]
            counts[label] += 1
            groups.append(_group(f"{label} {counts[label]}", label, [hits[row] for row in members], chosen))
    with library.store.transaction() as session:
        write_takes(session, among, {i: body for group in groups for i, body in _facts(group, chosen)})
    return Takes(song, tuple(groups), encoder, spread, apart, tuple(left))


@dataclass(frozen=True, slots=True)
class _Hit:
    sound: Sound
    label: str
    drum: str
    vector: NDArray[np.float32]
    envelope: NDArray[np.float32]
    neat: Neatness
    gap_s: float
    """Seconds until the next hit."""
    others: float
    """Probability of the surest other drum in it."""


def _hits(library: Library, song: Sound, encoder: str) -> tuple[list[_Hit], list[tuple[str, str]], list[str]]:
    """Gather the drum hits of a song with all that is known of them; those that lack something are named."""
    space, ids = library_space(library, encoder)
    found: list[_Hit] = []
    left: list[tuple[str, str]] = []
    among: list[str] = []
    for parent in (song, *(song.stems.values() if song.kind == "song" else ())):
        samples = parent.samples
        among += samples.ids
        drums = _drums(library, parent)
        source = parent.source(rendered=False) if len(samples) else None
        starts = sorted(sample.start or 0 for sample in samples)
        for sample, row in zip(samples, samples.to_dicts(), strict=True):
            drum = _DRUMS.get(row["label"] or "")
            if drum is None or row["facts"].get("kind") == "loop":
                continue
            at = int(np.searchsorted(ids, sample.id))
            if at >= len(ids) or ids[at] != sample.id or not space.index.audible[at]:
                left.append((sample.id, "it has no embedding (or is silent): let the stage `embed` run"))
                continue
            if not space.described[at] or space.envelope is None:
                left.append((sample.id, "it has no envelope: let the stage `describe` run"))
                continue
            if source is None or sample.start is None or sample.stop is None:
                left.append((sample.id, "it is a file of its own, so nothing is known of what lay around it"))
                continue
            following = bisect_right(starts, sample.start)
            after = starts[following] if following < len(starts) else source.frames
            heard = drums.get(sample.id, {})
            gap_s = (after - sample.start) / source.sample_rate
            others = max((p for name, p in heard.items() if _DRUMS.get(name, name) != drum), default=0.0)
            found.append(_Hit(
                sample, str(row["label"]), drum, np.asarray(space.index.vectors[at]), space.envelope[at],
                measure_neatness(source, sample.start, sample.stop), gap_s, others,
            ))  # fmt: skip
    if among and not found and len(left) == len(among):
        raise CatalogError(f"none of the {len(among)} samples of {song.name!r} can be compared: {left[0][1]}")
    if not among:
        raise CatalogError(f"{song.name!r} has no samples; cut it first (a recipe with the stage `slice`)")
    return found, left, among


def _drums(library: Library, parent: Sound) -> dict[str, Mapping[str, float]]:
    """Give what the drum head heard in each sample, if it was asked about the newest set."""
    samples = library.samples_of(parent.id)
    result = library.latest_result(parent.id, "classify")
    if result is None or result.set_id != samples.id:
        return {}
    items = result.document.get("items", [])
    ids = samples.ids
    return {i: item.get("drums", {}) for i, item in zip(ids, items, strict=True)} if len(items) == len(ids) else {}


def _group(name: str, label: str, hits: Sequence[_Hit], chosen: Mapping[str, str]) -> TakeGroup:
    loudest = max(hit.neat.peak_db for hit in hits)
    rated = [(hit, _why(hit, loudest)) for hit in hits]
    quality = {hit.sound.id: sum(WEIGHTS[part] * value for part, value in why.items()) for hit, why in rated}
    made = [Take(hit.sound, False, quality[hit.sound.id], why) for hit, why in rated]
    rank = {"best": 0, "other": 2}
    ordered = sorted(made, key=lambda take: (rank.get(chosen.get(take.sound.id, ""), 1), *_place(take)))
    return TakeGroup(name, label, (replace(ordered[0], best=True), *ordered[1:]))


def _why(hit: _Hit, loudest: float) -> dict[str, float]:
    return {
        "before": float(np.clip(-hit.neat.before_db / _QUIET_DB, 0, 1)),
        "room": float(np.clip(hit.gap_s / _RINGS_S, 0, 1)),
        "pure": 1.0 - float(np.clip(hit.others, 0, 1)),
        "ending": float(np.clip(-hit.neat.ending_db / _FADED_DB, 0, 1)),
        "loud": 1.0 - float(np.clip((loudest - hit.neat.peak_db) / _SOFT_DB, 0, 1)),
    }


def _facts(group: TakeGroup, chosen: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give what was measured of each take; what a person chose lies over it, and may be taken back."""
    measured = sorted(group.takes, key=_place)
    taken = any(chosen.get(take.sound.id) == "best" for take in measured)
    for number, take in enumerate(measured, start=1):
        # A person's best has put another one in its place; a third one, measured now, must not be best beside it.
        best = number == 1 and (not taken or take.sound.id in chosen)
        yield take.sound.id, {
            "take": "best" if best else "other", "take_group": group.name, "take_number": number,
            "take_quality": round(take.quality, 4),
        }  # fmt: skip


def _place(take: Take) -> tuple[Any, ...]:
    return -round(take.quality, 6), take.sound.start, take.sound.id


def drum_spread() -> float:
    """Give the usual cosine distance between unlike drums with the encoder in use: the median over rendered ones."""
    from audiolab.stages.classification.encoder import get_encoder

    return _spread_of(get_encoder().sha256)


@cache
def _spread_of(encoder: str) -> float:
    from audiolab.stages.embedding import embed
    from audiolab.synth import instruments as play

    rate = 32_000
    makers = (play.kick, play.snare, play.clap, play.closed_hat, play.open_hat, play.crash, play.tom)
    waves = [make(rate, np.random.default_rng(take)) for make in makers for take in range(3)]
    vectors = embed([Audio(np.asarray(wave, np.float32)[None, :] * np.float32(0.5), rate) for wave in waves]).values
    drum = np.repeat(np.arange(len(makers)), 3)
    distances = 1.0 - vectors @ vectors.T
    return float(np.median(distances[drum[:, None] != drum]))
