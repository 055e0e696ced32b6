"""`show`: the right view of anything audiolab knows: a widget where there is one, else pictures, players and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from audiolab.audio import Audio, BlockSource
from audiolab.errors import AudiolabError
from audiolab.library import Library, Sound, SoundList
from audiolab.library.collections import Collection
from audiolab.runs import Run
from audiolab.widgets.html import Html
from audiolab.widgets.report import facts_section, lyrics_section, midi_section, samples_section, stems_section
from audiolab.widgets.rich import widgets_wanted
from audiolab.widgets.standing_views import library_overview, static_view

__all__ = ["Stack", "make", "show", "view_of"]


class Stack:
    """Several views below each other, each as it shows itself.

    Attributes
    ----------
    parts : list
        Widgets and `Html`, in order.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = list(parts)

    def _ipython_display_(self, **_: Any) -> None:
        from IPython.display import display

        for part in self.parts:
            display(part)

    def _repr_html_(self) -> str:
        return "".join(
            part.static_html() if hasattr(part, "static_html") else part._repr_html_() for part in self.parts
        )

    def __getitem__(self, index: int) -> Any:
        return self.parts[index]

    def __len__(self) -> int:
        return len(self.parts)

    def __repr__(self) -> str:
        return f"<a stack of {len(self.parts)} views>"


def show(thing: Any) -> Any:
    """Show a sound, a song with all that was made of it, a run, a library, or any list of sounds.

    In a notebook it gives a widget: a `Player` for a sound, a `RunView` for a run, a `SampleBrowser` for lists and
    collections, a `Stack` of several for a song or a library. Elsewhere, with `AUDIOLAB_WIDGETS=0`, or where the
    widgets were not built, it gives a static view.

    Parameters
    ----------
    thing : Audio, BlockSource, Sound, path, Run, Library, Collection, SoundList, or anything with a rich display
        What to show.

    Returns
    -------
    LabWidget, Stack or Html
        What a notebook shows; `Html` needs no kernel and no network once it is there.

    Raises
    ------
    ParameterError
        If there is no way to show it.
    """
    if widgets_wanted():
        if isinstance(thing, Sound) and thing.kind == "song" and thing.stems:
            return _song(thing)
        found = view_of(thing)
        if found is not None:
            return found
    return static_view(thing)


def view_of(thing: Any) -> Any | None:
    """Give the widget of a thing, the one that its rich display shows; None if it has none."""
    if isinstance(thing, (Sound, Audio, BlockSource, str, Path)):
        from audiolab.widgets.player import Player

        return Player(thing)
    if isinstance(thing, Run):
        from audiolab.widgets.run_view import RunView

        return RunView(thing)
    if isinstance(thing, (SoundList, Collection)):
        return make("browse", thing)
    if isinstance(thing, Library):
        return Stack([library_overview(thing), *_there(make("browse", thing))])
    return None


def _song(song: Sound) -> Stack:
    """Put together what there is of a song."""
    samples = make("browse", song.library, query=f"song:{song.id} kind:sample")
    parts = [
        facts_section(song),
        *_there(view_of(song)),
        *(_there(make("mix", song)) or [stems_section(song)]),
        *(_there(samples) or [samples_section(song)]),
        _notes(song) or midi_section(song),
    ]
    return Stack([*parts, *_there(_words(song))])


def _notes(song: Sound) -> Any | None:
    from audiolab.widgets.pianoroll import PianoRoll

    try:
        return PianoRoll(song)
    except AudiolabError:  # nothing was transcribed yet
        return None


def _words(song: Sound) -> Any | None:
    from audiolab.widgets.lyrics_view import LyricsView

    try:
        return LyricsView(song)
    except AudiolabError:
        return lyrics_section(song) if song.lyrics else None


def make(door: str, *args: Any, **options: Any) -> Any | None:
    """Call a front door of the widgets; None where it has nothing to show (a song without stems, an empty list)."""
    from audiolab import widgets

    call: Callable[..., Any] | None = getattr(widgets, door, None)
    if call is None:
        return None
    try:
        return call(*args, **options)
    except AudiolabError as error:
        return Html(f"<p><em>{_escaped(error)}</em></p>")


def _there(found: Any | None) -> list[Any]:
    return [] if found is None else [found]


def _escaped(error: Exception) -> str:
    from html import escape

    return escape(str(error))
