"""Runs: what the engine itself costs, how it scales with workers and songs, and where it would end.

    python benchmarks/bench_runs.py [--songs 200] [--counts 10,100,1000]
        [--only overhead,workers,songs,outside,simulation]

Stages that do nothing are brought by a plugin (an entry point), so what is timed is planning, sending, records and the
catalog. The simulation plays the measured costs for 1 to 64 workers: the driver handles one job after another, workers
work beside each other.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

from audiolab.audio import Audio, write_audio
from audiolab.library import Library
from audiolab.runs import process
from audiolab.runs.cluster import LocalWorkers
from audiolab.runs.shapes import ClusterShape

STAGES = """
import hashlib, time
from audiolab.stages.base import Params, Resolved, Stage, StageInput, StageOutput, Takes
class NoopParams(Params):
    number: int = 0
    seconds: float = 0.0
class Noop(Stage):
    name = "{name}"; version = 1; params = NoopParams; unit = "song"; takes = Takes(frozenset({{"song"}}))
    def run(self, job: StageInput, resolved: Resolved) -> StageOutput:
        until = time.thread_time() + resolved.params.seconds
        while time.thread_time() < until:
            hashlib.blake2b(bytes(10000)).digest()
        return StageOutput(document={{"done": True}})
"""
NAMES = ("noop-one", "noop-two", "noop-three")


def install(folder: Path) -> None:
    """Bring the stages as a plugin, here and in workers."""
    points = []
    for index, name in enumerate(NAMES):
        (folder / f"noop{index}.py").write_text(STAGES.format(name=name))
        points.append(f"{name} = noop{index}:Noop")
    info = folder / "noops-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noops\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[audiolab.stages]\n" + "\n".join(points) + "\n")
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (str(folder), os.environ.get("PYTHONPATH")) if p)
    sys.path.insert(0, str(folder))


def songs_in(library: Library, folder: Path, count: int, seconds: float) -> list[Any]:
    """Add songs of noise."""
    rng = np.random.default_rng(count)
    files = []
    for index in range(count):
        noise = rng.uniform(-0.3, 0.3, (1, int(seconds * 8000))).astype(np.float32)
        files.append(write_audio(folder / f"song {index}.wav", Audio(noise, 8000)))
    return list(library.add(files, kind="song").sounds)


def recipe(number: int, seconds: float = 0.0) -> dict[str, Any]:
    """Three stages that do nothing, or compute for some seconds; another number is other work."""
    return {
        "name": "noop",
        "steps": [{"stage": name, "params": {"number": number, "seconds": seconds}} for name in NAMES],
    }


def timed(songs: list[Any], client: Any, number: int, seconds: float = 0.0) -> float:
    """Run the recipe; give the wall seconds."""
    began = time.perf_counter()
    report = process(songs, recipe(number, seconds), client=client).wait()
    took = time.perf_counter() - began
    if len(report.done) != 3 * len(songs):
        raise SystemExit(f"not all jobs were done: {report}")
    return took


def overhead(folder: Path, count: int, repeats: int) -> dict[str, float]:
    """Time `count` songs of 10 s through no-op stages, alternating with the same again, which finds all results."""
    with Library(folder / "overhead") as library:
        songs = songs_in(library, folder, count, 10.0)
        workers = LocalWorkers(ClusterShape(workers=2))
        client = workers.client()
        try:
            timed(songs[:2], client, -1)
            fresh, again = [], []
            for number in range(repeats):
                fresh.append(timed(songs, client, number))
                began = time.perf_counter()
                process(songs, recipe(number), client=client).wait()
                again.append(time.perf_counter() - began)
        finally:
            client.close()
            workers.close()
    jobs = 3 * count
    return {
        "ms_a_job": 1000 * statistics.median(fresh) / jobs,
        "ms_a_reused_job": 1000 * statistics.median(again) / jobs,
    }


def workers_scale(folder: Path, repeats: int, seconds: float = 0.2, count: int = 24) -> dict[int, float]:
    """Time the same work with one and with two workers of one thread, alternating."""
    found: dict[int, list[float]] = {1: [], 2: []}
    with Library(folder / "workers") as library:
        songs = songs_in(library, folder, count, 1.0)
        made = {size: LocalWorkers(ClusterShape(workers=size)) for size in found}
        clients = {size: each.client() for size, each in made.items()}
        try:
            number = 1000
            for client in clients.values():
                timed(songs[:2], client, number)
                number += 1
            for _ in range(repeats):
                for size, client in clients.items():
                    number += 1
                    found[size].append(timed(songs, client, number, seconds))
        finally:
            for size in found:
                clients[size].close()
                made[size].close()
    return {size: statistics.median(values) for size, values in found.items()}


def songs_scale(folder: Path, counts: list[int]) -> dict[int, float]:
    """Time no-op runs of more and more songs; milliseconds a song."""
    found = {}
    workers = LocalWorkers(ClusterShape(workers=2))
    client = workers.client()
    try:
        for count in counts:
            with Library(folder / f"songs-{count}") as library:
                songs = songs_in(library, folder, count, 1.0)
                timed(songs[:1], client, -1)
                found[count] = 1000 * timed(songs, client, 0) / count
    finally:
        client.close()
        workers.close()
    return found


def outside(folder: Path, count: int, recipe: str = "full") -> dict[str, float]:
    """Run a real recipe over rendered songs on one worker that has worked before: what is not the stages' own time."""
    from audiolab.synth import render_song

    files = []
    for index in range(count + 1):
        song = render_song(bars=17, seed=index, bpm=104.0 + 4 * index, name=f"real {index}")
        files.append(write_audio(folder / f"{song.name}.wav", song.mix))
    workers = LocalWorkers(ClusterShape(workers=1))
    client = workers.client()
    try:
        with Library(folder / "outside") as library:
            songs = list(library.add(files, kind="song").sounds)
            params = {"separate": {"engine": "spectral"}}
            process(songs[:1], recipe, params=params, client=client).wait()
            report = process(songs[1:], recipe, params=params, client=client).wait()
    finally:
        client.close()
        workers.close()
    assert report.wall_seconds is not None
    stages = sum(report.stage_seconds.values())
    return {
        "jobs": len(report.done),
        "wall": report.wall_seconds,
        "outside": 1 - stages / report.wall_seconds,
        "realtime": report.realtime_factor or 0.0,
    }


def simulate(job_seconds: float, driver_seconds: float, workers: int, jobs: int = 3000) -> float:
    """Give the share of its time that a worker works, if one driver hands out jobs one after another."""
    free = [0.0] * workers
    heapq.heapify(free)
    driver = busy = 0.0
    for _ in range(jobs):
        driver += driver_seconds
        start = max(driver, heapq.heappop(free))
        heapq.heappush(free, start + job_seconds)
        busy += job_seconds
    return busy / (max(free) * workers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--counts", default="10,100,1000")
    parser.add_argument("--only", default="overhead,workers,songs,outside,simulation")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    only = set(options.only.split(","))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        install(folder)
        if "overhead" in only or "simulation" in only:
            found["overhead"] = overhead(folder, options.songs, options.repeats)
            print(
                f"{options.songs} songs of 10 s, three stages that do nothing, 2 workers, median of {options.repeats}:"
            )
            cost = found["overhead"]
            print(f"  {cost['ms_a_job']:.1f} ms a job, {cost['ms_a_reused_job']:.1f} ms a reused one")
        if "workers" in only:
            found["workers"] = workers_scale(folder, options.repeats)
            one, two = found["workers"][1], found["workers"][2]
            print(f"72 jobs of 0.2 s: one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times")
        if "songs" in only:
            found["songs"] = songs_scale(folder, [int(count) for count in options.counts.split(",")])
            print("| songs | ms a song |\n|---|---|")
            for count, value in found["songs"].items():
                print(f"| {count} | {value:.1f} |")
        if "outside" in only:
            found["outside"] = real = outside(folder, 5)
            print(
                f"recipe full, 5 songs, one worker: {real['jobs']} jobs in {real['wall']:.1f} s, "
                f"{real['outside']:.1%} of it outside stages, {real['realtime']:.2f} times real time"
            )
        if "simulation" in only:
            cost = found["overhead"]["ms_a_job"] / 1000
            print(f"simulated share of time that workers work, {1000 * cost:.1f} ms of driver a job:")
            print("| job of | " + " | ".join(f"{n} workers" for n in (1, 4, 16, 64)) + " |\n|---|---|---|---|---|")
            found["simulation"] = {}
            for seconds in (0.1, 1.0, 10.0, 60.0):
                shares = {n: simulate(seconds, cost, n) for n in (1, 4, 16, 64)}
                found["simulation"][seconds] = shares
                print(f"| {seconds:g} s | " + " | ".join(f"{share:.2f}" for share in shares.values()) + " |")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
