"""Fit the weights that choose the key (src/audiolab/stages/analysis/key_weights.json).

    python benchmarks/fit_key.py [--seeds 14] [--cache DIR] [--write]

The songs are rendered by tests/analysis/rendered_keys.py over its progressions `FIT`, and by
tests/analysis/rendered_styles.py. Songs over the progressions `HELD_OUT` and styles of other seeds are reported and
never fitted to. The temperature that makes probabilities honest, and the strength of the ridge, come from leaving
each quarter of the progressions out in turn.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp

from audiolab.audio import Audio
from audiolab.stages.analysis.features import Features, gather
from audiolab.stages.analysis.framing import survey
from audiolab.stages.analysis.key import MODES, profile_classes
from audiolab.stages.analysis.tonality import VIEW_SIZE, key_fits, tonality

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "analysis"))
from rendered_keys import FIT, HELD_OUT, render_keyed  # noqa: E402
from rendered_styles import STYLES, render_style  # noqa: E402

WEIGHTS = ROOT / "src" / "audiolab" / "stages" / "analysis" / "key_weights.json"
Row = tuple[int, str, Features]
"""Index of the true key (12 major, 12 minor), name of the group, features."""


def render_set(name: str, seeds: int) -> Iterator[Row]:
    if name.startswith("styles"):
        first, count = (20000, max(1, seeds // 3)) if name == "styles fit" else (5000, max(1, seeds // 5))
        for style in STYLES:
            for seed in range(first, first + count):
                piece = render_style(style, seed=seed, rough=seed % 2 == 1)
                if piece.chords:
                    yield _row(piece.samples, piece.sample_rate, piece.key, style)
        return
    progressions, first = (FIT, 0) if name == "fit" else (HELD_OUT, 1000)
    for progression in progressions:
        for seed in range(first, first + (seeds if name == "fit" else max(1, seeds // 2))):
            song = render_keyed(progression, seed=seed)
            yield _row(song.samples, song.sample_rate, (song.tonic, song.mode), f"{song.mode} {song.progression}")


def _row(samples: np.ndarray, rate: int, key: tuple[int, str], group: str) -> Row:
    audio = Audio(samples, rate)
    return key[0] + 12 * MODES.index(key[1]), group, gather(audio, survey(audio))


class Table:
    """Everything that a set's songs look like: views [n, 12, VIEW_SIZE], fits [n, 24], truth [n], groups."""

    def __init__(self, rows: list[Row]) -> None:
        seen = [(true, group, tonality(features)) for true, group, features in rows]
        seen = [row for row in seen if row[2].classes is not None]
        self.truth = np.array([true for true, _, _ in seen])
        self.groups = np.array([group for _, group, _ in seen])
        self.views = np.array([[found.view(tonic) for tonic in range(12)] for _, _, found in seen])
        self.fits = np.array([key_fits(profile_classes(found)) for _, _, found in seen])

    def part(self, chosen: np.ndarray) -> Table:
        """Give the chosen rows."""
        new = object.__new__(Table)
        new.truth, new.groups, new.views, new.fits = (
            values[chosen] for values in (self.truth, self.groups, self.views, self.fits)
        )
        return new


def joined(one: Table, other: Table) -> Table:
    new = object.__new__(Table)
    for name in ("truth", "groups", "views", "fits"):
        setattr(new, name, np.concatenate((getattr(one, name), getattr(other, name))))
    return new


def scores_of(table: Table, w: np.ndarray, scale: np.ndarray) -> np.ndarray:
    views = table.views / scale
    major, minor = views @ w[:VIEW_SIZE], views @ w[VIEW_SIZE : 2 * VIEW_SIZE] + w[-2]
    return np.concatenate((major, minor), axis=1) + w[-1] * table.fits


def fit(table: Table, l2: float) -> tuple[np.ndarray, np.ndarray]:
    """Conditional logit with ridge; the weight of the published profiles is free."""
    scale = table.views.reshape(-1, VIEW_SIZE).std(axis=0) + 0.01
    views, index = table.views / scale, np.arange(len(table.truth))
    tonic, minor = table.truth % 12, table.truth >= 12

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        scores = scores_of(table, w, scale)
        share = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
        value = -np.log(share[index, table.truth] + 1e-300).mean() + l2 * float(w[:-1] @ w[:-1])
        share[index, table.truth] -= 1
        slope = share / len(index)
        gradient = np.concatenate(
            (
                np.einsum("nk,nkd->d", slope[:, :12], views),
                np.einsum("nk,nkd->d", slope[:, 12:], views),
                [slope[:, 12:].sum(), (slope * table.fits).sum()],
            )
        )
        gradient[:-1] += 2 * l2 * w[:-1]
        return value, gradient

    assert tonic.max() < 12
    assert minor.any()
    start = np.append(np.zeros(2 * VIEW_SIZE + 1), 5.0)
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x, scale


def temperature(table: Table, l2: float, folds: int = 4) -> tuple[float, float]:
    """Find the temperature that makes probabilities honest on groups left out; give the loss there and it."""
    groups = np.unique(table.groups)
    np.random.default_rng(0).shuffle(groups)
    scores = np.zeros((len(table.truth), 24))
    for fold in range(folds):
        out = np.isin(table.groups, groups[fold::folds])
        scores[out] = scores_of(table.part(out), *fit(table.part(~out), l2))
    index = np.arange(len(table.truth))

    def loss(t: float) -> float:
        return float((logsumexp(scores / t, axis=1) - scores[index, table.truth] / t).mean())

    right = float((scores.argmax(axis=1) == table.truth).mean())
    found = float(minimize_scalar(loss, bounds=(0.3, 10), method="bounded").x)
    print(f"l2 {l2}: left out {right:.3f}, loss {loss(found):.3f} at temperature {found:.2f}", flush=True)
    return loss(found), found


def report(name: str, table: Table, scores: np.ndarray) -> None:
    best, plain = scores.argmax(axis=1), table.fits.argmax(axis=1)
    share = np.exp(scores.max(axis=1) - logsumexp(scores, axis=1))
    right = best == table.truth
    relative = np.where(table.truth < 12, 12 + (table.truth + 9) % 12, (table.truth + 3) % 12)
    edges = np.minimum((share * 10).astype(int), 9)
    ece = sum(abs(right[edges == k].mean() - share[edges == k].mean()) * (edges == k).mean() for k in np.unique(edges))
    print(
        f"{name:16} {len(best):4}  right {right.mean():.3f} (profiles alone {(plain == table.truth).mean():.3f})"
        f"  relative {(best == relative).mean():.3f}  mean probability {share.mean():.3f}  ECE {ece:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=14)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    tables = {}
    for name in ("fit", "held out", "styles fit", "styles held out"):
        cache = args.cache / f"key-{name.replace(' ', '-')}-{args.seeds}.pkl" if args.cache else None
        rows = pickle.loads(cache.read_bytes()) if cache and cache.is_file() else list(render_set(name, args.seeds))
        if cache and not cache.is_file():
            cache.write_bytes(pickle.dumps(rows))
        tables[name] = Table(rows)
        print(name, len(tables[name].truth), flush=True)
    both = joined(tables["fit"], tables["styles fit"])
    (_, heat), l2 = min((temperature(both, l2), l2) for l2 in (0.003, 0.01, 0.03))
    w, scale = fit(both, l2)
    for name, table in tables.items():
        report(name, table, scores_of(table, w, scale) / heat)
    if args.write:
        views = w[: 2 * VIEW_SIZE].reshape(2, -1) / scale / heat
        document = {
            "views": [[float(f"{v:.4g}") for v in row] for row in views],
            "minor": float(w[-2] / heat),
            "profiles": float(w[-1] / heat),
        }
        WEIGHTS.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
