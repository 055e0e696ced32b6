"""Hits of real drum stems for bench_similar.py: whether those that are put together are of one drum."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from similar_data import Matrix, embed

from audiolab.audio import View, open_source, to_frames
from audiolab.runs.best_takes import drum_spread
from audiolab.similarity.clusters import take_distances
from audiolab.stages.analysis.aspects import envelope_features, measure_aspects
from audiolab.stages.classification.preparing import listen


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
