"""The formats that there are: built in, or from entry points in the group `audiolab.exporters`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from audiolab.errors import ParameterError
from audiolab.exporters.base import Exporter

__all__ = ["GROUP", "format_names", "get_format"]

GROUP = "audiolab.exporters"
_BUILT_IN = {
    "folder": "audiolab.exporters.folder:FolderExporter",
    "midi": "audiolab.exporters.midi:MidiExporter",
    "jams": "audiolab.exporters.jams:JamsExporter",
}


def format_names() -> tuple[str, ...]:
    """Name all formats, built-in ones first."""
    others = sorted(point.name for point in entry_points(group=GROUP) if point.name not in _BUILT_IN)
    return (*_BUILT_IN, *others)


@cache
def get_format(name: str) -> Exporter:
    """Give the format of that name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those that there are.
    """
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name].split(":")
        found = getattr(import_module(module), attribute)
    else:
        points = [point for point in entry_points(group=GROUP) if point.name == name]
        if not points:
            raise ParameterError(f"there is no export format {name!r}; there are: {', '.join(format_names())}")
        found = points[0].load()
    exporter = found()
    if not isinstance(exporter, Exporter):
        raise ParameterError(f"{name!r} is not an export format: {found!r}")
    return exporter
