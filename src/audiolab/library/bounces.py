"""Sounds that a person rendered from others, such as a mix of stems: added with what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from audiolab.errors import ParameterError
from audiolab.library.clock import utc_now
from audiolab.library.derived import refresh_facts
from audiolab.library.ids import derived_id, hash_text
from audiolab.library.intake import take_in
from audiolab.library.models import SoundRow
from audiolab.library.ops import note
from audiolab.library.overlaying import require
from audiolab.library.scratch import scratch_folder
from audiolab.library.sounds import Sound
from audiolab.library.text import clean_json, clean_text
from audiolab.library.trash import restore_rows

if TYPE_CHECKING:
    from audiolab.library.library import Library

__all__ = ["add_bounce"]


def add_bounce(
    library: Library,
    path: Path,
    of: Sound,
    *,
    name: str,
    kind: Literal["song", "sample"],
    made_from: str,
    facts: Mapping[str, Any],
) -> Sound:
    """Add a file that was rendered from a sound; its parent is that sound, and the history can take it back.

    The same samples rendered from the same sound are the same bounce: what is there is given, out of the trash.

    Raises
    ------
    AudioError
        If the file is no audio.
    ParameterError
        If the name is empty.
    """
    name = clean_text(name).strip()
    if not name:
        raise ParameterError("a bounce needs a name")
    with scratch_folder(library.tmp_dir, "add") as scratch:
        taken = take_in(path, f"{name}{path.suffix}", name, scratch)
        media = library.media.put(taken.path, taken.suffix)
        identity = derived_id(hash_text("bounce", of.id), taken.content_id)
        with library.store.transaction() as session:
            parent = require(session, of.id)
            row = session.get(SoundRow, identity)
            if row is not None:
                if row.deleted_at is not None:
                    restore_rows(session, library.actor, [identity])
                return Sound(library, row)
            columns = {**taken.columns(), "original_name": None, "origin": None}
            columns["made_facts"] = clean_json({**columns["made_facts"], **facts, "made_from": made_from})
            row = SoundRow(
                **columns,
                id=identity,
                kind=kind,
                name=name,
                media=media,
                parent_id=parent.id,
                # A song of its own has no song above it, though it was made from one.
                song_id=(parent.song_id or parent.id) if kind == "sample" else None,
                added_at=utc_now(),
                facts={},
                current=True,
            )
            session.add(row)
            session.flush()
            note(session, library.actor, "add", identity, after={"kind": kind, "origin": made_from})
            refresh_facts(session, [row])
            return Sound(library, row)
