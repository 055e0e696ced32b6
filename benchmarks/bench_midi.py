"""Basic Pitch here against the package's own command line and `predict`: seconds, memory, equal notes.

    python benchmarks/bench_midi.py [FILE] [--repeats 5] [--memory MINUTES ...] [--json FILE]

Runs alternate; the medians count. Without a file it renders the demo song. `--memory` transcribes sounds of
these lengths (the file over and over, streamed) in a process of their own and gives its time and peak memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def upstream_predict() -> Callable[[Path], Any]:
    """Give upstream's predict with its model loaded, silenced."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
    from basic_pitch.inference import Model, predict

    logging.disable(logging.NOTSET)
    model = Model(build_icassp_2022_model_path(FilenameSuffix.onnx))

    def run(path: Path) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return predict(path, model)[2]

    return run


def command_lines(path: Path, folder: Path) -> dict[str, list[str]]:
    scripts = Path(sys.executable).parent
    return {
        "audiolab midi (command)": [
            sys.executable, "-m", "audiolab.cli", "midi", str(path), "--preset", "basic-pitch", "--bpm", "120",
            "--to", str(folder / "ours"),
        ],
        "basic-pitch (command)": [
            str(scripts / "basic-pitch"), str(folder / "theirs"), str(path), "--model-serialization", "onnx",
            "--save-note-events",
        ],
    }  # fmt: skip


def run_command(command: list[str], folder: Path) -> None:
    for name in ("ours", "theirs"):
        (folder / name).mkdir(exist_ok=True)
        for old in (folder / name).iterdir():
            old.unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or "Something went wrong" in done.stdout:
        sys.exit(f"{command[0]} failed: {done.stdout[-2000:]} {done.stderr[-2000:]}")


def compare(path: Path, repeats: int) -> dict[str, Any]:
    from audiolab.stages import midi

    predict = upstream_predict()

    def ours() -> Any:
        return midi(path, preset="basic-pitch", bpm=120).notes

    ours(), predict(path)  # both load their model and compile what they compile
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands = command_lines(path, folder)
        for _ in range(repeats):
            took, found = timed(ours)
            seconds.setdefault("audiolab midi (in process)", []).append(took)
            took, events = timed(lambda: predict(path))
            seconds.setdefault("basic_pitch predict (in process)", []).append(took)
            for name, command in commands.items():
                seconds.setdefault(name, []).append(timed(lambda c=command: run_command(c, folder))[0])
    expected = sorted((float(s), int(p), float(e), int(np.round(127 * a)), tuple(b)) for s, e, p, a, b in events)
    got = sorted((n.start, n.pitch, n.end, n.velocity, tuple(round(3 * step) for step in n.bend)) for n in found)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "notes": len(got),
        "notes_equal": got == expected,
        "seconds": medians,
        "all_seconds": seconds,
        "ratio_in_process": medians["audiolab midi (in process)"] / medians["basic_pitch predict (in process)"],
        "ratio_command": medians["audiolab midi (command)"] / medians["basic-pitch (command)"],
    }


class Repeated:
    """A file over and over, as a stream."""

    def __init__(self, path: Path, minutes: float) -> None:
        from audiolab.audio import open_source

        self.parent = open_source(path)
        self.name, self.sample_rate, self.channels = "repeated", self.parent.sample_rate, self.parent.channels
        self.frames = round(minutes * 60 * self.sample_rate)

    def blocks(self, size: int = 1 << 16, *, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield blocks; they end where the file does, so some are shorter than `size`."""
        stop = self.frames if stop is None else stop
        while start < stop:
            at = start % self.parent.frames
            for block in self.parent.blocks(size, start=at, stop=min(self.parent.frames, at + stop - start)):
                start += block.shape[1]
                yield block


PEAK = """
import resource
from pathlib import Path
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss would begin at what the parent had when it forked
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""


def measure_memory(path: Path, minutes: float, preset: str) -> dict[str, Any]:
    code = (
        "import time; from pathlib import Path; from bench_midi import Repeated; "
        "from audiolab.stages import notes; b = time.perf_counter(); "
        f"n = notes.midi(Repeated(Path({str(path)!r}), {minutes}), preset={preset!r}, bpm=120); "
        f"s = time.perf_counter() - b\n{PEAK}\nprint(len(n), s, peak / 1024)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    count, seconds, peak = out.stdout.split()
    return {
        "minutes": minutes,
        "preset": preset,
        "notes": int(count),
        "seconds": float(seconds),
        "peak_mb": float(peak),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", type=float, nargs="*", default=[], metavar="MINUTES")
    parser.add_argument("--presets", nargs="*", default=["basic-pitch"], help="what to measure the memory of")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file
        if path is None:
            from audiolab.synth import demo_song

            path = demo_song().mix.write(Path(folder) / "demo song.wav")
        from audiolab.audio import open_source

        source = open_source(path)
        cores = len(os.sched_getaffinity(0))
        report = {
            "file": path.name,
            "duration": source.frames / source.sample_rate,
            "machine": f"{platform.machine()}, {cores} cores, Python {platform.python_version()}",
            "versions": {name: version(name) for name in ("basic-pitch", "onnxruntime", "numpy", "librosa")},
            **(compare(path, arguments.repeats) if arguments.repeats else {"notes": 0, "seconds": {}}),
            "memory": [measure_memory(path, m, preset) for preset in arguments.presets for m in arguments.memory],
        }
    print(f"{report['file']}: {report['duration']:.1f} s, {report['notes']} notes; {report['machine']}")
    for name, seconds in report["seconds"].items():
        print(f"  {name:34} {seconds:8.2f} s")
    if arguments.repeats:
        print(f"  ratio in process {report['ratio_in_process']:.2f}, command line {report['ratio_command']:.2f}")
        print(f"  notes equal: {'yes' if report['notes_equal'] else 'no'}")
    for row in report["memory"]:
        took = f"{row['seconds']:7.1f} s, {row['notes']} notes, peak {row['peak_mb']:.0f} MB"
        print(f"  {row['preset']:12} {row['minutes']:6.0f} min: {took}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
