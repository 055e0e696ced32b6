"""The whole way from a manifest to a model: folds by source, the final training, scores, calibration, files.

Every fold's predictions and the final weights are kept in a work folder under a hash of what they depend on, and the
state of a training after every epoch, so a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.training.baseline import fit_trees, statistics, trees_probabilities
from audiolab.training.data import RENDERED, Sounds
from audiolab.training.drum_scores import drum_scores
from audiolab.training.fitting import Judged, fit, judge
from audiolab.training.module import ClassifierModule
from audiolab.training.settings import ClassifierConfig
from audiolab.training.splitting import Prepared, prepare_data, prepare_entries

if TYPE_CHECKING:
    from audiolab.training.tracking import Tracker

__all__ = [
    "BASELINES",
    "Final",
    "Prepared",
    "Run",
    "cross_validate",
    "load_module",
    "prepare_data",
    "prepare_entries",
    "run_key",
    "save_module",
    "train_final",
]

log = logging.getLogger("audiolab.training")

_DEALT = "copies together"
"""How folds are dealt: predictions of folds that were dealt in another way are of other sounds."""

BASELINES = ("extra", "extra_rendered", "forest")
"""ExtraTrees and a random forest on the recordings alone, and ExtraTrees with the rendered sounds as well."""


@dataclass(frozen=True)
class Run:
    """Where a run keeps its intermediate results, and what they depend on."""

    config: ClassifierConfig
    work: Path
    key: str
    tracker: Tracker | None = None
    """Takes curves and artifacts to MLflow."""
    resume: bool = True
    """Use what an earlier run of the same configuration and data has kept."""

    def kept(self, name: str) -> Path:
        """Give the path of an intermediate result."""
        return self.work / self.key / name

    def has(self, name: str) -> bool:
        """Say whether an intermediate result of an earlier run may be used."""
        return self.resume and self.kept(name).is_file()

    def fit(self, name: str, train: Sounds, held_out: Sounds | None = None) -> ClassifierModule:
        """Train one model of this run, and its teachers before it, or go on with them."""
        teachers = [self._teacher(name, number, train) for number in range(self.config.training.teachers)]
        return self._fit(name, self.config, train, held_out, teachers)

    def _teacher(self, name: str, number: int, train: Sounds) -> ClassifierModule:
        """Train one teacher on the same sounds with another seed, unless an earlier run has."""
        called = f"{name}-teacher-{number}"
        plain = self.config.training.model_copy(update={"teachers": 0})
        config = self.config.model_copy(update={"training": plain}).seeded(self.config.training_seed + 1 + number)
        if self.has(f"{called}.safetensors"):
            return load_module(self.kept(f"{called}.safetensors"), config)
        module = self._fit(called, config, train, None, ())
        self.done(called)
        return module

    def _fit(
        self, name: str, config: ClassifierConfig, train: Sounds, held_out: Sounds | None,
        teachers: Sequence[ClassifierModule],
    ) -> ClassifierModule:  # fmt: skip
        module = fit(
            train, config, held_out=held_out, watch=True, checkpoint=self.kept(f"{name}.ckpt"), resume=self.resume,
            logger=self.tracker.curves(name) if self.tracker else False, teachers=teachers,
        )  # fmt: skip
        save_module(module, self.kept(f"{name}.safetensors"))
        return module

    def done(self, name: str) -> None:
        """Remove the checkpoint of a training whose result is kept."""
        self.kept(f"{name}.ckpt").unlink(missing_ok=True)


@dataclass(frozen=True)
class Final:
    """The model that ships, and what it and trees of the same training say of sources that they never heard."""

    module: ClassifierModule
    external: Sounds
    judged: Judged | None
    beside: dict[str, NDArray[np.float64]]


def run_key(config: ClassifierConfig, digest: str) -> str:
    """Name the folder of intermediate results by what they depend on, but for the code (only how folds are dealt)."""
    without: dict[str, Any] = {"unknown": True, "loops": True}
    if not config.training.teachers:  # then a run is what it was before there were teachers
        without["training"] = {"teachers", "distill"}
    told = config.model_dump_json(exclude=without)
    return hashlib.sha256((told + digest + _DEALT).encode()).hexdigest()[:12]


def _untainted(train: Sounds, test: Sounds) -> NDArray[np.bool_]:
    """Mark test sounds whose near-duplicate group is not in the training set."""
    seen = {entry.dup_group for entry in train.entries} - {""}
    return np.array([entry.dup_group not in seen for entry in test.entries])


def cross_validate(run: Run, data: Prepared) -> dict[str, Any]:
    """Judge every sound by a model that heard no sound of its group of sources; trees beside it."""
    parts: dict[str, list[Any]] = {"ours": [], "others": []}
    for fold in range(data.count):
        train = data.sounds.part(data.folds != fold)
        tests = {
            "ours": data.sounds.part(data.folds == fold),
            "others": data.others.part(data.other_folds == fold),
        }
        tests = {name: test.part(_untainted(train, test)) for name, test in tests.items()}
        path = run.kept(f"fold-{fold}.npz")
        if not (run.has(path.name) and _fits(path, tests)):
            log.info(
                "fold %d: %d sounds to learn from, %d to judge", fold, len(train.entries), len(tests["ours"].entries)
            )
            module = run.fit(f"fold-{fold}", train, tests["ours"])
            arrays: dict[str, Any] = {}
            for name, test in tests.items():
                if len(test.entries):
                    arrays |= {f"{name}_{k}": v for k, v in vars(judge(module, test)).items()}
            arrays["drums"] = drum_scores(module, tests["ours"], run.config)
            _save(path, arrays)
            run.done(f"fold-{fold}")
        with np.load(path, allow_pickle=False) as kept:
            mine = dict(kept)
        parts.setdefault("drums", []).append(mine["drums"])
        mine |= _beside(run, f"trees-{fold}", train, {name: test for name, test in tests.items() if test.entries})
        for name, test in tests.items():
            if test.entries:
                parts[name].append(
                    (test, {k.removeprefix(f"{name}_"): v for k, v in mine.items() if k.startswith(name)})
                )
    return {
        "ours": _join(parts["ours"]),
        "others": _join(parts["others"]) if parts["others"] else None,
        "drums": np.sum(parts["drums"], axis=0),
    }


def _beside(run: Run, kept_as: str, train: Sounds, tests: dict[str, Sounds]) -> dict[str, NDArray[np.float64]]:
    """Give what trees of the same training set say, `<name of the test>_<kind>`; see `BASELINES`."""
    path = run.kept(f"{kept_as}.npz")
    if run.has(path.name):
        with np.load(path, allow_pickle=False) as kept:
            found = dict(kept)
        if all(len(found[f"{name}_{BASELINES[0]}"]) == len(test.entries) for name, test in tests.items()):
            return found
    recorded = np.array([entry.source != RENDERED for entry in train.entries])
    features, heard = statistics(train), {name: statistics(test) for name, test in tests.items()}
    found = {}
    for kind in BASELINES:
        rows = np.ones(len(recorded), bool) if kind.endswith("_rendered") else recorded
        trees = fit_trees(features[rows], train.labels[rows], kind=kind.split("_")[0], seed=run.config.seed)
        for name, x in heard.items():
            found[f"{name}_{kind}"] = trees_probabilities(trees, x, len(run.config.labels))
    _save(path, found)
    return found


def _fits(path: Path, tests: dict[str, Sounds]) -> bool:
    """Say whether kept predictions are of as many sounds as there are now."""
    with np.load(path, allow_pickle=False) as kept:
        return all(len(kept[f"{name}_logits"]) == len(test.entries) for name, test in tests.items() if test.entries)


def _join(parts: Sequence[tuple[Sounds, dict[str, Any]]]) -> dict[str, Any]:
    joined: dict[str, Any] = {key: np.concatenate([arrays[key] for _, arrays in parts]) for key in parts[0][1]}
    joined["truth"] = np.concatenate([sounds.labels for sounds, _ in parts])
    joined["sources"] = np.array([entry.source for sounds, _ in parts for entry in sounds.entries])
    joined["entries"] = tuple(entry for sounds, _ in parts for entry in sounds.entries)
    joined["fold"] = np.concatenate([np.full(len(sounds.entries), i) for i, (sounds, _) in enumerate(parts)])
    return joined


def _save(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def save_module(module: ClassifierModule, path: Path) -> None:
    """Keep a module's weights as safetensors."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, temporary)


def load_module(path: Path, config: ClassifierConfig) -> ClassifierModule:
    """Read what `save_module` kept."""
    from safetensors.torch import load_file

    module = ClassifierModule.of(config)
    module.load_state_dict(load_file(path))
    return module.eval()


def train_final(run: Run, data: Prepared) -> Final:
    """Train on everything that may ship; judge the sounds that no linked source of it has touched."""
    external = data.others.part(data.other_folds == -1)
    path = run.kept("final.safetensors")
    if run.has(path.name):
        module = load_module(path, run.config)
    else:
        module = run.fit("final", data.sounds)
        run.done("final")
    if not external.entries:
        return Final(module, external, None, {})
    beside = _beside(run, "trees-final", data.sounds, {"unseen": external})
    return Final(module, external, judge(module, external), {k.removeprefix("unseen_"): v for k, v in beside.items()})
