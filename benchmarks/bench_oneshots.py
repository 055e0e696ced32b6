"""Root notes of one-shots and tempos of loops against truth, beside librosa's pyin and yin.

    python benchmarks/bench_oneshots.py [--json FILE] [--no-librosa]

Rendered tones have their truth by construction. The notes of real sets come from file names, whose octaves follow
each set's own convention: a whole number of octaves, the same for a whole set, is taken off (see OCTAVES).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from audiolab.audio import Audio, open_source
from audiolab.stages.analysis.oneshot import describe_sound
from audiolab.stages.analysis.pitch import find_pitch
from audiolab.stages.classification.preparing import listen

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "slicing"))
from rendered_loops import PATTERNS, render_loop

RATE = 44100
SETS = {
    "double_bass": r"(?:pizz|arco)_([a-g])(b?)(\d)_",
    "emilyguitar": r"notes__([a-g])([b#]?)(\d)_",
    "growlybass": r"__([a-g])(b?)(\d)_",
    "jrhodes3c": r"__([A-G])([#b]?)(\d)_",
    "meatbass": r"__([a-g])(b?)(\d)_",
    "olpc_berklee": r"_([A-G])([b#]?)(\d)\.",
    "pffy_piano": r"wav__([a-g])()(\d)(s?)\.",
    "philharmonia": r"_([A-G])(s?)(\d)_",
    "salamander_casio": r"__([A-G])(s?)(\d)\.",
    "shinyguitar": r"__([a-g])(b?)(\d)_",
    "war_tuba": r"__([a-g])(b?)(\d)_",
}
OCTAVES = {"growlybass": -1, "pffy_piano": 2, "war_tuba": 1, "casio": 2}
STEPS = dict(zip("cdefgab", (0, 2, 4, 5, 7, 9, 11), strict=True))
KEYS = ("right", "octave", "ms")
Case = tuple[np.ndarray, int, int]


def real(folder: Path, name: str) -> Iterator[Case]:
    for path in sorted((folder / name).rglob("*.flac")):
        found = re.search(SETS[name], path.name)
        if found is None or "phrase" in path.name:
            continue
        letter, accidental, octave, *more = found.groups()
        accidental = accidental or "".join(more)
        note = STEPS[letter.lower()] + 12 * (int(octave) + 1) + {"b": -1, "": 0}.get(accidental, 1)
        note += 12 * OCTAVES.get("casio" if path.name.startswith("casio") else name, 0)
        heard = listen(open_source(path))
        yield heard.mono, heard.sample_rate, note


def rendered() -> Iterator[Case]:
    """Six kinds of tones, every third note from E1 to C7, with noise 40 dB below."""
    rng = np.random.default_rng(0)
    for note in range(28, 97, 3):
        hz = 440 * 2 ** ((note - 69) / 12)
        seconds = rng.uniform(0.3, 1.5)
        t = np.arange(round(seconds * RATE)) / RATE
        tops = range(1, max(2, int(0.45 * RATE / hz)))
        saw = sum(np.sin(2 * np.pi * k * hz * t) / k for k in tops)
        period = RATE / hz
        string = np.zeros(round(period) + 2)
        string[int(period)], string[int(period) + 1] = 1 - period % 1, period % 1  # a comb, tuned by interpolation
        burst = np.where(np.arange(len(t)) < period, rng.uniform(-1, 1, len(t)), 0)
        tones = {
            "sine": np.sin(2 * np.pi * hz * t),
            "saw": saw,
            "square": sum(np.sin(2 * np.pi * k * hz * t) / k for k in tops if k % 2),
            "no fundamental": sum(np.sin(2 * np.pi * k * hz * t + k) for k in range(2, 7) if k * hz < 0.45 * RATE),
            "fm": np.sin(2 * np.pi * hz * t + 3 * np.exp(-t / 0.3) * np.sin(2 * np.pi * hz * t)),
            "string": lfilter([1.0], np.concatenate(([1.0], -0.99 * string[1:])), burst),
        }
        for tone in tones.values():
            x = np.asarray(tone) * np.exp(-t / rng.uniform(0.1, 0.5))
            x = 0.5 * x / np.abs(x).max() + 0.005 * rng.standard_normal(len(t))
            yield x.astype(np.float32), RATE, note


def ours(x: np.ndarray, rate: int) -> float:
    return find_pitch(x, rate).hz or 0.0


def by_pyin(x: np.ndarray, rate: int) -> float:
    import librosa

    x = librosa.resample(x, orig_sr=rate, target_sr=22050)  # librosa's own rate and window
    f0, voiced, _ = librosa.pyin(x, fmin=24.0, fmax=5000.0, sr=22050)
    return float(np.median(f0[voiced])) if voiced.any() else 0.0


def by_yin(x: np.ndarray, rate: int) -> float:
    import librosa

    x = librosa.resample(x, orig_sr=rate, target_sr=22050)
    return float(np.median(librosa.yin(x, fmin=24.0, fmax=5000.0, sr=22050)))


def score(cases: list[Case], find: Callable[[np.ndarray, int], float]) -> dict[str, float]:
    right = octave = 0
    begun = time.perf_counter()
    for x, rate, note in cases:
        hz = find(x, rate)
        error = 69 + 12 * np.log2(hz / 440) - note if hz > 0 else np.nan
        right += abs(error) <= 0.5
        octave += abs(error) > 0.5 and abs(error - 12 * round(error / 12)) <= 0.5
    seconds = (time.perf_counter() - begun) / max(1, len(cases))
    return {"right": right / len(cases), "octave": octave / len(cases), "ms": 1000 * seconds}


def tempos() -> dict[str, float]:
    rng = np.random.default_rng(1)
    counts = {"loop": 0, "right": 0, "half or double": 0}
    total = 0
    for pattern in PATTERNS:
        for seed in range(20):
            bpm, bars = float(np.round(rng.uniform(70, 170), 2)), int(rng.choice([1, 2, 4]))
            made = render_loop(pattern, bpm=bpm, bars=bars, seed=seed, jitter=0.003, swing=float(rng.choice([0, 0.2])))
            frames = round(bars * 4 * 60 / bpm * made.sample_rate)
            found = describe_sound(Audio(made.samples[:, :frames], made.sample_rate))
            total += 1
            counts["loop"] += found.kind == "loop"
            counts["right"] += found.beats == 4 * bars
            counts["half or double"] += found.beats in {2 * bars, 8 * bars}
    return {name: count / total for name, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-librosa", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    home = Path(os.environ.get("AUDIOLAB_SHARED", Path(__file__).parents[2] / "shared")) / "data" / "oneshots"
    ways = {"audiolab": ours} | ({} if arguments.no_librosa else {"librosa.yin": by_yin, "librosa.pyin": by_pyin})
    sets = {"rendered": list(rendered())}
    sets |= {name: cases for name in SETS if (cases := list(real(home, name)))}
    find_pitch(*sets["rendered"][0][:2])  # tables are built once
    table: dict[str, dict[str, dict[str, float]]] = {}
    for name, cases in sets.items():
        table[name] = {way: score(cases, find) for way, find in ways.items()}
        cells = [f"{way} {s['right']:.3f} ({s['octave']:.3f}) {s['ms']:.0f} ms" for way, s in table[name].items()]
        print(f"{name:18} {len(cases):4}  " + "   ".join(cells), flush=True)
    names = [name for name in sets if name != "rendered"]
    if names:
        weights = [len(sets[name]) for name in names]
        table["all real sets"] = {
            way: {key: float(np.average([table[n][way][key] for n in names], weights=weights)) for key in KEYS}
            for way in ways
        }
        print("all real sets", sum(weights), table["all real sets"], flush=True)
    loops = tempos()
    print("rendered loops", loops)
    if arguments.json:
        arguments.json.write_text(json.dumps({"pitch": table, "loops": loops}, indent=2) + "\n")


if __name__ == "__main__":
    main()
