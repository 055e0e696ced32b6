"""Tempo, beats, downbeats and key of `analyze` beside plain librosa on the same inputs.

    python benchmarks/bench_analyze.py [--shared ../shared] [--seeds 2] [--only GROUP ...] [--json FILE]

Inputs: the mixes of MDB Drums, bars cut out of them and of their drum stems (real loops: downbeat to downbeat, the
tempo is what people marked) and madmom's sample, none of which is part of the project; pieces, loops and songs
rendered by tests/analysis with seeds, for keys also progressions, that were not used to fit anything.

Tempo is right within 4 % (accuracy 1), or also at half, double, a third or three times the tempo (accuracy 2); `exact`
is within 0.1 %. Beats and downbeats: mir_eval.beat F-measure, 70 ms, first five seconds left out. Key: share right,
and mir_eval.key's weighted score (fifth 0.5, relative 0.3, parallel 0.2). Plain librosa is `beat.beat_track` for
tempo and beats, and the mean of `feature.chroma_cqt` correlated with Krumhansl and Kessler's profiles for the key.
Confidence is compared with how often it was right: expected calibration error over ten bins.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np

from audiolab.audio import Audio
from audiolab.stages.analysis import analyze
from audiolab.stages.analysis.tonality import PROFILES

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "analysis"))
from cut_loops import BARS, cut_loop  # noqa: E402
from rendered_keys import HELD_OUT, render_keyed  # noqa: E402
from rendered_styles import STYLES, render_style  # noqa: E402

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
Case = dict[str, Any]
GROUPS = ("mdb", "mdb loops", "mdb drum loops", "madmom", "rendered", "rough", "loops", "loops with tail", "keys")


def mdb(shared: Path) -> Iterator[tuple[Path, np.ndarray, np.ndarray]]:
    folder = shared / "data" / "music" / "mdb"
    for song in sorted(folder.iterdir()) if folder.is_dir() else ():
        with (song / "beats.csv").open() as file:
            rows = np.array([[float(value) for value in row] for row in csv.reader(file)])
        yield song, rows[:, 0], rows[rows[:, 1] == 1, 0]


def real_cases(group: str, shared: Path) -> Iterator[Case]:
    if group == "mdb":
        for song, beats, downbeats in mdb(shared):
            yield {"name": song.name, "audio": Audio.from_file(song / "mix.flac"), "beats": beats,
                   "downbeats": downbeats, "bpm": 60 / float(np.median(np.diff(beats)))}  # fmt: skip
    elif group == "madmom":
        path = shared / "data" / "music" / "madmom" / "sample.wav"
        if path.is_file():
            beats = np.loadtxt(path.with_suffix(".beats"))[:, 0]
            yield {"name": "sample.wav", "audio": Audio.from_file(path), "beats": beats, "downbeats": beats[:1],
                   "bpm": 87.5}  # fmt: skip
    elif group in {"mdb loops", "mdb drum loops"}:
        for song, _, downbeats in mdb(shared):
            audio = Audio.from_file(song / ("mix.flac" if group == "mdb loops" else "drums.flac"))
            for bars in (1, 2, 4):
                for first in range(0, len(downbeats) - bars, max(1, (len(downbeats) - bars) // 4)):
                    start, stop = downbeats[first], downbeats[first + bars]
                    yield {"name": f"{song.name} {bars} from {first}", "audio": audio.cut_seconds(start, stop),
                           "bpm": 240 * bars / (stop - start)}  # fmt: skip


def rendered_cases(group: str, seeds: int) -> Iterator[Case]:
    if group == "keys":
        for progression in HELD_OUT:
            for seed in range(3000, 3000 + 2 * seeds):
                song = render_keyed(progression, seed=seed)
                yield {"name": f"{song.progression} {seed}", "audio": Audio(song.samples, song.sample_rate),
                       "key": (TONICS[song.tonic], song.mode)}  # fmt: skip
        return
    for seed in range(5000, 5000 + seeds):
        for style in STYLES:
            if group.startswith("loops"):
                for bars in BARS:
                    loop = cut_loop(style, seed=10 * seed + bars, bars=bars, tail=group == "loops with tail")
                    yield {"name": f"{style} {bars}", "audio": Audio(loop.samples, loop.sample_rate), "bpm": loop.bpm}
                continue
            piece = render_style(style, seed=seed, seconds=30, rough=group == "rough")
            yield {"name": f"{style} {seed}", "audio": Audio(piece.samples, piece.sample_rate), "beats": piece.beats,
                   "downbeats": piece.downbeats, "bpm": piece.bpm, "meter": piece.beats_per_bar,
                   **({"key": (TONICS[piece.key[0]], piece.key[1])} if piece.chords else {})}  # fmt: skip


def octave_right(found: float, true: float) -> bool:
    return any(abs(found / (true * factor) - 1) < 0.04 for factor in (1, 2, 0.5, 3, 1 / 3))


def f_measure(truth: np.ndarray, found: np.ndarray) -> float:
    truth, found = mir_eval.beat.trim_beats(np.asarray(truth)), mir_eval.beat.trim_beats(np.asarray(found))
    if len(truth) == 0:
        return float("nan")
    return float(mir_eval.beat.f_measure(truth, found)) if len(found) else 0.0


def plain_key(mono: np.ndarray) -> tuple[str, str]:
    import librosa

    chroma = librosa.feature.chroma_cqt(y=mono, sr=22050).mean(axis=1)
    fits = [
        (float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]), TONICS[tonic], mode)
        for mode, profile in zip(("major", "minor"), PROFILES[0], strict=True)
        for tonic in range(12)
    ]
    return max(fits)[1:]


def measure(case: Case) -> Case:
    import librosa

    audio: Audio = case["audio"]
    document = analyze(audio).to_dict()
    mono = audio.mono().resample(22050).samples[0] if audio.sample_rate != 22050 else audio.mono().samples[0]
    row: Case = {"name": case["name"]}
    if "bpm" in case:
        tempo, beats = librosa.beat.beat_track(y=mono, sr=22050, units="time")
        bpm, plain = document["tempo"]["bpm"] or 0.0, float(np.atleast_1d(tempo)[0])
        row |= {
            "true": round(case["bpm"], 2), "found": round(bpm, 2), "librosa": round(plain, 2),
            "confidence": document["tempo"]["confidence"],
            "accuracy1": abs(bpm / case["bpm"] - 1) < 0.04, "accuracy2": octave_right(bpm, case["bpm"]),
            "exact": abs(bpm / case["bpm"] - 1) < 0.001, "librosa_exact": abs(plain / case["bpm"] - 1) < 0.001,
            "librosa_accuracy1": abs(plain / case["bpm"] - 1) < 0.04,
            "librosa_accuracy2": octave_right(plain, case["bpm"]),
        }  # fmt: skip
    if "beats" in case:
        row["beat_f"] = f_measure(case["beats"], document["beats"])
        row["librosa_beat_f"] = f_measure(case["beats"], beats)
        row["downbeat_f"] = f_measure(case["downbeats"], document["downbeats"])
    if "meter" in case:
        row["meter_right"] = document["meter"] == f"{case['meter']}/4"
    if "key" in case:
        found = (document["key"]["tonic"] or "C", document["key"]["mode"] or "major")
        plain_found = plain_key(mono)
        row |= {
            "true_key": " ".join(case["key"]), "found_key": " ".join(found), "librosa_key": " ".join(plain_found),
            "key_confidence": document["key"]["confidence"],
            "key_right": found == case["key"], "librosa_key_right": plain_found == case["key"],
            "key_score": key_score(case["key"], found), "librosa_key_score": key_score(case["key"], plain_found),
        }  # fmt: skip
    return row


def key_score(true: tuple[str, str], found: tuple[str, str]) -> float:
    return float(mir_eval.key.weighted_score(" ".join(true), " ".join(found)))


def calibration(sure: np.ndarray, right: np.ndarray) -> tuple[float, list[list[float]]]:
    """Give the expected calibration error, and for each tenth: mean confidence, share right, number."""
    bins = np.minimum((sure * 10).astype(int), 9)
    table = [
        [round(float(values.mean()), 3) for values in (sure[bins == k], right[bins == k])] + [int((bins == k).sum())]
        for k in np.unique(bins)
    ]
    return float(sum(abs(mean - share) * count for mean, share, count in table) / len(sure)), table


def summarise(rows: list[Case]) -> Case:
    numbers = [
        name for name in rows[0] if not isinstance(rows[0][name], str) and name not in {"true", "found", "librosa"}
    ]
    out: Case = {"n": len(rows)}
    for name in numbers:
        values = [row[name] for row in rows if not np.isnan(row.get(name, np.nan))]
        if values:
            out[name] = round(float(np.mean(values)), 3)
    for sure, right in (("confidence", "accuracy1"), ("key_confidence", "key_right")):
        chosen = [row for row in rows if sure in row]
        if len(chosen) >= 20:
            values = [np.array([float(row[name]) for row in chosen]) for name in (sure, right)]
            error, table = calibration(*values)
            out[f"{sure}_ece"], out[f"{sure}_bins"] = round(error, 3), table
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("AUDIOLAB_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=GROUPS, default=GROUPS)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    everything, summary = {}, {}
    for group in args.only:
        cases = real_cases(group, args.shared) if group.startswith("m") else rendered_cases(group, args.seeds)
        rows = [measure(case) for case in cases]
        if not rows:
            continue
        everything[group], summary[group] = rows, summarise(rows)
        for row in rows if args.json is None else ():
            print(group, row)
        print(group, json.dumps(summary[group]), flush=True)
    if args.json:
        plain = json.loads(json.dumps({"rows": everything, "summary": summary}, default=float))
        args.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
