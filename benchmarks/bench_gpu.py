"""Songs an hour on a GPU: audiolab's runs beside the `demucs` command line, with one worker and with two on one GPU.

    python benchmarks/bench_gpu.py [--songs 8] [--seconds 180] [--repeats 5] [--json FILE]

One call does everything: rendered songs, a network of htdemucs' own size with random weights (speed does not depend on
what they are), both programs in turn on the same files and weights, and what NVML says of the GPU meanwhile. Workers
are started as a cluster's are (`dask worker --resources GPU=1`), and are warm, as those of a batch are; the command
line takes all songs in one call, so its model is loaded once, too. `--device cpu` tries the script without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).parent))
from bench_demucs import ROOT, checkpoint, run, songs

from audiolab.library import Library
from audiolab.runs import process


class Watch:
    """What a GPU does meanwhile: share of time with a kernel at work, and memory in use."""

    def __init__(self, *, device: str) -> None:
        self.work: list[float] = []
        self.memory: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True) if device == "cuda" else None

    def _look(self) -> None:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        while not self._over.wait(0.1):
            self.work.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
            self.memory.append(pynvml.nvmlDeviceGetMemoryInfo(handle).used / 1e9)

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def told(self) -> dict[str, float]:
        """Give the mean share of time at work and the most memory in GB; nothing without a GPU."""
        return {"busy": mean(self.work), "memory_gb": max(self.memory)} if self.work else {}


@contextmanager
def cluster(folder: Path, count: int, *, device: str) -> Iterator[Any]:
    """Start a scheduler, so many workers on the first GPU, and CPU workers beside them; give a client."""
    from distributed import Client

    from audiolab.runs.cluster import thread_environment

    address = folder / "scheduler.json"
    address.unlink(missing_ok=True)
    environment = {**os.environ, **thread_environment(1, 8.0), "PYTHONPATH": str(ROOT / "src")}
    dask = [sys.executable, "-m", "dask"]
    common = ["--scheduler-file", str(address), "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
    plans = [[*dask, "scheduler", "--scheduler-file", str(address), "--port", "0", "--no-dashboard"]]
    seen = {"CUDA_VISIBLE_DEVICES": "0"} if device == "cuda" else {}
    if count > 1 and device == "cuda":
        seen["AUDIOLAB_MODEL_MEMORY"] = "8"  # each keeps what both find room for
    plans.append([*dask, "worker", *common, "--nworkers", str(count), "--resources", "GPU=1"])
    plans.append([*dask, "worker", *common, "--nworkers", "2", "--resources", "CPU=1"])
    variables = [environment, {**environment, **seen}, {**environment, "CUDA_VISIBLE_DEVICES": ""}]
    started = [
        subprocess.Popen(plan, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for plan, env in zip(plans, variables, strict=True)
    ]
    try:
        until = time.monotonic() + 120
        while not address.exists() and time.monotonic() < until:
            time.sleep(0.1)
        with Client(scheduler_file=str(address), set_as_default=False) as client:
            client.wait_for_workers(count + 2, timeout=120)
            yield client
    finally:
        for each in started[::-1]:
            each.terminate()
        for each in started:
            each.wait(60)


def ours(client: Any, folder: Path, files: list[Path], model: Path, *, device: str, dtype: str) -> float:
    """Separate all songs in a new library; give wall seconds, without those of adding them."""
    place = folder / "library"
    shutil.rmtree(place, ignore_errors=True)
    with Library(place) as library:
        added = list(library.add(files, kind="song").sounds)
        params = {"engine": "demucs", "model": str(model), "device": device, "dtype": dtype}
        recipe = {"name": "separate alone", "steps": [{"stage": "separate", "params": params}]}
        began = time.perf_counter()
        report = process(added, recipe, client=client).wait()
        wall = time.perf_counter() - began
    if len(report.done) != len(files):
        raise SystemExit(f"not all songs were separated:\n{report}")
    return wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--dtypes", nargs="*", default=["float32", "bfloat16"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU that torch can use is here; --device cpu tries the script on the processor")
    name = torch.cuda.get_device_name(0) if options.device == "cuda" else "the processor"
    print(f"{options.songs} songs of {options.seconds:g} s on {name}, medians of {options.repeats}", flush=True)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model, files = checkpoint(folder), songs(folder, options.songs, options.seconds)
        upstream = [
            *(sys.executable, "-m", "demucs", "--repo", str(folder), "-n", "ea1", "-d", options.device),
            *("--shifts", "0", "--float32", "--clip-mode", "none", "-o", str(folder / "theirs"), *map(str, files)),
        ]
        ways: dict[str, tuple[int, str]] = {"demucs": (0, "float32")}
        ways |= {f"audiolab, {n} worker{'s' * (n > 1)}, {d}": (n, d) for n in (1, 2) for d in options.dtypes}
        # One repeat of each way in turn, so that what else the machine does meets all alike.
        for repeat in range(options.repeats + 1):
            for way, (count, dtype) in ways.items():
                if count == 0:
                    with Watch(device=options.device) as watch:
                        wall = run(upstream, dict(os.environ))
                else:
                    with cluster(folder, count, device=options.device) as client:
                        # Each worker has worked before.
                        ours(client, folder, files[:count], model, device=options.device, dtype=dtype)
                        with Watch(device=options.device) as watch:
                            wall = ours(client, folder, files, model, device=options.device, dtype=dtype)
                if repeat or not options.repeats:  # the first round warms caches of files and of kernels
                    found.setdefault(way, []).append({"wall": wall, **watch.told()})
    print("| | seconds | songs an hour | ratio | GPU at work | memory of the GPU |\n|---|---|---|---|---|---|")
    base = median(each["wall"] for each in found["demucs"])
    table = {}
    for way, each in found.items():
        wall = median(one["wall"] for one in each)
        busy = f"{median(one['busy'] for one in each):.0%}" if "busy" in each[0] else "–"
        memory = f"{max(one['memory_gb'] for one in each):.1f} GB" if "busy" in each[0] else "–"
        table[way] = {"wall": wall, "songs_an_hour": 3600 * options.songs / wall, "rounds": each}
        print(f"| {way} | {wall:.1f} | {3600 * options.songs / wall:.0f} | {wall / base:.2f} | {busy} | {memory} |")
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
