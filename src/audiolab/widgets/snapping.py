"""Snapping: where an edge that a person sets falls, frame by frame on the real samples."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from audiolab.audio import Audio, BlockSource, Frames, to_frames
from audiolab.errors import ParameterError
from audiolab.library import Sound

__all__ = ["GRIDS", "ZERO_SECONDS", "grid_frames", "nearest", "zero_crossing"]

GRIDS = ("none", "beat", "quarter", "onset")
"""What an edge may snap to: nothing, beats, quarters of a beat, onsets that slicing found or a person marked."""
ZERO_SECONDS = 0.01
"""How far an edge goes to find a zero crossing."""


def zero_crossing(source: BlockSource, frame: Frames, *, seconds: float = ZERO_SECONDS) -> Frames | None:
    """Give the frame next to a zero crossing that lies nearest; None if there is none within reach.

    Channels are added up. Of the two frames around a crossing the quieter one is taken. The beginning and the end of
    the sound count as crossings.
    """
    if frame <= 0 or frame >= source.frames:
        return min(max(frame, 0), source.frames)
    reach = max(1, to_frames(seconds, source.sample_rate))
    start, stop = max(0, frame - reach), min(source.frames, frame + reach + 1)
    sums = Audio.from_source(source, start=start, stop=stop).samples.sum(axis=0, dtype=np.float64)
    before, after = sums[:-1], sums[1:]
    places = np.flatnonzero((before >= 0) != (after >= 0))
    quieter = np.where(np.abs(after[places]) < np.abs(before[places]), places + 1, places)
    found = start + np.union1d(quieter, np.flatnonzero(sums == 0))
    found = found[np.abs(found - frame) <= reach]
    return int(found[np.argmin(np.abs(found - frame))]) if len(found) else None


def grid_frames(sound: Sound, grid: str) -> list[Frames]:
    """Give the frames of a sound to which edges may snap.

    Raises
    ------
    ParameterError
        If they are not known; the message says what to do.
    """
    rate = sound.sample_rate
    if grid == "onset":
        times = _onsets(sound)
        if not times:
            raise ParameterError(f"no onsets of {sound.name!r} are known: slice it, or mark them")
        return sorted({to_frames(time, rate) for time in times})
    if grid in {"beat", "quarter"}:
        tempo = sound.tempo_map
        if tempo is None:
            raise ParameterError(f"the beats of {sound.name!r} are not known: run the stage `analyze` on its song")
        finer = tempo if grid == "beat" else tempo.scaled(4)
        return [to_frames(time, rate) for time in finer.beats(sound.duration) if 0 <= time <= sound.duration]
    raise ParameterError(f"edges snap to {', '.join(GRIDS)}, not to {grid!r}")


def nearest(frames: Iterable[Frames], frame: Frames) -> Frames | None:
    """Give the one that lies nearest."""
    return min(frames, key=lambda each: abs(each - frame), default=None)


def _onsets(sound: Sound) -> list[float]:
    """Give what a person marked, and where the newest slicing found beginnings, moved slices or not."""
    library = sound.library
    times = list(library.marked_onsets(sound) or ())
    cut = library.samples_of(sound.id)
    if cut.result_key:
        found = library.sample_set(cut.result_key)
        times += [(sample.start or 0) / sample.sample_rate for sample in found]
    return times
