"""What a training run is told: one YAML file in configs/classifier/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audiolab.config import find_config
from audiolab.errors import ParameterError

__all__ = ["ClassifierConfig", "ModelConfig", "TrainingConfig", "UnknownConfig", "load_config"]

_STRICT = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(BaseModel):
    """Size of the encoder."""

    model_config = _STRICT
    width: Annotated[int, Field(ge=4, le=128)] = 48
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25


class TrainingConfig(BaseModel):
    """How long and how the encoder and its heads are trained."""

    model_config = _STRICT
    epochs: Annotated[int, Field(ge=1)] = 30
    batches: Annotated[int, Field(ge=1, description="Steps in an epoch")] = 60
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    drum_weight: Annotated[float, Field(ge=0, description="Weight of the drum head's loss")] = 0.5
    together: Annotated[float, Field(ge=0, le=1, description="Share of sounds mixed with a second one")] = 0.4
    bleed: Annotated[float, Field(ge=0, le=1, description="Share of sounds with another one in the background")] = 0.3


class UnknownConfig(BaseModel):
    """When a sound is called `unknown`."""

    model_config = _STRICT
    precision: Annotated[float, Field(gt=0, le=1)] = 0.75


class ClassifierConfig(BaseModel):
    """Everything that decides what comes out of a training run."""

    model_config = _STRICT
    seed: int = 2026
    labels: tuple[str, ...]
    drums: dict[str, tuple[str, ...]]
    linked: tuple[tuple[str, ...], ...] = ()
    folds: Annotated[int, Field(ge=2)] = 4
    rendered: Annotated[int, Field(ge=0)] = 150
    variants: Annotated[int, Field(ge=1)] = 6
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    unknown: UnknownConfig = UnknownConfig()


def load_config(name: str | Path = "default") -> ClassifierConfig:
    """Read a training configuration: a path, or a name in configs/classifier/.

    Raises
    ------
    ParameterError
        If there is none, or a field is unknown or out of range.
    """
    path = find_config("classifier", name)
    try:
        config = ClassifierConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise ParameterError(f"{path.name!r} is not a classifier configuration: {error}") from None
    stray = {label for labels in config.drums.values() for label in labels} - set(config.labels)
    if stray:
        raise ParameterError(
            f"{path.name!r}: the drum head names labels that there are not: {', '.join(sorted(stray))}"
        )
    return config
