"""Moving the edges of cuts: onto zero crossings, and short parts onto their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from audiolab.audio import BlockSource, Frames, to_frames
from audiolab.stages.analysis.attacks import read_spans
from audiolab.stages.base import Cut

__all__ = ["SNAP_SECONDS", "join_short", "snap_spans"]

SNAP_SECONDS = 0.005
"""How far an edge may move: half a period of 100 Hz."""
LATE_SECONDS = 0.002
"""How far a start may move into what begins there, so that no attack is lost."""


def snap_spans(
    source: BlockSource, spans: Sequence[tuple[Frames, Frames]], *, keep_length: bool = False
) -> list[tuple[Frames, Frames]]:
    """Move starts and stops to the nearest zero crossing of the channels' sum.

    Parameters
    ----------
    source : BlockSource
        The sound; read once around each edge.
    spans : sequence of tuple (start, stop)
        Not empty, inside the sound. An edge that several spans share stays shared.
    keep_length : bool
        Move starts only, and stops along with them, so that lengths stay as they are.

    Returns
    -------
    list of tuple (start, stop)
        Edges move by 5 ms at most, starts by 2 ms at most towards the end, and never past the middle between two
        edges: their order stays. An edge without a crossing nearby, and the sound's own ends, stay.
    """
    starts = {start for start, _ in spans}
    edges = sorted(starts if keep_length else starts | {stop for _, stop in spans})
    moved = _snap(source, edges, starts)
    if not keep_length:
        return [(moved[start], moved[stop]) for start, stop in spans]
    return [
        (moved[start], moved[start] + stop - start) if moved[start] + stop - start <= source.frames else (start, stop)
        for start, stop in spans
    ]


def _snap(source: BlockSource, edges: Sequence[Frames], starts: set[Frames]) -> dict[Frames, Frames]:
    reach, late = to_frames(SNAP_SECONDS, source.sample_rate), to_frames(LATE_SECONDS, source.sample_rate)
    windows = []
    for index, edge in enumerate(edges):
        low = max(1, edge - reach, (edges[index - 1] + edge) // 2 + 1 if index else 1)
        high = min(source.frames - 1, edge + (late if edge in starts else reach))
        if index + 1 < len(edges):
            high = min(high, (edge + edges[index + 1]) // 2)
        windows.append((low, high) if 0 < edge < source.frames and low <= high else (edge, edge))
    moved = {}
    around = [(low - 1, high + 1) for low, high in windows]
    for edge, (low, _), block in zip(edges, windows, read_spans(source, around), strict=True):
        sign = np.sign(block.astype(np.float64).sum(axis=0))
        crossing = low + np.flatnonzero((sign[1:] == 0) | (sign[1:] != sign[:-1]))
        fixed = edge in {0, source.frames} or not len(crossing)
        moved[edge] = edge if fixed else int(crossing[np.abs(crossing - edge).argmin()])
    return moved


def join_short(cuts: Sequence[Cut], min_length: Frames) -> list[Cut]:
    """Join parts that are shorter than `min_length` to the one before, the first to the one after it.

    Parameters
    ----------
    cuts : sequence of Cut
        Each begins where the one before it ends.
    """
    joined: list[Cut] = []
    for cut in cuts:
        if joined and cut.stop - cut.start < min_length:
            joined[-1] = Cut(joined[-1].start, cut.stop, joined[-1].facts)
        elif joined and joined[-1].stop - joined[-1].start < min_length:
            joined[-1] = Cut(joined[-1].start, cut.stop, cut.facts)
        else:
            joined.append(cut)
    assert all(left.stop <= right.start for left, right in pairwise(joined))
    return joined
