"""Small drawings as SVG, without matplotlib: they are there at once, in any size, in a few kilobytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.widgets.html import escape_label

__all__ = ["svg_image", "svg_notes", "svg_waveform"]


def svg_waveform(
    values: NDArray[np.float32],
    *,
    duration: float = 0.0,
    width: int = 900,
    height: int = 110,
    color: str = "#3b82b8",
    lines: Sequence[float] = (),
    spans: Sequence[tuple[float, float, str]] = (),
    axis: bool = True,
) -> str:
    """Draw an outline: full scale from top to bottom, what is louder is cut and marked red.

    Parameters
    ----------
    values : ndarray [float32, shape=(2, columns)]
        Highest and lowest sample of each column.
    duration : float
        Seconds, for the axis.
    lines : sequence of float
        Times to mark, in seconds.
    spans : sequence of (float, float, str)
        Parts to shade, in seconds, each with a word that is shown where there is room.
    """
    body = height - (14 if axis and duration > 0 else 0)
    middle, columns = body / 2, values.shape[1]
    parts = []
    if columns:
        step = width / columns
        clipped = np.clip(values, -1, 1)
        top = middle - clipped[0] * (middle - 1)
        low = middle - clipped[1] * (middle - 1)
        low = np.maximum(low, top + 0.7)  # silence is a line
        xs = np.arange(columns) * step
        points = [f"{x:.1f},{y:.1f}" for x, y in zip(xs, top, strict=True)]
        points += [f"{x:.1f},{y:.1f}" for x, y in zip(xs[::-1], low[::-1], strict=True)]
        parts.append(f'<polygon points="{" ".join(points)}" fill="{color}"/>')
        for index in np.flatnonzero(np.abs(values).max(axis=0) > 1.0005)[:500]:
            parts.append(f'<rect x="{index * step:.1f}" y="0" width="{max(1, step):.1f}" height="3" fill="#d1495b"/>')
    if duration > 0:
        parts += _spans(spans, width / duration, body)
        for time in lines:
            x = time / duration * width
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{body}" stroke="#8d99ae" stroke-width="0.6"/>')
    if axis and duration > 0:
        parts += _axis(duration, width, body)
    view = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view} preserveAspectRatio="none">{"".join(parts)}</svg>'


def svg_notes(
    tracks: Mapping[str, Sequence[Mapping[str, Any]]],
    colors: Mapping[str, str],
    *,
    duration: float,
    width: int = 900,
    height: int = 220,
    lines: Sequence[float] = (),
) -> str:
    """Draw notes (`start`, `end`, `pitch`) of several tracks; one path a track, so thousands take little room."""
    pitches = [note["pitch"] for notes in tracks.values() for note in notes]
    low, high = min(pitches, default=48) - 2, max(pitches, default=72) + 2
    body = height - 14
    step, second = body / (high - low + 1), width / max(duration, 1e-3)
    parts = []
    for time in lines:
        x = time * second
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{body}" stroke="#8d99ae" stroke-width="0.5"/>')
    for name, notes in tracks.items():
        drawn = "".join(
            f"M{note['start'] * second:.1f} {(high - note['pitch'] + 0.5) * step:.1f}"
            f"h{max((note['end'] - note['start']) * second, 1.5):.1f}"
            for note in notes
        )
        if drawn:
            parts.append(f'<path d="{drawn}" stroke="{colors[name]}" stroke-width="{max(1.5, step * 0.8):.1f}"/>')
    parts += _axis(duration, width, body)
    view = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view} fill="none">{"".join(parts)}</svg>'


def svg_image(svg: str, label: str, *, width: int | None = None) -> str:
    """Give an image tag with the drawing inside; as an image it also passes where pages are cleaned of SVG."""
    data = base64.b64encode(svg.encode()).decode()
    size = f' width="{width}"' if width else ""
    return f'<img alt="{escape_label(label)}"{size} style="max-width:100%" src="data:image/svg+xml;base64,{data}">'


def _spans(spans: Sequence[tuple[float, float, str]], scale: float, height: float) -> list[str]:
    parts, free = [], 0.0
    for start, stop, word in spans:
        x, long = start * scale, max(0.6, (stop - start) * scale)
        parts.append(
            f'<rect x="{x:.1f}" y="0" width="{long:.1f}" height="{height}" fill="#e69628" fill-opacity="0.22" '
            f'stroke="#e69628" stroke-width="0.4"/>'
        )
        if word and x >= free:
            said = escape_label("".join(sign for sign in word[:16] if sign.isprintable()))
            parts.append(
                f'<text x="{x + 2:.1f}" y="9" font-size="9" font-family="sans-serif" fill="#8d99ae">{said}</text>'
            )
            free = x + 5.2 * len(word[:16]) + 4
    return parts


def _axis(duration: float, width: int, top: float) -> list[str]:
    parts = []
    nice = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5)]
    nice += [15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0]
    step = min((value for value in nice if duration / value <= 12), default=duration)
    for index in range(int(duration / step) + 1):
        time = index * step
        x = time / duration * width
        said = f"{time:g} s" if duration < 60 else f"{int(time // 60)}:{time % 60:02.0f}"
        anchor = "start" if x < 20 else "end" if x > width - 20 else "middle"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + 3}" stroke="#8d99ae"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{top + 12}" font-size="9" font-family="sans-serif" fill="#8d99ae" '
            f'stroke="none" text-anchor="{anchor}">{said}</text>'
        )
    return parts
