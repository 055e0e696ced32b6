"""How many labels are wrong, who finds them, and what does cleaning gain?"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

from audiolab.training.baseline import fit_trees, statistics, trees_probabilities
from audiolab.training.manifest import fold_numbers
from audiolab.training.noise import (
    detection,
    estimate_noise,
    find_suspects,
    noise_weights,
    plant_noise,
    suspects_by,
    write_suspects,
)  # fmt: skip
from audiolab.training.trials import begin, difference, material, score_row, table


def answers(x: np.ndarray, y: np.ndarray, folds: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Out-of-fold probabilities of ExtraTrees."""
    out = np.zeros((len(y), count))
    for fold in sorted(set(folds.tolist())):
        rows = np.flatnonzero(folds != fold)
        trees = fit_trees(x[rows], y[rows], seed=seed)
        out[folds == fold] = trees_probabilities(trees, x[folds == fold], count)
    return out


def relabelled(entries, labels: tuple[str, ...], numbers: np.ndarray) -> list:
    from dataclasses import replace

    return [replace(entry, label=labels[number]) for entry, number in zip(entries, numbers.tolist(), strict=True)]


def inner_weights(entries, x, y, inside: np.ndarray, groups: np.ndarray, *, labels, seed: int) -> np.ndarray:
    """Weights of the training part, from folds inside it: what is judged has no say in the cleaning."""
    weights = np.ones(len(y))
    part = [entry for entry, keep in zip(entries, inside, strict=True) if keep]
    count = min(3, len(set(groups[inside].tolist())))
    if count < 2:
        return weights
    p = answers(x[inside], y[inside], fold_numbers(part, groups[inside], count), len(labels), seed)
    weights[inside] = noise_weights(part, p, labels, least=0.0)
    return weights


def cleaned(entries, x, y, folds: np.ndarray, groups: np.ndarray, *, labels, seed: int) -> np.ndarray:
    """Out-of-fold probabilities with suspects of each training part weighed down."""
    out = np.zeros((len(y), len(labels)))
    rng = np.random.default_rng(seed)
    for fold in sorted(set(folds.tolist())):
        weights = inner_weights(entries, x, y, folds != fold, groups, labels=labels, seed=seed)
        # a sound of weight 0.3 stays in three of ten draws
        rows = np.flatnonzero((folds != fold) & (rng.random(len(y)) < weights))
        trees = fit_trees(x[rows], y[rows], seed=seed)
        out[folds == fold] = trees_probabilities(trees, x[folds == fold], len(labels))
    return out


def planted(trial, entries, x, y, splits: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Plant wrong labels and see who finds them, for each way to split."""
    labels, count = trial.config.labels, len(trial.config.labels)
    rate, found = float(trial.own.get("planted", 0.05)), {}
    for name, folds in splits.items():
        before = answers(x, y, folds, count, trial.config.seed)
        already = {s.index for s in find_suspects(entries, before, labels)}
        first = estimate_noise(entries, before, labels).rate
        parts = []
        for repeat in range(int(trial.own.get("repeats", 3))):
            rng = np.random.default_rng((trial.config.seed, repeat))
            wrong, which = plant_noise(y, count, rate, rng, towards=np.eye(count)[y].T @ before)
            changed = relabelled(entries, labels, wrong)
            p = answers(x, wrong, folds, count, trial.config.seed)
            mark = np.zeros(len(y), bool)
            suspects = find_suspects(changed, p, labels)
            mark[[s.index for s in suspects]] = True
            new = mark.copy()
            new[list(already)] = False
            surest = np.zeros(len(y), bool)
            surest[[s.index for s in suspects[: int(which.sum())]]] = True
            parts.append({
                "recall": detection(mark, which)["recall"],
                "precision": detection(mark, which)["precision"],
                "precision_new": detection(new, which)["precision"],
                "recall_surest": detection(surest, which)["recall"],
                "weight_planted": float(noise_weights(changed, p, labels)[which].mean()),
                "weight_others": float(noise_weights(changed, p, labels)[~which].mean()),
                "estimate_rises": estimate_noise(changed, p, labels).rate - first,
            })  # fmt: skip
        found[name] = {key: float(np.mean([part[key] for part in parts])) for key in parts[0]} | {"estimate": first}
        trial.say(f"planted, {name}")
    return found


def main() -> int:
    trial = begin(__file__)
    found = material(trial, variants=1)
    sounds, config, folds = found.sounds, trial.config, found.folds
    entries, labels, y = list(sounds.entries), config.labels, sounds.labels
    x = statistics(sounds)
    rng = np.random.default_rng(config.seed)
    deal = rng.permutation(len(entries)) % config.folds
    # copies stay together: else a wrong label vouches for itself
    splits = {"by source": folds, "random": deal[found.duplicates.groups]}
    finders = planted(trial, entries, x, y, splits)
    p = answers(x, y, splits["random"], len(labels), config.seed)
    suspects = find_suspects(entries, p, labels)
    root = trial.data if trial.data.is_dir() else trial.data.parent
    write_suspects(trial.work / "label_noise" / "suspects.csv", suspects, root)
    estimate = estimate_noise(entries, p, labels)
    across = found.duplicates.between_sources()
    disagree = sum(entries[pair.first].label != entries[pair.second].label for pair in across)
    plain = answers(x, y, folds, len(labels), config.seed)
    clean = cleaned(entries, x, y, folds, found.groups, labels=labels, seed=config.seed)
    trial.say("trained with and without")
    trusted = np.ones(len(y), bool)
    trusted[[s.index for s in suspects]] = False
    names = np.asarray(found.sources)
    rows, gains = {}, {}
    judged = {"all held-out sounds": np.ones(len(y), bool), "held-out sounds that nobody suspects": trusted}
    for name, keep in judged.items():
        for way, q in (("all labels", plain), ("suspects weighed down", clean)):
            rows[f"{way}: {name}"] = score_row(q[keep], y[keep], labels, names[keep].tolist())
        gains[name] = difference(
            clean[keep].argmax(axis=1) == y[keep], plain[keep].argmax(axis=1) == y[keep], names[keep].tolist()
        )
    by_source, by_label = (suspects_by(entries, suspects, what) for what in ("source", "label"))
    lines = [
        f"{len(y)} sounds. ExtraTrees on hand-made features, {config.folds} folds. Estimated share of wrong labels "
        f"(random folds): {estimate.rate:.3f}; {len(suspects)} suspects.",
        f"Copies of one recording in two sources: {len(across)} pairs, {disagree} with different labels.", "",
        "| planted wrong labels, found by folds | recall | precision | among new suspects | recall of the surest | "
        "weight of planted | of others | estimate before | estimate rises by |", f"|---|{'---|' * 8}",
    ]  # fmt: skip
    keys = ("recall", "precision", "precision_new", "recall_surest", "weight_planted", "weight_others", "estimate")
    for name, row in finders.items():
        cells = " | ".join(f"{row[key]:.3f}" for key in (*keys, "estimate_rises"))
        lines.append(f"| {name} | {cells} |")
    lines += ["", *table(rows, "training with")]
    lines += [f"- gain on {name}: {g[0]:+.3f} [{g[1]:+.2f}, {g[2]:+.2f}]" for name, g in gains.items()]
    for title, part in (("source", by_source), ("label", by_label)):
        lines += ["", f"| {title} | suspects | sounds | share |", "|---|---|---|---|"]
        lines += [f"| {name} | {n} | {total} | {share:.2f} |" for name, (n, total, share) in part.items()]
    document = {
        "rows": rows, "planted": finders, "gains": gains, "estimate": estimate.rate, "by_label": estimate.by_label,
        "suspects": len(suspects), "copies": {"pairs": len(across), "different_labels": disagree},
        "by_source": {name: row[2] for name, row in by_source.items()}, "left_out": found.left_out,
    }  # fmt: skip
    trial.finish(document, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
