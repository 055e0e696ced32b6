"""`uncertain`: which samples of a library are most worth a person's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from audiolab.errors import ParameterError
from audiolab.library import Library, SoundList
from audiolab.library.labels import judged_sounds, places_of
from audiolab.library.models import SoundRow
from audiolab.library.rechoosing import all_vectors
from audiolab.library.tables import html_table, seconds_text
from audiolab.stages.classification.choosing import find_model
from audiolab.stages.classification.head import get_head
from audiolab.stages.classification.taxonomy import UNKNOWN
from audiolab.training.proposing import Strategy, margin, propose

__all__ = ["Proposal", "Proposals", "uncertain"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sample that is worth a person's word, and why."""

    id: str
    label: str
    """What the model takes it for; `unknown` below its threshold."""
    top: tuple[tuple[str, float], ...]
    """The three best labels, whatever the threshold says."""
    margin: float
    """How far the best two lie apart."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {"id": self.id, "label": self.label, "top": [list(pair) for pair in self.top], "margin": self.margin,
                "reason": self.reason}  # fmt: skip


class Proposals(SoundList):
    """Samples to tag next, the most worth while first; each with the reason.

    Attributes
    ----------
    proposals : tuple of Proposal
        In the order of the sounds.
    model : str
        Name of the model that is unsure.
    looked_at : int
        Samples among which these were chosen.
    without : int
        Samples that have no embedding by the model's encoder, and were not looked at.
    """

    def __init__(
        self, library: Library, rows: list[SoundRow], *, proposals: tuple[Proposal, ...], model: str, looked_at: int,
        without: int,
    ) -> None:  # fmt: skip
        super().__init__(library, rows, "samples to tag next")
        self.proposals, self.model, self.looked_at, self.without = proposals, model, looked_at, without

    @property
    def note(self) -> str:
        """What was looked at, and what was not."""
        told = f"chosen by {self.model!r} from {self.looked_at} samples that nobody has tagged"
        if self.without:
            told += f"; {self.without} more have no embedding: run a recipe with `embed`"
        return told

    def __str__(self) -> str:
        lines = [
            f"{row.id[:12]}  {proposal.reason:60}  {row.name}"
            for row, proposal in zip(self._rows, self.proposals, strict=True)
        ]
        return "\n".join([*lines, self.note])

    def to_list(self) -> list[dict[str, Any]]:
        """Give JSON: what `to_dicts` says, with `proposal`."""
        both = zip(self.to_dicts(), self.proposals, strict=True)
        return [{**row, "proposal": proposal.to_dict()} for row, proposal in both]

    def _repr_html_(self) -> str:
        rows = [
            (row.id[:10], row.name, row.stem, seconds_text(row.duration), proposal.label, proposal.reason)
            for row, proposal in zip(self._rows, self.proposals, strict=True)
        ]
        header = ("id", "name", "stem", "length", "taken for", "why")
        return html_table(f"{len(self)} {self.title}", header, rows, note=self.note)


def uncertain(
    library: Library, n: int = 20, query: str = "", *, model: str = "auto", strategy: Strategy = "spread"
) -> Proposals:
    """Propose samples to tag next.

    Those that the model is unsure of, `unknown` ones among them, each unlike the others and unlike what is tagged
    already; not many of one kind in one song. What has a label by a person, is tagged `reject` or lies in the trash
    is left out. The same library gives the same proposals.

    Parameters
    ----------
    n : int
        How many.
    query : str
        Only what it finds.
    model : str
        auto, shipped, a name or id on the shelf, or a folder.
    strategy : {"spread", "uncertain", "random"}
        For comparison: only the smallest margins, or any.

    Raises
    ------
    ParameterError
        If there is nothing to propose; the message says why.
    """
    found = find_model(model)
    head = get_head(found)
    asked = set(library.query(query).ids) if query.strip() else None
    with library.store.transaction(write=False) as session:
        places = places_of(session)
        judged = judged_sounds(session)
        rows, vectors = all_vectors(session, found.encoder)
    mine = [i for i, place in places.items() if place.kind == "sample" and (asked is None or i in asked)]
    ids = sorted(i for i in mine if i in rows and i not in judged)
    if not ids:
        raise ParameterError(_nothing(len(mine), sum(i in judged for i in mine), query))
    at = np.array([rows[i] for i in ids])
    told = np.array([rows[i] for i in sorted(judged) if i in rows], np.int64)
    mine_vectors = vectors[at]
    probabilities = head.probabilities(mine_vectors)
    chosen = propose(
        mine_vectors,
        probabilities,
        n,
        origins=[places[i].origin for i in ids],
        labelled=vectors[told],
        strategy=strategy,
    )
    best = np.argsort(-probabilities[chosen], axis=1, kind="stable")[:, :3]
    gaps = margin(probabilities[chosen])
    proposals = tuple(
        _proposal(ids[i], [(head.labels[b], float(probabilities[i, b])) for b in tops], float(gap), head.unknown_below)
        for i, tops, gap in zip(chosen, best.tolist(), gaps.tolist(), strict=True)
    )
    without = sum(i not in rows and i not in judged for i in mine)
    listed = [library.sound_row(proposal.id) for proposal in proposals]
    return Proposals(library, listed, proposals=proposals, model=found.name, looked_at=len(ids), without=without)


def _proposal(sound_id: str, top: list[tuple[str, float]], gap: float, below: float) -> Proposal:
    (label, sure), *others = top
    if sure < below:
        guesses = ", ".join(f"{name} {share:.2f}" for name, share in top)
        return Proposal(sound_id, UNKNOWN, tuple(top), gap, f"unknown: {guesses}")
    if others and gap < 0.5:
        reason = f"{label} {sure:.2f} or {others[0][0]} {others[0][1]:.2f}"
    else:
        reason = f"{label} {sure:.2f}, but unlike what is tagged"
    return Proposal(sound_id, label, tuple(top), gap, reason)


def _nothing(samples: int, judged: int, query: str) -> str:
    where = f"that {query!r} finds" if query.strip() else "in this library"
    if samples == 0:
        return f"there are no samples {where}: nothing to propose"
    if judged == samples:
        return f"all {samples} samples {where} have labels by people: nothing is left to propose"
    return f"none of {samples - judged} untagged samples {where} has an embedding: run a recipe with `embed` first"
