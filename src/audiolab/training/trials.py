"""What experiments share: sounds and folds, small networks and their out-of-fold answers, intervals, tables, MLflow.

An experiment is a folder with config.yaml (settings of the bench that differ from configs/classifier/default.yaml),
run.py and README.md; run.py writes results.json and results.md. `--quick` runs it on a few rendered sounds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.config import available_cores, find_config, shipped_folder
from audiolab.training.data import Sounds, collect, rendered_entries
from audiolab.training.duplicates import Duplicates, find_duplicates
from audiolab.training.fitting import fit, judge
from audiolab.training.manifest import fold_numbers, link_groups, read_labelled
from audiolab.training.practice import PRACTICE_LABELS, practice_set
from audiolab.training.scoring import MERGES, score
from audiolab.training.settings import ClassifierConfig, from_layout

__all__ = ["Material", "Trial", "begin", "difference", "joined", "material", "network_logits", "score_row", "table"]

Floats = NDArray[np.floating[Any]]
_QUICK = {
    "data": {"labels": list(PRACTICE_LABELS), "linked": [], "folds": 2, "rendered": 2, "variants": 2, "batches": 3,
             "batch_size": 16},
    "model": {"width": 8},
    "trainer": {"max_epochs": 2},
}  # fmt: skip


@dataclass
class Trial:
    """One run of an experiment."""

    name: str
    folder: Path
    """Of the experiment: its configuration and results."""
    work: Path
    """Intermediate results, shared by all experiments."""
    data: Path
    config: ClassifierConfig
    own: dict[str, Any]
    """The experiment's own settings: section `experiment` of its configuration."""
    quick: bool = False
    mlflow: str | None = None
    begun: float = field(default_factory=time.perf_counter)

    def say(self, text: str) -> None:
        """Tell how it goes."""
        print(f"[{time.perf_counter() - self.begun:5.0f} s] {text}", flush=True)

    def finish(self, document: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Write results.json and results.md (into `work` if quick), and log them to MLflow if asked."""
        target = self.work / "quick" / self.name if self.quick else self.folder
        target.mkdir(parents=True, exist_ok=True)
        whole = {"seconds": round(time.perf_counter() - self.begun), "data": self.data.name, **document}
        heading = ["# Results", "", f"Made by `make experiment NAME={self.name}`; settings in config.yaml.", ""]
        texts = {
            "results.json": json.dumps(_rounded(whole), indent=1) + "\n",
            "results.md": "\n".join([*heading, *lines]).rstrip() + "\n",
        }
        for name, text in texts.items():
            with atomic_path(target / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        if self.mlflow:
            _log(self, whole, target)
        print("\n".join(lines))
        self.say(f"results: {target}")


def begin(file: str, arguments: Sequence[str] | None = None) -> Trial:
    """Read the command line and the configuration of the experiment whose run.py is `file`."""
    folder = Path(file).resolve().parent
    root = folder.parents[1]
    default = os.environ.get("AUDIOLAB_ONESHOTS", str(root.parent / "shared" / "data" / "oneshots"))
    parser = argparse.ArgumentParser(description=f"Re-make the tables of experiments/{folder.name}.")
    parser.add_argument("--data", type=Path, default=Path(default), help="manifest, folder with one, or folder tree")
    parser.add_argument("--config", default="config.yaml", help="a YAML file in the experiment's folder")
    parser.add_argument("--work", type=Path, default=root / "experiments" / "runs", help="intermediate results")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--quick", action="store_true", help="a few rendered sounds, to see that it runs")
    parser.add_argument("--mlflow", metavar="URI", help="log to MLflow, such as sqlite:///mlruns/mlflow.db")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    mine = yaml.safe_load((folder / options.config).read_text(encoding="utf-8")) or {}
    own = mine.pop("experiment", {})
    base = yaml.safe_load(find_config("classifier", shipped_folder("configs") / "classifier/default.yaml").read_text())
    layout = _merged(base, mine)
    data = options.data.expanduser()
    if options.quick:
        layout = _merged(layout, _QUICK)
        data = practice_set(options.work / "quick" / "sounds", sources=4, each=3)
    elif not data.exists():
        parser.error(f"{str(data)!r} does not exist: say --data DIR, or --quick to try it on rendered sounds")
    config = from_layout(layout, options.config)
    return Trial(folder.name, folder, options.work, data, config, own, options.quick, options.mlflow)


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in change.items():
        out[key] = (
            _merged(out[key], value) if isinstance(value, Mapping) and isinstance(out.get(key), Mapping) else value
        )
    if "labels" in change:
        out["drums"] = {
            name: kept
            for name, members in base.get("drums", {}).items()
            if (kept := [label for label in members if label in change["labels"]])
        }
    return out


@dataclass(frozen=True)
class Material:
    """Sounds, the rendered ones that training adds, and how they hang together."""

    sounds: Sounds
    made: Sounds | None
    duplicates: Duplicates
    groups: NDArray[np.int64]
    """Linked sources and copies of one recording together."""
    folds: NDArray[np.int64]
    """Fold by those groups."""
    left_out: tuple[str, ...]

    @property
    def sources(self) -> list[str]:
        """The source of each sound."""
        return [entry.source for entry in self.sounds.entries]


def material(trial: Trial, *, variants: int | None = None) -> Material:
    """Read everything: maps of all variants, rendered sounds, duplicates, folds."""
    config = trial.config
    reading = read_labelled(trial.data, config.labels)
    count = config.variants if variants is None else variants
    maps = trial.work / "maps"
    trial.say(f"{len(reading.entries)} sounds")
    sounds = collect(reading.entries, config, variants=count, cache=maps)
    made = collect(rendered_entries(config), config, variants=count, cache=maps) if config.rendered else None
    trial.say(f"maps of {count} variants")
    duplicates = find_duplicates(sounds.entries, cache=trial.work / "duplicates")
    groups = link_groups(sounds.entries, config.linked, duplicates.twins)
    trial.say(f"{len(duplicates.pairs)} pairs of copies, {len(set(groups.tolist()))} groups of sources")
    folds = fold_numbers(sounds.entries, groups, config.folds)
    return Material(sounds, made, duplicates, groups, folds, (*reading.left_out, *sounds.left_out))


def joined(*parts: Sounds | None) -> Sounds:
    """Put sounds together."""
    import torch

    from audiolab.training.mixing import MapPool

    there = [part for part in parts if part is not None]
    return Sounds(
        tuple(entry for part in there for entry in part.entries),
        np.concatenate([part.labels for part in there]),
        MapPool(torch.cat([part.pool.maps for part in there])),
    )


def network_logits(
    trial: Trial, sounds: Sounds, folds: NDArray[np.int64], *, made: Sounds | None = None, name: str = "network",
    train: Callable[[Sounds, ClassifierConfig], Any] = fit,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:  # fmt: skip
    """Train one network a fold and let it judge what that fold holds out.

    Returns
    -------
    logits, vectors
        Of every sound, by the network that did not learn from it.
    """
    logits = np.zeros((len(sounds.entries), len(trial.config.labels)))
    vectors: NDArray[np.float32] | None = None
    for fold in sorted(set(folds.tolist())):
        module = train(joined(sounds.part(folds != fold), made), trial.config)
        found = judge(module, sounds.part(folds == fold))
        if vectors is None:
            vectors = np.zeros((len(sounds.entries), found.vectors.shape[1]), np.float32)
        logits[folds == fold], vectors[folds == fold] = found.logits, found.vectors
        trial.say(f"{name}, fold {fold + 1}")
    assert vectors is not None
    return logits, vectors


def score_row(probabilities: Floats, truth: NDArray[np.int64], labels: Sequence[str], sources: Sequence[str]) -> Any:
    """Score, without the rows by label."""
    found = score(probabilities, truth, labels, sources)
    return {key: found[key] for key in ("labels", *MERGES, "ece")}


def difference(
    one: NDArray[np.bool_], other: NDArray[np.bool_], sources: Sequence[str], draws: int = 2000
) -> tuple[float, float, float]:
    """Give how much more often `one` is right than `other`, and its 95 % bootstrap interval over whole sources."""
    names = np.asarray(sources)
    each = sorted(set(names.tolist()))
    gain = np.array([(one[names == n].astype(float) - other[names == n]).sum() for n in each])
    size = np.array([(names == n).sum() for n in each], float)
    drawn = np.random.default_rng(0).integers(0, len(each), (draws, len(each)))
    low, high = np.percentile(gain[drawn].sum(axis=1) / size[drawn].sum(axis=1), [2.5, 97.5])
    return float(gain.sum() / size.sum()), float(low), float(high)


def table(rows: Mapping[str, Mapping[str, Any]], first: str = "") -> list[str]:
    """Give scores as lines of Markdown."""
    lines = [f"| {first} | 19 labels | top 3 | macro F1 | 11 classes | 8 drums |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        cells = [_with_interval(row["labels"]), f"{row['labels']['top_3']:.3f}", f"{row['labels']['macro_f1']:.3f}"]
        cells += [_with_interval(row[merge]) for merge in ("11 classes", "8 drums")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _with_interval(part: Mapping[str, Any]) -> str:
    if np.isnan(part["accuracy"]):
        return "none"
    low, high = part["interval"]
    return f"{part['accuracy']:.3f} [{low:.2f}, {high:.2f}]"


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else round(float(value), 4)
    return int(value) if isinstance(value, np.integer) else value


def _log(trial: Trial, document: Mapping[str, Any], target: Path) -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    assert trial.mlflow is not None
    mlflow.set_tracking_uri(trial.mlflow)
    if mlflow.get_experiment_by_name("experiments") is None:
        place = None
        if trial.mlflow.startswith("sqlite:///"):
            place = (Path(trial.mlflow.removeprefix("sqlite:///")).resolve().parent / "artifacts").as_uri()
        mlflow.create_experiment("experiments", artifact_location=place)
    mlflow.set_experiment("experiments")
    with mlflow.start_run(run_name=trial.name):
        mlflow.log_params({"experiment": trial.name, "data": trial.data.name, "quick": trial.quick})
        mlflow.log_dict(trial.config.model_dump(mode="json"), "config.json")
        for name, row in document.get("rows", {}).items():
            plain = "".join(sign if sign.isalnum() or sign in "_-. /" else " " for sign in name)
            mlflow.log_metric(f"{plain}/accuracy", row["labels"]["accuracy"])
        for name in ("results.json", "results.md"):
            mlflow.log_artifact(str(target / name))
