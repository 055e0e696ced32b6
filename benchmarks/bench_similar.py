"""Similarity: speed, precision, processed copies, duplicates, the map, takes.

    python benchmarks/bench_similar.py [--data DIR] [--mdb DIR] [--count 100000] [--only speed,labels,...] [--json FILE]

`--data` is the folder of labelled one-shots with its manifest.csv (default: AUDIOLAB_ONESHOTS, else
../shared/data/oneshots); without it only `speed` runs, on random clusters. Every number is of the encoder in use,
which is named in the first line.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np
from similar_copies import copies, duplicates
from similar_data import Data, Matrix, load, unit
from similar_takes import takes

from audiolab.similarity.index import VectorIndex, measure_recall
from audiolab.similarity.maps import fit_map
from audiolab.similarity.measures import label_agreement, trustworthiness
from audiolab.similarity.space import Point, Space, Weights
from audiolab.stages.classification.encoder import get_encoder

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("speed", "labels", "copies", "duplicates", "map", "takes")
# ---- speed -----------------------------------------------------------------------------------------


def crowd(data: Data | None, count: int) -> Matrix:
    """Many vectors: real ones, each with neighbours scattered as real neighbours are."""
    rng = np.random.default_rng(440)
    dimensions = get_encoder().dimensions
    if data is None:
        centres = unit(rng.standard_normal((200, dimensions)))
        apart = 0.5
    else:
        centres = data.vectors
        index = VectorIndex(centres, [str(i) for i in range(len(centres))])
        near = [index.search(centres[row], 1, exclude=row).scores[0] for row in range(0, len(centres), 7)]
        apart = float(np.sqrt(max(2 - 2 * np.median(near), 1e-6)))  # distance to the nearest neighbour, usually
    picked = centres[rng.integers(0, len(centres), count)]
    return unit(picked + apart * rng.standard_normal((count, dimensions)) / np.sqrt(dimensions))


def speed(data: Data | None, count: int) -> dict[str, Any]:
    from importlib.util import find_spec

    vectors = crowd(data, count)
    ids = [f"{i:08d}" for i in range(count)]
    rows = np.random.default_rng(1).integers(0, count, 200)
    found: dict[str, Any] = {"vectors": count, "dimensions": vectors.shape[1], "of": "real" if data else "random"}
    for engine in ("numpy", "usearch"):
        if engine == "usearch" and find_spec("usearch") is None:
            found["usearch"] = "not installed"
            continue
        started = time.perf_counter()
        index = VectorIndex(vectors, ids, engine=engine)
        built = time.perf_counter() - started
        timed = timing(lambda row, index=index: index.search(vectors[row], 20, exclude=row), rows)
        found[engine] = {"build_s": built, **timed, "recall_at_10": measure_recall(index, rows[:100].tolist(), 10)}
        if engine == "numpy":
            mask = np.random.default_rng(2).random(count) < 0.1
            masked = timing(lambda row, index=index, mask=mask: index.search(vectors[row], 20, allowed=mask), rows)
            found["numpy, a tenth allowed"] = masked
            rng = np.random.default_rng(3)
            space = Space(index, rng.standard_normal((count, 21)).astype(np.float32),
                          rng.random((count, 2)).astype(np.float32), np.ones(count, bool))  # fmt: skip
            weights = Weights(1, 0.5, 0.5)

            def weighed(row: int, space: Space = space, weights: Weights = weights) -> object:
                return space.nearest(Point(vectors[row], space.envelope[row], space.pitch[row], row), 20, weights)

            found["three aspects"] = timing(weighed, rows[:50])
    return found


def timing(call: Callable[[int], object], rows: Sequence[int]) -> dict[str, float]:
    call(int(rows[0]))
    times = []
    for row in rows:
        started = time.perf_counter()
        call(int(row))
        times.append(1000 * (time.perf_counter() - started))
    return {"median_ms": float(np.median(times)), "p95_ms": float(np.quantile(times, 0.95))}


# ---- labels ----------------------------------------------------------------------------------------


def labels(data: Data) -> dict[str, Any]:
    """Precision at 10 by label: among all others (but copies), among other sources, and of sounds that never ship."""
    names, sources = data.column("label"), data.column("source")
    groups = data.column("dup_group")
    cosines = data.vectors @ data.vectors.T
    np.fill_diagonal(cosines, -2)
    cosines[(groups[:, None] == groups[None, :]) & (groups != "")[:, None]] = -2
    found: dict[str, Any] = {}
    for what, blocked in (
        ("all", np.zeros_like(cosines, bool)),
        ("other sources", sources[:, None] == sources[None, :]),
    ):
        near = np.argsort(-np.where(blocked, -2, cosines), axis=1, kind="stable")[:, :10]
        right = (names[near] == names[:, None]).mean(axis=1)
        by_label = {str(name): float(right[names == name].mean()) for name in np.unique(names)}
        means = {"mean": float(right.mean()), "mean of labels": float(np.mean(list(by_label.values())))}
        found[what] = means | by_label
    foreign = data.column("may_ship") == "no"  # the shipped encoder learned from none of them
    of_label = {str(n): float(right[foreign & (names == n)].mean()) for n in np.unique(names[foreign])}
    means = {"mean": float(right[foreign].mean()), "mean of labels": float(np.mean(list(of_label.values())))}
    found["other sources, of sounds that may not ship"] = means | of_label
    return found


# ---- the map ---------------------------------------------------------------------------------------


def map_(data: Data) -> dict[str, Any]:
    names = data.column("label").tolist()
    found: dict[str, Any] = {}
    for method in ("pca", "umap"):
        started = time.perf_counter()
        made = fit_map(data.vectors, method=method)  # type: ignore[arg-type]
        seconds = time.perf_counter() - started
        again = fit_map(data.vectors, method=method)  # type: ignore[arg-type]
        found[method] = {
            "trustworthiness": trustworthiness(data.vectors, made.coordinates),
            "label agreement of 10": label_agreement(made.coordinates, names),
            "seconds": seconds,
            "identical twice": bool(np.array_equal(made.coordinates, again.coordinates)),
        }
    half = fit_map(data.vectors, method="umap", at_most=len(data.rows) // 2)
    found["umap, half of them placed"] = {
        "trustworthiness": trustworthiness(data.vectors, half.coordinates),
        "label agreement of 10": label_agreement(half.coordinates, names),
    }
    return found


# ---- the table -------------------------------------------------------------------------------------


def show(title: str, found: dict[str, Any]) -> None:
    print(f"\n## {title}\n")
    tables = {name: value for name, value in found.items() if isinstance(value, dict)}
    for name, value in found.items():
        if name not in tables:
            print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    columns = list(dict.fromkeys(column for value in tables.values() for column in value))
    if len(columns) > len(tables) and len(columns) > 8:  # few rows with many columns read better on their side
        tables, columns = {c: {name: value.get(c) for name, value in tables.items()} for c in columns}, list(tables)
    if columns:
        print("\n| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
        for name, value in tables.items():
            print(f"| {name} | " + " | ".join(cell(value.get(column)) for column in columns) + " |")


def cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=os.environ.get("AUDIOLAB_ONESHOTS", shared / "oneshots"))
    parser.add_argument("--mdb", type=Path, default=shared / "music" / "mdb")
    parser.add_argument("--count", type=int, default=100_000, help="vectors of the part `speed`")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--every", type=int, default=1, help="take only each n-th sound of the data")
    parser.add_argument("--copies-every", type=int, default=5, help="copy each n-th sound")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    data = load(Path(args.data), args.every) if (Path(args.data) / "manifest.csv").is_file() else None
    found: dict[str, Any] = {"encoder": get_encoder().sha256, "sounds": 0 if data is None else len(data.rows)}
    print(f"encoder {found['encoder'][:16]}, {found['sounds']} labelled sounds")
    for part in wanted:
        if part == "speed":
            found[part] = speed(data, args.count)
        elif part == "takes":
            if not args.mdb.is_dir():
                print(f"\n{part}: left out, there is no {args.mdb}")
                continue
            found[part] = takes(args.mdb)
        elif data is None:
            print(f"\n{part}: left out, there is no manifest.csv in {args.data}")
            continue
        elif part == "labels":
            found[part] = labels(data)
        elif part == "map":
            found[part] = map_(data)
        else:
            found[part] = {"copies": copies, "duplicates": duplicates}[part](data, args.copies_every)
        show(part, found[part])
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
