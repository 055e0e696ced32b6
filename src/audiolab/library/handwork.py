"""The part of `Library` with which people cut: slices by hand, and the places of onsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from audiolab.audio import Frames, Seconds
from audiolab.library import hand_slices, handcuts, onset_marks, relabelling
from audiolab.library.handcuts import HandCut
from audiolab.library.lists import SoundList
from audiolab.library.sounds import Sound, Sounds, ids_of
from audiolab.library.store import Store

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["Handwork"]


class Handwork:
    """Cutting by hand. Each call is one transaction and one action, which undo takes back."""

    store: Store
    actor: str

    def add_slice(
        self, parent: Sound | str, start: Frames, stop: Frames, *, name: str | None = None, label: str | None = None
    ) -> Sound:
        """Cut a sample out of a sound by hand; give it.

        It is a view that belongs to no sample set: it stays when the sound is sliced anew. Where the same frames
        were cut before, that sample is taken, out of the trash if need be.

        Parameters
        ----------
        parent : Sound or str
            The sound, or its id; of a view, the sound that it lies in is cut.
        start, stop : int
            First frame, and the one after the last. `Sound.cut` takes seconds.
        name, label : str, optional
            What to call it, and what it is. `Library.cut` makes many at once.

        Raises
        ------
        ParameterError
            If the span is empty or lies outside the sound.
        """
        (parent_id,) = ids_of(parent)
        with self.store.transaction() as session:
            cut = HandCut(start, stop, name or "")
            (made,) = handcuts.cut_by_hand(session, self.actor, parent_id, [cut], label=label)
        return self._sound(made)

    def move_slice(self, sound: Sound | str, start: Frames, stop: Frames) -> Sound:
        """Move the edges of a slice to other frames of its parent; give the slice that stands there now.

        The id of a view follows from its frames, so this is another sound; words, name, rating, note and places in
        collections go with it. The old one lies in the trash, and no later slicing brings it back.

        Raises
        ------
        CatalogError
            If this is no slice, or there is another one at these frames.
        """
        (sound_id,) = ids_of(sound)
        with self.store.transaction() as session:
            made = hand_slices.move_slice(session, self.actor, sound_id, start, stop)
        return self._sound(made)

    def split_slice(self, sound: Sound | str, at: Frames) -> tuple[Sound, Sound]:
        """Split a slice in two at a frame of its parent; what was said of it stays with the first."""
        (sound_id,) = ids_of(sound)
        with self.store.transaction() as session:
            first, second = hand_slices.split_slice(session, self.actor, sound_id, at)
        return self._sound(first), self._sound(second)

    def remove_slices(self, sounds: Sounds) -> int:
        """Put slices into the trash; slicing anew does not bring them back. Gives their number."""
        with self.store.transaction() as session:
            return hand_slices.remove_slices(session, self.actor, ids_of(sounds))

    def relabel(self, sounds: Sounds, label: str | None) -> None:
        """Say what sounds are, in the place of all labels that people gave them before; None only takes these away.

        Unlike `untag` this denies nothing that a model says.
        """
        with self.store.transaction() as session:
            if label is None:
                relabelling.unlabel(session, self.actor, ids_of(sounds))
            else:
                relabelling.relabel(session, self.actor, ids_of(sounds), label)

    def hand_slices(self, parent: Sound | str) -> SoundList:
        """Give the slices of a sound that people cut or moved, in order of time."""
        (parent_id,) = ids_of(parent)
        with self.store.transaction(write=False) as session:
            rows = hand_slices.hand_slices(session, parent_id)
        return SoundList(cast("Library", self), rows, "slices by hand")

    def onsets(self, sound: Sound | str) -> list[Seconds]:
        """Give where sounds begin in a sound: as a person marked it, else where its samples begin."""
        (sound_id,) = ids_of(sound)
        marked = self.marked_onsets(sound_id)
        if marked is not None:
            return marked
        samples = cast("Library", self).samples_of(sound_id, by_hand=True)
        return sorted({(sample.start or 0) / sample.sample_rate for sample in samples})

    def marked_onsets(self, sound: Sound | str) -> list[Seconds] | None:
        """Give the onsets that a person marked, in seconds; None if nobody did."""
        (sound_id,) = ids_of(sound)
        with self.store.transaction(write=False) as session:
            return onset_marks.marked_onsets(session, sound_id)

    def mark_onsets(self, sound: Sound | str, times: Sequence[Seconds] | None) -> list[Seconds]:
        """Mark all onsets of a sound by hand, in the place of those before; None takes the marks away.

        Parameters
        ----------
        times : sequence of float or None
            Seconds, in any order; they are kept as frames, each once.

        Raises
        ------
        ParameterError
            If one lies outside the sound.
        """
        (sound_id,) = ids_of(sound)
        with self.store.transaction() as session:
            onset_marks.mark_onsets(session, self.actor, sound_id, times)
        return self.onsets(sound_id)

    def _sound(self, sound_id: str) -> Sound:
        return cast("Library", self).sound(sound_id)
