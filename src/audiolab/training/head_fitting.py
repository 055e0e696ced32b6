"""Teaching a head on frozen embeddings: a few labels of a user move the head that is there, and do not replace it.

Multinomial logistic regression by maximum a posteriori: each example pulls, weighted so that labels with many examples
do not drown the others, and a quadratic penalty holds every weight to where the given head has it. Distances are those
of the user's own library (its embeddings whitened, labelled or not), so that an example pulls at what sounds like it
and not at everything. A label of the user's own begins at the mean of all labels. Each label of the given head also
keeps one made example, the direction that it weighs most, so that a new label which has seen no counter-examples does
not swallow the others.

Conventions: everything is deterministic; vectors have unit length (or are zero: silence, which teaches nothing); scores
are of sounds whose whole group (song, parent, near-duplicates) the fit has not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError
from audiolab.stages.classification.head import Head
from audiolab.stages.classification.taxonomy import UNKNOWN
from audiolab.training.head_prior import HeadSettings, Prior, make_prior, solve
from audiolab.training.scoring import calibration_error, fit_temperature, softmax

__all__ = ["HeadFit", "HeadReport", "HeadSettings", "fit_head", "merge_groups"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeadReport:
    """What a head was taught, and how good it is on sounds whose groups it had not heard.

    Attributes
    ----------
    counts, groups : mapping
        Examples of each label, and the songs (or single files) that they come from.
    new_labels : tuple of str
        Labels that the head did not know.
    left_out : tuple of str
        What was not used, and why.
    unscored : tuple of str
        Labels whose examples all lie in one group, or are copies: they are used, but nothing can be said of them.
    before, after : mapping
        `accuracy`, `balanced` (mean recall of the labels), `log_loss`, `ece`; of the given head and of one taught
        with the other groups. Empty if there are fewer than two groups.
    scored : int
        Sounds that these scores are of.
    """

    counts: dict[str, int]
    groups: dict[str, int]
    new_labels: tuple[str, ...]
    left_out: tuple[str, ...]
    unscored: tuple[str, ...]
    before: dict[str, float]
    after: dict[str, float]
    per_label: dict[str, dict[str, float]]
    scored: int
    folds: int
    temperature: float
    unknown_below: float
    unknown_rule: str

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._items()}

    def _items(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__slots__]


@dataclass(frozen=True, slots=True)
class HeadFit:
    """A taught head and what can be said of it."""

    head: Head
    report: HeadReport


def fit_head(
    vectors: NDArray[np.float32], labels: Sequence[str], groups: Sequence[str], base: Head, *,
    background: NDArray[np.float32] | None = None, weights: Sequence[float] | None = None,
    names: Sequence[str] | None = None, settings: HeadSettings | None = None,
) -> HeadFit:  # fmt: skip
    """Teach a head.

    Parameters
    ----------
    vectors : ndarray [float32, shape=(sounds, dimensions)]
        Embeddings by the encoder of `base`.
    labels, groups : sequence of str
        What each sound is, and the song (or other origin) that it shares with others.
    base : Head
        Where to start from. Its drum head is kept as it is.
    background : ndarray [float32, shape=(any, dimensions)], optional
        Embeddings of the library that the head is for, labelled or not; default: those of the examples.
    weights : sequence of float, optional
        How sure each label is, 0 to 1.
    names : sequence of str, optional
        What to call the sounds in the report.

    Raises
    ------
    ParameterError
        If nothing is left to learn from, or the shapes do not fit.
    """
    settings = settings or HeadSettings()
    given = np.asarray(vectors, np.float64)
    if given.ndim != 2 or given.shape[1] != base.weight.shape[0] or not len(given) == len(labels) == len(groups):
        raise ParameterError(
            f"{given.shape} embeddings, {len(labels)} labels and {len(groups)} groups do not fit together "
            f"with a head of {base.weight.shape[0]} dimensions"
        )
    if not np.isfinite(given).all():
        raise ParameterError("an embedding holds NaN or infinite values; embed the sounds again")
    keep, left_out = _usable(given, labels, base, names or [f"sound {i}" for i in range(len(labels))], settings)
    if not keep.any():
        raise ParameterError("; ".join(["there is nothing to learn from", *left_out]))
    x = given[keep]
    words = [label for label, used in zip(labels, keep, strict=True) if used]
    sure = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)[keep]
    new = tuple(sorted(set(words) - set(base.labels)))
    prior = make_prior(base, new, x if background is None else np.asarray(background, np.float64), settings)
    truth = np.array([prior.labels.index(word) for word in words])
    mine = [group for group, used in zip(groups, keep, strict=True) if used]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(mine))}
    merged = np.array([numbers[group] for group in mine], np.int64)
    weight, bias = solve(x, truth, sure, prior)
    logits, scored = _out_of_group(x, truth, sure, merged, prior)
    temperature = _temperature(logits[scored], truth[scored], settings.trust)
    head = replace(
        base,
        labels=prior.labels,
        weight=weight.astype(np.float32),
        bias=bias.astype(np.float32),
        temperature=temperature,
    )
    before = np.full((len(x), len(prior.labels)), 1e-12)
    before[:, : len(base.labels)] = base.probabilities(x.astype(np.float32))
    after = softmax(logits, temperature) if scored.any() else logits
    report = HeadReport(
        counts=dict(sorted(Counter(words).items())),
        groups={word: len({g for g, w in zip(merged, words, strict=True) if w == word}) for word in sorted(set(words))},
        new_labels=new,
        left_out=tuple(left_out),
        unscored=tuple(sorted(set(words) - {word for word, seen in zip(words, scored, strict=True) if seen})),
        before=_scores(before[scored], truth[scored]),
        after=_scores(after[scored], truth[scored]),
        per_label=_per_label(before[scored], after[scored], truth[scored], prior.labels),
        scored=int(scored.sum()),
        folds=min(settings.folds, len(set(merged.tolist()))),
        temperature=temperature,
        unknown_below=head.unknown_below,
        unknown_rule="kept: confidence is calibrated anew, so the same threshold asks for the same trust",
    )
    return HeadFit(head, report)


def merge_groups(vectors: Array, groups: Sequence[str], twin: float = 0.99) -> NDArray[np.int64]:
    """Give the groups numbers; those that share a recording (vectors with a product above `twin`) become one."""
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    leader = list(range(len(names)))

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    mine = [names[group] for group in groups]
    for start in range(0, len(vectors), 512):
        rows, columns = np.nonzero(vectors[start : start + 512] @ vectors.T > twin)
        for row, column in zip((rows + start).tolist(), columns.tolist(), strict=True):
            a, b = find(mine[row]), find(mine[column])
            leader[max(a, b)] = min(a, b)
    return np.array([find(number) for number in mine], np.int64)


def _usable(
    x: Array, labels: Sequence[str], base: Head, names: Sequence[str], settings: HeadSettings
) -> tuple[NDArray[np.bool_], list[str]]:
    """Say which sounds can be learned from, and name the others."""
    heard = np.asarray(x.any(axis=1), np.bool_)
    counts = Counter(label for label, audible in zip(labels, heard, strict=True) if audible)
    keep = heard.copy()
    left_out = [f"{names[i]}: silence, there is nothing to learn from" for i in np.flatnonzero(~heard).tolist()]
    for label, count in sorted(counts.items()):
        mine = np.array([word == label for word in labels])
        if label == UNKNOWN:
            why = f"{label} ({count}): it is what a sound is called that no label fits, and cannot be taught"
        elif label not in base.labels and count < settings.fewest_new:
            why = f"{label} ({count}): a new label needs {settings.fewest_new} examples"
        else:
            continue
        left_out.append(why)
        keep &= ~mine
    return keep, left_out


def _out_of_group(
    x: Array, truth: NDArray[np.int64], sure: Array, groups: NDArray[np.int64], prior: Prior
) -> tuple[Array, NDArray[np.bool_]]:
    """Give each sound the logits of a head that has heard nothing of its group; and say which sounds count.

    A sound counts if another group has examples of its label, or the given head knows the label; and if no other
    group holds the same recording.
    """
    logits = np.zeros((len(x), len(prior.labels)))
    scored = np.zeros(len(x), np.bool_)
    fold = _deal(truth, groups, prior.settings.folds)
    if fold.max(initial=0) < 1:
        return logits, scored
    known = len(prior.kept)
    for number in range(int(fold.max()) + 1):
        test = fold == number
        weight, bias = solve(x[~test], truth[~test], sure[~test], prior)
        logits[test] = x[test] @ weight + bias
        heard = np.isin(truth, truth[~test])
        scored |= test & (heard | (truth < known))
        scored[test] &= (x[test] @ x[~test].T).max(axis=1, initial=0.0) <= prior.settings.twin
    return logits, scored


def _deal(truth: NDArray[np.int64], groups: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Deal whole groups into folds, the largest first, each to where it evens out the labels best."""
    names = sorted(set(groups.tolist()), key=lambda group: (-int((groups == group).sum()), group))
    folds = min(folds, len(names))
    load = np.zeros((folds, int(truth.max()) + 1))
    fold = np.zeros(len(truth), np.int64)
    for group in names:
        mine = groups == group
        counts = np.bincount(truth[mine], minlength=load.shape[1])
        best = min(range(folds), key=lambda f: (float((load[f] * counts).sum()), float(load[f].sum()), f))
        load[best] += counts
        fold[mine] = best
    return fold


def _temperature(logits: Array, truth: NDArray[np.int64], trust: float) -> float:
    """Find the temperature on unseen groups; the fewer sounds, the nearer to 1, which the given head stands for."""
    if len(truth) == 0:
        return 1.0
    share = len(truth) / (len(truth) + trust)
    return float(np.exp(share * np.log(fit_temperature(logits, truth))))


def _scores(probabilities: Array, truth: NDArray[np.int64]) -> dict[str, float]:
    if len(truth) == 0:
        return {}
    right = probabilities.argmax(axis=1) == truth
    return {
        "accuracy": float(right.mean()),
        "balanced": float(np.mean([right[truth == label].mean() for label in sorted(set(truth.tolist()))])),
        "log_loss": float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean()),
        "ece": calibration_error(probabilities, truth),
    }


def _per_label(
    before: Array, after: Array, truth: NDArray[np.int64], labels: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    found = {}
    for number in sorted(set(truth.tolist())):
        mine = truth == number
        found[labels[number]] = {
            "sounds": int(mine.sum()),
            "before": float((before[mine].argmax(axis=1) == number).mean()),
            "after": float((after[mine].argmax(axis=1) == number).mean()),
        }
    return found
