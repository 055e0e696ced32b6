"""Speed of the library: adding files, folding records, queries, opening. `--files N --sets N --json FILE`."""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf

from audiolab.library import Library, Record
from audiolab.library.ids import view_id
from audiolab.library.media import hash_file

RATE, CUTS = 44_100, 100
QUERIES = (
    "kind:sample", "label:kick", "tag:dusty", "^label:kick kind:sample", "bpm:120..130 kind:sample", "key:8A",
    "duration:..0.1",
    "confidence:..0.2", "added:2026..", "song:song", "name:drums", "some words", "collection:kit", "has:vector",
)  # fmt: skip


def key(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).hexdigest()


def write_files(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        sf.write(folder / f"{number:06}.wav", rng.integers(-9000, 9000, RATE // 4).astype("i2"), RATE)


def fold_sets(lib: Library, folder: Path, sets: int) -> tuple[float, int]:
    """Fold slices and tags of `sets` long sounds, 100 samples each; give seconds and samples."""
    rng = np.random.default_rng(1)
    labels = ["kick", "snare", "closed_hat", "tom", "clap"]
    seconds = 0.0
    for number in range(sets):
        path = folder / f"long {number}.wav"
        sf.write(path, rng.integers(-9000, 9000, CUTS * 1000).astype("i2"), 8000)
        song = lib.add(path, kind="song")
        spans = [(at * 1000, at * 1000 + 400 + number % 500) for at in range(CUTS)]
        cuts = [{"id": view_id(song.id, a, b), "start": a, "stop": b, "facts": {"strength": 0.5}} for a, b in spans]
        records = [
            Record(key=key("a", number), stage="analyze", version=1, sound_id=song.id, facts={"bpm": 80 + number % 80}),
            Record(key=key("s", number), stage="slice", version=1, sound_id=song.id, cuts=cuts),
        ]
        started = time.perf_counter()
        for record in records:
            lib.fold(record)
        tags = [
            {"sound_id": c["id"], "label": labels[i % 5], "confidence": float(rng.uniform())}
            for i, c in enumerate(cuts)
        ]
        set_id = song.samples.id
        lib.fold(Record(key=key("c", number), stage="classify", version=1, sound_id=song.id, set_id=set_id, tags=tags))
        seconds += time.perf_counter() - started
    return seconds, sets * CUTS


def measure(files: int, sets: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "in").mkdir()
        (root / "long").mkdir()
        write_files(root / "in", files)
        started = time.perf_counter()
        for path in sorted((root / "in").iterdir()):
            sf.read(path)
            hash_file(path)
        plain = time.perf_counter() - started
        with Library(root / "lib") as lib:
            started = time.perf_counter()
            lib.add(root / "in")
            added = time.perf_counter() - started
            started = time.perf_counter()
            lib.add(root / "in")
            again = time.perf_counter() - started
            folding, samples = fold_sets(lib, root / "long", sets)
            for sound in lib.query("kind:sample", limit=50):
                sound.tag("dusty")
            lib.collection("kit").add(lib.query("label:kick", limit=100))
            rows += [
                {"what": "read and hash plainly, files/s", "value": files / plain},
                {"what": "add, files/s", "value": files / added},
                {"what": "add again, files/s", "value": files / again},
                {"what": "fold slices and tags, samples/s", "value": samples / folding},
                {"what": "sounds", "value": len(lib)},
            ]
            for query in QUERIES:
                times = []
                for _ in range(5):
                    started = time.perf_counter()
                    found = lib.query(query)
                    times.append(time.perf_counter() - started)
                rows.append({"what": f"{query} ({len(found)} found), ms", "value": 1000 * statistics.median(times)})
            started = time.perf_counter()
            report = lib.fsck()
            rows.append({"what": "fsck, s", "value": time.perf_counter() - started})
            rows.append(
                {
                    "what": "fsck problems besides unkept records",
                    "value": sum(p.kind != "lost record" for p in report.problems),
                }
            )
        started = time.perf_counter()
        Library(root / "lib").close()
        rows.append({"what": "open, s", "value": time.perf_counter() - started})
        rows.append(
            {
                "what": "catalog, bytes a sound",
                "value": (root / "lib" / "library.db").stat().st_size / (files + sets * (CUTS + 1)),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--sets", type=int, default=50)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = measure(arguments.files, arguments.sets)
    for row in rows:
        print(f"{row['what']:<50} {row['value']:>12.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
