"""Undo and redo of one kind of edit, read from the library's history: also after a reload, and across kernels."""

from __future__ import annotations

from collections.abc import Callable

from audiolab.errors import CatalogError
from audiolab.library import Library
from audiolab.library.ops import Op

__all__ = ["EditHistory"]

_FAR = 2000
"""How many changes of the library are looked at."""


class EditHistory:
    """What was done to one sound by one person, and what of it can be taken back or done again.

    Parameters
    ----------
    library : Library
        Where; only what its `actor` did counts.
    targets : list of str
        Ids of the sounds whose history is looked at.
    mine : callable
        Says of a change whether it belongs here.
    """

    def __init__(self, library: Library, targets: list[str], mine: Callable[[Op], bool]) -> None:
        self.library, self.targets, self.mine = library, targets, mine

    def undo(self) -> None:
        """Take the last action back.

        Raises
        ------
        CatalogError
            If there is none, or the same things were changed since by others.
        """
        done, _ = self._stacks()
        if not done:
            raise CatalogError("there is nothing to undo here")
        self.library.undo(action=done[-1])

    def redo(self) -> None:
        """Do again what was last taken back.

        Raises
        ------
        CatalogError
            If nothing was, or something else was done since.
        """
        _, undone = self._stacks()
        if not undone:
            raise CatalogError("there is nothing to do again here")
        self.library.undo(action=undone[-1])

    def counts(self) -> tuple[int, int]:
        """Give how many actions can be taken back, and done again."""
        done, undone = self._stacks()
        return len(done), len(undone)

    def _stacks(self) -> tuple[list[str], list[str]]:
        """Walk the history from its beginning: an action that undoes one of a stack moves over to the other."""
        found = {op.id: op for op in self.library.ops(limit=_FAR)}
        for target in self.targets:
            found |= {op.id: op for op in self.library.ops(target=target, limit=_FAR)}
        done: list[str] = []
        undone: list[str] = []
        seen: set[str] = set()
        for op in sorted(found.values(), key=lambda op: op.id):
            if op.group in seen or op.actor != self.library.actor:
                continue
            if op.undoes in done:
                done.remove(op.undoes)
                undone.append(op.group)
            elif op.undoes in undone:
                undone.remove(op.undoes)
                done.append(op.group)
            elif op.undoes is None and self.mine(op):
                done.append(op.group)
                undone.clear()
            else:
                continue
            seen.add(op.group)
        return done, undone
