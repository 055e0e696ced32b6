"""Tempo, beats, downbeats and key of `analyze` beside plain `librosa.beat.beat_track` on the same inputs.

    python benchmarks/bench_analyze.py [--shared ../shared] [--seeds 3] [--json FILE]

Inputs: the mixes of MDB Drums and madmom's sample (not part of the project), and pieces rendered by
tests/analysis/rendered_styles.py with seeds that were not used to fit the judge. Tempo is right within 4 %
(accuracy 1), or also at half, double, a third or three times the tempo (accuracy 2). Beats and downbeats:
mir_eval.beat F-measure, 70 ms, first five seconds left out. The true tempo is the median interval of beats.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np

from audiolab.audio import Audio
from audiolab.stages.analysis import analyze

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "analysis"))
from rendered_styles import STYLES, render_style  # noqa: E402

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FIRST_SEED = 5000


def cases(shared: Path, seeds: int) -> Iterator[dict[str, Any]]:
    music = shared / "data" / "music"
    for song in sorted((music / "mdb").iterdir()) if (music / "mdb").is_dir() else ():
        with (song / "beats.csv").open() as file:
            rows = np.array([[float(value) for value in row] for row in csv.reader(file)])
        beats, downbeats = rows[:, 0], rows[rows[:, 1] == 1, 0]
        yield {"group": "mdb", "name": song.name, "audio": Audio.from_file(song / "mix.flac"), "beats": beats,
               "downbeats": downbeats, "bpm": 60 / float(np.median(np.diff(beats)))}  # fmt: skip
    if (music / "madmom" / "sample.wav").is_file():
        beats = np.loadtxt(music / "madmom" / "sample.beats")[:, 0]
        yield {"group": "madmom", "name": "sample.wav", "audio": Audio.from_file(music / "madmom" / "sample.wav"),
               "beats": beats, "downbeats": beats[:1], "bpm": 60 / float(np.median(np.diff(beats)))}  # fmt: skip
    for rough in (False, True):
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            for style in STYLES:
                piece = render_style(style, seed=seed, seconds=30, rough=rough)
                yield {"group": "rough" if rough else "rendered", "name": f"{style} {seed}",
                       "audio": Audio(piece.samples, piece.sample_rate), "beats": piece.beats,
                       "downbeats": piece.downbeats, "bpm": piece.bpm, "meter": piece.beats_per_bar,
                       "key": (TONICS[piece.key[0]], piece.key[1])}  # fmt: skip


def octave_right(found: float, true: float) -> bool:
    return any(abs(found / (true * factor) - 1) < 0.04 for factor in (1, 2, 0.5, 3, 1 / 3))


def f_measure(truth: np.ndarray, found: np.ndarray) -> float:
    truth, found = mir_eval.beat.trim_beats(np.asarray(truth)), mir_eval.beat.trim_beats(np.asarray(found))
    if len(truth) == 0:
        return float("nan")
    return float(mir_eval.beat.f_measure(truth, found)) if len(found) else 0.0


def measure(case: dict[str, Any]) -> dict[str, Any]:
    import librosa

    audio: Audio = case["audio"]
    began = time.perf_counter()
    document = analyze(audio).to_dict()
    ours_seconds = time.perf_counter() - began
    mono = audio.mono().samples[0]
    began = time.perf_counter()
    mono = librosa.resample(mono, orig_sr=audio.sample_rate, target_sr=22050) if audio.sample_rate != 22050 else mono
    tempo, beats = librosa.beat.beat_track(y=mono, sr=22050, units="time")
    plain_seconds = time.perf_counter() - began
    bpm, plain = document["tempo"]["bpm"] or 0.0, float(np.atleast_1d(tempo)[0])
    row: dict[str, Any] = {
        "group": case["group"], "name": case["name"], "true_bpm": case["bpm"], "bpm": bpm, "librosa_bpm": plain,
        "confidence": document["tempo"]["confidence"],
        "accuracy1": abs(bpm / case["bpm"] - 1) < 0.04, "accuracy2": octave_right(bpm, case["bpm"]),
        "librosa_accuracy1": abs(plain / case["bpm"] - 1) < 0.04, "librosa_accuracy2": octave_right(plain, case["bpm"]),
        "beat_f": f_measure(case["beats"], document["beats"]), "librosa_beat_f": f_measure(case["beats"], beats),
        "downbeat_f": f_measure(case["downbeats"], document["downbeats"]),
        "seconds_per_minute": ours_seconds / audio.duration * 60,
        "librosa_seconds_per_minute": plain_seconds / audio.duration * 60,
    }  # fmt: skip
    if "meter" in case:
        row["meter_right"] = document["meter"] == f"{case['meter']}/4"
        row["key_right"] = (document["key"]["tonic"], document["key"]["mode"]) == case["key"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warm = render_style("rock", seconds=8)
    measure({"group": "", "name": "", "audio": Audio(warm.samples, 22050), "beats": warm.beats,
             "downbeats": warm.downbeats, "bpm": warm.bpm})  # fmt: skip
    rows = []
    for case in cases(args.shared, args.seeds):
        row = measure(case)
        rows.append(row)
        print(
            f"{row['group']:9} {row['name']:20} {row['true_bpm']:6.1f}"
            f"  found {row['bpm']:6.1f} ({row['confidence']:.2f})"
            f" beat F {row['beat_f']:.3f} downbeat F {row['downbeat_f']:.3f}"
            f"  | librosa {row['librosa_bpm']:6.1f} beat F {row['librosa_beat_f']:.3f}",
            flush=True,
        )
    summary = {}
    for group in dict.fromkeys(row["group"] for row in rows):
        chosen = [row for row in rows if row["group"] == group]
        keys = [key for key in chosen[0] if key not in {"group", "name", "true_bpm", "bpm", "librosa_bpm"}]
        summary[group] = {key: round(float(np.nanmean([row[key] for row in chosen])), 3) for key in keys}
        print(group, len(chosen), summary[group])
    if args.json:
        plain = json.loads(json.dumps({"rows": rows, "summary": summary}, default=float))
        args.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
