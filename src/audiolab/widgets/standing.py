"""The static view that every widget leaves in its notebook.

A widget shows two outputs: this one, plain HTML, and its live view. The live view hides the former as soon as it
stands (its page code does, by `data-audiolab-static`). A notebook reopened without a kernel, nbconvert's HTML and an
untrusted notebook show this one; the style below hides the line "model not found" that JupyterLab writes then.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np

from audiolab.audio import BlockSource, View, to_frames
from audiolab.errors import ParameterError
from audiolab.library import Sound
from audiolab.widgets.drawings import svg_image, svg_waveform
from audiolab.widgets.html import Html
from audiolab.widgets.outlines import outline_of, rough_outline
from audiolab.widgets.preview import preview_mp3

__all__ = ["STATIC_LIMIT", "standing_html", "standing_sound"]

STATIC_LIMIT = 300_000
"""Most bytes of a static view."""

_STYLE = (
    "<style>.jp-OutputArea-child:has([data-audiolab-static])+.jp-OutputArea-child>.jupyter-widgets:not(:has(*))"
    "{display:none}</style>"
)


def standing_html(body: Html, standing_id: str, *, name: str, note: str = "") -> str:
    """Wrap a static view.

    Raises
    ------
    ParameterError
        If it is larger than 300 kB: pictures and previews must be smaller.
    """
    said = f"<p><em>{escape(note)}</em></p>" if note else ""
    html = (
        f'<div data-audiolab-static="{escape(standing_id)}" role="group" aria-label="{escape(name)}">'
        f"{_STYLE}{body.text}{said}</div>"
    )
    if len(html.encode()) > STATIC_LIMIT:
        raise ParameterError(f"the static view of {name!r} has {len(html.encode())} bytes; {STATIC_LIMIT} are allowed")
    return html


def standing_sound(
    sound: Sound | BlockSource,
    *,
    width: int = 900,
    height: int = 110,
    seconds: float = 12.0,
    lines: Sequence[float] = (),
    spans: Sequence[tuple[float, float, str]] = (),
    color: str = "#3b82b8",
) -> str:
    """Give the picture of a sound and a short preview of it that plays without a kernel, a few 100 kB at most.

    Parameters
    ----------
    seconds : float
        Length of the preview: the loudest stretch; of sounds longer than a minute a stretch from a third on. 0: none.
    lines : sequence of float
        Times to mark in the picture.
    spans : sequence of (float, float, str)
        Parts to shade, in seconds, each with a word.
    """
    source = sound.source() if isinstance(sound, Sound) else sound
    duration = source.frames / source.sample_rate
    values = np.zeros((2, 0), np.float32)
    if source.frames:
        outline = outline_of(sound, wait=False) or rough_outline(source)
        values = outline.between(source, 0, source.frames, min(width // 2, source.frames))
    drawn = svg_waveform(values, duration=duration, width=width, height=height, lines=lines, spans=spans, color=color)
    picture = svg_image(drawn, f"waveform of {source.name}")
    if not seconds or not source.frames:
        return picture
    part: BlockSource = source
    if duration > 60:
        start = source.frames // 3
        part = View(source, start, min(source.frames, start + to_frames(seconds, source.sample_rate)))
    data = b64encode(preview_mp3(part, seconds=seconds)).decode()
    label = escape(f"preview of {source.name}", quote=True)
    said = f"<small> {seconds:g} s of {duration:.0f} s</small>" if duration > seconds else ""
    return (
        f'{picture}<div><audio controls preload="none" title="{label}" aria-label="{label}" '
        f'src="data:audio/mpeg;base64,{data}"></audio>{said}</div>'
    )
