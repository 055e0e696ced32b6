"""Rich display: what a notebook shows when a sound, a list, a library or a run is the last expression of a cell.

IPython is told the names of our types only; nothing of the widgets is loaded before one of them is shown. This module
is imported with audiolab inside a kernel, so it must stay as light as that.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["in_kernel", "register", "unregister", "widgets_wanted"]

_TYPES = (
    ("audiolab.library.sounds", "Sound"),
    ("audiolab.library.lists", "SoundList"),
    ("audiolab.library.lists", "SampleSet"),
    ("audiolab.library.collections", "Collection"),
    ("audiolab.library.library", "Library"),
    ("audiolab.runs.run", "Run"),
    ("audiolab.audio.core", "Audio"),
)


def in_kernel() -> Any | None:
    """Give the shell if this is the kernel of a notebook; None in a terminal or a script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


def widgets_wanted() -> bool:
    """Say whether widgets can be shown here: a notebook, views that were built, and the setting `widgets`."""
    if in_kernel() is None:
        return False
    from audiolab.config import get_settings
    from audiolab.widgets.bundle import load_bundle

    if not get_settings().widgets or load_bundle() is None:
        return False
    try:
        import anywidget  # noqa: F401 - only whether it is there
    except ImportError:
        return False
    return True


def register(shell: Any) -> None:
    """Let a notebook show our types richly; in a terminal nothing changes."""
    if not hasattr(shell, "kernel"):
        return
    formatter = shell.display_formatter.ipython_display_formatter
    for module, name in _TYPES:
        formatter.for_type_by_name(module, name, _display)


def unregister(shell: Any) -> None:
    """Take that back: plain tables again."""
    formatter = shell.display_formatter.ipython_display_formatter
    for module, name in _TYPES:
        formatter.deferred_printers.pop((module, name), None)
        loaded = getattr(sys.modules.get(module), name, None)
        if loaded is not None:
            formatter.type_printers.pop(loaded, None)


def _display(thing: Any) -> None:
    from IPython.display import display

    if widgets_wanted():
        from audiolab.widgets.show import view_of

        found = view_of(thing)
        if found is not None:
            display(found)
            return
    data = {"text/plain": repr(thing)}
    page = getattr(thing, "_repr_html_", None) or getattr(getattr(thing, "sounds", None), "_repr_html_", None)
    display({**data, "text/html": page()} if page is not None else data, raw=True)


# `run.progress()` asks this: a picture that stands still would not show how far a run is.
_display.live = widgets_wanted  # type: ignore[attr-defined]
