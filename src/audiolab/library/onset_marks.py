"""Onsets that people marked: points on a sound, kept as a correction of the kind `onsets`, in frames."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy.orm import Session

from audiolab.audio import Seconds, to_frames
from audiolab.errors import ParameterError
from audiolab.library.overlaying import overlay, require, set_overlay
from audiolab.library.text import shorten

__all__ = ["ONSETS", "mark_onsets", "marked_onsets"]

ONSETS = "onsets"
"""Kind of the document."""


def marked_onsets(session: Session, sound_id: str) -> list[Seconds] | None:
    """Give the onsets that a person marked on a sound, in order; None if nobody did."""
    rate = require(session, sound_id).sample_rate
    body = overlay(session, sound_id, ONSETS)
    return None if body is None else [frame / rate for frame in body.get("frames", ())]


def mark_onsets(session: Session, actor: str, sound_id: str, times: Sequence[Seconds] | None) -> None:
    """Write all onsets of a sound down, or with None take a person's marks away.

    Raises
    ------
    ParameterError
        If one lies outside the sound.
    """
    row = require(session, sound_id)
    if times is None:
        if overlay(session, sound_id, ONSETS) is not None:
            set_overlay(session, actor, sound_id, ONSETS, None)
        return
    outside = next((time for time in times if not math.isfinite(time) or not 0 <= time <= row.duration), None)
    if outside is not None:
        raise ParameterError(
            f"an onset of {shorten(row.name)!r} lies between 0 and {row.duration:.3f} s, not at {outside:g} s: "
            "were frames passed?"
        )
    frames = sorted({min(to_frames(time, row.sample_rate), row.frames) for time in times})
    if (overlay(session, sound_id, ONSETS) or {}).get("frames") != frames:
        set_overlay(session, actor, sound_id, ONSETS, {"frames": frames})
