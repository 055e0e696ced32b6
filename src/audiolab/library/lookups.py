"""The part of `Library` that finds sounds by id, name and family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select

from audiolab.errors import CatalogError
from audiolab.library import overlaying
from audiolab.library.derived import chunks, visible
from audiolab.library.family import family_graph
from audiolab.library.graph import Graph
from audiolab.library.hand_slices import hand_slices
from audiolab.library.ids import set_id
from audiolab.library.lists import SampleSet, SoundList
from audiolab.library.models import SetItemRow, SetRow, SoundRow
from audiolab.library.provenance import Provenance, explain
from audiolab.library.sounds import Sound
from audiolab.library.store import Store
from audiolab.library.text import clean_text, shorten

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["Lookups"]

_STEM_ORDER = ("drums", "bass", "other", "vocals", "guitar", "piano")


class Lookups:
    """Single sounds, their families, and how they were made."""

    store: Store

    @property
    def _library(self) -> Library:
        return cast("Library", self)

    def sound(self, which: str) -> Sound:
        """Find one sound.

        Parameters
        ----------
        which : str
            Its id, the beginning of its id (at least 4 digits), its exact name or its file's name.

        Raises
        ------
        CatalogError
            If there is none, or several.
        """
        which = clean_text(which)
        with self.store.transaction(write=False) as session:
            row = session.get(SoundRow, which)
            if row is not None:
                return Sound(self._library, row)
            matches = (SoundRow.name == which) | (SoundRow.original_name == which)
            if len(which) >= 4 and set(which) <= set("0123456789abcdef"):
                matches |= (SoundRow.id >= which) & (SoundRow.id < which + "g")
            rows = session.scalars(select(SoundRow).where(matches, visible()).limit(6)).all()
        if len(rows) == 1:
            return Sound(self._library, rows[0])
        if not rows:
            raise CatalogError(f"the library has no sound {shorten(which)!r} (an id, its beginning, or an exact name)")
        some = ", ".join(f"{shorten(row.name, 30)!r} {row.id[:10]}" for row in rows[:5])
        raise CatalogError(
            f"{shorten(which)!r} may be several sounds: {some}{' …' if len(rows) > 5 else ''}; give an id"
        )

    def sound_row(self, sound_id: str) -> SoundRow:
        """Give a sound's row as it is now."""
        with self.store.transaction(write=False) as session:
            return overlaying.require(session, sound_id)

    def sound_rows(self, sound_ids: Iterable[str]) -> dict[str, SoundRow]:
        """Give rows of many sounds as they are now, by id; those that are not there are left out."""
        found: dict[str, SoundRow] = {}
        with self.store.transaction(write=False) as session:
            for ids in chunks(sound_ids):
                found.update({row.id: row for row in session.scalars(select(SoundRow).where(SoundRow.id.in_(ids)))})
        return found

    def children(self, parent_id: str, *, kind: str | None = None, result_key: str | None = None) -> SoundList:
        """Give what was made (not cut) from a sound: all of one result, else what is current."""
        statement = select(SoundRow).where(
            SoundRow.parent_id == parent_id, SoundRow.start.is_(None), SoundRow.deleted_at.is_(None)
        )
        if kind is not None:
            statement = statement.where(SoundRow.kind == kind)
        if result_key is not None:
            statement = statement.where(SoundRow.result_key == result_key)
        else:
            statement = statement.where(SoundRow.current)
        with self.store.transaction(write=False) as session:
            rows = session.scalars(statement).all()
        rank = {name: index for index, name in enumerate(_STEM_ORDER)}
        # Added stems come last: under one name the true stem takes the place of an estimate.
        rows = sorted(
            rows, key=lambda row: (rank.get(row.stem or "", 99), row.stem or "", row.result_key is None, row.name)
        )
        return SoundList(self._library, rows)

    def sample_set(self, result_key: str) -> SampleSet:
        """Give the sample set that a job cut, with those of its samples that are in the trash.

        Raises
        ------
        CatalogError
            If that job cut nothing or is unknown.
        """
        return self._set(SetRow.id == set_id(result_key), f"the result {result_key[:12]}… has no sample set")

    def samples_of(self, parent_id: str, *, by_hand: bool = False) -> SampleSet:
        """Give a sound's newest sample set without what is in the trash; empty if it was never cut.

        Parameters
        ----------
        by_hand : bool
            With it the slices that people cut, in order of time. They belong to no set: a job on the set does not
            know them.
        """
        if by_hand:
            return self._with_hand_slices(parent_id)
        return self._set((SetRow.parent_id == parent_id) & SetRow.superseded_by.is_(None), None, parent_id)

    def _set(self, which: Any, missing: str | None, parent_id: str | None = None) -> SampleSet:
        with self.store.transaction(write=False) as session:
            found = session.scalars(select(SetRow).where(which)).first()
            if found is None:
                if missing:
                    raise CatalogError(missing)
                return SampleSet(self._library, (), parent_id=parent_id)
            items = (
                select(SoundRow)
                .join(SetItemRow, SetItemRow.sound_id == SoundRow.id)
                .where(SetItemRow.set_id == found.id)
                .order_by(SetItemRow.position)
            )
            if parent_id is not None:
                items = items.where(SoundRow.deleted_at.is_(None))
            rows = session.scalars(items).all()
        return SampleSet(
            self._library,
            rows,
            id=found.id,
            parent_id=found.parent_id,
            result_key=found.result_key,
            superseded_by=found.superseded_by,
            facts=found.facts,
        )

    def _with_hand_slices(self, parent_id: str) -> SampleSet:
        found = self.samples_of(parent_id)
        with self.store.transaction(write=False) as session:
            cut = hand_slices(session, parent_id)
        rows = {row.id: row for row in (*found._rows, *cut)}
        return SampleSet(
            self._library,
            sorted(rows.values(), key=lambda row: (row.start or 0, row.stop or 0, row.id)) if cut else found._rows,
            id=found.id,
            parent_id=parent_id,
            result_key=found.result_key,
            facts=found.facts,
        )

    def names(self, sound_ids: Iterable[str]) -> dict[str, str]:
        """Give the names of sounds by id."""
        found: dict[str, str] = {}
        with self.store.transaction(write=False) as session:
            for ids in chunks(sound_ids):
                rows = session.execute(select(SoundRow.id, SoundRow.name).where(SoundRow.id.in_(ids)))
                found.update({row.id: row.name for row in rows})
        return found

    def explain(self, sound_id: str) -> Provenance:
        """Say how a sound was made; see `Sound.explain`."""
        with self.store.transaction(write=False) as session:
            return explain(session, sound_id)

    def provenance(self, sound: Sound | str) -> Graph:
        """Give everything that a sound was made from and all that was made from it, as a graph with a picture.

        Parameters
        ----------
        sound : Sound or str
            The sound, its id or its name; a song gives its whole family.
        """
        which = self.sound(sound) if isinstance(sound, str) else sound
        with self.store.transaction(write=False) as session:
            return family_graph(session, which.id)
