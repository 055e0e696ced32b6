"""Fit the weights that choose tempo, meter and downbeat (src/audiolab/stages/analysis/rhythm_judge.npz).

    python benchmarks/fit_rhythm.py [--seeds 60] [--shared ../shared] [--cache DIR] [--write]

The pieces are rendered by tests/analysis/rendered_styles.py. Half of them use rendered drums, the other
half recorded one-shots that may ship (`may_ship` = yes in the manifest), if they are at hand. No recorded
song is used. Pieces of other seeds are held out and reported.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from audiolab.audio import Audio
from audiolab.stages.analysis import judging
from audiolab.stages.analysis.features import FRAME_RATE, Features, gather
from audiolab.stages.analysis.framing import survey
from audiolab.stages.analysis.pulse import accents, to_bpm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "analysis"))
from cut_loops import cut_loop  # noqa: E402
from rendered_styles import STYLES, render_style  # noqa: E402

WEIGHTS = ROOT / "src" / "audiolab" / "stages" / "analysis" / "rhythm_judge.npz"
KINDS = ("piece", "loop", "piece", "excerpt", "loop", "loop", "piece", "excerpt")
"""What is rendered with each seed, in turn."""
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
            seconds, drums = (30 if seed % 3 else 20), (kit if seed // len(KINDS) % 2 else None)
            if KINDS[seed % len(KINDS)] == "loop":
                piece = cut_loop(name, seed=seed, kit=drums)
            else:
                piece = render_style(name, seed=seed, seconds=seconds, kit=drums, rough=True)
            audio = Audio(piece.samples, piece.sample_rate)
            truth = {
                "style": name,
                "kind": KINDS[seed % len(KINDS)],
                "bpm": piece.bpm,
                "beats": piece.beats,
                "downbeats": piece.downbeats,
                "meter": piece.beats_per_bar,
            }
            features = gather(audio, survey(audio))
            if KINDS[seed % len(KINDS)] == "excerpt":
                rng = np.random.default_rng(seed)
                truth, features = crop(truth, features, rng.uniform(0, 8), rng.uniform(2.5, 10))
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
    if not is_tempo(reading.period, truth) or meter != truth["meter"] or not len(truth["downbeats"]):
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


def fit_joint(pieces: list[Piece], first: np.ndarray, *, units: int, epochs: int, seed: int = 0) -> judging.Judge:
    """Fit the judge: a conditional logit over all layouts of all kept tempos, by stochastic gradient descent."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rows, right = [], []
    for truth, readings in pieces:
        kept = [r for r in readings if r.bars]
        good = [is_layout(r, bar.meter, bar.offset, truth) for r in kept for bar in r.bars]
        if not any(good):
            good = [is_tempo(r.period, truth) for r in kept for _ in r.bars]
        if any(good):
            rows.append(np.concatenate([judging.rows_of(r) for r in kept]))
            right.append(torch.tensor(good))
    sample = np.concatenate(rows[::4])
    mean, scale = sample.mean(axis=0), sample.std(axis=0) + 0.05
    data = [torch.tensor((r - mean) / scale, dtype=torch.float32) for r in rows]
    straight = torch.nn.Linear(len(mean), 1)
    torch.nn.init.zeros_(straight.weight)
    hidden, output = torch.nn.Linear(len(mean), units), torch.nn.Linear(units, 1)
    net = torch.nn.Sequential(hidden, torch.nn.Tanh(), torch.nn.Dropout(0.4), output)
    parameters = [*straight.parameters(), *net.parameters()]
    steps = epochs * -(-len(data) // 32)
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(data))
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            x = torch.cat([data[i] for i in batch])
            x = x + 0.1 * torch.randn_like(x)
            scores = torch.split((straight(x) + net(x))[:, 0], [len(data[i]) for i in batch])
            losses = [
                torch.logsumexp(s, 0) - torch.logsumexp(s[right[i]], 0) for s, i in zip(scores, batch, strict=True)
            ]
            optimizer.zero_grad()
            torch.stack(losses).mean().backward()
            optimizer.step()
            schedule.step()
    w1, w0 = hidden.weight.detach().numpy().T / scale[:, None], straight.weight.detach().numpy()[0] / scale
    return judging.Judge(
        first=np.asarray(first, np.float32),
        linear=w0.astype(np.float32),
        hidden=w1.astype(np.float32),
        bias=(hidden.bias.detach().numpy() - mean @ w1).astype(np.float32),
        output=output.weight.detach().numpy()[0],
        trust=np.array([0, 1, 0, 0], np.float32),
    )


def no_rhythm(count: int) -> list[Features]:
    """Features of what has no tempo: clicks at random times, noise that swells like syllables."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng((seed, 99))
        seconds = rng.uniform(3, 30)
        wave = 1e-4 * rng.standard_normal(int(seconds * 22050))
        if seed % 2:
            for at in rng.integers(0, len(wave), int(seconds * rng.uniform(1.5, 8))):
                size = min(len(wave) - at, int(rng.uniform(0.01, 0.2) * 22050))
                tone = (
                    np.sin(np.arange(size) * rng.uniform(0.02, 0.8))
                    if rng.random() < 0.5
                    else rng.standard_normal(size)
                )
                wave[at : at + size] += tone * np.linspace(1, 0, size) ** 2 * rng.uniform(0.2, 1)
        else:
            knots = rng.uniform(0, 1, int(seconds * rng.uniform(2, 9)) + 2) ** rng.uniform(0.2, 4)
            wave += rng.standard_normal(len(wave)) * np.interp(
                np.linspace(0, len(knots) - 1, len(wave)), np.arange(len(knots)), knots
            )
        audio = Audio((0.5 * wave / np.abs(wave).max()).astype(np.float32)[None], 22050)
        found.append(gather(audio, survey(audio)))
    return found


def calibrate(held_out: list[tuple[Truth, Features]], judge: judging.Judge) -> np.ndarray:
    """Fit how sure a tempo is on pieces that were not fitted to and on what has no tempo."""
    cues, right = [], []
    for truth, features in [*held_out, *(({"bpm": 1.0}, features) for features in no_rhythm(len(held_out) // 6))]:
        verdict = judging.read_rhythm(features, judge)
        if verdict is not None:
            cues.append(judging.trust_cues(verdict, features.duration))
            right.append(np.array([False, True]) if is_tempo(verdict.period, truth) else np.array([True, False]))
    x, y = np.array(cues), np.array(right)[:, 1]
    groups = [(np.stack((np.zeros(4), row)), np.array([not good, good])) for row, good in zip(x, y, strict=True)]
    trust = _logit(groups, 1e-4)
    share = 1 / (1 + np.exp(-(x @ trust)))
    print(f"trust {trust.round(3)}: right {y.mean():.3f}, mean confidence {share.mean():.3f}", flush=True)
    return trust.astype(np.float32)


def evaluate(pieces: list[Piece], judge: judging.Judge) -> dict[str, list[float]]:
    table: dict[str, list[list[bool]]] = {}
    for truth, readings in pieces:
        kept = [r for r in readings if r.bars]
        if not kept:
            for group in (truth["style"], truth["kind"]):
                table.setdefault(group, []).append([False] * 3)
            continue
        scores = [judge.score(judging.rows_of(r)) for r in kept]
        best = int(np.argmax([s.max() for s in scores]))
        whole = int(np.argmax([np.logaddexp.reduce(s) for s in scores]))
        bar = kept[best].bars[int(scores[best].argmax())]
        right = [
            is_tempo(kept[whole].period, truth),
            is_tempo(kept[best].period, truth),
            is_layout(kept[best], bar.meter, bar.offset, truth),
        ]
        for group in (truth["style"], truth["kind"]):
            table.setdefault(group, []).append(right)
    out = {style: [float(v) for v in np.mean(values, axis=0)] for style, values in table.items()}
    out["ALL"] = [float(v) for v in np.mean([row for values in table.values() for row in values], axis=0)]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=128)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--to", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    sets = {"fit": range(args.seeds), "held out": range(1000, 1016)}
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
    rough = judging.Judge(first, first, first, first, first, first)  # only `first` is looked at
    for name, pieces in data.items():
        everything[name] = [(t, judging.readings_of(f, accents(f.flux), rough)) for t, f in pieces]
        print(
            name,
            len(pieces),
            "pieces; true tempo among the kept",
            np.mean([any(is_tempo(r.period, t) for r in rs) for t, rs in everything[name]]),
            flush=True,
        )
    judge = fit_joint(everything["fit"], first, units=args.units, epochs=args.epochs)
    for name, pieces in everything.items():
        for style, (tempo, best, layout) in evaluate(pieces, judge).items():
            if name == "held out" or style in {"ALL", *KINDS}:
                print(f"{name:9} {style:14} tempo {tempo:.3f} ({best:.3f})  with meter and downbeat {layout:.3f}")
    judge = dataclasses.replace(judge, trust=calibrate(data["held out"], judge))
    if args.write:
        with args.to.open("wb") as file:
            np.savez_compressed(file, **{f.name: getattr(judge, f.name) for f in dataclasses.fields(judge)})


def cue_readings(features: Features) -> list[judging.Reading]:
    """All candidates with their cues, without following beats."""
    found = judging.candidates_of(accents(features.flux), features.duration * FRAME_RATE)
    return [judging.Reading(p, c, np.zeros(0), [], 0.0) for p, c in found]


if __name__ == "__main__":
    main()
