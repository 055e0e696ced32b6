"""The stages that there are: built in, or from entry points in the group `audiolab.stages`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from audiolab.errors import ParameterError
from audiolab.stages.base import Stage

__all__ = ["get_stage", "stage_names"]

_BUILT_IN = {
    "analyze": "audiolab.stages.analysis:Analyze",
    "separate": "audiolab.stages.separation:Separate",
    "slice": "audiolab.stages.slicing:Slice",
    "describe": "audiolab.stages.analysis:Describe",
    "embed": "audiolab.stages.embedding:Embed",
    "classify": "audiolab.stages.classification:Classify",
    "midi": "audiolab.stages.notes:Midi",
    "lyrics": "audiolab.stages.words:Lyrics",
}
GROUP = "audiolab.stages"


def stage_names() -> tuple[str, ...]:
    """Name all stages, built-in ones first."""
    others = sorted(point.name for point in entry_points(group=GROUP) if point.name not in _BUILT_IN)
    return (*_BUILT_IN, *others)


@cache
def get_stage(name: str) -> Stage:
    """Give the stage of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name].split(":")
        stage_class = getattr(import_module(module), attribute)
    else:
        found = [point for point in entry_points(group=GROUP) if point.name == name]
        if not found:
            raise ParameterError(f"there is no stage {name!r}; there are: {', '.join(stage_names())}")
        stage_class = found[0].load()
    stage = stage_class()
    if not isinstance(stage, Stage):
        raise ParameterError(f"{name!r} is not a Stage: {stage_class!r}")
    return stage
