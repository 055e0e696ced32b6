"""What a training run is told.

A YAML file in configs/classifier/ has the sections of `audiolab train` (LightningCLI): `seed_everything`, `model` and
`data` (arguments of `ClassifierModule` and `SoundData`), `trainer` (Lightning's) and `calibration`. Python code takes
the same as one checked object, `ClassifierConfig`; `PLACES` says which option is which field. A new option of the
network is a field of `ModelConfig` and an argument of `ClassifierModule`; nothing else has to know it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audiolab.config import find_config
from audiolab.errors import ParameterError

__all__ = [
    "PLACES",
    "ClassifierConfig",
    "ModelConfig",
    "TrainingConfig",
    "UnknownConfig",
    "from_layout",
    "load_config",
    "to_layout",
]

_STRICT = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(BaseModel):
    """Size of the encoder: arguments of `network.Trunk`."""

    model_config = _STRICT
    width: Annotated[int, Field(ge=4, le=256)] = 48
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25


class TrainingConfig(BaseModel):
    """How long and how the encoder and its heads are trained."""

    model_config = _STRICT
    seed: Annotated[int | None, Field(description="Of weights, dropout and batches; None: the sounds' seed")] = None
    epochs: Annotated[int, Field(ge=1)] = 30
    batches: Annotated[int, Field(ge=1, description="Steps in an epoch")] = 60
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    drum_weight: Annotated[float, Field(ge=0, description="Weight of the drum head's loss")] = 0.5
    ema_decay: Annotated[float, Field(ge=0, lt=1, description="Of the weights' running mean; 0: the last ones")] = 0.0
    teachers: Annotated[int, Field(ge=0, le=16, description="Networks of other seeds that it also learns from")] = 0
    distill: Annotated[float, Field(ge=0, le=1, description="Share of the targets that the teachers give")] = 0.5
    together: Annotated[float, Field(ge=0, le=1, description="Share of sounds mixed with a second one")] = 0.4
    bleed: Annotated[float, Field(ge=0, le=1, description="Share of sounds with another one in the background")] = 0.3
    warp: Annotated[float, Field(ge=0, le=0.5, description="How far maps are stretched; 0 leaves them alone")] = 0.0
    mixup: Annotated[float, Field(ge=0, description="Parameter of the blending of maps; 0 blends none")] = 0.0


class UnknownConfig(BaseModel):
    """When a sound is called `unknown`."""

    model_config = _STRICT
    precision: Annotated[float, Field(gt=0, le=1)] = 0.75


def _trainer() -> dict[str, Any]:
    return {"precision": "bf16-mixed", "gradient_clip_val": 2.0}


class ClassifierConfig(BaseModel):
    """Everything that decides what comes out of a training run."""

    model_config = _STRICT
    seed: Annotated[int, Field(ge=0, description="Of rendered sounds, variants and measured mixtures")] = 2026
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    drums: dict[str, tuple[str, ...]] = {}
    linked: tuple[tuple[str, ...], ...] = ()
    folds: Annotated[int, Field(ge=2)] = 4
    rendered: Annotated[int, Field(ge=0)] = 150
    variants: Annotated[int, Field(ge=1)] = 6
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    unknown: UnknownConfig = UnknownConfig()
    loops: Annotated[int, Field(ge=0, description="Loops that the drum head is fitted on; 0: the training's head")] = 0
    trainer: Annotated[dict[str, Any], Field(description="Lightning's options but max_epochs")] = Field(
        default_factory=_trainer
    )

    @property
    def training_seed(self) -> int:
        """Seed of weights, dropout and batches."""
        return self.seed if self.training.seed is None else self.training.seed

    def seeded(self, seed: int) -> ClassifierConfig:
        """Give the same with another seed of weights, dropout and batches; the sounds stay as they are."""
        return self.model_copy(update={"training": self.training.model_copy(update={"seed": seed})})


_OPTIMIZING = ("learning_rate", "weight_decay", "smoothing", "drum_weight", "ema_decay", "teachers", "distill")
_BATCHES = ("batches", "batch_size", "together", "bleed", "warp", "mixup")
_SOUNDS = ("labels", "drums", "linked", "folds", "seed", "rendered", "variants")
PLACES: Mapping[str, tuple[str, ...]] = {
    "seed_everything": ("training", "seed"),
    **{f"model.{name}": ("model", name) for name in ModelConfig.model_fields},
    **{f"model.{name}": ("training", name) for name in _OPTIMIZING},
    **{f"data.{name}": (name,) for name in _SOUNDS},
    **{f"data.{name}": ("training", name) for name in _BATCHES},
    "trainer.max_epochs": ("training", "epochs"),
    "calibration.unknown_precision": ("unknown", "precision"),
    "calibration.loops": ("loops",),
}
"""Where each option of a YAML file or of the command line stands in `ClassifierConfig`."""
_ELSEWHERE = {"data.what", "data.held_out", "data.work", "model.labels", "model.drums"}
"""Options that say where sounds are, not what is learned, and those that follow from others."""


def from_layout(document: Any, name: str = "configuration") -> ClassifierConfig:
    """Make the checked object from the sections of a YAML file or of the command line.

    Raises
    ------
    ParameterError
        If an option is unknown or out of range, or the drum head names labels that there are not.
    """
    if not isinstance(document, Mapping) or not {"data", "model"} & set(document):
        raise ParameterError(f"{name} is no classifier configuration: it has no sections data and model")
    fields: dict[str, Any] = {}
    trainer = _trainer()
    for option, value in _options(document):
        if option.startswith("trainer.") and option not in PLACES:
            trainer[option.removeprefix("trainer.")] = value
        elif option in PLACES:
            *path, last = PLACES[option]
            place = fields
            for part in path:
                place = place.setdefault(part, {})
            place[last] = value
        elif option not in _ELSEWHERE:
            near = difflib.get_close_matches(option, PLACES, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ParameterError(f"{name}: no option {option!r}{hint}")
    if fields.get("training", {}).get("epochs") is None:
        fields.get("training", {}).pop("epochs", None)
    try:
        config = ClassifierConfig.model_validate(fields | {"trainer": trainer})
    except ValidationError as error:
        said = "; ".join(f"{_option_of(e['loc'])}: {e['msg']}" for e in error.errors())
        raise ParameterError(f"{name}: {said}") from None
    stray = {label for labels in config.drums.values() for label in labels} - set(config.labels)
    if stray:
        raise ParameterError(f"{name}: the drum head names labels that there are not: {', '.join(sorted(stray))}")
    if len(set(config.labels)) < len(config.labels):
        raise ParameterError(f"{name} names a label twice")
    return config


def to_layout(config: ClassifierConfig) -> dict[str, Any]:
    """Give the sections of the YAML file that makes this object."""
    plain = config.model_dump(mode="json")
    document: dict[str, Any] = {"seed_everything": config.training_seed}
    for option, path in PLACES.items():
        if "." not in option:
            continue
        section, key = option.split(".")
        value: Any = plain
        for part in path:
            value = value[part]
        document.setdefault(section, {})[key] = value
    document["trainer"] |= plain["trainer"]
    return document


def load_config(name: str | Path = "default") -> ClassifierConfig:
    """Read a training configuration: a path, or a name in configs/classifier/.

    Raises
    ------
    ParameterError
        If there is none, or a field is unknown or out of range.
    """
    path = find_config("classifier", name)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path.name} is no classifier configuration: {error}") from None
    return from_layout(document, path.name)


def _options(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for section, values in document.items():
        if isinstance(values, Mapping) and section in {"model", "data", "trainer", "calibration"}:
            found += [(f"{section}.{key}", value) for key, value in values.items()]
        else:
            found.append((str(section), values))
    return found


def _option_of(location: tuple[int | str, ...]) -> str:
    """Name the option that a field stands for; a field without one by its own path."""
    for option, path in PLACES.items():
        if location[: len(path)] == path:
            return option
    return ".".join(map(str, location))
