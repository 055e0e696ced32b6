"""The sung parts of a sound, one behind the other, and where each known word lies among them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate, pairwise

from audiolab.audio import Seconds
from audiolab.stages.words.known import KnownWord
from audiolab.stages.words.voice import Window

__all__ = ["Timeline", "spread"]

_NEAR_PAUSE = 2.0
_EDGE_PACE = 1.5
"""Before the first and after the last word that was recognised, words take up to so much longer than on average."""


class Timeline:
    """Sung time: seconds of the sound in which there is voice, each counted once.

    Parameters
    ----------
    windows : sequence of Window
        At least one.
    """

    def __init__(self, windows: Sequence[Window]) -> None:
        self.parts: list[tuple[Seconds, Seconds, int]] = []
        """Start and end in the sound, and the window that the part belongs to."""
        for index, window in enumerate(windows):
            rate = window.sample_rate
            following = windows[index + 1] if index + 1 < len(windows) else None
            for number, span in enumerate(window.spans):
                start = window.cut if window.overlapping and number == 0 else span.start
                last = number + 1 == len(window.spans)
                stop = following.cut if last and following is not None and following.overlapping else span.stop
                self.parts.append((start / rate, stop / rate, index))
        self._sung = [0.0, *accumulate(stop - start for start, stop, _ in self.parts)]
        self.duration: Seconds = self._sung[-1]
        self._starts = [start for start, _, _ in self.parts]
        self.pauses = [
            sung
            for sung, (_, stop, _), (start, _, _) in zip(self._sung[1:], self.parts, self.parts[1:], strict=False)
            if start > stop
        ]
        """Where, in sung time, the sound pauses."""

    def sung(self, time: Seconds) -> Seconds:
        """Give the sung time of a moment of the sound."""
        index = max(bisect_right(self._starts, time) - 1, 0)
        start, stop, _ = self.parts[index]
        return self._sung[index] + min(max(time - start, 0.0), stop - start)

    def _part(self, sung: Seconds) -> int:
        return min(max(bisect_right(self._sung, sung) - 1, 0), len(self.parts) - 1)

    def place(self, begin: Seconds, end: Seconds) -> tuple[Seconds, Seconds]:
        """Give where a stretch of sung time lies in the sound: in one part, that of its beginning."""
        index = self._part(begin)
        start, stop, _ = self.parts[index]
        moved = start - self._sung[index]
        return min(max(begin + moved, start), stop), min(max(end + moved, start), stop)

    def window(self, sung: Seconds) -> int:
        """Give the window to which a moment of sung time belongs."""
        return self.parts[self._part(sung)][2]


def spread(
    words: Sequence[KnownWord],
    anchors: Mapping[int, tuple[Seconds, Seconds]],
    duration: Seconds,
    *,
    line_starts: AbstractSet[int] = frozenset(),
    pauses: Sequence[Seconds] = (),
) -> list[tuple[Seconds, Seconds]]:
    """Give each word its place in sung time: anchored ones keep theirs, the others share what lies between.

    Parameters
    ----------
    words : sequence of KnownWord
        All words of the text.
    anchors : mapping
        Start and end of some of them, by index, rising.
    duration : float
        Of all sung time.
    line_starts : set of int
        Indices of words that begin a line.
    pauses : sequence of float
        Where, in sung time, there is a pause in the sound: a line that begins near one begins right there.

    Returns
    -------
    list of (start, end)
        Longer words get more time.
    """
    weights = [len(word.key) + 1.0 for word in words]
    pace = _EDGE_PACE * duration / sum(weights)
    places: list[tuple[Seconds, Seconds]] = []
    known = [-1, *sorted(anchors), len(words)]
    for before, after in pairwise(known):
        if before >= 0:
            places.append(anchors[before])
        own = weights[before + 1 : after]
        low = anchors[before][1] if before >= 0 else 0.0
        high = anchors[after][0] if after < len(words) else duration
        high = max(high, low)
        room = min(high - low, pace * sum(own))
        if anchors and before < 0:
            low = high - room
        elif anchors and after == len(words):
            high = low + room
        if own:
            starts = [k for k in range(len(own) + 1) if before + 1 + k in line_starts]
            places += pairwise(_edges(own, low, high, starts, [pause for pause in pauses if low <= pause <= high]))
    return places


def _edges(
    weights: Sequence[float], low: Seconds, high: Seconds, starts: Sequence[int], pauses: Sequence[Seconds]
) -> list[Seconds]:
    """Share a stretch out by weight; lines that would begin near a pause are moved there."""
    done = list(accumulate(weights, initial=0.0))
    plain = [low + (high - low) * part / done[-1] for part in done]
    fixed = {0: low, len(weights): high}
    for pause in pauses:
        near = min(starts, key=lambda k: abs(plain[k] - pause), default=None)
        if near is not None and abs(plain[near] - pause) < _NEAR_PAUSE:
            fixed[near] = pause
    made: list[Seconds] = []
    for (k, left), (m, right) in pairwise(sorted(fixed.items())):
        share = (max(right, left) - left) / (done[m] - done[k])
        made += [left + share * (part - done[k]) for part in done[k:m]]
    return [*made, max(fixed[len(weights)], made[-1])]
