"""What a person does to sounds in the browser: every act is one step of the library's history, and can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, select

from audiolab.errors import CatalogError, ParameterError
from audiolab.library import Library
from audiolab.library.models import OpRow
from audiolab.library.ops import one_action
from audiolab.widgets.base import Reply, request
from audiolab.widgets.browser_rows import rows_of_ids
from audiolab.widgets.sounding import SoundingWidget

__all__ = ["REJECT", "BrowserEdits"]

REJECT = "reject"
"""The word that marks what is not wanted; `^tag:reject` leaves it out of a query."""
_TOLD = 2000


@dataclass(frozen=True, slots=True)
class _Act:
    group: str
    """Its name in the library's history."""
    said: str
    ids: tuple[str, ...]


class BrowserEdits(SoundingWidget):
    """Requests that change the library; each tells all views which rows are different now."""

    library: Library

    def __init__(self, **traits: Any) -> None:
        self._done: list[_Act] = []
        self._undone: list[_Act] = []
        super().__init__(**traits)

    @request
    def favour(self, ids: Sequence[str], on: bool) -> Reply:
        """Mark sounds as favourites, or no longer."""
        return self._act("favourite" if on else "no favourite", ids, lambda: self.library.favour(ids, on))

    @request
    def reject(self, ids: Sequence[str], on: bool) -> Reply:
        """Hang the word `reject` on sounds, or take it away."""
        if on:
            return self._act("rejected", ids, lambda: self.library.tag(ids, REJECT, role="tag"))
        return self._act("no longer rejected", ids, lambda: self.library.untag(ids, REJECT))

    @request
    def rate(self, ids: Sequence[str], stars: int) -> Reply:
        """Give sounds 1 to 5 stars, or with 0 none."""
        said = f"{stars} stars" if stars else "no stars"
        return self._act(said, ids, lambda: self.library.rate(ids, stars or None))

    @request
    def label(self, ids: Sequence[str], label: str) -> Reply:
        """Say what sounds are."""
        return self._act(f"labelled {label.strip()}", ids, lambda: self.library.tag(ids, label, role="label"))

    @request
    def accept(self, labels: dict[str, str]) -> Reply:
        """Say what sounds are, each its own label: what a model proposed and a person found right."""

        def work() -> None:
            for label in dict.fromkeys(labels.values()):
                same = [sound_id for sound_id, its in labels.items() if its == label]
                self.library.tag(same, label, role="label")

        return self._act("proposals accepted", list(labels), work)

    @request
    def collect(self, ids: Sequence[str], name: str) -> Reply:
        """Put sounds into a collection; it comes into being with the first."""
        if not name.strip():
            raise ParameterError("a collection needs a name")
        return self._act(f"put into {name.strip()}", ids, lambda: self.library.collection(name.strip()).add(ids))

    @request
    def undo(self) -> Reply:
        """Take back what was done last in this widget."""
        return self._step(self._done, self._undone, "taken back", "there is nothing to take back in this browser")

    @request
    def redo(self) -> Reply:
        """Do again what was last taken back in this widget."""
        return self._step(self._undone, self._done, "done again", "there is nothing to do again in this browser")

    def _act(self, what: str, ids: Sequence[str], work: Callable[[], object]) -> Reply:
        if not ids:
            raise ParameterError("no sound is selected")
        said = f"{what}: {len(ids)} sounds" if len(ids) > 1 else what
        with one_action() as group:
            work()
        if self._noted(group):
            self._done.append(_Act(group, said, tuple(ids)))
            self._undone.clear()
        return self._told(ids, said)

    def _step(self, source: list[_Act], target: list[_Act], how: str, nothing: str) -> Reply:
        if not source:
            raise CatalogError(nothing)
        act = source.pop()  # one that can no longer be taken back must not bar the way to those before it
        self.library.undo(action=act.group)
        with self.library.store.transaction(write=False) as session:
            newest = select(OpRow.group).where(OpRow.undoes == act.group).order_by(OpRow.id.desc()).limit(1)
            group = session.scalar(newest)
        if group:
            target.append(_Act(group, act.said, act.ids))
        return self._told(act.ids, f"{how}: {act.said}")

    def _noted(self, group: str) -> bool:
        with self.library.store.transaction(write=False) as session:
            return bool(session.scalar(select(exists().where(OpRow.group == group))))

    def _told(self, ids: Sequence[str], said: str) -> Reply:
        rows = rows_of_ids(self.library, list(ids)[:_TOLD])
        self.tell("rows", rows=rows, said=said, undo=len(self._done), redo=len(self._undone))
        return {"said": said}
