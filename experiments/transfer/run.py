"""Own network, frozen encoders of others with a linear head, or hand-made features with trees? One split for all."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from features import at_hand, features_of

from audiolab.training.baseline import fit_trees, statistics, trees_probabilities
from audiolab.training.scoring import softmax
from audiolab.training.trials import begin, difference, material, network_logits, score_row, table


def linear(x: np.ndarray, y: np.ndarray, folds: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Out-of-fold probabilities of logistic regression; its strength is chosen inside each training part."""
    out = np.zeros((len(x), count))
    for fold in sorted(set(folds.tolist())):
        inside, test = np.flatnonzero(folds != fold), folds == fold
        others = sorted(set(folds[inside].tolist()))
        last = folds[inside] == others[-1]
        part, check = (inside[~last], inside[last]) if len(others) > 1 else (inside[::2], inside[1::2])
        best = max((0.003, 0.03, 0.3), key=lambda c: _fitted(x, y, part, c, seed).score(x[check], y[check]))
        model = _fitted(x, y, inside, best, seed)
        out[np.ix_(test, model.classes_)] = model.predict_proba(x[test])
    return out


def _fitted(x: np.ndarray, y: np.ndarray, rows: np.ndarray, strength: float, seed: int):
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=strength, max_iter=200, class_weight="balanced", random_state=seed)
    parts = PCA(min(256, len(rows) - 1, x.shape[1]), whiten=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(StandardScaler(), parts, model).fit(x[rows], y[rows])


def main() -> int:
    trial = begin(__file__)
    found = material(trial)
    sounds, config, folds = found.sounds, trial.config, found.folds
    count, truth = len(config.labels), sounds.labels
    logits, _ = network_logits(trial, sounds, folds, made=found.made)
    answers = {"own network": softmax(logits)}
    stats = statistics(sounds)
    for name, kind in (("hand-made, random forest", "forest"), ("hand-made, ExtraTrees", "extra")):
        answers[name] = np.zeros((len(truth), count))
        for fold in range(config.folds):
            inside = folds != fold
            trees = fit_trees(stats[inside], truth[inside], kind=kind, seed=config.seed)
            answers[name][~inside] = trees_probabilities(trees, stats[~inside], count)
        trial.say(name)
    answers["hand-made, linear"] = linear(stats, truth, folds, count, config.seed)
    shared = trial.data.parent if trial.data.is_dir() else trial.data.parent.parent
    encoders, missing = at_hand(Path(os.environ.get("AUDIOLAB_WEIGHTS_AT_HAND", shared / "weights")))
    sizes = {"hand-made": stats.shape[1]}
    for name, make in encoders.items():
        rows = features_of(name, make, sounds.entries, config, trial.work / "features")
        sizes[name] = rows.shape[1]
        trial.say(f"features of {name}")
        answers[f"{name}, linear"] = linear(rows, truth, folds, count, config.seed)
        trees = np.zeros((len(truth), count))
        for fold in range(config.folds):
            inside = folds != fold
            trees[~inside] = trees_probabilities(
                fit_trees(rows[inside], truth[inside], seed=config.seed), rows[~inside], count
            )
        answers[f"{name}, ExtraTrees"] = trees
        answers[f"own network and {name}, linear, mean of both"] = (softmax(logits) + answers[f"{name}, linear"]) / 2
        trial.say(f"heads on {name}")
    rows = {name: score_row(p, truth, config.labels, found.sources) for name, p in answers.items()}
    lines = [f"{len(truth)} sounds of {len(set(found.sources))} sources, {config.folds} folds of whole groups.", ""]
    lines += table(rows)
    lines += ["| against the own network | 19 labels |", "|---|---|"]
    own, gains = answers["own network"].argmax(axis=1) == truth, {}
    for name, p in answers.items():
        if name != "own network":
            gains[name] = difference(p.argmax(axis=1) == truth, own, found.sources)
            lines.append("| {} | {:+.3f} [{:+.2f}, {:+.2f}] |".format(name, *gains[name]))
    lines += ["", *(f"- {size} features: {name}" for name, size in sizes.items())]
    lines += [f"- not here: {what}" for what in missing]
    document = {"rows": rows, "gains": gains, "features": sizes, "missing": missing, "left_out": found.left_out}
    trial.finish(document, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
