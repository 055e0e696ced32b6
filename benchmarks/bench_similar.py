"""Similarity: speed, precision, processed copies, duplicates, the map, takes.

    python benchmarks/bench_similar.py [--data DIR] [--mdb DIR] [--count 100000] [--only speed,labels,...] [--json FILE]

`--data` is the folder of labelled one-shots with its manifest.csv (default: AUDIOLAB_ONESHOTS, else
../shared/data/oneshots); without it only `speed` runs, on random clusters. Every number is of the encoder in use,
which is named in the first line.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from audiolab.audio import View, open_source, to_frames
from audiolab.errors import AudioError
from audiolab.runs.best_takes import drum_spread
from audiolab.runs.copies import floor_of
from audiolab.similarity.clusters import take_distances
from audiolab.similarity.comparing import SAME, compare_recordings, prepare_recording
from audiolab.similarity.index import VectorIndex, measure_recall
from audiolab.similarity.maps import fit_map
from audiolab.similarity.measures import label_agreement, trustworthiness
from audiolab.similarity.space import Point, Space, Weights
from audiolab.stages.analysis.aspects import envelope_features, measure_aspects
from audiolab.stages.classification.encoder import get_encoder
from audiolab.stages.classification.preparing import Heard, listen, prepare

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("speed", "labels", "copies", "duplicates", "map", "takes")
Matrix = NDArray[np.float32]


@dataclass
class Data:
    """Labelled sounds with their embeddings."""

    rows: list[dict[str, str]]
    heard: list[Heard]
    vectors: Matrix

    def column(self, name: str) -> NDArray[np.str_]:
        """Give one column of the manifest."""
        return np.asarray([row[name] for row in self.rows])

    def same_recording(self, first: int, second: int) -> bool:
        """Say whether the manifest takes two sounds for one recording."""
        group = self.rows[first]["dup_group"]
        return bool(group) and group == self.rows[second]["dup_group"]


def load(folder: Path, every: int) -> Data:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::every]
    kept, heard = [], []
    for row in rows:
        try:
            heard.append(listen(open_source(folder / row["path"])))
        except AudioError as error:
            print(f"left out: {error}")
            continue
        kept.append(row)
    vectors = embed(heard)
    audible = vectors.any(axis=1)
    return Data(
        [row for row, ok in zip(kept, audible, strict=True) if ok],
        [sound for sound, ok in zip(heard, audible, strict=True) if ok], vectors[audible],
    )  # fmt: skip


def embed(heard: Sequence[Heard]) -> Matrix:
    encoder = get_encoder()
    parts = [
        encoder([prepare(sound.mono, sound.sample_rate) for sound in heard[at : at + 64]])
        for at in range(0, len(heard), 64)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, encoder.dimensions), np.float32)


def unit(values: NDArray[np.floating[Any]]) -> Matrix:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


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
    """Precision at 10 by label: among all others (but copies), and among other sources only."""
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
        found[what] = {
            "mean": float(right.mean()),
            "mean of labels": float(np.mean(list(by_label.values()))),
            **by_label,
        }
    return found


# ---- processed copies ------------------------------------------------------------------------------


def mp3(mono: Matrix, rate: int) -> tuple[Matrix, int]:
    if rate not in {32_000, 44_100, 48_000}:
        mono, rate = np.asarray(soxr.resample(mono, rate, 44_100), np.float32), 44_100
    file = io.BytesIO()
    # libsndfile: 320 kbit/s at level 0, 32 at level 1.
    wave = 0.9 * mono / max(float(np.abs(mono).max()), 1e-9)
    sf.write(file, wave, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=(320 - 128) / (320 - 32))
    file.seek(0)
    decoded, rate = sf.read(file, dtype="float32")
    return np.asarray(decoded, np.float32), rate


def ogg(mono: Matrix, rate: int) -> tuple[Matrix, int]:
    file = io.BytesIO()
    sf.write(file, 0.9 * mono / max(float(np.abs(mono).max()), 1e-9), rate, format="OGG", subtype="VORBIS")
    file.seek(0)
    decoded, rate = sf.read(file, dtype="float32")
    return np.asarray(decoded, np.float32), rate


def shifted(cents: float) -> Callable[[Matrix, int], tuple[Matrix, int]]:
    """Play faster or slower: pitch and length change together."""

    def process(mono: Matrix, rate: int) -> tuple[Matrix, int]:
        return np.asarray(soxr.resample(mono, 2 ** (cents / 1200), 1.0, quality="HQ"), np.float32), rate

    return process


PROCESSES: dict[str, Callable[[Matrix, int], tuple[Matrix, int]]] = {
    "mp3 128k": mp3,
    "ogg": ogg,
    "gain -12 dB": lambda mono, rate: (np.asarray(0.25 * mono, np.float32), rate),
    "first 5 ms gone": lambda mono, rate: (mono[round(0.005 * rate) :], rate),
    "second half gone": lambda mono, rate: (mono[: max(1, len(mono) // 2)], rate),
    "22,050 Hz": lambda mono, rate: (np.asarray(soxr.resample(mono, rate, 22_050), np.float32), 22_050),
    "30 cents up": shifted(30),
    "30 cents down": shifted(-30),
}


def processed(data: Data, every: int) -> Iterator[tuple[str, list[int], list[Heard]]]:
    rows = list(range(0, len(data.rows), every))
    for name, process in PROCESSES.items():
        made = [process(data.heard[row].mono, data.heard[row].sample_rate) for row in rows]
        yield name, rows, [Heard(mono, rate, len(mono) / rate) for mono, rate in made]


def copies(data: Data, every: int) -> dict[str, Any]:
    """How often a processed copy finds its original (or a known copy of that) first among all sounds."""
    found: dict[str, Any] = {}
    for name, rows, made in processed(data, every):
        vectors = embed(made)
        first = np.argmax(vectors @ data.vectors.T, axis=1)
        exact = np.asarray([row == hit for row, hit in zip(rows, first, strict=True)])
        twins = np.asarray([data.same_recording(row, int(hit)) for row, hit in zip(rows, first, strict=True)])
        found[name] = {"first": float((exact | twins).mean()), "first itself": float(exact.mean()), "copies": len(rows)}
    return found


# ---- duplicates ------------------------------------------------------------------------------------


def duplicates(data: Data, every: int) -> dict[str, Any]:
    """Planted copies against different takes: sounds of one source and label whose names and fingerprints differ."""
    floor = floor_of(data.heard[:: max(1, len(data.rows) // 40)], data.vectors[:: max(1, len(data.rows) // 40)])
    prepared = [prepare_recording(sound.mono, sound.sample_rate) for sound in data.heard]
    found: dict[str, Any] = {"floor": floor, "same_from": SAME}
    right = total = 0
    for name, rows, made in processed(data, every):
        if "cents" in name:
            continue  # another speed is another recording
        cosines = embed(made) @ data.vectors.T
        own = cosines[np.arange(len(rows)), rows]
        proposed = (own >= floor) & ((cosines > own[:, None]).sum(axis=1) < 12)
        agreed = np.asarray([
            compare_recordings(prepared[row], prepare_recording(sound.mono, sound.sample_rate)).same
            for row, sound in zip(rows, made, strict=True)
        ])  # fmt: skip
        found[f"recall, {name}"] = {
            "proposed": float(proposed.mean()), "agreed": float(agreed.mean()),
            "both": float((proposed & agreed).mean()),
        }  # fmt: skip
        right, total = right + int((proposed & agreed).sum()), total + len(rows)
    wrong, looked, some = takes_taken_for_copies(data, prepared, floor, every)
    found["recall"] = right / total
    found["takes taken for copies"] = {"pairs": looked, "wrong": wrong, "share": wrong / max(looked, 1)}
    found["precision, one planted copy for each take that is compared"] = right / max(right + wrong, 1)
    found["to listen to"] = some
    return found


def takes_taken_for_copies(
    data: Data, prepared: Sequence[Any], floor: float, every: int
) -> tuple[int, int, list[list[str]]]:
    index = VectorIndex(data.vectors, [row["path"] for row in data.rows])
    wrong = looked = 0
    some: list[list[str]] = []
    seen: set[tuple[int, int]] = set()
    for row in range(0, len(data.rows), every):
        hits = index.search(data.vectors[row], 12, exclude=row)
        for other, score in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True):
            pair = (min(row, other), max(row, other))
            mine, theirs = data.rows[row], data.rows[other]
            takes = all(mine[name] == theirs[name] for name in ("source", "label"))
            if score < floor or pair in seen or not takes or data.same_recording(row, other):
                continue
            seen.add(pair)
            looked += 1
            if compare_recordings(prepared[row], prepared[other]).same:
                wrong += 1
                some.append([mine["path"], theirs["path"]])
    return wrong, looked, some[:12]


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


# ---- takes -----------------------------------------------------------------------------------------


def takes(mdb: Path) -> dict[str, Any]:
    """Cut real drum stems at their true onsets, and say whether hits that are put together are of one class.

    Only hits with one class at one time count. Recall is over pairs of one class in one song, which may be several
    drums (toms, open and closed hats), so it is a lower bound.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    spread = drum_spread()
    songs = [gather(folder) for folder in sorted(mdb.iterdir()) if (folder / "drums.flac").is_file()]
    found: dict[str, Any] = {"spread": spread, "songs": len(songs), "hits": sum(len(names) for _, _, names in songs)}
    for apart in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0):
        both = in_group = in_class = groups = 0
        for vectors, envelope, names in songs:
            distances = squareform(take_distances(vectors, envelope, spread), checks=False)
            numbers = fcluster(linkage(distances, "average"), apart, "distance")
            same_group, same_class = numbers[:, None] == numbers, names[:, None] == names
            upper = np.triu(np.ones(same_group.shape, bool), 1)
            both += int((same_group & same_class & upper).sum())
            in_group += int((same_group & upper).sum())
            in_class += int((same_class & upper).sum())
            groups += len(np.unique(numbers))
        precision, recall = both / max(in_group, 1), both / max(in_class, 1)
        found[f"apart {apart}"] = {
            "precision": precision, "recall": recall, "F": 2 * precision * recall / max(precision + recall, 1e-9),
            "groups per song": groups / max(len(songs), 1),
        }  # fmt: skip
    return found


def gather(folder: Path) -> tuple[Matrix, Matrix, NDArray[np.str_]]:
    at: dict[float, set[str]] = defaultdict(set)
    with (folder / "onsets.csv").open(encoding="utf-8") as file:
        for line in csv.reader(file):
            at[float(line[0])].add(line[1])
    source = open_source(folder / "drums.flac")
    times = sorted(at)
    heard, names = [], []
    for time_s, after in zip(times, [*times[1:], source.frames / source.sample_rate], strict=True):
        stop = min(after, time_s + 0.5)
        if len(at[time_s]) == 1 and stop - time_s > 0.04:
            start = to_frames(max(0.0, time_s - 0.005), source.sample_rate)
            heard.append(listen(View(source, start, to_frames(stop, source.sample_rate))))
            names.append(next(iter(at[time_s])))
    vectors = embed(heard)
    audible = vectors.any(axis=1)
    aspects = np.stack([measure_aspects(sound.mono, sound.sample_rate) for sound in heard])
    return vectors[audible], envelope_features(aspects)[audible], np.asarray(names)[audible]


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
