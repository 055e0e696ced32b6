"""Measure the engine `demucs` beside the `demucs` command line: wall time, memory, first block.

    python benchmarks/bench_demucs.py [--repeats 5] [--songs 1 10] [--minutes 2 6 20] [--json FILE]

The network has htdemucs' own size and format, with random weights whose last layers are scaled so that stems are as
loud as the mix: speed and memory do not depend on what the weights are. The song is rendered here. Both programs
start from nothing in a process of their own, in turn, on the same files and weights: upstream as
`demucs --repo DIR -n SIG --shifts 0 --float32 --clip-mode none FILES`, ours as `audiolab separate --engine demucs`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "separation"))

FIRST_BLOCK = """
import json, sys, time
begin = time.perf_counter()
from audiolab.audio import open_source
from audiolab.stages.separation import Options, get_engine
engine = get_engine("demucs").build(Options(model=sys.argv[1], dtype=sys.argv[2], threads=int(sys.argv[3])))
loaded = time.perf_counter()
next(iter(engine.blocks(open_source(sys.argv[4]))))
print(json.dumps({"load": loaded - begin, "first": time.perf_counter() - begin}))
"""


def checkpoint(folder: Path) -> Path:
    from separation_cases import save_th, small_network
    from test_separation_demucs import REAL

    return save_th(small_network(1, **REAL), folder, "ea1")


def songs(folder: Path, count: int, seconds: float) -> list[Path]:
    import numpy as np

    from audiolab.audio import Audio
    from audiolab.synth import render_song

    mix = render_song(bars=24).mix
    long = np.tile(mix.samples, (1, int(seconds * mix.sample_rate / mix.frames) + 1))[
        :, : int(seconds * mix.sample_rate)
    ]
    paths = []
    for number in range(count):
        path = folder / f"song{number}_{seconds:g}.wav"
        Audio(np.roll(long, number * 1000, axis=1), mix.sample_rate).write(path, subtype="PCM_16")
        paths.append(path)
    return paths


def run(command: list[str], environment: dict[str, str]) -> float:
    """Run a program; give wall seconds."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, error = process.communicate()
    wall = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"{command[:3]} failed: {error.decode()[-2000:]}")
    return wall


def peak(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a program under a parent of its own, so that its peak memory alone is measured."""
    code = (
        "import resource, subprocess, sys, time; b = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(time.perf_counter() - b, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *command], env=environment, check=True, capture_output=True, text=True
    )
    wall, memory = found.stdout.split()
    return float(wall), float(memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--songs", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--minutes", type=float, nargs="*", default=[2, 6, 20])
    parser.add_argument("--dtypes", nargs="*", default=["bfloat16", "float32"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    table: dict[str, Any] = {"speed": {}, "memory": {}}
    binary = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = checkpoint(folder)

        def ours(files: list[Path], dtype: str) -> list[str]:
            return [
                *(str(binary / "audiolab"), "separate", *map(str, files), "--to", str(folder / "ours"), "--overwrite"),
                *("--engine", "demucs", "--model", str(model), "--dtype", dtype, "--json"),
            ]

        def upstream(files: list[Path]) -> list[str]:
            return [
                *(str(binary / "demucs"), "--repo", str(folder), "-n", "ea1", "--shifts", "0", "--float32"),
                *("--clip-mode", "none", "-o", str(folder / "theirs"), *map(str, files)),
            ]

        for count in options.songs:
            files = songs(folder, count, options.seconds)
            ways = {"upstream": upstream(files), **{dtype: ours(files, dtype) for dtype in options.dtypes}}
            walls: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(options.repeats):
                for way, command in ways.items():
                    walls[way].append(run(command, environment))
            table["speed"][count] = {way: median(times) for way, times in walls.items()}
            base = table["speed"][count]["upstream"]
            for way, wall in table["speed"][count].items():
                spread = f"{min(walls[way]):.1f} to {max(walls[way]):.1f}"
                what = f"{count:3d} songs of {options.seconds:g} s  {way:9s}"
                print(f"{what} {wall:7.1f} s  ratio {wall / base:.2f}  ({spread})", flush=True)
        first = songs(folder, 1, options.seconds)[0]
        for dtype in options.dtypes:
            command = [sys.executable, "-c", FIRST_BLOCK, str(model), dtype, str(os.cpu_count()), str(first)]
            found = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
            table["first", dtype] = found
            print(
                f"{dtype}: model loaded after {found['load']:.1f} s, first block after {found['first']:.1f} s",
                flush=True,
            )
        for minutes in options.minutes:
            (long,) = songs(folder, 1, 60 * minutes)
            for way, command in (("ours", ours([long], options.dtypes[0])), ("upstream", upstream([long]))):
                if way == "upstream" and minutes > 6:
                    continue  # it holds the whole song several times over; the growth shows before
                wall, memory = peak(command, environment)
                table["memory"][f"{way} {minutes:g}"] = {"wall": wall, "peak_mb": memory}
                print(f"{minutes:g} minutes  {way:9s} {wall:7.1f} s  peak {memory:6.0f} MB", flush=True)
            long.unlink()
    if options.json:
        options.json.write_text(json.dumps({str(key): value for key, value in table.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
