"""Runs: what a job costs where media lies behind a URL, and what a second worker brings to a real recipe.

    python benchmarks/bench_runs_places.py [--songs 40] [--repeats 3] [--only stores,workers]

Media lies in the library's folder, behind a file:// URL, and in a bucket of moto's S3 server on loopback; the same
songs go through stages that do nothing in all three, in turn. The real recipe is `full` with `spectral` and without
lyrics, which have no weights here; each time it runs on a new library, on workers that have worked before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "library"))
sys.path.insert(0, str(Path(__file__).parent))
from bench_runs import install, songs_in, timed

from audiolab.audio import write_audio
from audiolab.config import get_settings
from audiolab.library import Library
from audiolab.runs import process
from audiolab.runs.cluster import LocalWorkers
from audiolab.runs.shapes import ClusterShape


@contextmanager
def bucket() -> Iterator[str]:
    """Start moto's S3 server with a bucket, name it to this process and its children, and give the bucket's URL."""
    import boto3
    from s3_server import KEYS, serve

    with serve() as endpoint:
        os.environ.update(KEYS, AWS_ENDPOINT_URL=endpoint)
        boto3.client("s3").create_bucket(Bucket="bench")
        yield "s3://bench/studio"


def stores(folder: Path, count: int, repeats: int) -> dict[str, float]:
    """Time songs of 10 s through stages that do nothing; milliseconds a job by place of the media."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        os.environ["AUDIOLAB_MEDIA_CACHE"] = str(folder / "cache")
        places = {"folder": None, "file URL": (folder / "far").as_uri(), "S3": stack.enter_context(bucket())}
        get_settings.cache_clear()
        workers = LocalWorkers(ClusterShape(workers=2))
        stack.callback(workers.close)
        client = stack.enter_context(workers.client())
        songs = {}
        for place, url in places.items():
            library = stack.enter_context(Library(folder / f"library {place}", media=url))
            songs[place] = songs_in(library, folder, count, 10.0)
            timed(songs[place][:2], client, -1)
        for number in range(repeats):
            for place, mine in songs.items():
                found.setdefault(place, []).append(1000 * timed(mine, client, number) / (3 * count))
    return {place: median(values) for place, values in found.items()}


def real(folder: Path, count: int, repeats: int) -> dict[int, float]:
    """Time a real recipe over rendered songs with one and with two workers of one thread; wall seconds."""
    from audiolab.synth import render_song

    files = []
    for index in range(count + 2):
        song = render_song(bars=17, seed=index, bpm=104.0 + 4 * index, name=f"real {index}")
        files.append(write_audio(folder / f"{song.name}.wav", song.mix))
    params = {"separate": {"engine": "spectral"}}
    found: dict[int, list[float]] = {}
    for repeat in range(repeats):
        for size in (1, 2):
            workers = LocalWorkers(ClusterShape(workers=size))
            with Library(folder / f"real {repeat} {size}") as library, workers.client() as client:
                songs = list(library.add(files, kind="song").sounds)
                process(songs[:size], "full", params=params, client=client).wait()
                began = time.perf_counter()
                report = process(songs[2:], "full", params=params, client=client).wait()
                found.setdefault(size, []).append(time.perf_counter() - began)
                if report.failed:
                    raise SystemExit(str(report))
            workers.close()
    return {size: median(values) for size, values in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=40)
    parser.add_argument("--real-songs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="stores,workers")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    only, found = set(options.only.split(",")), dict[str, Any]()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        install(folder)
        if "stores" in only:
            found["stores"] = stores(folder, options.songs, options.repeats)
            said = ", ".join(f"{place} {value:.1f} ms" for place, value in found["stores"].items())
            print(f"{options.songs} songs, a job: {said} (median of {options.repeats})", flush=True)
        if "workers" in only:
            found["workers"] = real(folder, options.real_songs, options.repeats)
            one, two = found["workers"][1], found["workers"][2]
            print(f"full, {options.real_songs} songs: one worker {one:.1f} s, two {two:.1f} s, {one / two:.2f} times")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
