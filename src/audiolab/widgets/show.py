"""`show`: the right view of anything audiolab knows, as pictures, players and tables."""

from __future__ import annotations

from typing import Any

from audiolab.audio import Audio, BlockSource
from audiolab.errors import ParameterError
from audiolab.library import Sound
from audiolab.runs import Run
from audiolab.widgets.html import Html, image
from audiolab.widgets.pictures import spectrogram, waveform
from audiolab.widgets.preview import audio_player
from audiolab.widgets.report import (
    analysis_section,
    header_section,
    midi_section,
    problems_section,
    samples_section,
    stems_section,
)

__all__ = ["show"]


def show(thing: Any) -> Html:
    """Show a sound, a song with all that was made of it, a run, or any list of sounds.

    Parameters
    ----------
    thing : Audio, BlockSource, Sound, Run, or anything with a rich display of its own
        What to show.

    Returns
    -------
    Html
        A view that needs no kernel and no network once it is there.

    Raises
    ------
    ParameterError
        If there is no way to show it.
    """
    if isinstance(thing, Run):
        return header_section(thing) + problems_section(thing)
    if isinstance(thing, Sound):
        if thing.kind == "song":
            return analysis_section(thing) + stems_section(thing) + samples_section(thing) + midi_section(thing)
        return _plain(thing.source(), f"{thing.name} {thing.label or ''}".strip())
    if isinstance(thing, (Audio, BlockSource)):
        return _plain(thing, thing.name)
    if hasattr(thing, "_repr_html_"):
        return Html(thing._repr_html_())
    raise ParameterError(f"cannot show {type(thing).__name__}: pass an Audio, a Sound, a Run or a list of sounds")


def _plain(source: BlockSource, name: str) -> Html:
    pictures = image(waveform(source), f"{name} waveform") + image(spectrogram(source), f"{name} spectrogram")
    return Html(f"{pictures}<p>{audio_player(source, label=name)}</p>")
