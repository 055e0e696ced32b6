"""Sounds for the page: outlines to draw and samples to play, piece by piece, never inside synced state.

The page asks for chunks of 2^17 frames (3 s at 44.1 kHz) and keeps 30 s ahead, so an hour-long file starts as fast as a
short one. Samples travel as float32, planar, at their true level: what is heard is what the file holds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio, Block, BlockSource, View
from audiolab.audio.source import as_source
from audiolab.errors import ParameterError
from audiolab.library import Sound
from audiolab.widgets.base import LabWidget, Reply, request
from audiolab.widgets.outlines import Outline, outline_of, rough_outline
from audiolab.widgets.pictures import spectrogram

__all__ = ["CHUNK", "Offered", "SoundingWidget"]

CHUNK = 1 << 17
"""Frames of one chunk; the page's code says the same number (transport/source.ts)."""
_MOST_BINS = 600_000
_LONGEST_SPECTRUM = 600


class Offered:
    """A sound that the page may ask for.

    Parameters
    ----------
    sound : Sound or BlockSource
        What to read; a `Sound` is opened when it is first read.
    key : str
        Its name between page and kernel.
    """

    def __init__(self, sound: Sound | BlockSource, key: str) -> None:
        self.sound, self.key = sound, key
        self._source: BlockSource | None = None if isinstance(sound, Sound) else sound
        self._next: tuple[int, Iterator[Block]] | None = None
        self._outline: Outline | None = None

    @property
    def source(self) -> BlockSource:
        """The opened sound."""
        if self._source is None:
            assert isinstance(self.sound, Sound)
            self._source = self.sound.source()
        return self._source

    @property
    def channels(self) -> int:
        """Channels that the page gets: at most two; of more, the first two are heard."""
        return min(2, self.source.channels)

    def describe(self) -> dict[str, Any]:
        """Say what the page must know."""
        return {
            "id": self.key,
            "name": self.source.name,
            "sample_rate": self.source.sample_rate,
            "channels": self.channels,
            "all_channels": self.source.channels,
            "frames": self.source.frames,
        }

    def chunk(self, index: int) -> NDArray[np.float32]:
        """Read one chunk; shape (channels, up to 2^17). Chunks in a row go on where the last one ended."""
        start = index * CHUNK
        if not 0 <= start < max(1, self.source.frames):
            raise ParameterError(f"{self.source.name!r} has no chunk {index}")
        if self._next is None or self._next[0] != index:
            self._next = (index, self.source.blocks(CHUNK, start=start))
        block = next(self._next[1], None)
        self._next = (index + 1, self._next[1]) if start + CHUNK < self.source.frames else None
        if block is None:
            block = np.zeros((self.source.channels, 0), np.float32)
        return np.ascontiguousarray(block[: self.channels], np.float32)

    def forget(self) -> None:
        """Close what is open."""
        self._next = None


class SoundingWidget(LabWidget):
    """A widget that plays or draws sounds; `offer` them, the page asks for the rest."""

    def __init__(self, **traits: Any) -> None:
        self._offered: dict[str, Offered] = {}
        super().__init__(**traits)

    def offer(self, sound: Sound | BlockSource, *, key: str | None = None) -> dict[str, Any]:
        """Let the page have a sound; give what it needs to ask for it.

        Parameters
        ----------
        sound : Sound, Audio or BlockSource
            The sound.
        key : str, optional
            A name for it that only this widget knows; default: the sound's id, or a count.

        Returns
        -------
        dict
            `id`, `name`, `sample_rate`, `channels` (at most 2), `all_channels`, `frames`.
        """
        chosen = key or (sound.id if isinstance(sound, Sound) else f"sound-{len(self._offered)}")
        offered = Offered(sound, chosen)
        described = offered.describe()
        self._offered[chosen] = offered
        return described

    def withdraw(self, key: str) -> None:
        """Take a sound back; the page cannot ask for it any more."""
        self._offered.pop(key, None)

    def offered(self, key: str) -> Offered:
        """Give what was offered under that name.

        Raises
        ------
        ParameterError
            If nothing was.
        """
        if key not in self._offered:
            raise ParameterError(f"this widget has no sound {key!r}")
        return self._offered[key]

    @request
    def audio(self, source: str, chunk: int) -> Reply:
        """Give one chunk of samples."""
        samples = self.offered(source).chunk(chunk)
        return {"frames": samples.shape[1], "channels": samples.shape[0]}, [samples.tobytes()]

    @request
    def peaks(self, source: str, bins: int, start: int = 0, stop: int | None = None) -> Reply:
        """Give the outline: for each bin the highest and the lowest sample over all channels.

        For a long sound that was never drawn the first answer is rough (`exact` is False); an event `outline` tells
        when the exact one is there.
        """
        offered = self.offered(source)
        stop = offered.source.frames if stop is None else stop
        bins = max(1, min(bins, _MOST_BINS, max(1, stop - start)))
        if stop <= start:
            return {"bins": 0, "exact": True, "peak": 0.0}, [b""]
        outline = offered._outline or outline_of(offered.sound, wait=False)
        if outline is None:
            threading.Thread(target=self._draw_later, args=(offered,), daemon=True).start()
            outline = rough_outline(offered.source)
        else:
            offered._outline = outline
        values = outline.between(offered.source, start, stop, bins)
        facts = {"bins": values.shape[1], "exact": outline.exact, "peak": outline.peak}
        return facts, [np.ascontiguousarray(values, np.float32).tobytes()]

    def _draw_later(self, offered: Offered) -> None:
        try:
            offered._outline = outline_of(offered.sound, wait=True)
        except Exception as error:  # told to the page; playing goes on
            self.error = f"{offered.source.name}: the waveform cannot be drawn: {error}"
            return
        self.tell("outline", source=offered.key)

    @request
    def spectrum(self, source: str, start: int, stop: int, width: int = 900, height: int = 140) -> Reply:
        """Draw a spectrogram of a part as PNG."""
        offered = self.offered(source)
        stop = min(stop, offered.source.frames)
        if stop - start < 64:
            raise ParameterError("this part is too short for a spectrogram")
        if stop - start > _LONGEST_SPECTRUM * offered.source.sample_rate:
            raise ParameterError("zoom in to ten minutes or less to see a spectrogram")
        part = View(offered.source, start, stop)
        picture = spectrogram(part, width=min(width, 2000), height=min(height, 600), bare=True)
        return {"start": start, "stop": stop}, [picture]

    def close(self) -> None:
        """Close the widget and what it has opened."""
        for offered in getattr(self, "_offered", {}).values():  # none if it was refused while it was made
            offered.forget()
        self._offered = {}
        super().close()


def as_audio(sound: Any) -> Sound | BlockSource:
    """Take a sound of the library, an `Audio`, a source, a path or an (array, sample_rate) pair."""
    return sound if isinstance(sound, (Sound, Audio)) else as_source(sound)
