"""How long `analyze` takes beside plain librosa on the same sound in memory, and its memory at two hours.

    python benchmarks/bench_analyze_speed.py [--rounds 5] [--hours 2] [--json FILE]

Speed: alternating, medians of the rounds, in seconds a minute of audio. librosa does what a notebook would:
`beat_track` and `chroma_cqt` on the 22,050 Hz mono downmix, resampling not counted. `analyze` also resamples,
measures loudness and true peak at the file's own rate, follows bars and finds the key.
Memory: peak RSS of a fresh process that analyses a stereo source at 44.1 kHz which is made block by block.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiolab.audio import Audio, Block, Frames
from audiolab.stages.analysis import analyze
from audiolab.synth import render_song


@dataclass(frozen=True)
class Endless:
    """A song over and over, a little louder or softer each time, up to a length; nothing but one copy is in memory."""

    song: Audio
    frames: int
    name: str = "endless"

    @property
    def sample_rate(self) -> int:
        """Of the song."""
        return self.song.sample_rate

    @property
    def channels(self) -> int:
        """Of the song."""
        return self.song.channels

    def blocks(self, size: Frames = 1 << 16, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks of at most `size` frames."""
        stop, length = self.frames if stop is None else min(stop, self.frames), self.song.samples.shape[1]
        while start < stop:
            at = start % length
            count = min(size, stop - start, length - at)
            gain = np.float32(0.8 + 0.2 * np.sin(start // length))
            yield self.song.samples[:, at : at + count] * gain
            start += count


def song(bars: int) -> Audio:
    return render_song(bars=bars, bpm=112.0).mix


def speed(rounds: int) -> dict[str, float]:
    import librosa

    audio = song(64)
    mono = audio.mono().resample(22050).samples[0]
    ours, plain = [], []
    for number in range(rounds + 1):
        began = time.perf_counter()
        analyze(audio)
        middle = time.perf_counter()
        librosa.beat.beat_track(y=mono, sr=22050)
        librosa.feature.chroma_cqt(y=mono, sr=22050)
        end = time.perf_counter()
        if number:  # the first round warms up
            ours.append(middle - began)
            plain.append(end - middle)
    minutes = audio.duration / 60
    one, other = statistics.median(ours) / minutes, statistics.median(plain) / minutes
    return {
        "seconds_per_minute": round(one, 3),
        "librosa_seconds_per_minute": round(other, 3),
        "ratio": round(one / other, 3),
    }


def memory(hours: float) -> dict[str, float]:
    base = song(12)  # rendering takes more memory than analysing, so a short one
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = analyze(Endless(base, round(hours * 3600 * base.sample_rate)))
    return {
        "hours": hours,
        "seconds": round(time.perf_counter() - began, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_mb_before": round(before),
        "bpm": round(found.bpm or 0, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_only:
        print(json.dumps(memory(args.hours)))
        return
    out = {"speed": speed(args.rounds)}
    print(json.dumps(out["speed"]), flush=True)
    command = [sys.executable, __file__, "--memory-only", "--hours", str(args.hours)]
    out["memory"] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(json.dumps(out["memory"]))
    if args.json:
        args.json.write_text(json.dumps(out, indent=2) + "\n")


if __name__ == "__main__":
    main()
