"""Fit the weights that choose tempo, meter and downbeat (src/audiolab/stages/analysis/rhythm_weights.json).

    python benchmarks/fit_rhythm.py [--seeds 60] [--shared ../shared] [--cache DIR] [--write]

The pieces are rendered by tests/analysis/rendered_styles.py. Half of them use rendered drums, the other
half recorded one-shots that may ship (`may_ship` = yes in the manifest), if they are at hand. No recorded
song is used. Pieces of other seeds are held out and reported.
"""

from __future__ import annotations

import argparse
import csv
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio import Audio
from audiolab.stages.analysis import judging
from audiolab.stages.analysis.bars import METERS
from audiolab.stages.analysis.features import FRAME_RATE, Features, gather
from audiolab.stages.analysis.framing import survey
from audiolab.stages.analysis.pulse import accents, to_bpm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "analysis"))
from rendered_styles import STYLES, render_style  # noqa: E402

WEIGHTS = ROOT / "src" / "audiolab" / "stages" / "analysis" / "rhythm_weights.json"
Truth = dict[str, Any]
Piece = tuple[Truth, list[judging.Reading]]


def load_kit(shared: Path) -> dict[str, list[np.ndarray]]:
    """One-shots that may ship, at 22050 Hz from their attack on, at most 60 a label."""
    kit: dict[str, list[np.ndarray]] = {}
    manifest = shared / "data" / "oneshots" / "manifest.csv"
    if not manifest.is_file():
        return kit
    with manifest.open() as file:
        rows = [row for row in csv.DictReader(file) if row["may_ship"] == "yes"]
    np.random.default_rng(0).shuffle(rows)
    wanted = {"kick", "snare", "clap", "closed_hat", "open_hat", "crash", "ride", "rim", "tambourine"}
    for row in rows:
        label = row["label"]
        if label in wanted and len(kit.get(label, [])) < 60:
            wave = Audio.from_file(manifest.parent / row["path"]).mono().resample(22050).samples[0].astype(float)
            loud = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max(initial=1e-9))
            if len(loud):
                kit.setdefault(label, []).append(wave[loud[0] : loud[0] + 33075])
    return kit


def render_set(seeds: range, kit: dict[str, list[np.ndarray]]) -> list[tuple[Truth, Features]]:
    out = []
    for seed in seeds:
        for name in STYLES:
            seconds, drums = (30 if seed % 3 else 20), (kit if seed % 2 else None)
            piece = render_style(name, seed=seed, seconds=seconds, kit=drums, rough=True)
            audio = Audio(piece.samples, piece.sample_rate)
            truth = {
                "style": name,
                "bpm": piece.bpm,
                "beats": piece.beats,
                "downbeats": piece.downbeats,
                "meter": piece.beats_per_bar,
            }
            features = gather(audio, survey(audio))
            if seed % 4 == 3:  # some short excerpts
                rng = np.random.default_rng(seed)
                truth, features = crop(truth, features, rng.uniform(0, 10), rng.uniform(5, 10))
            out.append((truth, features))
    return out


def crop(truth: Truth, features: Features, start: float, seconds: float) -> tuple[Truth, Features]:
    kept = {
        key: value[(value >= start) & (value < start + seconds)] - start if isinstance(value, np.ndarray) else value
        for key, value in truth.items()
    }
    return kept, features.part(start, start + seconds)


def is_tempo(period: float, truth: Truth) -> bool:
    return abs(to_bpm(period) / truth["bpm"] - 1) < 0.04


def is_layout(reading: judging.Reading, meter: int, offset: int, truth: Truth) -> bool:
    if not is_tempo(reading.period, truth) or meter != truth["meter"] or len(truth["downbeats"]) < 2:
        return False
    places = np.interp(np.arange((len(reading.beats) - 1) * 12) / 12, np.arange(len(reading.beats)), reading.beats)
    found = places[offset :: meter * 12] / FRAME_RATE
    downbeats = truth["downbeats"]
    found = found[(found > downbeats[0] - 0.2) & (found < downbeats[-1] + 0.2)]
    return len(found) > 0 and float(np.mean([np.abs(downbeats - t).min() < 0.07 for t in found])) > 0.6


def fit_first(pieces: list[Piece], l2: float = 0.01) -> np.ndarray:
    """Conditional logit on tempo cues alone."""
    cues = [np.array([r.cues for r in readings]) for _, readings in pieces]
    right = [np.array([is_tempo(r.period, truth) for r in readings]) for truth, readings in pieces]
    scale = np.concatenate(cues).std(axis=0) + 1e-3
    return _logit([(c / scale, r) for c, r in zip(cues, right, strict=True) if r.any() and not r.all()], l2) / scale


def _logit(groups: list[tuple[np.ndarray, np.ndarray]], l2: float) -> np.ndarray:
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = 0.0, np.zeros_like(w)
        for x, right in groups:
            s = x @ w
            everything, good = logsumexp(s), logsumexp(s[right])
            value += everything - good
            gradient += x.T @ np.exp(s - everything) - x[right].T @ np.exp(s[right] - good)
        n = len(groups)
        return value / n + l2 * float(w @ w), gradient / n + 2 * l2 * w

    return minimize(loss, np.zeros(groups[0][0].shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x


def fit_joint(pieces: list[Piece], first: np.ndarray, l2: float) -> judging.Weights:
    """Conditional logit on tempo cues, bar profile and meter together, over all layouts of all kept tempos."""
    from scipy.optimize import minimize

    cues, bars, terms, group, tempo_of, right = [], {m: [] for m in METERS}, [], [], [], []
    place: dict[int, list[int]] = {m: [] for m in METERS}
    for number, (truth, readings) in enumerate(pieces):
        kept = [r for r in readings if r.bars]
        good = [is_layout(r, bar.meter, bar.offset, truth) for r in kept for bar in r.bars]
        if not any(good):
            good = [is_tempo(r.period, truth) for r in kept for _ in r.bars]
        if not any(good):
            continue
        right += good
        for reading in kept:
            octaves = np.log2(to_bpm(reading.period) / 110.0)
            cues.append(reading.cues)
            for bar in reading.bars:
                place[bar.meter].append(len(group))
                bars[bar.meter].append(bar.profile.astype(np.float32))
                terms.append([float(bar.meter == m) * t for m in METERS for t in (1.0, octaves, octaves**2)])
                group.append(number)
                tempo_of.append(len(cues) - 1)
    blocks = [np.array(cues), *(np.array(bars[m]) for m in METERS), np.array(terms)]
    scales = [block.std(axis=0) + 0.05 for block in blocks]
    blocks = [np.asarray(block / scale, np.float32) for block, scale in zip(blocks, scales, strict=True)]
    rows = [np.array(tempo_of), *(np.array(place[m]) for m in METERS), np.arange(len(group))]
    edges = np.flatnonzero(np.diff(group, prepend=-1))
    sizes, good_rows = np.diff(np.append(edges, len(group))), np.array(right)
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        parts = np.split(w, ends)
        score = (blocks[0] @ parts[0])[rows[0]] + blocks[-1] @ parts[-1]
        for block, part, at in zip(blocks[1:-1], parts[1:-1], rows[1:-1], strict=True):
            score[at] += block @ part
        top = np.repeat(np.maximum.reduceat(score, edges), sizes)
        weight = np.exp(score - top)
        total, good = np.add.reduceat(weight, edges), np.add.reduceat(weight * good_rows, edges) + 1e-30
        slope = weight / np.repeat(total, sizes) - weight * good_rows / np.repeat(good, sizes)
        gradient = [
            blocks[0].T @ np.bincount(rows[0], slope, len(blocks[0])),
            *(block.T @ slope[at] for block, at in zip(blocks[1:-1], rows[1:-1], strict=True)),
            blocks[-1].T @ slope,
        ]
        n = len(edges)
        value = float(np.log(total / good).sum()) / n + l2 * float(w @ w)
        return value, np.concatenate(gradient) / n + 2 * l2 * w

    start = np.zeros(sum(block.shape[1] for block in blocks))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 400})
    w = [part / scale for part, scale in zip(np.split(found.x, ends), scales, strict=True)]
    meter = {m: w[-1][3 * k : 3 * k + 3] for k, m in enumerate(METERS)}
    return judging.Weights(first, w[0], dict(zip(METERS, w[1:-1], strict=True)), meter)


def evaluate(pieces: list[Piece], judge: judging.Weights) -> dict[str, list[float]]:
    table: dict[str, list[list[bool]]] = {}
    for truth, readings in pieces:
        kept = [r for r in readings if r.bars]
        if not kept:
            table.setdefault(truth["style"], []).append([False] * 3)
            continue
        scores = [judging.score(r, judge) for r in kept]
        best = int(np.argmax([s.max() for s in scores]))
        whole = int(np.argmax([np.logaddexp.reduce(s) for s in scores]))
        bar = kept[best].bars[int(scores[best].argmax())]
        table.setdefault(truth["style"], []).append(
            [
                is_tempo(kept[whole].period, truth),
                is_tempo(kept[best].period, truth),
                is_layout(kept[best], bar.meter, bar.offset, truth),
            ]
        )
    out = {style: [float(v) for v in np.mean(values, axis=0)] for style, values in table.items()}
    out["ALL"] = [float(v) for v in np.mean([row for values in table.values() for row in values], axis=0)]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--l2", type=float, default=0.002)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    sets = {"fit": range(args.seeds), "held out": range(1000, 1000 + max(4, args.seeds // 4))}
    data: dict[str, list[tuple[Truth, Features]]] = {}
    for name, seeds in sets.items():
        cache = args.cache / f"rhythm-{name.replace(' ', '-')}-{len(seeds)}.pkl" if args.cache else None
        if cache and cache.is_file():
            data[name] = pickle.loads(cache.read_bytes())
        else:
            data[name] = render_set(seeds, load_kit(args.shared))
            if cache:
                cache.write_bytes(pickle.dumps(data[name]))
    everything = {}
    print("candidates", flush=True)
    cue_pieces = [(truth, cue_readings(features)) for truth, features in data["fit"]]
    first = fit_first(cue_pieces)
    rough = judging.Weights(first, first, {}, {})
    for name, pieces in data.items():
        everything[name] = [(t, judging.readings_of(f, accents(f.flux), rough)) for t, f in pieces]
        print(
            name,
            len(pieces),
            "pieces; true tempo among the kept",
            np.mean([any(is_tempo(r.period, t) for r in rs) for t, rs in everything[name]]),
            flush=True,
        )
    judge = fit_joint(everything["fit"], first, args.l2)
    for name, pieces in everything.items():
        for style, (tempo, best, layout) in evaluate(pieces, judge).items():
            if name == "held out" or style == "ALL":
                print(f"{name:9} {style:14} tempo {tempo:.3f} ({best:.3f})  with meter and downbeat {layout:.3f}")
    if args.write:
        document = {
            "first": judge.first, "tempo": judge.tempo,
            "bars": {str(m): judge.bars[m] for m in METERS}, "meter": {str(m): judge.meter[m] for m in METERS},
        }  # fmt: skip
        plain = json.loads(json.dumps(document, default=lambda a: [float(f"{v:.4g}") for v in a]))
        WEIGHTS.write_text(json.dumps(plain) + "\n")


def cue_readings(features: Features) -> list[judging.Reading]:
    """All candidates with their cues, without following beats."""
    accent = accents(features.flux)
    return [judging.Reading(p, c, np.zeros(0), []) for p, c in judging.candidates_of(accent)]


if __name__ == "__main__":
    main()
