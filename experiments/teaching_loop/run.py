"""Re-make the tables of this experiment: a simulated user tags sounds, and the head learns; write results.md.

    python experiments/teaching_loop/run.py [--data DIR] [--model MODEL] [--seeds N]

The user's library is of sources that share nothing with the shipped model's training. Embeddings are kept in
experiments/runs/teaching_loop, so that a second run takes a fraction of the time.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import open_source
from audiolab.errors import AudiolabError
from audiolab.stages.classification import Head, get_encoder, get_head
from audiolab.stages.classification.stage import embed_sources
from audiolab.training.head_fitting import HeadSettings, fit_head, merge_groups
from audiolab.training.proposing import STRATEGIES, propose
from audiolab.training.scoring import calibration_error

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = ("spicule", "open_source_drumkit", "philharmonia", "salamander_casio", "juj_phonemes")
"""Sources of the manifest that no shipped model was trained on, and that share no recordings with its sources."""
JINGLES = ("shaker", "tambourine", "cabasa", "sleigh", "castanets", "bells")
STEP, BUDGET, TEST = 25, 200, 0.4


@dataclass(frozen=True)
class Pool:
    """The user's library: every sound's true label, and what it must not be torn from."""

    vectors: NDArray[np.float32]
    labels: tuple[str, ...]
    groups: NDArray[np.int64]
    origins: tuple[str, ...]


def main() -> int:
    shared = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("AUDIOLAB_ONESHOTS", shared / "data" / "oneshots"))
    parser.add_argument("--data", type=Path, default=default, help="folder with manifest.csv")
    parser.add_argument("--model", default="shipped", help="the model to begin with")
    parser.add_argument("--seeds", type=int, default=10, help="simulated users of each kind")
    options = parser.parse_args()
    started = time.perf_counter()
    head, encoder = get_head(options.model), get_encoder(options.model)
    vectors, rows = embed(options.data, encoder)
    settings = {
        "the labels of the shipped model": Pool(vectors, *labelled(rows, vectors, invented=False)),
        "with two labels of the user's own": Pool(vectors, *labelled(rows, vectors, invented=True)),
    }
    found = {name: simulate(pool, head, options.seeds) for name, pool in settings.items()}
    lines = report(settings, found, head, options.seeds)
    (HERE / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    runs = ROOT / "experiments" / "runs" / "teaching_loop"
    runs.mkdir(parents=True, exist_ok=True)
    (runs / "scores.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print("\n".join(lines))
    print(f"{time.perf_counter() - started:.0f} s")
    return 0


def embed(data: Path, encoder: Any) -> tuple[NDArray[np.float32], list[dict[str, str]]]:
    """Embed the sounds of the sources; what cannot be read is said and left out."""
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] in SOURCES]
    if any(row["may_ship"] != "no" for row in rows):
        raise SystemExit("these sources may ship: the shipped model may have been trained on them")
    told = hashlib.blake2b(json.dumps([encoder.sha256, [row["path"] for row in rows]]).encode(), digest_size=8)
    kept = ROOT / "experiments" / "runs" / "teaching_loop" / f"vectors-{told.hexdigest()}.npy"
    if not kept.is_file():
        made = []
        for row in rows:
            try:
                [(vector, _)] = embed_sources([open_source(data / row["path"])], encoder, kinds=False)
            except AudiolabError as error:
                print(f"left out: {error}")
                vector = np.zeros((1, encoder.dimensions), np.float32)
            made.append(vector)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, np.concatenate(made), allow_pickle=False)
    vectors = np.load(kept, allow_pickle=False)
    heard = vectors.any(axis=1)
    return vectors[heard], [row for row, here in zip(rows, heard, strict=True) if here]


def labelled(
    rows: list[dict[str, str]], vectors: NDArray[np.float32], *, invented: bool
) -> tuple[tuple[str, ...], NDArray[np.int64], tuple[str, ...]]:
    """Give labels, groups (near-duplicates together) and the folder that each sound comes from."""
    labels = []
    for row in rows:
        label = row["label"]
        if invented and row["source"] == "juj_phonemes":
            label = "syllable"
        elif invented and label == "percussion" and any(word in row["path"] for word in JINGLES):
            label = "jingle"
        labels.append(label)
    names = [row["dup_group"] or row["path"] for row in rows]
    origins = tuple(f"{row['source']} {Path(row['path']).name.rsplit('__', 1)[0]}" for row in rows)
    return tuple(labels), merge_groups(vectors.astype(np.float64), names), origins


def simulate(pool: Pool, head: Head, users: int) -> dict[str, Any]:
    """Let users tag what each strategy proposes, 25 sounds at a time; give the scores of the held-out part."""
    curves: dict[str, list[list[float]]] = {strategy: [] for strategy in STRATEGIES}
    others: dict[str, list[list[float]]] = {"new": [], "ece_before": [], "ece_after": [], "found": []}
    for user in range(users):
        rng = np.random.default_rng((2026, user))
        names = rng.permutation(np.unique(pool.groups))
        test = np.isin(pool.groups, names[: round(TEST * len(names))])
        for strategy in STRATEGIES:
            scores, head_after = teach(pool, head, test, strategy, user)
            curves[strategy].append(scores)
            if strategy == "spread":
                new = ~np.isin(pool.labels, head.labels) & test
                others["new"].append([recall(pool, head_after, new)])
                others["ece_before"].append([ece(pool, head, test)])
                others["ece_after"].append([ece(pool, head_after, test)])
    return {"curves": curves, **others, "sounds": len(pool.labels), "groups": len(set(pool.groups.tolist()))}


def teach(
    pool: Pool, head: Head, test: NDArray[np.bool_], strategy: Any, seed: int
) -> tuple[list[float], Head]:  # fmt: skip
    """Tag and learn until the budget is spent."""
    open_ = np.flatnonzero(~test)
    tagged: list[int] = []
    now = head
    scores = [recall(pool, now, test)]
    while len(tagged) < BUDGET:
        left = np.array([i for i in open_.tolist() if i not in set(tagged)])
        chosen = propose(
            pool.vectors[left], now.probabilities(pool.vectors[left]), STEP, strategy=strategy,
            origins=[pool.origins[i] for i in left.tolist()], labelled=pool.vectors[tagged],
            seed=1000 * seed + len(tagged),
        )  # fmt: skip
        if not chosen:
            break
        tagged += left[chosen].tolist()
        try:
            now = fit_head(
                pool.vectors[tagged], [pool.labels[i] for i in tagged], [str(pool.groups[i]) for i in tagged], head,
                background=pool.vectors, settings=HeadSettings(folds=2),
            ).head  # fmt: skip
        except AudiolabError as error:
            print(f"nothing learned from {len(tagged)} sounds: {error}")
        scores.append(recall(pool, now, test))
    return scores, now


def predicted(pool: Pool, head: Head, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
    best = head.probabilities(pool.vectors[which]).argmax(axis=1)
    truth = np.array(pool.labels)[which]
    return np.array([head.labels[b] == t for b, t in zip(best.tolist(), truth.tolist(), strict=True)], np.bool_)


def recall(pool: Pool, head: Head, which: NDArray[np.bool_]) -> float:
    """Give the share that is right; NaN of nothing."""
    return float(predicted(pool, head, which).mean()) if which.any() else float("nan")


def ece(pool: Pool, head: Head, which: NDArray[np.bool_]) -> float:
    p = head.probabilities(pool.vectors[which])
    truth = np.array(pool.labels)[which].tolist()
    known = np.array([head.labels.index(t) if t in head.labels else -1 for t in truth])
    return calibration_error(p, known)


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Give mean and the 95 % interval of the mean over users, by the bootstrap."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    drawn = np.random.default_rng(0).choice(values, (4000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def told(values: NDArray[np.float64], *, sign: bool = False) -> str:
    mean, low, high = interval(values)
    spec = "+.3f" if sign else ".3f"
    return f"{mean:{spec}} ({low:{spec}} to {high:{spec}})"


def report(settings: dict[str, Pool], found: dict[str, Any], head: Head, users: int) -> list[str]:
    lines = [
        "# Results", "",
        f"Encoder {head.encoder[:12]}; {users} simulated users; means over users with 95 % intervals of the mean "
        f"(bootstrap); {round(100 * TEST)} % of the groups held out, another part for each user.", "",
    ]  # fmt: skip
    names = {"spread": "`al.uncertain`", "uncertain": "smallest margin", "random": "random"}
    for title, scores in found.items():
        counts = sorted({label: settings[title].labels.count(label) for label in settings[title].labels}.items())
        shown = ", ".join(f"{label} {count}" for label, count in counts)
        lines += [f"## {title[0].upper()}{title[1:]}", "",
                  f"{scores['sounds']} sounds, {scores['groups']} groups: {shown}.", ""]  # fmt: skip
        curves = {name: np.array(rows) for name, rows in scores["curves"].items()}
        steps = [STEP * i for i in range(min(rows.shape[1] for rows in curves.values()))]
        at = [i for i, n in enumerate(steps) if n % 50 == 0 or n == STEP]
        lines += ["Accuracy on the held-out part after so many tags:", ""]
        lines += ["| strategy | " + " | ".join(str(steps[i]) for i in at) + " |", "|---|" + "---|" * len(at)]
        for name, rows in curves.items():
            lines.append(f"| {names[name]} | " + " | ".join(told(rows[:, i]) for i in at) + " |")
        lines += ["", "Gain for each 50 tags more, and the lead over random picking (the same users):", ""]
        fifties = [i for i, n in enumerate(steps) if n and n % 50 == 0]
        head_row = " | ".join(f"{steps[i] - 50} to {steps[i]}" for i in fifties)
        lines += [f"| strategy | {head_row} |", "|---|" + "---|" * len(fifties)]
        back = 50 // STEP
        for name, rows in curves.items():
            gains = " | ".join(told(rows[:, i] - rows[:, i - back], sign=True) for i in fifties)
            lines.append(f"| {names[name]} | {gains} |")
        for name in ("spread", "uncertain"):
            lead = " | ".join(told(curves[name][:, i] - curves["random"][:, i], sign=True) for i in fifties)
            lines.append(f"| {names[name]}: lead at the end of it | {lead} |")
        last = steps[-1]
        before, after = (np.array(scores[f"ece_{when}"])[:, 0] for when in ("before", "after"))
        lines += ["", f"Expected calibration error on the held-out part, before any tag {told(before)}, after {last} "
                      f"proposed tags {told(after)}."]  # fmt: skip
        new = np.array(scores["new"])[:, 0]
        if np.isfinite(new).any():
            lines.append(f"Recall of the user's own labels after {last} proposed tags: {told(new)}; before: 0.")
        lines.append("")
    return lines[:-1]


if __name__ == "__main__":
    raise SystemExit(main())
