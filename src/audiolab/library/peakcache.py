"""Outlines of sounds, kept in `cache/peaks/` by content: derived, so they may be deleted at any time."""

from __future__ import annotations

import logging
from pathlib import Path

from audiolab.audio import BlockSource, Peaks
from audiolab.errors import AudioError

__all__ = ["LONG", "keep_peaks", "kept_peaks", "make_peaks"]

LONG = 60.0
"""Sounds longer than this (seconds) get their outline when they are added, so that the first look at them is quick."""
log = logging.getLogger("audiolab.library")


def kept_peaks(folder: Path, content: str) -> Peaks | None:
    """Give the outline that is kept for a content in a library's folder; None if there is none or it is damaged."""
    path = _path(folder, content)
    if not path.is_file():
        return None
    try:
        return Peaks.load(path)
    except AudioError as error:
        log.info("an outline is made anew: %s", error)
        return None


def keep_peaks(folder: Path, content: str, peaks: Peaks) -> None:
    """Keep an outline; a full disk or a folder without write permission only costs the next look some seconds."""
    path = _path(folder, content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        peaks.save(path)
    except OSError as error:
        log.warning("the outline of a sound cannot be kept: %s", error)


def make_peaks(folder: Path, content: str, source: BlockSource) -> Peaks:
    """Give the kept outline, or make it and keep it."""
    found = kept_peaks(folder, content)
    if found is None or (found.frames, found.sample_rate) != (source.frames, source.sample_rate):
        found = Peaks.from_source(source)
        keep_peaks(folder, content, found)
    return found


def _path(folder: Path, content: str) -> Path:
    return folder / "cache" / "peaks" / f"{content.replace(':', '_').replace('/', '_')}.npz"
