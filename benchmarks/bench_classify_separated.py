"""Hits cut out of separated mixtures by `slice`, told apart by the shipped model, beside the same hits clean.

    python benchmarks/bench_classify_separated.py [--data DIR] [--hits 400] [--engine spectral] [--all] [--json FILE]

Mixtures are loops of known drum hits (tempo, gaps and levels drawn) over bass, keys, guitar and voices at levels from
-10 to 2 dB against the drums; the drum stem is cut at onsets. By default only sounds that the shipped model never
heard are used (their source is not in its card and shares no recordings with one that is); --all takes every sound
that may not ship.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from audiolab.audio import Audio
from audiolab.stages import classify
from audiolab.stages.classification.preparing import RATE, prepare
from audiolab.training.data import waveform
from audiolab.training.duplicates import find_duplicates
from audiolab.training.manifest import Entry, link_groups, read_labelled
from audiolab.training.separated import separated_hits
from audiolab.training.settings import ClassifierConfig, load_config

ROOT = Path(__file__).resolve().parents[1]
BEDS = {"bass", "keys", "guitar", "vocal", "synth", "strings"}


def unseen(entries: Sequence[Entry], config: ClassifierConfig) -> list[Entry]:
    """Sounds that the shipped model cannot have heard."""
    groups = link_groups(entries, config.linked)
    learned = {int(g) for entry, g in zip(entries, groups, strict=True) if entry.ships}
    twins = find_duplicates(entries, cache=ROOT / "experiments" / "runs" / "duplicates").twins
    heard = {twins[entry.path] for entry in entries if entry.ships and entry.path in twins}
    return [
        entry
        for entry, group in zip(entries, groups, strict=True)
        if not entry.ships and int(group) not in learned and twins.get(entry.path) not in heard
    ]


def answers(waves: Sequence[np.ndarray | None], labels: Sequence[str]) -> np.ndarray:
    """Give the number of the best label of each wave, before the `unknown` rule; -1 where there is nothing to hear."""
    out = np.full(len(waves), -1)
    rows = [i for i, wave in enumerate(waves) if wave is not None and prepare(wave, RATE) is not None]
    for index, found in zip(rows, classify([Audio(waves[i], RATE) for i in rows]), strict=True):
        out[index] = list(labels).index(found.top[0][0]) if found.top[0][0] in labels else -1
    return out


def measure(entries: Sequence[Entry], config: ClassifierConfig, count: int, engine: str, seed: int) -> dict[str, Any]:
    struck = {label for members in config.drums.values() for label in members}
    rng = np.random.default_rng(seed)
    hits = [entry for entry in entries if entry.label in struck]
    hits = [hits[i] for i in sorted(rng.choice(len(hits), min(count, len(hits)), replace=False).tolist())]
    beds = [entry for entry in entries if entry.label in BEDS]

    def read(entry: Entry) -> np.ndarray:
        return waveform(entry, config)

    truth = np.array([config.labels.index(entry.label) for entry in hits])
    rows = {"clean": answers([read(entry) for entry in hits], config.labels)}
    found_share = {}
    for name, by_slice in (("separated, cut at the true onsets", False), ("separated, cut by slice", True)):
        found = separated_hits(hits, read, beds=beds, seed=seed, engine=engine, by_slice=by_slice)
        waves = [found[index] for index in range(len(hits))]
        found_share[name] = float(np.mean([wave is not None for wave in waves]))
        rows[name] = answers(waves, config.labels)
    heard = rows["separated, cut by slice"] >= 0
    return {
        "hits": len(hits),
        "sources": sorted({entry.source for entry in hits}),
        "found": found_share,
        "accuracy": {name: float((said == truth).mean()) for name, said in rows.items()},
        "accuracy_of_found": {name: float((said == truth)[heard].mean()) for name, said in rows.items()},
        "by_label": {
            label: {"hits": int((truth == number).sum())}
            | {name: float((said == truth)[truth == number].mean()) for name, said in rows.items()}
            for number, label in enumerate(config.labels)
            if (truth == number).any()
        },
    }


def main() -> None:
    shared = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shared / "data" / "oneshots")
    parser.add_argument("--hits", type=int, default=400)
    parser.add_argument("--engine", default="spectral")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--all", action="store_true", help="every sound that may not ship")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = load_config("default")
    entries = list(read_labelled(options.data, config.labels).entries)
    chosen = [entry for entry in entries if not entry.ships] if options.all else unseen(entries, config)
    result = measure(chosen, config, options.hits, options.engine, options.seed)
    print(f"{result['hits']} hits of {', '.join(result['sources'])}; engine {options.engine}")
    for name, value in result["accuracy"].items():
        share = f", {result['found'][name]:.2f} of them found" if name in result["found"] else ""
        print(f"  {name:34} {value:.3f} (of those that slice found: {result['accuracy_of_found'][name]:.3f}){share}")
    print(f"  {'by label':12} hits  " + "  ".join(result["accuracy"]))
    for label, row in result["by_label"].items():
        print(f"  {label:12} {row['hits']:4}  " + "  ".join(f"{row[name]:.2f}" for name in result["accuracy"]))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
