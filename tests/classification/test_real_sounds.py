"""The shipped model on real one-shots of sources that it never heard."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from audiolab.stages import classify

UNHEARD = ("open_source_drumkit", "spicule")


@pytest.mark.shared
def test_unheard_sources_are_far_above_chance(shared_data: Path):
    """Nineteen labels: chance is 0.05; always saying the commonest is under 0.16 here. At least 0.4 is asked for."""
    with (shared_data / "oneshots" / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] in UNHEARD and not row["dup_group"]]
    by_label = defaultdict(list)
    for row in rows:
        by_label[row["label"]].append(row)
    chosen = [row for label in sorted(by_label) for row in by_label[label][::2][:10]]
    assert len(chosen) > 80
    assert max(sum(r["label"] == label for r in chosen) for label in by_label) < 0.16 * len(chosen)
    results = classify([shared_data / "oneshots" / row["path"] for row in chosen])
    right = sum(result.top[0][0] == row["label"] for result, row in zip(results, chosen, strict=True))
    among = sum(
        row["label"] in [label for label, _ in result.top[:3]] for result, row in zip(results, chosen, strict=True)
    )
    assert right / len(chosen) > 0.4
    assert among / len(chosen) > 0.65


@pytest.mark.shared
def test_kicks_of_a_real_drum_stem_are_heard(shared_data: Path):
    from audiolab.audio import View, open_source

    song = shared_data / "music" / "mdb" / "Rockabilly"
    source = open_source(song / "drums.flac")
    with (song / "onsets.csv").open() as file:
        events = [(float(row[0]), row[1]) for row in csv.reader(file) if row]
    times = sorted({at for at, _ in events})
    alone = [at for at, name in events if name == "KD"]
    others = [at for at in times if all(abs(at - kick) > 0.1 for kick in alone)]

    def share(starts: list[float]) -> float:
        views = [
            View(source, round(at * source.sample_rate), min(source.frames, round((at + 0.25) * source.sample_rate)))
            for at in starts
        ]
        return sum(result.drums["kick"] > 0.5 for result in classify(views)) / len(views)

    assert len(alone) > 10
    assert len(others) > 10
    assert share(alone[:60]) > share(others[:60]) + 0.5
