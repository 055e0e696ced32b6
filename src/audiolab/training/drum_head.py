"""`python -m audiolab.training.drum_head --data DIR`: fit the drum head again, on loops, over the frozen encoder.

The head that training leaves learned from single sounds and pairs. In a song what lies at an onset is a kick with
a hat under it and a cymbal still ringing. So loops are rendered from the same one-shots (`drum_loops`), cut by the
slicer as a stem would be, embedded, and one logistic regression a class says from which embeddings on the class was
struck. Single sounds stay in, so that the head is right about them too, and knows what is no drum. The encoder's file
stays as it is. Each class's bias is moved so that 0.5 is where loops on sources that the fit has not heard score best;
the final fit hears all that may ship.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio, View, atomic_path
from audiolab.config import get_settings
from audiolab.errors import AudiolabError
from audiolab.stages.classification.encoder import BATCH, MODEL_FOLDER, Encoder, read_verified
from audiolab.stages.classification.head import Head, load_head
from audiolab.stages.classification.preparing import RATE, prepare
from audiolab.stages.classification.stage import embed_sources
from audiolab.training.augmentation import process
from audiolab.training.card import write_card
from audiolab.training.data import RENDERED, waveform
from audiolab.training.drum_loops import Kits, render_drum_loop
from audiolab.training.export import write_model
from audiolab.training.manifest import Entry, link_groups, read_manifest
from audiolab.training.settings import ClassifierConfig, load_config

__all__ = ["Examples", "class_thresholds", "fit_drum_head", "loop_examples", "single_examples"]

Array = NDArray[np.float32]
_MATCH = 0.03
LOOPS = 600
_FIRST = 20_000
"""Numbers of rendered sounds far from those of the encoder's training."""
_RENDERED = 24
"""Rendered sounds of each drum, as one more source."""
_NEVER = -9.0
"""Bias of a class that no example has."""
_BETA = 0.5
"""Precision counts more than recall where thresholds are found: real stems hold onsets that loops do not, and the final
head, which has heard all sources, is surer than the two that the thresholds are found with."""
_INVERSE_PENALTY = 1.0
"""Of the weights: from 0.3 to 300 the one with the best mean F on loops of unheard sources."""


@dataclass(frozen=True)
class Examples:
    """Embeddings and which drum classes were struck."""

    vectors: Array
    """Shape (sounds, dimensions)."""
    struck: NDArray[np.bool_]
    """Shape (sounds, drums)."""

    def joined(self, other: Examples) -> Examples:
        """Put two sets together."""
        return Examples(np.concatenate([self.vectors, other.vectors]), np.concatenate([self.struck, other.struck]))


def loop_examples(
    kits: Kits, drums: dict[str, tuple[str, ...]], encoder: Encoder, *, loops: int, seed: int
) -> Examples:
    """Render loops, cut them with the slicer and embed every cut that begins with a hit."""
    from audiolab.stages.slicing import slice as slice_sound

    vectors, struck = [], []
    for number in range(loops):
        loop = render_drum_loop(np.random.default_rng((seed, number)), kits)
        sound = Audio(loop.samples[None], RATE, f"loop {number}")
        cuts = slice_sound(sound, preset="drums").cuts
        if not cuts:
            continue
        views = [View(sound, cut.start, cut.stop) for cut in cuts]
        vectors += [part for part, _ in embed_sources(views, encoder, kinds=False)]
        for cut in cuts:
            at = cut.start / RATE
            there = {label for time, label in loop.hits if abs(time - at) <= _MATCH}
            struck.append([bool(there & set(members)) for members in drums.values()])
    return Examples(np.concatenate(vectors), np.array(struck))


def single_examples(entries: Sequence[Entry], config: ClassifierConfig, encoder: Encoder, *, variants: int) -> Examples:
    """Embed single sounds: untouched and processed as for the training of the encoder."""
    waves: list[NDArray[np.float32] | None] = []
    struck: list[list[bool]] = []
    vectors = []
    for index, entry in enumerate(entries):
        wave = waveform(entry, config)
        rng = np.random.default_rng((config.seed, index, 11))
        for number in range(variants):
            made = prepare(wave if number == 0 else process(rng, wave, entry.label), RATE)
            if made is None:
                continue
            waves.append(made)
            struck.append([entry.label in members for members in config.drums.values()])
        if len(waves) >= BATCH:
            vectors.append(encoder(waves))
            waves = []
    if waves:
        vectors.append(encoder(waves))
    return Examples(np.concatenate(vectors), np.array(struck))


def fit_drum_head(examples: Examples, weights: NDArray[np.float64]) -> tuple[Array, Array]:
    """Fit one logistic regression a class: weight (dimensions, drums) and bias (drums,)."""
    from sklearn.linear_model import LogisticRegression

    columns, biases = [], []
    for column in range(examples.struck.shape[1]):
        share = float(examples.struck[:, column].mean())
        if share in {0.0, 1.0}:  # nothing to tell apart
            columns.append(np.zeros(examples.vectors.shape[1]))
            biases.append(_NEVER if share == 0.0 else -_NEVER)
            continue
        model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=400)
        model.fit(examples.vectors.astype(np.float64), examples.struck[:, column], sample_weight=weights)
        columns.append(model.coef_[0])
        biases.append(float(model.intercept_[0]))
    return np.array(columns, np.float32).T, np.array(biases, np.float32)


def class_thresholds(logits: NDArray[np.float64], struck: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Find each class's logit with the best F-beta of `_BETA`."""
    found = np.zeros(logits.shape[1])
    grid = np.arange(-5.0, 3.01, 0.05)
    for column in range(logits.shape[1]):
        said, true = logits[:, column, None] >= grid, struck[:, column, None]
        hits = (1 + _BETA**2) * (said & true).sum(axis=0)
        scores = hits / np.maximum(1, said.sum(axis=0) + _BETA**2 * true.sum(axis=0))
        found[column] = grid[int(scores.argmax())]
    return found


def read_kits(entries: Sequence[Entry], config: ClassifierConfig) -> dict[str, dict[str, list[NDArray[np.float64]]]]:
    """Read what loops are played on: drums by source and label, with rendered ones as one more source."""
    labels = sorted({label for members in config.drums.values() for label in members})
    made = [Entry(Path(f"{label}-{_FIRST + i}"), RENDERED, label) for label in labels for i in range(_RENDERED)]
    kits: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    for entry in [*(entry for entry in entries if entry.label in labels), *made]:
        wave = waveform(entry, config).astype(np.float64)
        level = np.abs(wave)
        if level.size == 0 or level.max() < 1e-4:
            continue
        start = max(0, int(np.argmax(level >= 0.03 * level.max())) - 32)
        kits.setdefault(entry.source, {}).setdefault(entry.label, []).append(wave[start:] / level.max())
    return kits


def halves(kits: Kits, entries: Sequence[Entry], config: ClassifierConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split sources in two of about one size; those that share recordings stay together."""
    numbers = link_groups(entries, config.linked)
    group_of = {entry.source: int(number) for entry, number in zip(entries, numbers, strict=True)}
    groups: dict[int, list[str]] = {}
    for source in kits:
        groups.setdefault(group_of.get(source, -1), []).append(source)

    def size(sources: Sequence[str]) -> int:
        return sum(len(sounds) for source in sources for sounds in kits[source].values())

    parts: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for sources in sorted(groups.values(), key=lambda sources: (-size(sources), sources)):
        smaller = min(parts, key=lambda part: size(list(part)))
        smaller.update({source: kits[source] for source in sources})
    return parts


def f_by_class(said: NDArray[np.bool_], struck: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give F of each class."""
    hits = (said & struck).sum(axis=0)
    return np.asarray(2 * hits / np.maximum(1, said.sum(axis=0) + struck.sum(axis=0)))


def refit(
    data: Path | Sequence[Entry],
    config: ClassifierConfig,
    folder: Path,
    *,
    loops: int = LOOPS,
    seed: int = 1,
    rendered: int = 40,
) -> dict[str, Any]:
    """Replace the drum head in a model's folder; encoder and label head stay as they are.

    `data` is a manifest or what was read of one.

    Returns
    -------
    dict
        What scores.json holds as `drum_loops`: for each class the probability from which on precision, counted double,
        and recall were best on loops of sources that the fit did not hear (two-fold), F there, and the class's share
        of all cuts.
    """
    encoder = Encoder(read_verified("encoder.onnx", folder), get_settings().threads)
    old = load_head(read_verified("head.npz", folder), encoder=encoder.sha256)
    read = read_manifest(data, labels=config.labels) if isinstance(data, Path) else data
    entries = [entry for entry in read if entry.ships]
    kits = read_kits(entries, config)
    drums = dict(config.drums)
    made = [
        Entry(Path(f"{label}-{2 * _FIRST + i}"), RENDERED, label) for label in config.labels for i in range(rendered)
    ]
    singles = single_examples([*entries, *made], config, encoder, variants=3)
    parts = [
        loop_examples(part, drums, encoder, loops=loops // 2, seed=seed + number)
        for number, part in enumerate(halves(kits, entries, config))
    ]
    logits = []
    for number in (0, 1):  # each half is judged by a head that heard the other half's loops
        weight, bias = _fit([parts[1 - number], singles])
        logits.append(parts[number].vectors.astype(np.float64) @ weight + bias)
    everything = parts[0].joined(parts[1])
    crossed = np.concatenate(logits)
    places = class_thresholds(crossed, everything.struck)
    weight, bias = _fit([*parts, singles])
    head = replace(old, drum_weight=weight, drum_bias=bias)
    found = {
        "loops": loops,
        "cuts": len(everything.struck),
        "classes": {
            name: {
                "f": float(f),
                "threshold": float(1 / (1 + np.exp(-place))),
                "share": float(share),
            }
            for name, f, place, share in zip(
                config.drums,
                f_by_class(crossed >= places, everything.struck),
                places,
                everything.struck.mean(axis=0),
                strict=True,
            )
        },
    }
    _write(folder, head, found, entries, config)
    return found


def _fit(parts: Sequence[Examples]) -> tuple[Array, Array]:
    """Fit on loops and, last, single sounds, which count as much as a third of the loops."""
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.joined(part)
    singles = len(parts[-1].struck)
    loops = len(joined.struck) - singles
    return fit_drum_head(joined, np.repeat([1.0, loops / 3 / singles], [loops, singles]))


def _write(folder: Path, head: Head, found: dict[str, Any], entries: Sequence[Entry], config: ClassifierConfig) -> None:
    encoder = (folder / "encoder.onnx").read_bytes()
    write_model(folder, encoder, head)
    path = folder / "scores.json"
    scores = json.loads(path.read_text(encoding="utf-8"))
    scores["bytes"] = len(encoder) + len(head.to_bytes())
    scores["drum_loops"] = json.loads(json.dumps(found), parse_float=lambda text: round(float(text), 4))
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    write_card(folder / "MODEL_CARD.md", scores, list(entries), config, head.encoder)


def main(arguments: list[str] | None = None) -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m audiolab.training.drum_head", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv, or the manifest")
    parser.add_argument("--config", default="default", help="name in configs/classifier/, or a YAML file")
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER, help="the model's folder")
    parser.add_argument("--loops", type=int, default=LOOPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rendered", type=int, default=40, help="rendered single sounds of each label")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        found = refit(
            options.data, config, options.to, loops=options.loops, seed=options.seed, rendered=options.rendered
        )
    except AudiolabError as error:
        print(f"audiolab: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
