"""How right the notes are: Basic Pitch's presets on sounds with known notes, drum MIDI on drum stems with known hits.

    python benchmarks/bench_notes.py [--shared ../shared] [--thresholds 0.2 0.3 0.5] [--json FILE]

Notes: mir_eval's onset-and-pitch F (50 ms, 50 cents, offsets not counted) on three rendered songs, and with
`--shared` on the sung vocadito_1 (annotator A1). Drums: F of each class (50 ms) on the rendered songs and MDB Drums;
`own`: each class from its own threshold on.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from audiolab.audio import BlockSource, View, open_source
from audiolab.stages import notes
from audiolab.stages.classification import classify
from audiolab.stages.notes.drums import DRUM_THRESHOLDS
from audiolab.stages.notes.presets import MidiParams, settings_for
from audiolab.stages.slicing import slice as slice_sound
from audiolab.synth import RenderedSong, render_song

SONGS: tuple[dict[str, Any], ...] = (
    {},
    {"bpm": 140, "tonic": "D", "mode": "major", "seed": 3},
    {"bpm": 84, "tonic": "F#", "seed": 5, "swing": 0.7},
)
KEYS = {36: "KD", 38: "SD", 37: "SD", 39: "SD", 42: "HH", 46: "HH", 45: "TT", 47: "TT", 50: "TT", 49: "CY", 51: "CY"}
"""General MIDI keys and the classes of MDB Drums."""
CLASSES = ("KD", "SD", "HH", "TT", "CY")

Truth = list[tuple[float, float, float]]


def pitched(songs: list[RenderedSong], shared: Path | None) -> Iterator[tuple[str, str, BlockSource, Truth]]:
    """Yield name of the set, preset, sound, and its notes: start, end, MIDI pitch."""
    for song in songs:
        for stem, found in song.notes.items():
            rate = song.sample_rate
            truth = [(note.start / rate, note.stop / rate, float(note.pitch)) for note in found]
            yield f"rendered {stem}", stem, song.stems[stem], truth
    if shared is not None:
        folder = shared / "data" / "music" / "vocadito"
        with (folder / "vocadito_1_notesA1.csv").open(encoding="utf-8") as file:
            rows = [tuple(map(float, row)) for row in csv.reader(file)]
        truth = [(start, start + length, 69 + 12 * np.log2(hertz / 440)) for start, hertz, length in rows]
        yield "vocadito_1 (A1)", "vocals", open_source(folder / "vocadito_1.wav"), truth


def note_scores(truth: Truth, found: list[notes.Note]) -> tuple[float, float, float]:
    """Give precision, recall and F."""
    import mir_eval

    if not found:
        return 0.0, 0.0, 0.0

    def hertz(pitches: list[float]) -> np.ndarray:
        return 440 * 2 ** ((np.array(pitches) - 69) / 12)

    precision, recall, f, _ = mir_eval.transcription.precision_recall_f1_overlap(
        np.array([row[:2] for row in truth]),
        hertz([row[2] for row in truth]),
        np.array([(note.start, max(note.end, note.start + 1e-3)) for note in found]),
        hertz([float(note.pitch) for note in found]),
        offset_ratio=None,
    )
    return precision, recall, f


def score_notes(songs: list[RenderedSong], shared: Path | None) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for name, preset, sound, truth in pitched(songs, shared):
        for chosen in ("basic-pitch", preset):
            settings = settings_for(MidiParams(preset=chosen), None)
            scores = note_scores(truth, notes.transcribe(sound, settings, threads=len(os.sched_getaffinity(0))))
            found.setdefault((name, chosen), []).append(scores)
    return [
        {"set": name, "preset": preset, **dict(zip(("precision", "recall", "f"), np.mean(rows, axis=0), strict=True))}
        for (name, preset), rows in found.items()
    ]


def drum_stems(
    songs: list[RenderedSong], shared: Path | None
) -> Iterator[tuple[str, BlockSource, dict[str, list[float]]]]:
    """Yield name of the set, drum stem, and the times of each class."""
    names = {
        "kick": "KD",
        "snare": "SD",
        "clap": "SD",
        "closed_hat": "HH",
        "open_hat": "HH",
        "tom": "TT",
        "crash": "CY",
    }
    for song in songs:
        truth: dict[str, list[float]] = {}
        for hit in song.hits:
            truth.setdefault(names[hit.label], []).append(hit.frame / song.sample_rate)
        yield "rendered drums", song.stems["drums"], truth
    for folder in sorted((shared / "data" / "music" / "mdb").iterdir()) if shared is not None else ():
        truth = {}
        with (folder / "onsets.csv").open(encoding="utf-8") as file:
            for time, label, *_ in csv.reader(file):
                truth.setdefault(label.strip(), []).append(float(time))
        yield "MDB Drums", open_source(folder / "drums.flac"), truth


def score_drums(songs: list[RenderedSong], shared: Path | None, thresholds: list[float]) -> list[dict[str, Any]]:
    import mir_eval

    choices: dict[str, Any] = {f"{threshold:g}": threshold for threshold in thresholds} | {"own": DRUM_THRESHOLDS}
    counts: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for name, stem, truth in drum_stems(songs, shared):
        cuts = slice_sound(stem, preset="drums").cuts
        items = {"items": [found.item() for found in classify([View(stem, cut.start, cut.stop) for cut in cuts])]}
        slices = {
            "sample_rate": stem.sample_rate,
            "samples": [{"start": cut.start, "stop": cut.stop, **cut.facts} for cut in cuts],
        }
        for chosen, threshold in choices.items():
            times: dict[str, set[float]] = {}
            for note in notes.drum_notes(slices, items, None, threshold=threshold):
                if note.pitch in KEYS:
                    times.setdefault(KEYS[note.pitch], set()).add(note.start)
            table = counts.setdefault((name, chosen), {label: np.zeros(3) for label in CLASSES})
            for label in CLASSES:
                real, got = np.unique(truth.get(label, [])), np.array(sorted(times.get(label, ())))
                hits = len(mir_eval.util.match_events(real, got, 0.05)) if len(real) and len(got) else 0
                table[label] += (hits, len(real), len(got))
    rows = []
    for (name, threshold), table in counts.items():
        total = np.sum(list(table.values()), axis=0)
        rows.append(
            {
                "set": name,
                "threshold": threshold,
                **{
                    label: 2 * hits / (real + got) if real + got else None for label, (hits, real, got) in table.items()
                },
                "all": 2 * total[0] / (total[1] + total[2]),
                "precision": total[0] / max(total[2], 1),
                "recall": total[0] / total[1],
            }
        )
    return sorted(rows, key=lambda row: (row["set"], row["threshold"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.5])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    songs = [render_song(bars=13, **song) for song in SONGS]
    report = {
        "notes": score_notes(songs, arguments.shared),
        "drums": score_drums(songs, arguments.shared, arguments.thresholds),
    }
    for row in report["notes"]:
        print(f"{row['set']:18} {row['preset']:12} P {row['precision']:.3f}  R {row['recall']:.3f}  F {row['f']:.3f}")
    for row in report["drums"]:
        cells = "  ".join(f"{label} " + ("  -  " if row[label] is None else f"{row[label]:.3f}") for label in CLASSES)
        print(
            f"{row['set']:18} from {row['threshold']:4}  {cells}  all {row['all']:.3f} "
            f"(P {row['precision']:.3f}, R {row['recall']:.3f})"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
