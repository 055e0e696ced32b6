"""A still picture of a map: points coloured by family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import atomic_path
from audiolab.errors import MissingDependency, ParameterError

__all__ = ["COLORS", "draw_svg", "write_picture"]

COLORS = {
    "drums": "#d1495b", "cymbals": "#edae49", "percussion": "#8f5d2b", "tonal": "#30638e", "vocal": "#3c887e",
    "fx": "#7a5195", "unknown": "#9aa3b2",
}  # fmt: skip
_MORE = ("#ef5675", "#2f4b7c", "#66a182", "#a05195", "#4f6d7a", "#bc5090")
_INK = "#33415c"
_NAMED = 5000
"""Up to so many points say their name when the mouse is over them."""


def colors_of(families: Sequence[str]) -> dict[str, str]:
    """Give each family a colour, the commonest first."""
    found: dict[str, str] = {}
    for family, _ in sorted(Counter(families).items(), key=lambda item: (-item[1], item[0])):
        found[family] = COLORS.get(family) or _MORE[len(found) % len(_MORE)]
    return found


def draw_svg(
    places: NDArray[np.float32], families: Sequence[str], names: Sequence[str], title: str, size: int = 900
) -> str:
    """Draw points as SVG."""
    colors, counts = colors_of(families), Counter(families)
    radius = float(np.clip(60.0 / max(len(places), 1) ** 0.5, 1.2, 5.0))
    margin, top = 16.0, 40.0
    low, high = (places.min(axis=0), places.max(axis=0)) if len(places) else (np.zeros(2), np.ones(2))
    scale = (size - 2 * margin) / (float((high - low).max()) or 1.0)
    xy = (places - low) * scale + margin
    height = round(float((high - low)[1]) * scale + 2 * margin + top) if len(places) else size
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {height}" width="{size}" height="{height}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{margin}" y="20" fill="{_INK}" font-weight="bold">{escape(title)}</text>',
    ]
    x = margin + 8.0 * len(title) + 16
    for family, color in colors.items():
        text = f"{family} {counts[family]}"
        parts.append(f'<circle cx="{x:.1f}" cy="16" r="5" fill="{color}"/>')
        parts.append(f'<text x="{x + 9:.1f}" y="20" fill="{_INK}">{escape(text)}</text>')
        x += 9 + 7.5 * len(text) + 14
    for (px, py), family, name in zip(xy.tolist(), families, names, strict=True):
        shape = f'<circle cx="{px:.1f}" cy="{height - py:.1f}" r="{radius:.1f}" fill="{colors[family]}" opacity="0.75"'
        parts.append(f"{shape}><title>{escape(name)}</title></circle>" if len(names) <= _NAMED else f"{shape}/>")
    return "".join([*parts, "</svg>"])


def write_picture(
    path: Path,
    places: NDArray[np.float32],
    families: Sequence[str],
    names: Sequence[str],
    *,
    title: str,
    size: int = 900,
) -> Path:
    """Write a map as .svg or .png."""
    path = path.expanduser()
    if path.suffix.lower() == ".svg":
        with atomic_path(path) as temporary:
            temporary.write_text(draw_svg(places, families, names, title, size), encoding="utf-8")
        return path
    if path.suffix.lower() != ".png":
        raise ParameterError(f"a map is written as .svg or .png, not {path.name!r}")
    if find_spec("matplotlib") is None:
        raise MissingDependency("a PNG needs matplotlib: pip install 'audiolab[notebooks]'; .svg needs nothing")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size / 100, size / 100), dpi=100)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.92))
    names_of = np.asarray(families)
    for family, color in colors_of(families).items():
        mine = places[names_of == family]
        axes.scatter(mine[:, 0], mine[:, 1], s=max(2.0, 2000 / max(len(places), 1) ** 0.75), c=color, linewidths=0,
                     alpha=0.75, label=f"{family} {len(mine)}")  # fmt: skip
    axes.set_title(title, color=_INK)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.legend(loc="best", fontsize="small", markerscale=2)
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure)
        figure.savefig(temporary, format="png")
    return path
