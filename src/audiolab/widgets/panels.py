"""The pages of the workbench: each is an ipywidget that asks the library for what it shows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from html import escape
from typing import Any, cast

import ipywidgets

from audiolab.errors import AudiolabError
from audiolab.exporters import export, format_names
from audiolab.exporters.names import clean_name
from audiolab.library import Library, Sound
from audiolab.library.adding import Kind
from audiolab.library.tables import seconds_text
from audiolab.runs import Run, process, recipe_names
from audiolab.widgets.download import Download
from audiolab.widgets.run_view import RunView
from audiolab.widgets.standing_views import library_overview
from audiolab.widgets.uploader import Uploader

__all__ = ["ExportPanel", "LaterPanel", "LibraryPanel", "Panel", "ProcessPanel", "UploadPanel"]

_WIDE = {"description_width": "8em"}
log = logging.getLogger("audiolab.widgets")


class Panel:
    """One page.

    Attributes
    ----------
    box : ipywidgets.VBox
        What is shown.
    """

    title = ""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.box = ipywidgets.VBox([])
        self.said = ipywidgets.HTML()

    def refresh(self) -> None:
        """Ask the library again; called whenever the page is opened."""

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a message below."""
        style = "color:var(--jp-error-color1,#c62828)" if bad else ""
        self.said.value = f'<div role="status" style="{style}">{escape(text)}</div>' if text else ""

    def attempt(self, work: Callable[[], None], *, keep: bool = False) -> None:
        """Do something; an error is shown, not raised: nobody would see it. `keep`: what was said before stays."""
        if not keep:
            self.say("")
        try:
            work()
        except Exception as error:
            if not isinstance(error, AudiolabError):
                log.exception("workbench")
            self.say(str(error) if isinstance(error, AudiolabError) else f"{type(error).__name__}: {error}", bad=True)

    def later(self, work: Callable[[], None]) -> threading.Thread:
        """Do something slow in a thread, so that the page stays alive."""
        thread = threading.Thread(target=self.attempt, args=(work,), daemon=True)
        thread.start()
        return thread


class LibraryPanel(Panel):
    """What is in the library; undo."""

    title = "Library"

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.overview = ipywidgets.HTML()
        again = _button("Refresh", "look at the library again", self.refresh)
        undo = _button("Undo", "take back your last change", lambda: self.attempt(self._undo))
        redo = _button("Redo", "do again what was taken back", lambda: self.attempt(self._redo))
        self.box.children = [ipywidgets.HBox([again, undo, redo]), self.said, self.overview]

    def refresh(self) -> None:
        """Show the counts of now."""
        self.overview.value = library_overview(self.library).text

    def _undo(self) -> None:
        self.say("; ".join(str(action) for action in self.library.undo()))
        self.refresh()

    def _redo(self) -> None:
        self.say("; ".join(str(action) for action in self.library.redo()))
        self.refresh()


class UploadPanel(Panel):
    """Files from the desktop, or by their path on the machine where the kernel runs."""

    title = "Add sounds"

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.uploader = Uploader(library)
        self.path = ipywidgets.Text(description="or a path here", placeholder="folder/song.wav", style=_WIDE)
        self.adder = _button("Add", "add this file, folder or zip", lambda: self.later(self._add))
        self.box.children = [self.uploader, ipywidgets.HBox([self.path, self.adder]), self.said]

    def _add(self) -> None:
        if not self.path.value.strip():
            self.say("type the path of a file, a folder or a zip on the machine where the notebook runs", bad=True)
            return
        self.say("adding …")
        kind = cast("Kind", self.uploader.kind)
        report = self.library.add_report(self.path.value.strip(), kind, rule=self.uploader.rule or None)
        self.say(str(report), bad=bool(report.failed))


class ProcessPanel(Panel):
    """Choose songs and a recipe, start, watch."""

    title = "Process"

    def __init__(self, library: Library, *, client: Any = None) -> None:
        super().__init__(library)
        self._client = client
        recipes = recipe_names()
        self.songs = ipywidgets.SelectMultiple(description="songs", rows=8, style=_WIDE, layout={"width": "32em"})
        self.recipe = ipywidgets.Dropdown(
            options=list(recipes), value=_first(recipes, "full"), description="recipe", style=_WIDE
        )
        self.about = ipywidgets.HTML()
        self.starter = _button("Start", "process the chosen songs; all if none is chosen", self.start)
        self.past = ipywidgets.Dropdown(description="earlier runs", style=_WIDE, layout={"width": "32em"})
        self.place = ipywidgets.VBox([])
        self.view: RunView | None = None
        self.over: list[Callable[[], None]] = []
        """Called when a run that was started here is over."""
        self._describe(recipes)
        self.recipe.observe(lambda _: self._describe(recipes), "value")
        self.past.observe(self._show_past, "value")
        choice = ipywidgets.VBox([self.recipe, self.about, self.starter, self.past])
        self.box.children = [ipywidgets.HBox([self.songs, choice]), self.said, self.place]

    def _describe(self, recipes: dict[str, str]) -> None:
        self.about.value = f"<small>{escape(recipes.get(self.recipe.value, ''))}</small>"

    def refresh(self) -> None:
        """List the songs and runs of now; what is chosen stays chosen."""
        chosen = set(self.songs.value)
        listed = [(f"{song.name} ({seconds_text(song.duration)})", song.id) for song in self.library.songs]
        self.songs.options = listed
        self.songs.value = [song_id for _, song_id in listed if song_id in chosen]
        runs = [
            (f"{run.created_at:%Y-%m-%d %H:%M} {run.name}: {run.status}", run.id) for run in self.library.run_rows()
        ]
        self.past.options = [("", ""), *runs[:50]]

    def start(self) -> None:
        """Start a run; the workers may take a while to come up, so it happens in a thread."""
        songs = [self.library.sound(song_id) for song_id in self.songs.value] or list(self.library.songs)
        if not songs:
            self.say("there are no songs yet: add some first", bad=True)
            return
        self.starter.disabled = True
        self.say("starting …")
        self.later(lambda: self._start(songs))

    def _start(self, songs: list[Sound]) -> None:
        try:
            self._show(process(songs, self.recipe.value, client=self._client))
            self.say("")
        finally:
            self.starter.disabled = False

    def _show(self, run: Run) -> None:
        view = RunView(run)
        view.observe(self._ended, "status")
        if self.view is not None:
            self.view.close()
        self.view = view
        self.place.children = [view]

    def _show_past(self, change: Any) -> None:
        if change["new"]:
            self.attempt(lambda: self._show(Run(self.library, change["new"])))

    def _ended(self, change: Any) -> None:
        if change["new"] not in {"queued", "running"}:
            for call in self.over:
                call()


class LaterPanel(Panel):
    """A page whose widget is made when it is opened first: some need what only a run makes.

    Parameters
    ----------
    make : callable
        Gives the widget.
    """

    def __init__(self, library: Library, title: str, make: Callable[[], Any], *, empty: str) -> None:
        super().__init__(library)
        self.title, self._make, self._empty = title, make, empty
        self.widget: Any = None
        self.box.children = [self.said]

    def refresh(self) -> None:
        """Make the widget, or let it ask the library again."""
        if self.widget is None:
            self.attempt(self._fill)
        elif hasattr(self.widget, "refresh"):
            self.attempt(self.widget.refresh)

    def _fill(self) -> None:
        self.say("opening …")  # a map may take some seconds
        made = self._make()
        self.say("" if made is not None else self._empty)
        if made is None:
            return
        self.widget = made
        self.box.children = [made, self.said]


class ExportPanel(Panel):
    """A kit for the DAW as one zip on the user's desktop."""

    title = "Export"

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.what = ipywidgets.Dropdown(description="what", style=_WIDE, layout={"width": "32em"})
        self.query = ipywidgets.Text(
            description="or a query", placeholder="kind:sample label:kick,snare", style=_WIDE, layout={"width": "32em"}
        )
        self.format = ipywidgets.Dropdown(options=format_names(), description="format", style=_WIDE)
        self.maker = _button("Make the zip", "export, then offer the zip for download", self.make)
        self.download = Download()
        self.box.children = [self.what, self.query, self.format, self.maker, self.said, self.download]

    def refresh(self) -> None:
        """List the collections and songs of now."""
        chosen = self.what.value
        counts = self.library.collections.counts()
        kits = [(f"collection {name} ({count})", f"c:{name}") for name, count in counts.items()]
        songs = [(f"song {song.name}, all of it", f"s:{song.id}") for song in self.library.songs]
        self.what.options = [("everything that is tagged", "q:kind:sample has:label"), *kits, *songs]
        kept = chosen in {value for _, value in self.what.options}
        self.what.value = chosen if kept else self.what.options[0][1]

    def make(self) -> None:
        """Export in a thread and offer the zip."""
        if self.what.value is None:  # a click can be faster than the page's opening is told
            self.refresh()
        self.maker.disabled = True
        self.say("exporting …")
        self.later(self._export)

    def _export(self) -> None:
        try:
            chosen, label = self._chosen()
            path = self.library.path / "cache" / "exports" / f"{clean_name(label)}.zip"
            report = export(chosen, path, self.format.value, overwrite=True)
            self.download.set(report.path)
            self.say(str(report).replace(f"{report.path}", report.path.name))
        finally:
            self.maker.disabled = False

    def _chosen(self) -> tuple[Any, str]:
        """Give what to export, and a name for it."""
        if query := self.query.value.strip():
            return self.library.query(query), "samples"
        kind, _, name = self.what.value.partition(":")
        if kind == "s":
            song = self.library.sound(name)
            return song, song.name
        return (self.library.query(name), "samples") if kind == "q" else (self.library.collection(name), name)


def _button(text: str, tip: str, call: Callable[[], Any]) -> Any:
    made = ipywidgets.Button(description=text, tooltip=tip)
    made.on_click(lambda _: call())
    return made


def _first(options: dict[str, str], wanted: str) -> str:
    return wanted if wanted in options else next(iter(options))
