"""Audio: how fast each format is read, identified and measured, what a seek costs, and the memory of a long file.

    python benchmarks/bench_audio.py [--minutes 20] [--json FILE]

The sound is made here: noise and tones, stereo at 44.1 kHz (Opus: 48 kHz).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from audiolab.audio import Audio, Block, Peaks, content_id, measure_levels, open_source, write_audio, write_blocks

FORMATS = {
    "wav 24": (".wav", "PCM_24", 44100), "flac 24": (".flac", "PCM_24", 44100), "mp3": (".mp3", None, 44100),
    "ogg vorbis": (".ogg", None, 44100), "ogg opus": (".opus", None, 48000), "m4a aac": (".m4a", None, 44100),
}  # fmt: skip
MEMORY = """
import resource, sys
from audiolab.audio import Peaks, content_id, measure_levels, open_source
path = sys.argv[1]
levels = measure_levels(open_source(path)); Peaks.from_source(open_source(path)); content_id(path)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def sound(rate: int, seconds: float, seed: int = 0) -> Iterator[Block]:
    rng = np.random.default_rng(seed)
    for second in range(int(seconds)):
        time_axis = second + np.arange(rate) / rate
        tones = np.stack([0.2 * np.sin(2 * np.pi * 220 * (c + 1) * time_axis) for c in range(2)])
        yield (tones + 0.05 * rng.standard_normal((2, rate))).astype(np.float32)


def make(folder: Path, name: str, seconds: float) -> Path:
    suffix, subtype, rate = FORMATS[name]
    path = folder / f"{name.replace(' ', '_')}{suffix}"
    if suffix != ".m4a":
        return write_blocks(path, sound(rate, seconds), rate, 2, subtype=subtype)
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="stereo")
        for index, block in enumerate(sound(rate, seconds)):
            frame = av.AudioFrame.from_ndarray(block, "fltp", "stereo")
            frame.sample_rate, frame.pts = rate, index * rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seconds_of(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def drain(path: Path, start: int = 0, stop: int | None = None) -> None:
    for _ in open_source(path).blocks(start=start, stop=stop):
        pass


def rows(folder: Path, seconds: float) -> list[dict[str, Any]]:
    table = []
    for name in FORMATS:
        path = make(folder, name, seconds)
        source = open_source(path)
        duration = source.frames / source.sample_rate
        starts = np.random.default_rng(1).integers(0, source.frames - 5000, 20)
        seek = seconds_of(lambda: [drain(path, int(s), int(s) + 4410) for s in starts]) / len(starts)  # noqa: B023
        table.append(
            {
                "format": name,
                "read": duration / seconds_of(lambda: drain(path)),  # noqa: B023
                "content_id": duration / seconds_of(lambda: content_id(path)),  # noqa: B023
                "levels": duration / seconds_of(lambda: measure_levels(open_source(path))),  # noqa: B023
                "peaks": duration / seconds_of(lambda: Peaks.from_source(open_source(path))),  # noqa: B023
                "seek_ms": 1000 * seek,
            }
        )
    return table


def peak_memory(folder: Path, minutes: float) -> float:
    path = write_blocks(
        folder / f"{minutes}.flac", sound(44100, minutes * 60), 44100, 2, frames=int(minutes * 60) * 44100
    )
    run = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    return float(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_audio(folder / "warm.wav", Audio(np.zeros((2, 4410), np.float32), 44100))
        measure_levels(open_source(folder / "warm.wav"))
        table = rows(folder, arguments.seconds)
        memory = {minutes: peak_memory(folder, minutes) for minutes in (1.0, arguments.minutes)}
    print(f"{arguments.seconds:g} s of stereo; times real time, one core")
    print(f"{'format':<12}{'read':>8}{'id':>8}{'levels':>8}{'peaks':>8}{'a seek and 0.1 s':>20}")
    for row in table:
        print(
            f"{row['format']:<12}{row['read']:>7.0f}x{row['content_id']:>7.0f}x{row['levels']:>7.0f}x"
            f"{row['peaks']:>7.0f}x{row['seek_ms']:>17.1f} ms"
        )
    for minutes, megabytes in memory.items():
        print(f"id, levels and peaks of a FLAC file of {minutes:g} min: peak memory {megabytes:.0f} MB")
    if arguments.json:
        arguments.json.write_text(json.dumps({"formats": table, "memory_mb": memory}, indent=1))


if __name__ == "__main__":
    main()
