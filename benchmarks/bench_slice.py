"""Onset F-measure and start error of the slicer beside plain librosa.

    python benchmarks/bench_slice.py [--shared ../shared] [--json FILE]

Truth: human onsets of the MDB Drums stems (not part of the project; class-free, merged within 30 ms) and
rendered loops with exact frames. F: mir_eval.onset, 50 ms. Errors: estimate less truth over matched
onsets. Leave-one-out: the threshold is chosen on the other songs, then measured on the one left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path

import mir_eval
import numpy as np

from audiolab.audio import Audio
from audiolab.stages.slicing import slice as slice_sound

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "slicing"))
from rendered_loops import PATTERNS, merge_close, render_loop  # noqa: E402

GRID = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
VARIANTS = ((90, 0, 0, 1, 44100), (124, 0.3, 0.004, 2, 48000), (168, 0, 0.002, 1, 22050))
"""Tempo, swing, jitter in seconds, channels, sample rate."""
Case = tuple[str, str, Audio, np.ndarray]


def cases(shared: Path) -> list[Case]:
    out: list[Case] = []
    folder = shared / "data" / "music" / "mdb"
    for song in sorted(folder.iterdir()) if folder.is_dir() else ():
        with (song / "onsets.csv").open() as file:
            onsets = [float(row[0]) for row in csv.reader(file)]
        out.append(("mdb", song.name, Audio.from_file(song / "drums.flac"), np.array(merge_close(onsets, 0.03))))
    seed = 1000
    for pattern in PATTERNS:
        for bpm, swing, jitter, channels, rate in (
            (90, 0, 0, 1, 44100),
            (124, 0.3, 0.004, 2, 48000),
            (168, 0, 0.002, 1, 22050),
        ):
            loop = render_loop(pattern, bpm=bpm, swing=swing, jitter=jitter, channels=channels, rate=rate, seed=seed)
            seed += 1
            truth = merge_close([frame / rate for frame in loop.onsets], 0.03)
            out.append(("loops", f"{pattern} {bpm}", Audio(loop.samples, rate), np.array(truth)))
    return out


def score(truth: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    f, precision, recall = mir_eval.onset.f_measure(truth, estimate, window=0.05)
    errors = np.array([estimate[j] - truth[i] for i, j in mir_eval.util.match_events(truth, estimate, 0.05)]) * 1000
    return {
        "f": float(f),
        "precision": float(precision),
        "recall": float(recall),
        "error_ms": float(np.median(np.abs(errors))) if len(errors) else float("nan"),
        "bias_ms": float(np.median(errors)) if len(errors) else float("nan"),
    }


def ours(audio: Audio, sensitivity: float = 0.5) -> np.ndarray:
    return np.array([cut.start for cut in slice_sound(audio, sensitivity=sensitivity).cuts], float) / audio.sample_rate


def librosa_onsets(audio: Audio, *, backtrack: bool) -> np.ndarray:
    import librosa

    y = audio.mono().samples[0]
    return np.asarray(librosa.onset.onset_detect(y=y, sr=audio.sample_rate, units="time", backtrack=backtrack))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    found = cases(args.shared)
    librosa_onsets(found[0][2].cut(0, 44100), backtrack=True)  # numba compiles here, not in the times
    for group, name, audio, truth in found:
        began = time.perf_counter()
        mine = score(truth, ours(audio))
        seconds = time.perf_counter() - began
        plain = score(truth, librosa_onsets(audio, backtrack=False))
        back = score(truth, librosa_onsets(audio, backtrack=True))
        by_sensitivity = (
            {s: mine["f"] if s == 0.5 else score(truth, ours(audio, s))["f"] for s in GRID} if group == "mdb" else {}
        )
        rows.append(
            {
                "group": group, "name": name, "onsets": len(truth), "audiolab": mine, "librosa": plain,
                "librosa_backtrack": back, "seconds_per_minute": seconds / audio.duration * 60, "grid": by_sensitivity,
            }
        )  # fmt: skip
        print(
            f"{group:6} {name:14} {len(truth):4} onsets  F {mine['f']:.3f}"
            f" (P {mine['precision']:.3f} R {mine['recall']:.3f})"
            f"  error {mine['error_ms']:5.2f} ms (bias {mine['bias_ms']:+.2f})"
            f"  | librosa F {plain['f']:.3f} error {plain['error_ms']:5.2f},"
            f" backtracked {back['f']:.3f} {back['error_ms']:5.2f}",
            flush=True,
        )
    summary = {}
    for group in ("mdb", "loops"):
        chosen = [row for row in rows if row["group"] == group]
        if not chosen:
            continue
        mean = {
            f"{who}_{key}": float(np.mean([row[who][key] for row in chosen]))
            for who in ("audiolab", "librosa", "librosa_backtrack")
            for key in ("f", "error_ms")
        }
        mean["seconds_per_minute"] = float(np.mean([row["seconds_per_minute"] for row in chosen]))
        summary[group] = mean
        print(group, {key: round(value, 3) for key, value in mean.items()})
    songs = [row for row in rows if row["group"] == "mdb"]
    if songs:
        left_out = []
        for row in songs:
            others = [other for other in songs if other is not row]
            best = max(GRID, key=lambda s: np.mean([other["grid"][s] for other in others]))
            left_out.append(row["grid"][best])
        summary["mdb_leave_one_out_f"] = float(np.mean(left_out))
        summary["mdb_by_sensitivity"] = {s: float(np.mean([row["grid"][s] for row in songs])) for s in GRID}
        print(
            "mdb leave-one-out F",
            round(summary["mdb_leave_one_out_f"], 3),
            "by sensitivity",
            summary["mdb_by_sensitivity"],
        )
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "summary": summary}, indent=2) + "\n")


if __name__ == "__main__":
    main()
