"""Which augmentation helps against what? Judged on clean, processed, coded and separated held-out sounds."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from variants import SETTINGS, bed_entries, codec, maps_of, train_with, variant_maps

from audiolab.training.augmentation import process
from audiolab.training.data import Sounds, waveform
from audiolab.training.fitting import judge
from audiolab.training.mixing import MapPool
from audiolab.training.scoring import softmax
from audiolab.training.separated import separated_hits
from audiolab.training.trials import begin, difference, joined, material, score_row


def versions(trial, sounds: Sounds) -> dict[str, tuple[Sounds, np.ndarray]]:
    """What is judged: the sounds as they are and in three worse states, and which of them can be heard in it."""
    config = trial.config
    clean = Sounds(sounds.entries, sounds.labels, MapPool(sounds.pool.maps[:, :1]))
    out = {"clean": (clean, np.ones(len(sounds.entries), bool))}
    for number, (name, way) in enumerate((("processed", process), ("codec", codec))):
        waves = [
            way(np.random.default_rng((config.seed, index, 90 + number)), waveform(entry, config), entry.label)
            for index, entry in enumerate(sounds.entries)
        ]
        maps, heard = maps_of(waves)
        out[name] = (Sounds(sounds.entries, sounds.labels, MapPool(maps)), heard)
        trial.say(f"{name} versions")
    struck = {label for members in config.drums.values() for label in members}
    rows = [i for i, entry in enumerate(sounds.entries) if entry.label in struck]
    found = separated_hits(
        [sounds.entries[i] for i in rows], lambda entry: waveform(entry, config),
        beds=bed_entries(sounds.entries), seed=config.seed,
    )  # fmt: skip
    cut: list[np.ndarray | None] = [None] * len(sounds.entries)
    for number, index in enumerate(rows):
        cut[index] = found[number]
    maps, heard = maps_of(cut)
    out["separated"] = (Sounds(sounds.entries, sounds.labels, MapPool(maps)), heard)
    trial.say("separated versions")
    return out


def main() -> int:
    warnings.filterwarnings("ignore", message=".*(num_workers|IterableDataset|LeafSpec|val_dataloader).*")
    trial = begin(__file__)
    found = material(trial, variants=1)
    config, folds, truth = trial.config, found.folds, found.sounds.labels
    sounds = variant_maps(found.sounds, config, trial.work / "maps")
    made = variant_maps(found.made, config, trial.work / "maps") if found.made else None
    trial.say("variants")
    judged = versions(trial, sounds)
    names = np.asarray(found.sources)
    rows, right = {}, {}
    for setting, ways in SETTINGS.items():
        logits = {name: np.zeros((len(truth), len(config.labels))) for name in judged}
        for fold in range(config.folds):
            module = train_with(ways)(joined(sounds.part(folds != fold), made), config)
            for name, (version, _) in judged.items():
                logits[name][folds == fold] = judge(module, version.part(folds == fold)).logits
        for name, (_, changed) in judged.items():
            p = softmax(logits[name][changed])
            rows[f"{setting}: {name}"] = score_row(p, truth[changed], config.labels, names[changed].tolist())
            right[setting, name] = p.argmax(axis=1) == truth[changed]
        trial.say(f"trained with {setting}")
    lines = [
        f"{len(truth)} sounds of {len(set(found.sources))} sources, {config.folds} folds of groups. Accuracy over",
        f"all labels; separated: the {int(judged['separated'][1].sum())} drums alone, cut from mixtures that the",
        "engine spectral took apart. In brackets the difference to no augmentation, 95 % interval over sources.", "",
        f"| trained with | {' | '.join(judged)} |", f"|---|{'---|' * len(judged)}",
    ]  # fmt: skip
    gains = {}
    for setting in SETTINGS:
        cells = []
        for name, (_, changed) in judged.items():
            text = f"{right[setting, name].mean():.3f}"
            if setting != "none":
                gain = difference(right[setting, name], right["none", name], names[changed].tolist())
                gains[f"{setting}: {name}"] = gain
                text += f" ({gain[0]:+.3f} [{gain[1]:+.2f}, {gain[2]:+.2f}])"
            cells.append(text)
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    trial.finish({"rows": rows, "gains": gains, "left_out": found.left_out}, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
