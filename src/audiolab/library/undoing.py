"""Undo and redo: what a person did last is taken back, all of it or nothing.

Each kind of change has a way back in `ways_back.py`. Before it is gone, what is there is compared with what the change
left: if somebody has changed it since, the whole action is refused. Taking back is itself written to the history, as an
action that `undoes` another; redo takes that back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiolab.errors import CatalogError, ParameterError
from audiolab.library.collecting import PREFIX
from audiolab.library.models import OpRow
from audiolab.library.ops import Action, Op, action_of, begin_group, group_ops, walk_groups
from audiolab.library.text import shorten
from audiolab.library.trash import family_of
from audiolab.library.ways_back import CHOOSE, take_back

__all__ = ["CHOOSE", "FINAL", "redo", "undo", "undo_action"]

FINAL = frozenset({"purge", "repair", "relink"})
"""Changes that are not taken back; undo steps over them."""
_COMING = frozenset({"add", "delete", "restore", "kind", "import"})
"""With these a sound itself comes and goes: no change within it."""


def undo(session: Session, actor: str, n: int = 1, *, within: Collection[str] | None = None) -> list[Action]:
    """Take back the last `n` actions of a person; give them, the last first.

    Parameters
    ----------
    within : collection of str, optional
        Only actions that changed nothing but these sounds, what was made or cut from them, and collections.

    Raises
    ------
    CatalogError
        If there is nothing to take back, or somebody has changed the same things since; nothing is changed then.
    """
    return _step(session, actor, n, _last_done, "there is nothing to undo", within)


def redo(session: Session, actor: str, n: int = 1, *, within: Collection[str] | None = None) -> list[Action]:
    """Do again what was last taken back; give it, the last first. Not possible once something else was done there."""
    return _step(session, actor, n, _last_undone, "there is nothing to redo", within)


def undo_action(session: Session, actor: str, group: str) -> Action:
    """Take one action back, whatever else was done since; refused if the same things were changed since."""
    changes = group_ops(session, group)
    if not changes:
        raise CatalogError(f"there is no action {shorten(group, 24)!r} in the history")
    begin_group(session, undoes=group)
    for op in reversed(changes):
        if op.what not in FINAL:
            take_back(session, actor, op)
            session.flush()
    return action_of(changes)


def _step(  # noqa: PLR0917 - undo and redo in one
    session: Session,
    actor: str,
    n: int,
    find: Callable[[Session, Iterable[Op]], str | None],
    nothing: str,
    within: Collection[str] | None,
) -> list[Action]:
    if n < 1:
        raise ParameterError(f"give the number of actions, 1 or more, not {n}")
    done: list[Action] = []
    for _ in range(n):
        walk = walk_groups(session, actor)
        group = find(session, walk if within is None else _inside(session, walk, within))
        if group is None:
            if not done:
                raise CatalogError(f"{nothing} for {actor!r}{'' if within is None else ' here'}")
            break
        changes = group_ops(session, group)
        begin_group(session, undoes=group)
        for op in reversed(changes):
            if op.what not in FINAL:
                take_back(session, actor, op)
                session.flush()
        done.append(action_of(changes))
    return done


def _inside(session: Session, walk: Iterable[Op], roots: Collection[str]) -> Iterator[Op]:
    """Give the actions that changed nothing outside of some families, but for collections."""
    family = {member for root in roots for member in family_of(session, root)}
    for op in walk:
        # The last change of most actions tells that they are elsewhere; only others are read whole.
        if op.target in family or op.target.startswith(PREFIX):
            changes = group_ops(session, op.group)
            sounds = {each.target for each in changes if not each.target.startswith(PREFIX)}
            coming = any(each.what in _COMING and each.target in roots for each in changes)
            if sounds and sounds <= family and not coming:
                yield op


def _last_done(session: Session, walk: Iterable[Op]) -> str | None:
    gone: set[str] = set()
    for op in walk:
        if op.undoes:
            gone.add(op.undoes)
        if op.group in gone or _is_undo(session, op) or _is_final(session, op):
            continue
        return op.group
    return None


def _last_undone(session: Session, walk: Iterable[Op]) -> str | None:
    gone: set[str] = set()
    for op in walk:
        if op.undoes is None:
            return None  # something else was done since
        gone.add(op.undoes)
        if op.group not in gone and _is_undo(session, op):
            return op.group
    return None


def _is_final(session: Session, op: Op) -> bool:
    return op.what in FINAL and all(found.what in FINAL for found in group_ops(session, op.group))


def _is_undo(session: Session, op: Op) -> bool:
    """Tell an undo from what was done, or done again: undoing an undo is doing."""
    undoing, above = False, op.undoes
    while above is not None:
        undoing = not undoing
        above = session.scalar(select(OpRow.undoes).where(OpRow.group == above).limit(1))
    return undoing
