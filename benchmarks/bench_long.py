"""Run hours of rendered audio through the stages: time and peak memory of each.

    python benchmarks/bench_long.py [--hours 2] [--stages add analyze separate slice midi] [--json FILE]

The audio is a rendered song, repeated with pitch and tempo changed by up to 6 % each time. Every stage runs as the
command line does, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_demucs import peak

ROOT = Path(__file__).resolve().parents[1]


def render(path: Path, hours: float) -> None:
    """Write the long file block by block."""
    import numpy as np

    from audiolab.audio import Audio, AudioWriter
    from audiolab.synth import render_song

    mix = render_song(bars=48).mix
    rate, total, written, rng = mix.sample_rate, int(hours * 3600 * mix.sample_rate), 0, np.random.default_rng(0)
    with AudioWriter(path, rate, 2, subtype="PCM_16", frames=total) as writer:
        while written < total:
            stretched = Audio(mix.samples, round(rate * rng.uniform(0.94, 1.06))).resample(rate).samples
            part = np.clip(stretched[:, : total - written], -1.0, 1.0 - 2**-15)
            writer.write(part)
            written += part.shape[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--stages", nargs="*", default=["add", "analyze", "slice", "midi", "separate"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        song = folder / "long.flac"
        subprocess.run(
            [sys.executable, __file__, "--hours", str(options.hours), "--stages", "--json", str(song)],
            env={**environment, "AUDIOLAB_BENCH_RENDER": "1"},
            check=True,
        )
        audiolab = str(Path(sys.executable).parent / "audiolab")
        commands = {
            "add": ["add", str(song), "--library", str(folder / "library")],
            "analyze": ["analyze", str(song), "--json"],
            "slice": ["slice", str(song), "--json"],
            "midi": ["midi", str(song), "--to", str(folder), "--json"],
            "separate": ["separate", str(song), "--engine", "spectral", "--to", str(folder), "--json"],
        }
        for stage in options.stages:
            wall, memory = peak([audiolab, *commands[stage]], environment)
            table[stage] = {"wall": wall, "peak_mb": memory}
            print(f"{stage:9s} {wall:8.1f} s  peak {memory:6.0f} MB", flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    if os.environ.get("AUDIOLAB_BENCH_RENDER"):
        render(Path(sys.argv[-1]), float(sys.argv[2]))
    else:
        main()
