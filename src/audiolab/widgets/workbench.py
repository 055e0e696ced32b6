"""`workbench`: the whole of audiolab on one page, for people who do not code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets

from audiolab.library import Library
from audiolab.widgets.base import LabWidget
from audiolab.widgets.html import Html
from audiolab.widgets.panels import ExportPanel, LaterPanel, LibraryPanel, Panel, ProcessPanel, UploadPanel
from audiolab.widgets.standing_views import library_overview

__all__ = ["Workbench", "workbench"]


class _Cover(LabWidget):
    """The static view of the workbench: the tabs have none. Its live view shows nothing but hides the static one."""

    view = "cover"

    def __init__(self, library: Library) -> None:
        self.library = library
        super().__init__()

    def _name(self) -> str:
        return f"workbench of {self.library.path.name}"

    def _standing(self) -> Html:
        return library_overview(self.library)


class Workbench:
    """Pages for a library: what is in it, adding, processing, browsing and tagging, the map, export.

    Parameters
    ----------
    library : Library
        The library.
    client : distributed.Client, optional
        Where runs work; see `process`.

    Attributes
    ----------
    tabs : ipywidgets.Tab
        What is shown; to be put into layouts of your own.
    library_panel, upload, process, browse, map, export : Panel
        The pages; their widgets are attributes, to be observed.
    """

    def __init__(self, library: Library, *, client: Any = None) -> None:
        self.library = library
        self.library_panel, self.upload = LibraryPanel(library), UploadPanel(library)
        self.process, self.export = ProcessPanel(library, client=client), ExportPanel(library)
        self.browse = LaterPanel(library, "Browse & tag", self._browser, empty=_NO_BROWSER)
        self.map = LaterPanel(library, "Map", self._map, empty=_NO_MAP)
        self.panels: list[Panel] = [
            self.library_panel, self.upload, self.process, self.browse, self.map, self.export,
        ]  # fmt: skip
        self._cover = _Cover(library)
        self.library_panel.box.children = [self._cover, *self.library_panel.box.children]
        self.tabs = ipywidgets.Tab([panel.box for panel in self.panels], titles=[panel.title for panel in self.panels])
        self.tabs.observe(self._opened, "selected_index")
        self.process.over.append(self.library_panel.refresh)
        self.library_panel.refresh()

    def _opened(self, change: Any) -> None:
        if change["new"] is not None:
            panel = self.panels[change["new"]]
            panel.attempt(panel.refresh, keep=True)

    def _browser(self) -> Any:
        from audiolab.widgets.show import make

        return make("browse", self.library)

    def _map(self) -> Any:
        from audiolab.widgets.show import make

        return make("sound_map", self.library) if self.library.encoders() else None

    def open(self, title: str) -> None:
        """Open the page of that title."""
        self.tabs.selected_index = [panel.title for panel in self.panels].index(title)

    def close(self) -> None:
        """Close all widgets of all pages."""
        for widget in (
            self.upload.uploader,
            self.process.view,
            self.browse.widget,
            self.map.widget,
            self._cover,
            self.tabs,
        ):
            if widget is not None:
                widget.close()

    def _ipython_display_(self, **_: Any) -> None:
        from IPython.display import display

        display({"text/html": self._cover.static_html(), "text/plain": repr(self)}, raw=True)
        live = self.tabs._repr_mimebundle_()
        if live:
            # Where widgets cannot be shown, nothing but the static view is to be seen.
            display({**live, "text/html": "<!-- live view -->", "text/plain": ""}, raw=True)

    def __repr__(self) -> str:
        return f"Workbench({str(self.library.path)!r})"


_NO_BROWSER = "there is nothing to browse"
_NO_MAP = "the map needs processed samples: process a song first (recipe full, kit or quick), then open this page again"


def workbench(library: Library | str | Path | None = None, *, client: Any = None) -> Workbench:
    """Open the whole workbench on one page: add, process, browse and tag, map, export.

    Parameters
    ----------
    library : Library or path, optional
        Default: the setting `library`.
    client : distributed.Client, optional
        Where runs work; see `process`.
    """
    return Workbench(library if isinstance(library, Library) else Library(library), client=client)
