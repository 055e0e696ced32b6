"""Measure source separation: SI-SDR per stem beside two trivial ways, memory at 4 and 20 minutes, null, speed.

    python benchmarks/bench_separation.py [--data FOLDER] [--skip-memory] [--minutes 4 20] [--json FILE]

FOLDER holds one folder a song with mix.flac, drums.flac, bass.flac, other.flac, vocals.flac (mix = their sum);
default: music/mdb of the shared data (AUDIOLAB_SHARED, else ../shared). SI-SDR (Le Roux et al. 2019) of a stem is taken
over the whole song for each channel, without removing means, then averaged over channels; the last row is the
mean over songs. Beside it: `mix`, the mixture itself as the estimate of every stem, and `hpss`, librosa's
harmonic-percussive separation assigned naively (percussive: drums; harmonic below 200 Hz: bass; harmonic: the rest).
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
from typing import Any

import numpy as np

from audiolab.benchmarking.signals import si_sdr

STEMS = ("drums", "bass", "other", "vocals")
ROOT = Path(__file__).resolve().parents[1]

CHILD = """
import json, resource, sys, time
from audiolab.stages.separation import separate
begin = time.perf_counter()
result = separate(sys.argv[1], to=sys.argv[2], engine="spectral")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - begin, "peak_mb": peak, "null_db": result.null_db}))
"""


def naive_hpss(mix: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    import librosa
    from scipy.signal import butter, sosfiltfilt

    harmonic, percussive = librosa.effects.hpss(mix)
    low = sosfiltfilt(butter(4, 200, output="sos", fs=rate), harmonic).astype(np.float32)
    return {"drums": percussive, "bass": low, "other": harmonic, "vocals": harmonic}


def quality(folder: Path) -> dict[str, Any]:
    """SI-SDR of every song, stem and way."""
    from audiolab.audio import Audio
    from audiolab.stages.separation import separate

    songs = sorted(path.parent for path in folder.glob("*/mix.flac"))
    if not songs:
        sys.exit(f"no songs in {folder}")
    rows: dict[str, Any] = {}
    for song in songs:
        mix = Audio.from_file(song / "mix.flac")
        truth = {name: Audio.from_file(song / f"{name}.flac").samples for name in STEMS}
        naive = naive_hpss(mix.samples, mix.sample_rate)
        begin = time.process_time()
        result = separate(mix, engine="spectral")
        used = time.process_time() - begin
        rows[song.name] = {
            "spectral": {name: si_sdr(truth[name], result[name].samples) for name in STEMS},
            "hpss": {name: si_sdr(truth[name], naive[name]) for name in STEMS},
            "mix": {name: si_sdr(truth[name], mix.samples) for name in STEMS},
            "null_db": result.null_db,
            "cpu_seconds_per_minute": 60 * used / mix.duration,
        }
    return rows


def memory(minutes: list[float]) -> list[dict[str, float]]:
    """Separate rendered audio of several lengths, each in a process of its own."""
    from audiolab.audio import AudioWriter
    from audiolab.synth import demo_song

    song = demo_song()
    out = []
    with tempfile.TemporaryDirectory() as scratch:
        for length in minutes:
            path, target = Path(scratch) / f"{length:g}min.wav", Path(scratch) / f"out{length:g}"
            left = round(length * 60 * song.sample_rate)
            with AudioWriter(path, song.sample_rate, song.mix.channels) as writer:
                while left > 0:
                    writer.write(song.mix.samples[:, :left])
                    left -= song.mix.frames
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                [sys.executable, "-c", CHILD, str(path), str(target)],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            row = json.loads(done.stdout)
            out.append({"minutes": length, **row, "seconds_per_minute": row["seconds"] / length})
            path.unlink()
            for file in target.iterdir():
                file.unlink()
    return out


def print_quality(rows: dict[str, Any]) -> None:
    print(f"{'SI-SDR, dB':<14}" + "".join(f"{name:^27}" for name in STEMS))
    print(f"{'':<14}" + f"{'spectral':>9}{'hpss':>9}{'mix':>9}" * len(STEMS))
    for song, row in rows.items():
        print(f"{song:<14}" + "".join(f"{row[way][n]:>9.2f}" for n in STEMS for way in ("spectral", "hpss", "mix")))
    means = [np.mean([row[way][n] for row in rows.values()]) for n in STEMS for way in ("spectral", "hpss", "mix")]
    print(f"{'mean':<14}" + "".join(f"{value:>9.2f}" for value in means))
    print(
        f"null_db: worst {max(row['null_db'] for row in rows.values()):.1f}; "
        f"CPU seconds a minute of audio: {np.mean([row['cpu_seconds_per_minute'] for row in rows.values()]):.2f}"
    )


def main() -> None:
    shared = Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shared / "data" / "music" / "mdb")
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--minutes", type=float, nargs="+", default=[4, 20])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {"quality": quality(options.data)}
    print_quality(result["quality"])
    if not options.skip_memory:
        result["memory"] = memory(options.minutes)
        for row in result["memory"]:
            print(
                f"{row['minutes']:g} min: {row['seconds']:.1f} s ({row['seconds_per_minute']:.2f} s a minute), "
                f"peak {row['peak_mb']:.0f} MB, null_db {row['null_db']:.1f}"
            )
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
