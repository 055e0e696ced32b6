"""The shipped classifier: scores by source beside trees, drums in real songs, and speed.

    python benchmarks/bench_classify.py [--shared ../shared] [--json FILE]

Leave-sources-out scores need five trainings; they are made by `audiolab train --data DATA` and read from the
model's scores.json. Measured here: the shipped weights on sources that they never heard, beside ExtraTrees and a random
forest trained on the same recordings; the drum head at the true onsets of real drum stems, F by class; sounds per
second of `classify` and `embed` from memory, from files, and in a loop of single calls (medians of five rounds).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from audiolab.audio import Audio, View, open_source, to_frames
from audiolab.errors import AudioError
from audiolab.stages import classify, embed
from audiolab.stages.classification import get_encoder, get_head
from audiolab.stages.classification.encoder import MODEL_FOLDER
from audiolab.stages.classification.preparing import listen, prepare

ROOT = Path(__file__).resolve().parents[1]
MDB = {"KD": ("kick",), "SD": ("snare", "rim"), "HH": ("closed_hat", "open_hat"), "TT": ("tom",), "CY": ("cymbal",)}
"""Classes of MDB Drums and the drum classes that stand for them."""


def read_table(manifest: Path) -> tuple[list[dict[str, str]], list[list[str]]]:
    from audiolab.training.settings import load_config

    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), [list(group) for group in load_config("default").linked]


def unseen(rows: Sequence[dict[str, str]], linked: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Rows that the shipped model cannot have heard: not shippable, no linked source, no near-duplicate."""
    learned = [row for row in rows if row["may_ship"] != "no"]
    sources = {row["source"] for row in learned}
    sources |= {name for group in linked if sources & set(group) for name in group}
    twins = {row["dup_group"] for row in learned} - {""}
    return [r for r in rows if r["may_ship"] == "no" and r["source"] not in sources and r["dup_group"] not in twins]


def heard(folder: Path, rows: Sequence[dict[str, str]]) -> tuple[list[Audio], list[dict[str, str]]]:
    sounds, kept = [], []
    for row in rows:
        try:
            sounds.append(Audio.from_file(folder / row["path"]))
            kept.append(row)
        except AudioError:
            continue
    return sounds, kept


def trees_beside(folder: Path, rows: Sequence[dict[str, str]], test: Sequence[dict[str, str]]) -> dict[str, np.ndarray]:
    """Give what trees on MFCC and log-mel statistics of all recordings that may ship say of the rows of `test`."""
    from audiolab.training.baseline import fit_trees, statistics, trees_probabilities
    from audiolab.training.data import collect
    from audiolab.training.manifest import Entry
    from audiolab.training.settings import load_config

    config = load_config("default")

    def entries(part: Sequence[dict[str, str]]) -> list[Entry]:
        return [Entry(folder / row["path"], row["source"], row["label"]) for row in part]

    train = collect(entries([row for row in rows if row["may_ship"] != "no"]), config, variants=1)
    known, asked = statistics(train), statistics(collect(entries(test), config, variants=1))
    return {
        kind: trees_probabilities(fit_trees(known, train.labels, kind=kind), asked, len(config.labels))
        for kind in ("extra", "forest")
    }


def scores(p: np.ndarray, rows: Sequence[dict[str, str]], labels: Sequence[str]) -> dict[str, Any]:
    from audiolab.training.scoring import score

    truth = np.array([list(labels).index(row["label"]) for row in rows])
    return score(p, truth, labels, [row["source"] for row in rows])


def line(name: str, one: dict[str, Any]) -> str:
    low, high = one["labels"]["interval"]
    return (
        f"  {name:28} 19: {one['labels']['accuracy']:.3f} [{low:.2f}, {high:.2f}]  top-3 {one['labels']['top_3']:.3f}  "
        f"11: {one['11 classes']['accuracy']:.3f}  8 drums: {one['8 drums']['accuracy']:.3f}  "
        f"F1 {one['labels']['macro_f1']:.3f}  ECE {one['ece']:.3f}"
    )


def drum_head(folder: Path) -> dict[str, dict[str, float]]:
    """F per class of the drum head on hits cut from real drum stems at their true onsets, at most 0.5 s long."""
    counts = {name: np.zeros(3, int) for name in MDB}
    for song in sorted(folder.iterdir()):
        with (song / "onsets.csv").open() as file:
            events = sorted((float(row[0]), row[1]) for row in csv.reader(file) if row)
        groups: list[tuple[float, set[str]]] = []
        for at, name in events:
            if groups and at - groups[-1][0] <= 0.03:
                groups[-1][1].add(name)
            else:
                groups.append((at, {name}))
        source = open_source(song / "drums.flac")
        rate = source.sample_rate
        starts = [max(0, to_frames(at - 0.01, rate)) for at, _ in groups]
        stops = [*starts[1:], source.frames]
        views = [View(source, a, min(b, a + rate // 2)) for a, b in zip(starts, stops, strict=True)]
        for (_, truth), result in zip(groups, classify(views), strict=True):
            for name, classes in MDB.items():
                said = max(result.drums[drum] for drum in classes) > 0.5
                counts[name] += (said and name in truth, said and name not in truth, not said and name in truth)
    table = {}
    for name, (hits, false, missed) in {**counts, "all": sum(counts.values())}.items():
        score = 2 * hits / max(1, 2 * hits + false + missed)
        table[name] = {"f": round(float(score), 3), "hits": int(hits + missed)}
    return table


def per_second(works: dict[str, Callable[[], object]], count: int, repeats: int = 5) -> dict[str, dict[str, float]]:
    """Sounds per second of wall time, and of CPU time (which other work on the machine changes less).

    Medians of `repeats` rounds; in each round everything runs once, one after the other.
    """
    walls: dict[str, list[float]] = {name: [] for name in works}
    cpus: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start, used = time.perf_counter(), time.process_time()
            work()
            walls[name].append(time.perf_counter() - start)
            cpus[name].append(time.process_time() - used)
    return {
        name: {
            "wall": round(count / float(np.median(walls[name])), 1),
            "cpu": round(count / float(np.median(cpus[name])), 1),
        }
        for name in works
    }


def speed(paths: Sequence[Path]) -> dict[str, Any]:
    sounds = [Audio.from_file(path) for path in paths]
    encoder, head = get_encoder(), get_head()
    prepared = [prepare((h := listen(sound)).mono, h.sample_rate) for sound in sounds]
    classify(sounds[:2])
    embed(sounds[:2])
    return per_second(
        {
            "classify, from memory": lambda: classify(sounds),
            "classify, from files": lambda: classify(list(paths)),
            "classify, single calls": lambda: [classify(sound)[0] for sound in sounds],
            "embed, from memory": lambda: embed(sounds),
            "embed, from files": lambda: embed(list(paths)),
            "embed, single calls": lambda: [embed(sound) for sound in sounds],
            "encoder and heads alone": lambda: head.probabilities(encoder(prepared)),
        },
        len(sounds),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-trees", action="store_true", help="leave the trees out (they take minutes)")
    options = parser.parse_args()
    folder = options.shared / "data" / "oneshots"
    rows, linked = read_table(folder / "manifest.csv")
    labels = get_head().labels
    kept = json.loads((MODEL_FOLDER / "scores.json").read_text())
    print("leave-sources-out (from scores.json):")
    names = {
        "cnn": "shipped kind of model",
        "extra": "ExtraTrees",
        "extra_rendered": "ExtraTrees, with rendered",
        "forest": "random forest",
    }
    for part in ("out_of_fold", "out_of_fold_other_sources"):
        for name, one in kept.get(part, {}).items():
            print(line(f"{names[name]}{' *' * (part != 'out_of_fold')}", one))
    print("  * sources that are only judged\nshipped weights on unseen sources:")
    sounds, test = heard(folder, unseen(rows, linked))
    encoder, head = get_encoder(), get_head()
    vectors = encoder([prepare((h := listen(sound)).mono, h.sample_rate) for sound in sounds])
    result: dict[str, Any] = {"unseen": {"shipped": scores(head.probabilities(vectors), test, labels)}}
    print(line(f"shipped ({len(test)} sounds)", result["unseen"]["shipped"]))
    if not options.no_trees:
        for kind, p in trees_beside(folder, rows, test).items():
            result["unseen"][kind] = scores(p, test, labels)
            print(line(f"{names[kind]}, recordings", result["unseen"][kind]))
    result["mdb"] = drum_head(options.shared / "data" / "music" / "mdb")
    parts = [f"{name} {row['f']:.3f} ({row['hits']})" for name, row in result["mdb"].items()]
    print(f"drum head at true onsets of real drum stems, F: {', '.join(parts)}")
    result["speed"] = speed([folder / row["path"] for row in rows if row["path"].endswith(".flac")][::9][:256])
    print("sounds per second (wall, CPU):")
    for name, value in result["speed"].items():
        print(f"  {name:28} {value['wall']:7.1f} {value['cpu']:7.1f}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
