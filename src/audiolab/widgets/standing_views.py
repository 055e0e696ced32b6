"""Static views of anything audiolab knows: pictures, short players and tables, without a kernel."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from audiolab.audio import Audio, BlockSource
from audiolab.audio.source import as_source
from audiolab.errors import ParameterError
from audiolab.library import Library, Sound
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

__all__ = ["plain_view", "song_view", "static_view"]


def static_view(thing: Any) -> Html:
    """Show a thing by pictures, players and tables.

    Raises
    ------
    ParameterError
        If there is no way to show it.
    """
    if isinstance(thing, Run):
        return header_section(thing) + problems_section(thing)
    if isinstance(thing, Sound):
        if thing.kind == "song":
            return song_view(thing)
        return plain_view(thing.source(), f"{thing.name} {thing.label or ''}".strip())
    if isinstance(thing, (Audio, BlockSource, str, Path)):
        source = as_source(thing)
        return plain_view(source, source.name)
    if hasattr(thing, "_repr_html_"):
        return Html(thing._repr_html_())
    if hasattr(thing, "sounds"):  # a collection
        return Html(thing.sounds._repr_html_())
    raise ParameterError(f"cannot show {type(thing).__name__}: pass an Audio, a Sound, a Run or a list of sounds")


def song_view(song: Sound) -> Html:
    """Show a song with all that was made of it."""
    return analysis_section(song) + stems_section(song) + samples_section(song) + midi_section(song)


def plain_view(source: BlockSource, name: str) -> Html:
    """Show a sound: waveform, spectrogram, a player."""
    pictures = image(waveform(source), f"{name} waveform") + image(spectrogram(source), f"{name} spectrogram")
    return Html(f"{pictures}<p>{audio_player(source, label=name)}</p>")


def library_overview(library: Library) -> Html:
    """Show what a library holds, its newest songs and its last runs."""
    rows = "".join(
        f"<li>{escape(run.name)}: {escape(run.status)}, {run.created_at:%Y-%m-%d %H:%M}, {len(run.sound_ids)} sounds"
        for run in library.run_rows()[:5]
    )
    runs = f"<p><b>Last runs</b></p><ul>{rows}</ul>" if rows else ""
    return Html(library._repr_html_() + runs)
