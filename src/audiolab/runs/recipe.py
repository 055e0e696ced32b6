"""Recipes: ordered stages with parameters and the sounds each applies to. YAML = dict = `Recipe`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audiolab.config import find_config, get_settings, shipped_folder
from audiolab.errors import ParameterError
from audiolab.stages.base import Kind, Params
from audiolab.stages.registry import get_stage, stage_names

__all__ = ["Recipe", "Step", "Where", "recipe_names"]


class Where(BaseModel):
    """Which sounds a step applies to, within what its stage takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[Kind, ...] | None = None
    """Kinds of sounds; None: the natural ones of the stage's unit (stems for stem stages, and so on)."""
    stems: tuple[str, ...] | None = None
    """Names of stems; None: all."""


class Step(BaseModel):
    """One stage of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    params: dict[str, Any] = Field(default_factory=dict)
    where: Where = Where()  # YAML reads a bare `on` as true, so it is not called that

    def typed_params(self) -> Params:
        """Give the parameters as the stage's own model."""
        stage = get_stage(self.stage)
        try:
            return stage.params(**self.params)
        except ValidationError as error:
            raise ParameterError(f"recipe step {self.stage!r}: {_readable(error)}") from error

    def kinds(self) -> tuple[Kind, ...]:
        """Give the kinds of sounds (for sets: the kinds that were cut) that this step works on."""
        if self.where.kinds is not None:
            return self.where.kinds
        unit = get_stage(self.stage).unit
        natural: dict[str, tuple[Kind, ...]] = {
            "song": ("song",),
            "stem": ("stem",),
            "sample": ("sample",),
            "set": ("song", "stem", "sample"),
        }
        return natural[unit]

    def wants(self, kind: str, stem: str | None) -> bool:
        """Say whether this step applies to a sound of that kind (and stem name)."""
        if kind not in self.kinds():
            return False
        return self.where.stems is None or kind != "stem" or stem in self.where.stems


class Recipe(BaseModel):
    """What is to be done to a song.

    Raises
    ------
    ParameterError
        From `Recipe.load` and `check`, naming the step, the parameter and what would be right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "unnamed"
    description: str = ""
    steps: tuple[Step, ...]

    @classmethod
    def load(cls, recipe: str | Path | Mapping[str, Any] | Recipe) -> Recipe:
        """Read a recipe from a name in configs/recipes, a YAML file, a dict, or take it as it is; and check it."""
        if isinstance(recipe, Recipe):
            return recipe.check()
        if isinstance(recipe, (str, Path)):
            path = find_config("recipes", recipe)
            try:
                document = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
                raise ParameterError(f"recipe {path.name!r} cannot be read: {error}") from error
            if not isinstance(document, dict):
                raise ParameterError(f"recipe {path.name!r} must be a mapping with `steps:`")
            document.setdefault("name", path.stem)
        else:
            document = dict(recipe)
        try:
            return cls(**document).check()
        except ValidationError as error:
            raise ParameterError(f"recipe {document.get('name', '')!r}: {_readable(error)}") from error

    def check(self) -> Recipe:
        """Check stages, parameters and their order against the stages' declarations."""
        if not self.steps:
            raise ParameterError(f"recipe {self.name!r} has no steps")
        seen: set[str] = set()
        for step in self.steps:
            if step.stage not in stage_names():
                raise ParameterError(
                    f"recipe {self.name!r}: there is no stage {step.stage!r}; there are: {', '.join(stage_names())}"
                )
            if step.stage in seen:
                raise ParameterError(f"recipe {self.name!r}: stage {step.stage!r} stands twice; one step a stage")
            params = step.typed_params()
            stage = get_stage(step.stage)
            for kind in step.kinds():
                # A step on a set says which kinds were cut; the stage itself takes the samples.
                if stage.unit != "set" and not any(
                    stage.takes.accepts(kind, name) for name in (step.where.stems or (stage.takes.stems or (None,)))
                ):
                    raise ParameterError(f"recipe {self.name!r}: {step.stage!r} does not take sounds of kind {kind!r}")
            for need in stage.needs_for(params):
                if need.required and need.stage not in seen:
                    raise ParameterError(f"recipe {self.name!r}: {step.stage!r} needs {need.stage!r} before it")
            seen.add(step.stage)
        return self

    def with_params(self, overrides: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Give a copy with some stages' parameters changed, e.g. `{"separate": {"engine": "spectral"}}`."""
        unknown = set(overrides) - {step.stage for step in self.steps}
        if unknown:
            raise ParameterError(f"recipe {self.name!r} has no step {', '.join(sorted(unknown))}")
        steps = tuple(
            step.model_copy(update={"params": {**step.params, **overrides.get(step.stage, {})}}) for step in self.steps
        )
        return self.model_copy(update={"steps": steps}).check()

    def to_dict(self) -> dict[str, Any]:
        """Give the recipe as plain data that `load` reads back."""
        return self.model_dump(mode="json", exclude_defaults=True) | {"name": self.name}


def recipe_names() -> dict[str, str]:
    """Name the recipes at hand, the user's own first, each with its description."""
    found: dict[str, str] = {}
    for folder in (get_settings().path("configs") / "recipes", shipped_folder("configs") / "recipes"):
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            if path.stem not in found:
                document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
                found[path.stem] = str(document.get("description", "")).strip()
    return found


def _readable(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        message = "unknown parameter" if item["type"] == "extra_forbidden" else item["msg"]
        parts.append(f"{place}: {message}")
    return "; ".join(parts)
