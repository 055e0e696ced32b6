"""How much does a random split flatter? Random, by source, and by source with copies of one recording together."""

from __future__ import annotations

import sys

import numpy as np

from audiolab.training.baseline import fit_trees, statistics, trees_probabilities
from audiolab.training.manifest import check_no_leak, fold_numbers, link_groups
from audiolab.training.scoring import softmax
from audiolab.training.trials import begin, difference, material, network_logits, score_row, table


def main() -> int:
    trial = begin(__file__)
    found = material(trial)
    sounds, config, entries = found.sounds, trial.config, found.sounds.entries
    rng = np.random.default_rng(config.seed)
    splits = {
        "random": rng.permutation(np.arange(len(entries)) % config.folds),
        "by source": fold_numbers(entries, link_groups(entries), config.folds),
        "by source, copies and linked sources together": found.folds,
    }
    features, right, rows, leaks = statistics(sounds), {}, {}, {}
    for name, folds in splits.items():
        leaks[name] = 0
        for fold in range(config.folds):
            train = [e for e, f in zip(entries, folds, strict=True) if f != fold]
            test = [e for e, f in zip(entries, folds, strict=True) if f == fold]
            lines = check_no_leak(train, test, twins=found.duplicates.twins)
            leaks[name] += sum("same recording" in line for line in lines)
        logits, _ = network_logits(trial, sounds, folds, made=found.made, name=f"network, {name}")
        forest = np.zeros((len(entries), len(config.labels)))
        for fold in range(config.folds):
            inside = folds != fold
            trees = fit_trees(features[inside], sounds.labels[inside], kind="forest", seed=config.seed)
            forest[~inside] = trees_probabilities(trees, features[~inside], len(config.labels))
        trial.say(f"forest, {name}")
        for way, p in (("network", softmax(logits)), ("random forest", forest)):
            right[way, name] = p.argmax(axis=1) == sounds.labels
            rows[f"{way}: {name}"] = score_row(p, sounds.labels, config.labels, found.sources)
    names = list(splits)
    lines = [f"{len(entries)} sounds of {len(set(found.sources))} sources, {config.folds} folds.", "", *table(rows)]
    lines += ["| | copies on both sides |", "|---|---|", *(f"| {name} | {leaks[name]} |" for name in names), ""]
    lines += ["| flattery of | against | network | random forest |", "|---|---|---|---|"]
    gains = {}
    for one, other in ((names[0], names[1]), (names[0], names[2]), (names[1], names[2])):
        cells = []
        for way in ("network", "random forest"):
            gain = difference(right[way, one], right[way, other], found.sources)
            gains[f"{way}: {one} - {other}"] = gain
            cells.append(f"{gain[0]:+.3f} [{gain[1]:+.2f}, {gain[2]:+.2f}]")
        lines.append(f"| {one} | {other} | {' | '.join(cells)} |")
    trial.finish({"rows": rows, "leaks": leaks, "gains": gains, "left_out": found.left_out}, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
