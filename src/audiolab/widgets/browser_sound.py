"""What the sample browser hears and draws of a sound: its samples, its level, a thumbnail of its waveform."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block, BlockSource, LoudnessMeter, amplitude_to_db
from audiolab.errors import AudiolabError
from audiolab.library import Sound
from audiolab.widgets.outlines import outline_of, rough_outline

__all__ = ["TARGET", "THUMB", "WHOLE", "Heard", "Level", "hear", "hear_many", "level_of", "thumbnail", "thumbnails_png"]

WHOLE = 20.0
"""Seconds up to which a sound is sent whole; of a longer one the page gets the beginning and streams the rest."""
BEGINNING = 1 << 17
"""Frames of that beginning."""
TARGET = -18.0
"""LUFS at which previews are matched."""
THUMB = 96
"""Columns of a thumbnail."""
_BLOCK = 0.4
"""Seconds of one gating block of BS.1770: shorter sounds are measured by their RMS."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Level:
    """How loud a sound is, and what would bring it to -18.

    Attributes
    ----------
    measure : str
        `LUFS`, `RMS` (sounds shorter than 0.4 s), or `silence`.
    value : float or None
        In LUFS, or dB relative to full scale.
    peak_db : float
        Its highest sample in dBFS.
    gain_db : float
        To be applied; never so much that the highest sample exceeds full scale.
    limited : bool
        Whether that is less than what -18 would take.
    whole : bool
        Whether all of the sound was measured; else its beginning, and it is never made louder.
    """

    measure: str
    value: float | None
    peak_db: float
    gain_db: float
    limited: bool
    whole: bool

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "measure": self.measure,
            "value": None if self.value is None else round(self.value, 2),
            "peak_db": round(self.peak_db, 2),
            "gain_db": round(self.gain_db, 2),
            "limited": self.limited,
            "whole": self.whole,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What the page gets of a sound."""

    samples: NDArray[np.float32]
    """At most two channels, at their true level; shape (channels, frames)."""
    sample_rate: int
    frames: int
    """Of the whole sound."""
    level: Level

    @property
    def whole(self) -> bool:
        """Whether all of the sound is here."""
        return bool(self.samples.shape[1] >= self.frames)


def hear(source: BlockSource) -> Heard:
    """Read a sound, or the beginning of a long one, and measure it."""
    rate, frames = source.sample_rate, source.frames
    stop = frames if frames <= WHOLE * rate else min(frames, BEGINNING)
    blocks = list(source.blocks(stop=stop)) if stop else []
    samples = np.concatenate(blocks, axis=1) if blocks else np.zeros((source.channels, 0), np.float32)
    level = level_of(samples, rate, whole=stop == frames)
    return Heard(np.ascontiguousarray(samples[:2], np.float32), rate, frames, level)


def hear_many(
    names: Sequence[str], find: Callable[[str], Sound], offer: Callable[[Sound], dict[str, Any]]
) -> tuple[dict[str, Any], list[bytes]]:
    """Answer a page that wants to hear some sounds: samples and levels, of 16 at most.

    Parameters
    ----------
    names : sequence of str
        What the page calls them.
    find : callable
        Gives the sound of a name; what it raises is that sound's error.
    offer : callable
        Offers the rest of a long sound.

    Returns
    -------
    dict, list of bytes
        `sounds`, each with `at`, the number of its buffer; the buffers hold float32, channel after channel.
    """
    told: list[dict[str, Any]] = []
    buffers: list[bytes] = []
    for name in names[:_AT_ONCE]:
        try:
            sound = find(name)
            heard = hear(sound.source())
            offered = None if heard.whole else offer(sound)
        except AudiolabError as error:
            told.append({"id": name, "error": str(error)})
            continue
        told.append(
            {
                "id": name, "sample_rate": heard.sample_rate, "channels": heard.samples.shape[0],
                "frames": heard.frames, "sent": heard.samples.shape[1], "level": heard.level.to_dict(),
                "offered": offered, "at": len(buffers),
            }
        )  # fmt: skip
        buffers.append(heard.samples.tobytes())
    return {"sounds": told}, buffers


def level_of(samples: Block, rate: int, *, whole: bool = True) -> Level:
    """Measure samples: loudness from 0.4 s on, RMS of the loudest channel below."""
    top = float(np.abs(samples).max(initial=0.0))
    peak = amplitude_to_db(top)
    measure, value = "LUFS", None
    if samples.shape[1] >= _BLOCK * rate:
        meter = LoudnessMeter(rate, samples.shape[0])
        meter.add(samples)
        value = meter.integrated()
    elif top > 0:
        power = float(np.square(samples, dtype=np.float64).mean(axis=1).max())
        measure, value = "RMS", 10 * math.log10(power)
    if value is None:
        return Level("silence", None, peak, 0.0, limited=False, whole=whole)
    wanted = TARGET - value
    room = -peak if whole else min(0.0, -peak)  # nobody knows the peak of what was not read: never louder then
    gain = math.floor(10 * min(wanted, room)) / 10  # in steps that are shown, rounded down
    return Level(measure, value, peak, gain, limited=room < wanted, whole=whole)


def thumbnail(sound: Sound) -> NDArray[np.uint8]:
    """Give the outline as bytes: highest, then lowest sample of each column; 0 is -1, 128 silence, 255 full scale.

    Shape (2, THUMB). Louder than full scale is drawn as full scale.
    """
    source = sound.source()
    if not source.frames:
        return np.full((2, THUMB), 128, np.uint8)
    bins = min(THUMB, source.frames)
    if source.frames <= WHOLE * source.sample_rate:
        samples = np.concatenate(list(source.blocks()), axis=1)
        edges = np.arange(bins) * source.frames // bins
        values = np.stack([
            np.maximum.reduceat(samples.max(axis=0), edges), np.minimum.reduceat(samples.min(axis=0), edges)
        ])  # fmt: skip
    else:
        outline = outline_of(sound, wait=False) or rough_outline(source)
        values = outline.between(source, 0, source.frames, bins)
    if values.shape[1] != THUMB:
        values = values[:, np.arange(THUMB) * values.shape[1] // THUMB]
    return np.asarray(np.clip(np.rint(128 + 127 * values), 0, 255), np.uint8)


def thumbnails_png(values: Sequence[NDArray[np.uint8]], *, height: int = 24) -> list[bytes]:
    """Draw thumbnails as small PNGs for the static view."""
    import io

    from PIL import Image

    pictures = []
    for high, low in values:
        image = np.full((height, THUMB), 255, np.uint8)
        rows = np.arange(height)[:, None]
        top = (255 - high.astype(int)) * (height - 1) // 255
        bottom = (255 - low.astype(int)) * (height - 1) // 255
        image[(rows >= top) & (rows <= bottom)] = 0
        paletted = Image.fromarray(image // 255, "P")
        paletted.putpalette([59, 130, 184, 255, 255, 255])
        buffer = io.BytesIO()
        paletted.save(buffer, "PNG", transparency=1, bits=1)
        pictures.append(buffer.getvalue())
    return pictures
