"""What the annotator shows next: the samples of a list, or those of a library that are most worth a person's word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audiolab.errors import ParameterError
from audiolab.library import Library, Sound
from audiolab.library.collections import Collection

__all__ = ["Queue", "queue_of"]

_HISTORY = 100


class Queue:
    """Samples to go through, one after the other.

    Parameters
    ----------
    library : Library
        Where they are.
    ids : sequence of str
        The samples; empty: the regions of one sound are the queue.
    top : mapping
        What a model found likely, by id.
    more : int
        With 0 the queue ends; else so many of the library's most uncertain samples are looked for when it is empty.
    query : str
        Only what it finds.
    """

    def __init__(
        self,
        library: Library,
        ids: Sequence[str] = (),
        *,
        top: Mapping[str, Sequence[Sequence[Any]]] | None = None,
        more: int = 0,
        query: str = "",
    ) -> None:
        self.library, self.ids, self.more, self.query = library, list(ids), more, query
        self.top = dict(top or {})
        self.at = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def current(self) -> str | None:
        """The sample that is shown."""
        return self.ids[self.at] if 0 <= self.at < len(self.ids) else None

    def step(self, by: int) -> str | None:
        """Go on or back; None at the end (after more were looked for) or at the beginning."""
        if self.at + by >= len(self.ids) and self.more:
            self.fill()
        if not 0 <= self.at + by < len(self.ids):
            return None
        self.at += by
        return self.current

    def fill(self) -> None:
        """Append the most uncertain samples that are not in the queue yet.

        Raises
        ------
        ParameterError
            If the library has none; the message says why.
        """
        from audiolab.runs import uncertain

        try:
            found = uncertain(self.library, self.more, self.query)
        except ParameterError:
            if self.ids:
                return  # all are judged: the queue has come to its end
            raise
        known = set(self.ids)
        for proposal in found.proposals:
            self.top[proposal.id] = proposal.top
            if proposal.id not in known:
                self.ids.append(proposal.id)

    def note(self, sound_id: str, now: str) -> None:
        """Let a sample that was moved go on under its new id."""
        self.ids = [now if each == sound_id else each for each in self.ids]
        if sound_id in self.top:
            self.top[now] = self.top[sound_id]

    def lately(self) -> list[str]:
        """Give the sounds that this person changed lately in this library: undo reaches them after a restart too."""
        if not self.more:
            return []
        actions = self.library.history(actor=self.library.actor, limit=_HISTORY)
        targets = {target for action in actions for target in action.targets if ":" not in target}
        return list(self.library.names(targets))


def queue_of(what: Any, *, n: int, query: str) -> tuple[Sound | None, Queue]:
    """Take what `annotate` was given: the sound to show, or None, and the samples to go through.

    Raises
    ------
    ParameterError
        If nothing of it can be annotated.
    """
    if isinstance(what, Library):
        queue = Queue(what, more=n, query=query)
        queue.fill()
        return None, queue
    if isinstance(what, Collection):
        what = what.sounds
    if isinstance(what, Sound):
        return (None, Queue(what.library, [what.id])) if what.start is not None else (what, Queue(what.library))
    if isinstance(what, str) or not isinstance(what, Iterable):
        raise ParameterError(
            f"annotating keeps what you do in a library: pass a Sound of one, several, or the library, not "
            f"{type(what).__name__} (lib.add(...) gives a Sound)"
        )
    sounds = list(what)
    if not sounds:
        raise ParameterError("there is nothing to annotate: the list is empty")
    other = next((each for each in sounds if not isinstance(each, Sound)), None)
    if other is not None:
        raise ParameterError(f"only sounds of a library can be annotated, not {type(other).__name__}")
    library = sounds[0].library
    if any(sound.library is not library for sound in sounds):
        raise ParameterError("all sounds must be of one open library")
    if len(sounds) == 1:
        return queue_of(sounds[0], n=n, query=query)
    top = {proposal.id: proposal.top for proposal in getattr(what, "proposals", ())}
    return None, Queue(library, [sound.id for sound in sounds], top=top)
