"""The part of `Library` with which people change things."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from audiolab.library import overlaying, tags, trash
from audiolab.library.annotations import ImportReport, import_jams
from audiolab.library.ops import Op, ops
from audiolab.library.sounds import Sound, Sounds, ids_of
from audiolab.library.store import Store
from audiolab.library.tags import Role, Tag

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["Edits"]


class Edits:
    """Tags, names, corrections and the trash. Every change is written to the history with it."""

    store: Store
    actor: str

    def tag(self, sounds: Sounds, label: str, confidence: float = 1.0, *, role: Role | None = None) -> None:
        """Give sounds a label by a person's hand; see `Sound.tag`."""
        with self.store.transaction() as session:
            tags.add_tags(session, self.actor, ids_of(sounds), label, confidence=confidence, role=role)

    def untag(self, sounds: Sounds, label: str) -> int:
        """Take a label away; see `Sound.untag`. Gives the number of sounds that had it."""
        with self.store.transaction() as session:
            return tags.remove_tags(session, self.actor, ids_of(sounds), label)

    def tags_of(self, sound_id: str) -> list[Tag]:
        """Give all tags of a sound, people's first."""
        with self.store.transaction(write=False) as session:
            return tags.tags_of(session, sound_id)

    def rename(self, sound_id: str, name: str) -> None:
        """Give a sound another name."""
        with self.store.transaction() as session:
            overlaying.rename(session, self.actor, sound_id, name)

    def set_overlay(self, sound_id: str, kind: str, body: Mapping[str, Any] | None) -> None:
        """Lay a person's correction over what a stage found; None takes it away.

        Parameters
        ----------
        kind : str
            Name of the stage whose document it changes, or `facts`.
        body : mapping or None
            A JSON merge patch; `{"tempo_factor": 2}` on `analyze` counts the music twice as fast.
        """
        with self.store.transaction() as session:
            overlaying.set_overlay(session, self.actor, sound_id, kind, body)

    def overlay(self, sound_id: str, kind: str) -> dict[str, Any] | None:
        """Give the correction as it was written, if there is one."""
        with self.store.transaction(write=False) as session:
            return overlaying.overlay(session, sound_id, kind)

    def ops(self, *, target: str | None = None, limit: int = 100) -> list[Op]:
        """Give the newest changes by people, the newest first."""
        with self.store.transaction(write=False) as session:
            return ops(session, target=target, limit=limit)

    def delete(self, sounds: Sounds) -> int:
        """Put sounds, and all that was made from them, into the trash; give how many went."""
        with self.store.transaction() as session:
            return trash.delete_rows(session, self.actor, ids_of(sounds))

    def restore(self, sounds: Sounds) -> int:
        """Take sounds out of the trash, with all that went in with them; give how many came back."""
        with self.store.transaction() as session:
            return trash.restore_rows(session, self.actor, ids_of(sounds))

    def import_jams(self, path: str | Path, sound: Sound | str | None = None) -> ImportReport:
        """Take beats, tempo, key, notes, lyrics and tags from a JAMS file, as corrections; see `annotations.py`.

        Parameters
        ----------
        sound : Sound or str, optional
            The sound that it describes; by default found by content, name or length.
        """
        return import_jams(cast("Library", self), path, sound)
