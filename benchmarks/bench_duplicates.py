"""Measure whether copies of a recording are found whatever was done to them, and how long that takes.

    python benchmarks/bench_duplicates.py [--data DIR] [--copies 200] [--json FILE]

For each way, copies of drawn sounds are made (level and trim, MP3, Vorbis, 8 bit, 11 kHz, all at once) and looked for
among all sounds of the set. Then the whole set is searched: time, pairs, sources that share recordings, and the
pairs that the manifest's own column `dup_group` has or lacks. Other pairs than a copy and its original, with a
copy in them, are counted as `others`: real duplicates of the original in the set, or false alarms.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soxr

from audiolab.audio import Audio, open_source, write_audio
from audiolab.stages.classification.preparing import listen
from audiolab.training.duplicates import agreement, find_duplicates, linked_sources
from audiolab.training.manifest import Entry, read_labelled
from audiolab.training.settings import load_config

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("level and trim", "mp3", "vorbis", "8 bit", "11 kHz", "all at once")
RATES = {8000, 11025, 16000, 22050, 32000, 44100, 48000}


def changed(way: str, entry: Entry, rng: np.random.Generator, folder: Path, number: int) -> Path | None:
    heard = listen(open_source(entry.path))
    x, rate = heard.mono.astype(np.float64), heard.sample_rate
    top = float(np.abs(x).max(initial=0.0))
    if top < 1e-4:
        return None
    x /= top
    if way in {"level and trim", "all at once"}:
        start = int(rng.uniform(0, 0.01) * rate) + int(np.argmax(np.abs(x) > 0.01))
        x = 0.3 * x[start : start + max(int(0.1 * rate), int(0.7 * (len(x) - start)))]
        fade = min(len(x), int(0.01 * rate))
        x[len(x) - fade :] *= np.linspace(1, 0, fade)
    wanted = 11025 if way == "11 kHz" else 32000 if way == "all at once" else rate if rate in RATES else 44100
    x = soxr.resample(x, rate, wanted) if wanted != rate else x
    if way == "8 bit":
        x = np.round(x * 127) / 127
    suffix = {"mp3": ".mp3", "vorbis": ".ogg", "all at once": ".mp3"}.get(way, ".wav")
    return write_audio(folder / f"{number}{suffix}", Audio(0.7 * x.astype(np.float32)[None], wanted))


def copies_found(entries: list[Entry], count: int, way: str) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    with tempfile.TemporaryDirectory() as name:
        made = []
        for index in rng.choice(len(entries), min(count, len(entries)), replace=False).tolist():
            path = changed(way, entries[index], rng, Path(name), index)
            if path is not None:
                made.append((index, Entry(path, "copies", entries[index].label)))
        originals = {n: index for n, (index, _) in enumerate(made)}
        some = sorted({*originals.values(), *rng.choice(len(entries), min(600, len(entries)), replace=False).tolist()})
        place = {index: number for number, index in enumerate(some)}
        found = find_duplicates([*(entries[index] for index in some), *(copy for _, copy in made)])
    pairs = {(pair.first, pair.second) for pair in found.pairs}
    right = {(place[index], len(some) + n) for n, index in originals.items()}
    others = {pair for pair in pairs - right if pair[1] >= len(some)}
    return {"copies": len(made), "found": round(len(pairs & right) / max(1, len(right)), 3), "others": len(others)}


def main() -> None:
    shared = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shared / "data" / "oneshots")
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    entries = list(read_labelled(options.data, load_config("default").labels).entries)
    result: dict[str, Any] = {"ways": {}}
    for way in WAYS:
        result["ways"][way] = copies_found(entries, options.copies, way)
        print(f"{way:16} {result['ways'][way]}", flush=True)
    begun = time.perf_counter()
    found = find_duplicates(entries)
    result["whole"] = {
        "sounds": len(entries),
        "seconds": round(time.perf_counter() - begun, 1),
        "pairs": len(found.pairs),
        "between_sources": len(found.between_sources()),
        "linked": linked_sources(found),
        "against_dup_group": agreement(found),
        "left_out": found.left_out,
    }
    for name, value in result["whole"].items():
        print(f"{name:18} {value}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
