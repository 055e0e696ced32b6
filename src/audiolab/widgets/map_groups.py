"""What the colours of a map mean: groups of sounds by label or song, and confidence as a scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["OTHER", "SCALE", "Groups", "group", "map_svg"]

_PALETTE = (
    "#d1495b", "#30638e", "#edae49", "#3c887e", "#7a5195", "#e07a2f", "#5aa9e6", "#8f5d2b", "#66a182", "#ef5675",
    "#b0a300", "#4a57c8",
)  # fmt: skip
OTHER = "#9aa3b2"
"""Colour of what is in no group of its own."""
SCALE = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")
"""Confidence from 0 to 1 (viridis)."""
_DRAWN = 8000


@dataclass(frozen=True, slots=True)
class Groups:
    """Sounds in groups, the largest first; the last one may hold the rest.

    Attributes
    ----------
    names, colors : tuple of str
        One a group.
    counts : tuple of int
        How many sounds are in each.
    of : ndarray [int64, shape=(n,)]
        The group of each sound.
    """

    names: tuple[str, ...]
    colors: tuple[str, ...]
    counts: tuple[int, ...]
    of: NDArray[np.int64]

    @property
    def legend(self) -> list[dict[str, str | int]]:
        """Give it as JSON."""
        both = zip(self.names, self.colors, self.counts, strict=True)
        return [{"name": name, "color": color, "count": count} for name, color, count in both]


def group(values: Sequence[str], *, nothing: str) -> Groups:
    """Put sounds that share a value into one group; what is rare, or has no value, comes last and is grey.

    Parameters
    ----------
    values : sequence of str
        Empty where nothing is known.
    nothing : str
        What to call those.
    """
    counts = Counter(value for value in values if value)
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    rare = ranked[len(_PALETTE) :] if len(ranked) > len(_PALETTE) else []
    named = ranked[: len(ranked) - len(rare)]
    names, colors = list(named), list(_PALETTE[: len(named)])
    place = {value: index for index, value in enumerate(named)}
    if rare:
        names.append(f"{len(rare)} others")
        place.update(dict.fromkeys(rare, len(names) - 1))
        colors.append("#6b7280")
    if len(values) > sum(counts.values()):
        place[""] = len(names)
        names.append(nothing)
        colors.append(OTHER)
    of = np.array([place[value] for value in values], np.int64)
    sizes = np.bincount(of, minlength=len(names))
    return Groups(tuple(names), tuple(colors), tuple(int(size) for size in sizes), of)


def map_svg(places: NDArray[np.float32], groups: Groups, *, width: int = 640) -> tuple[str, int]:
    """Draw a map as small SVG: of many points an even choice; give it and the number of points drawn."""
    step = max(1, -(-len(places) // _DRAWN))
    low, high = places.min(axis=0), places.max(axis=0)
    scale = (width - 16) / float(max(high - low) or 1.0)
    xy = (places - low) * scale + 8
    height = round(float((high - low)[1]) * scale) + 16
    radius = float(np.clip(60 / max(len(places), 1) ** 0.5, 1.5, 4.0)) * 2
    parts = []
    for number, color in enumerate(groups.colors):
        mine = np.flatnonzero(groups.of == number)[::step]
        path = "".join(f"M{x:.0f} {height - y:.0f}h0" for x, y in xy[mine].tolist())
        if path:
            parts.append(
                f'<path d="{path}" stroke="{color}" stroke-width="{radius:.1f}" stroke-linecap="round" opacity="0.8"/>'
            )
    drawn = sum(len(np.flatnonzero(groups.of == number)[::step]) for number in range(len(groups.colors)))
    view = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view}>{"".join(parts)}</svg>', drawn
