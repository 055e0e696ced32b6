"""From pairs that belong together to groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["Groups", "group_pairs"]


class Groups:
    """Things that are put together pair by pair.

    Parameters
    ----------
    count : int
        How many things there are; they are numbered from 0.
    """

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def root(self, item: int) -> int:
        """Give what stands for the group of a thing."""
        while self._above[item] != item:
            self._above[item] = self._above[self._above[item]]
            item = self._above[item]
        return item

    def join(self, first: int, second: int) -> None:
        """Put the groups of two things together."""
        a, b = sorted((self.root(first), self.root(second)))
        self._above[b] = a

    def together(self, first: int, second: int) -> bool:
        """Say whether two things are in one group."""
        return self.root(first) == self.root(second)

    def all(self, *, least: int = 2) -> list[list[int]]:
        """Give the groups of at least so many things, each in order, in order of their first."""
        found: dict[int, list[int]] = defaultdict(list)
        for item in range(len(self._above)):
            found[self.root(item)].append(item)
        return sorted(group for group in found.values() if len(group) >= least)


def group_pairs(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Give the groups of two or more that pairs of `count` things make."""
    groups = Groups(count)
    for first, second in pairs:
        groups.join(first, second)
    return groups.all()
