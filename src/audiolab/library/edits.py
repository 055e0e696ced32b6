"""The part of `Library` with which people change things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from audiolab.library import bounces, handcuts, overlaying, purging, ratings, tags, takes, trash, undoing
from audiolab.library.annotations import ImportReport, import_jams
from audiolab.library.handcuts import HandCut
from audiolab.library.ops import Action, Op, actions, ops
from audiolab.library.purging import PurgeReport
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

    @property
    def _whole_library(self) -> Library:
        return cast("Library", self)

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
            Name of the stage whose document it changes, `facts`, or `fields` (rating, favourite, note).
        body : mapping or None
            A JSON merge patch; `{"tempo_factor": 2}` on `analyze` counts the music twice as fast.
        """
        if kind == overlaying.FIELDS:
            self.set_fields(sound_id, **{**dict.fromkeys(ratings.NAMES), **(body or {})})
            return
        with self.store.transaction() as session:
            overlaying.set_overlay(session, self.actor, sound_id, kind, body)

    def rate(self, sounds: Sounds, rating: int | None) -> int:
        """Give sounds 1 to 5 stars, or with None none; give how many changed."""
        return self.set_fields(sounds, rating=rating)

    def favour(self, sounds: Sounds, favourite: bool = True) -> int:
        """Mark sounds as favourites, or no longer; give how many changed."""
        return self.set_fields(sounds, favourite=favourite)

    def set_note(self, sounds: Sounds, note: str | None) -> int:
        """Write a note on sounds in the place of the one before, or with None or nothing take it away."""
        return self.set_fields(sounds, note=note)

    def set_fields(self, sounds: Sounds, **fields: Any) -> int:
        """Set `rating`, `favourite` and `note` of sounds at once; None takes one away. Gives how many changed."""
        with self.store.transaction() as session:
            return ratings.set_fields(session, self.actor, ids_of(sounds), fields)

    def choose_take(self, sound: Sound | str) -> None:
        """Let a sample be the best take of its drum; it stays so when takes are looked for again."""
        with self.store.transaction() as session:
            takes.choose_take(session, self.actor, ids_of(sound)[0])

    def cut(self, sound: Sound | str, parts: Iterable[HandCut], *, label: str | None = None) -> list[Sound]:
        """Make samples of parts of a sound by hand; no later slicing takes their place.

        Parameters
        ----------
        parts : iterable of HandCut
            Where each begins and ends (frames), its name, and what is known about it.
        label : str, optional
            What all of them are, such as `vocal`.

        Returns
        -------
        list of Sound
            One a part. One `undo` takes all of them away.
        """
        with self.store.transaction() as session:
            ids = handcuts.cut_by_hand(session, self.actor, ids_of(sound)[0], list(parts), label=label)
        return [self._whole_library.sound(sound_id) for sound_id in ids]

    def add_bounce(
        self,
        path: str | Path,
        of: Sound,
        *,
        name: str,
        kind: Literal["song", "sample"] = "sample",
        made_from: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Sound:
        """Add a file that was rendered from a sound of this library, such as a mix of its stems.

        Parameters
        ----------
        of : Sound
            What it was made from: its parent.
        made_from : str
            How, in words; `explain` shows it.
        facts : mapping, optional
            More that is known about it; `begins_at`: the second of the parent at which it begins.
        """
        return bounces.add_bounce(
            self._whole_library, Path(path), of, name=name, kind=kind, made_from=made_from, facts=facts or {}
        )

    def overlay(self, sound_id: str, kind: str) -> dict[str, Any] | None:
        """Give the correction as it was written, if there is one."""
        with self.store.transaction(write=False) as session:
            return overlaying.overlay(session, sound_id, kind)

    def ops(self, *, target: str | None = None, limit: int = 100) -> list[Op]:
        """Give the newest changes by people, the newest first."""
        with self.store.transaction(write=False) as session:
            return ops(session, target=target, limit=limit)

    def history(self, *, actor: str | None = None, limit: int = 100) -> list[Action]:
        """Give what people did, action by action, the newest first."""
        with self.store.transaction(write=False) as session:
            return actions(session, actor=actor, limit=limit)

    def undo(
        self, n: int = 1, *, actor: str | None = None, action: str | None = None, within: Sounds | None = None
    ) -> list[Action]:
        """Take back one's own last `n` actions, all of them or none; give them.

        Parameters
        ----------
        actor : str, optional
            Whose actions; default: those of who opened the library.
        action : str, optional
            Only this one (`Action.group`), whatever else was done since.
        within : optional
            Only actions that changed nothing but these sounds, what was made or cut from them, and collections.

        Raises
        ------
        CatalogError
            If there is nothing to take back, or the same things were changed since; nothing is changed then.
        """
        with self.store.transaction() as session:
            session.info[undoing.CHOOSE] = self._whole_library.choose
            if action is not None:
                return [undoing.undo_action(session, actor or self.actor, action)]
            return undoing.undo(session, actor or self.actor, n, within=None if within is None else ids_of(within))

    def redo(self, n: int = 1, *, actor: str | None = None, within: Sounds | None = None) -> list[Action]:
        """Do again what `undo` has taken back, as long as nothing else was done since (there, with `within`)."""
        with self.store.transaction() as session:
            session.info[undoing.CHOOSE] = self._whole_library.choose
            return undoing.redo(session, actor or self.actor, n, within=None if within is None else ids_of(within))

    def delete(self, sounds: Sounds) -> int:
        """Put sounds, and all that was made from them, into the trash; give how many went."""
        with self.store.transaction() as session:
            return trash.delete_rows(session, self.actor, ids_of(sounds))

    def restore(self, sounds: Sounds) -> int:
        """Take sounds out of the trash, with all that went in with them; give how many came back."""
        with self.store.transaction() as session:
            return trash.restore_rows(session, self.actor, ids_of(sounds))

    def purge(self, *, older_than: timedelta | float | None = None, dry_run: bool = False) -> PurgeReport:
        """Remove for good what is in the trash, with records and files that nothing else uses.

        Parameters
        ----------
        older_than : timedelta or float, optional
            Only what has been there for so long; a number counts days.
        dry_run : bool
            Only say what would go.
        """
        return purging.purge(cast("Library", self), older_than=older_than, dry_run=dry_run)

    def import_jams(self, path: str | Path, sound: Sound | str | None = None) -> ImportReport:
        """Take beats, tempo, key, notes, lyrics and tags from a JAMS file, as corrections; see `annotations.py`.

        Parameters
        ----------
        sound : Sound or str, optional
            The sound that it describes; by default found by content, name or length.
        """
        return import_jams(cast("Library", self), path, sound)
