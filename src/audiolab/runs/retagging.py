"""`retag`: give a library's samples the labels that another head finds, from stored embeddings. No audio is read.

What it leaves are results of `classify` as a run would leave them, under the same keys: they are found again by later
runs, can be made again, and the ones before them stay. People's labels are never touched.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError
from audiolab.library import Library, SoundList
from audiolab.library.labels import Place, denied_labels, places_of
from audiolab.library.rechoosing import Counting, all_vectors, counting_results, replace_results
from audiolab.library.tables import html_table
from audiolab.runs.embedding_missing import embed_missing
from audiolab.runs.retag_results import records, unknown_below
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.classification.choosing import Model, find_model
from audiolab.stages.classification.head import Head, get_head
from audiolab.stages.classification.stage import Classify
from audiolab.stages.classification.taxonomy import UNKNOWN

__all__ = ["Change", "Retagging", "retag"]

_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Change:
    """A sample whose label would change, or has changed."""

    id: str
    name: str
    before: str | None
    after: str | None
    """None: the label that the model finds is one that a person denied."""
    confidence_before: float | None
    confidence_after: float | None
    asked: bool = True
    """False if the query did not name it: it shares its sample set, and so its result, with one that it did."""

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Retagging:
    """What a retag would change, or has changed.

    Attributes
    ----------
    model : Model
        Whose labels these are.
    changes : tuple of Change
        The samples whose label changes.
    same : int
        Samples that are looked at and keep their label.
    human, imported : int
        Samples that keep the label that a person, or the file itself, gave.
    denied : int
        Samples for which the model finds a label that a person has denied; it does not come back.
    current : int
        Samples that this model has labelled already.
    left_out : tuple of str
        What cannot be retagged, and what to do.
    action : str
        Name of the action in the history, once applied.
    """

    library: Library
    model: Model
    changes: tuple[Change, ...]
    same: int
    human: int
    imported: int
    denied: int
    current: int
    left_out: tuple[str, ...]
    units: tuple[Counting, ...] = field(repr=False, default=())
    action: str = ""

    @property
    def applied(self) -> bool:
        """Whether the library was changed."""
        return bool(self.action)

    @property
    def counts(self) -> dict[tuple[str | None, str | None], int]:
        """Number of samples by label before and after, the most frequent first."""
        pairs = Counter((change.before, change.after) for change in self.changes)
        return dict(sorted(pairs.items(), key=lambda item: (-item[1], str(item[0]))))

    @property
    def sounds(self) -> SoundList:
        """The samples whose label changes."""
        rows = [self.library.sound_row(change.id) for change in self.changes]
        return SoundList(self.library, rows, "sounds with another label")

    def apply(self, progress: Progress = no_progress) -> Retagging:
        """Change the library, in one action; see `retag`."""
        if self.applied:
            raise ParameterError("this retag is applied already; look again with retag(library)")
        if not self.units:
            return self
        self.action, _ = replace_results(self.library, records(self, progress), self.library.actor)
        return self

    def roll_back(self) -> Retagging:
        """Take it back, whatever else was done since; refused if the same samples were classified anew meanwhile."""
        if not self.applied:
            raise ParameterError("there is nothing to roll back: this retag was not applied")
        self.library.undo(action=self.action)
        self.action = ""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {
            "model": {"name": self.model.name, "id": self.model.id},
            "applied": self.applied,
            "action": self.action or None,
            "changes": [change.to_dict() for change in self.changes],
            "counts": [{"before": a, "after": b, "samples": n} for (a, b), n in self.counts.items()],
            "same": self.same,
            "human": self.human,
            "imported": self.imported,
            "denied": self.denied,
            "current": self.current,
            "left_out": list(self.left_out),
        }

    def _summary(self) -> list[str]:
        done = "changed" if self.applied else "would change"
        lines = [
            f"{len(self.changes)} samples {done} their label, {self.same} keep it "
            f"(model {self.model.name!r}, {self.model.id})",
            f"{self.human} labels by people and {self.imported} that came with files stay; "
            f"{self.denied} labels that people denied are not brought back",
        ]
        beyond = sum(not change.asked for change in self.changes)
        if beyond:
            lines.append(f"{beyond} of the changes are beyond the query: a sample set is labelled as a whole")
        if self.current:
            lines.append(f"{self.current} samples were labelled by this model already")
        lines += self.left_out
        if not self.applied and self.units:
            lines.append("nothing is changed yet: retag(library, dry_run=False), or .apply()")
        if self.applied:
            lines.append("library.undo() or .roll_back() takes it back")
        return lines

    def __str__(self) -> str:
        head, *rest = self._summary()
        pairs = [f"  {n:6}  {a or '-'} -> {b or '-'}" for (a, b), n in self.counts.items()]
        return "\n".join([head, *pairs[:_SHOWN], *(f"  {line}" for line in rest)])

    def _repr_html_(self) -> str:
        head, *rest = self._summary()
        pairs = html_table(head, ("before", "after", "samples"), [(a, b, n) for (a, b), n in self.counts.items()])
        rows = [
            (
                change.id[:10],
                change.name,
                change.before,
                change.confidence_before,
                change.after,
                change.confidence_after,
            )
            for change in self.changes[:_SHOWN]
        ]
        header = ("id", "name", "before", "confidence", "after", "confidence")
        return pairs + html_table(f"the first {len(rows)}", header, rows, note="; ".join(rest))


def retag(
    library: Library, dry_run: bool = True, model: str = "auto", query: str = "", *, embed: bool = False,
    progress: Progress = no_progress,
) -> Retagging:  # fmt: skip
    """Give samples the labels that a model finds today, from their stored embeddings.

    Human labels stay, labels that people denied are not brought back, and it is one action that can be undone.

    Parameters
    ----------
    dry_run : bool
        Only say what would change.
    model : str
        auto (the current one on the shelf, else the shipped one), shipped, a name or id on the shelf, or a folder.
    query : str
        Only results that hold a sample which it finds. A sample set is labelled as a whole.
    embed : bool
        First embed what this model's encoder has not embedded yet; this reads audio.
    progress : callable
        Gets (done, total).

    Raises
    ------
    ModelError
        If there is no such model, or it was changed.
    QueryError
        If the query cannot be understood.
    """
    found = find_model(model)
    get_head(found)
    plan = _plan(library, found, query)
    if embed and plan.missing:
        embed_missing(library, plan.missing, found, progress=progress)
        plan = _plan(library, found, query)
    return plan.retagging if dry_run else plan.retagging.apply(progress)


@dataclass(slots=True)
class _Planned:
    retagging: Retagging
    missing: list[str]
    """Samples without an embedding."""


def _plan(library: Library, model: Model, query: str) -> _Planned:
    asked = set(library.query(query).ids) if query.strip() else None
    with library.store.transaction(write=False) as session:
        units = counting_results(session, Classify.name)
        places = places_of(session)
        denied = denied_labels(session)
        rows, vectors = all_vectors(session, model.encoder)
    good, missing, left, current = _sort(units, places, asked, rows, model)
    never = {i for i, place in places.items() if place.kind == "sample"} - {i for unit in units for i in unit.sounds}
    if asked is not None:
        never &= asked
    if never:
        left.append(f"{len(never)} samples were never classified: run a recipe with `classify` on them")
    labels, confidences = _labels(good, rows, vectors, get_head(model))
    changes: list[Change] = []
    same = 0
    counted = Counter[str]()
    for sound_id, label in labels.items():
        place = places.get(sound_id)
        if place is None:
            continue  # in the trash, or superseded: its tags follow, but nobody sees them
        if place.source in {"human", "import"}:
            counted[str(place.source)] += 1
            continue
        after: str | None = label
        if label in denied.get(sound_id, ()):
            counted["denied"] += 1
            after = None
        if place.label == after:
            same += 1
            continue
        sure = None if after is None else confidences[sound_id]
        wanted = asked is None or sound_id in asked
        changes.append(Change(sound_id, place.name, place.label, after, place.confidence, sure, wanted))
    retagging = Retagging(
        library, model, tuple(changes), same, counted["human"], counted["import"], counted["denied"], current,
        tuple(left), tuple(good),
    )  # fmt: skip
    return _Planned(retagging, missing)


def _sort(
    units: list[Counting], places: dict[str, Place], asked: set[str] | None, rows: dict[str, int], model: Model
) -> tuple[list[Counting], list[str], list[str], int]:
    """Find the results that can be replaced; and what lacks an embedding, is left out, or is labelled already."""
    good: list[Counting] = []
    missing: list[str] = []
    current = waiting = 0
    others = Counter[str]()
    for unit in units:
        mine = [i for i in unit.sounds if i in places and (asked is None or i in asked)]
        if not mine:
            continue
        if unit.weights == model.weights:
            current += len(mine)
            continue
        items = unit.document.get("items")
        if unit.version != Classify.version:
            others[f"were classified by version {unit.version} of the stage: run it again"] += len(mine)
        elif unit.needs or not isinstance(items, list) or len(items) != len(unit.sounds):
            others["have a result that does not list them: run `classify` again"] += len(mine)
        elif lacking := [i for i in unit.sounds if i not in rows]:
            missing += lacking
            waiting += len(mine)
        else:
            good.append(unit)
    left = [f"{count} samples {why}" for why, count in sorted(others.items())]
    if missing:
        left.append(
            f"{waiting} samples wait for {len(missing)} embeddings by this encoder ({model.encoder[:12]}): "
            "retag(..., embed=True) makes them, or a recipe with `embed`"
        )
    return good, missing, left, current


def _labels(
    units: list[Counting], rows: dict[str, int], vectors: NDArray[np.float32], head: Head
) -> tuple[dict[str, str], dict[str, float]]:
    """Label all samples of some results with one product; of two results on one sample the later counts."""
    ids = [sound_id for unit in units for sound_id in unit.sounds]
    if not ids:
        return {}, {}
    below = np.concatenate([np.full(len(unit.sounds), unknown_below(unit, head)) for unit in units])
    mine = vectors[[rows[sound_id] for sound_id in ids]]
    probabilities = head.probabilities(mine)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, 0]
    sure = probabilities[np.arange(len(ids)), best]
    unknown = (sure < below) | ~mine.any(axis=1)
    labels = {i: UNKNOWN if odd else head.labels[b] for i, b, odd in zip(ids, best, unknown, strict=True)}
    return labels, dict(zip(ids, sure.tolist(), strict=True))
