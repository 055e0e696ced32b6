"""Notes made audible: a source that plays them with simple voices, each block by itself, from any frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block, Frames, to_frames
from audiolab.audio.source import BLOCK, check_span
from audiolab.errors import ParameterError
from audiolab.synth import instruments

__all__ = ["NoteSource"]

Wave = NDArray[np.float64]
_ATTACK, _RELEASE = 0.004, 0.05
_PARTIALS = 5
_LEVEL, _DRUM_LEVEL = 0.22, 0.6
_SEED = 7


class NoteSource:
    """Notes as a sound of one channel: plucked tones for pitches, small drums for drum keys.

    A note is computed from its own beginning, so that blocks fit together wherever they are cut.

    Parameters
    ----------
    notes : sequence of mapping
        Each with `start` and `end` in seconds, `pitch` (MIDI number) and `velocity` (1 to 127, default 100).
    frames, sample_rate : int
        Length and rate; what sounds longer is cut.
    drums : bool
        Pitches are General MIDI percussion keys; a drum sounds as long as it does, whatever the note's end.
    name : str
        What messages call it.

    Raises
    ------
    ParameterError
        If a note has no length or its pitch is none.
    """

    def __init__(
        self,
        notes: Sequence[Mapping[str, Any]],
        *,
        frames: Frames,
        sample_rate: int,
        drums: bool = False,
        name: str = "notes",
    ) -> None:
        self.name, self.frames, self.sample_rate, self.channels = name, frames, sample_rate, 1
        self._drums = drums
        made = sorted((_checked(note, sample_rate) for note in notes), key=lambda note: note[0])
        self._notes = made
        tails = [start + self._length(start, stop, pitch) for start, stop, pitch, _ in made]
        self._starts = np.array([note[0] for note in made], np.int64)
        self._ends = np.array(tails, np.int64)

    def _length(self, start: int, stop: int, pitch: int) -> int:
        if self._drums:
            return len(_drum(pitch, self.sample_rate))
        return stop - start + to_frames(_RELEASE, self.sample_rate)

    def blocks(self, size: Frames = BLOCK, *, start: Frames = 0, stop: Frames | None = None) -> Iterator[Block]:
        """Yield blocks; see `BlockSource`."""
        start, stop = check_span(self.name, start, stop, self.frames)
        for left in range(start, stop, size):
            yield self._render(left, min(left + size, stop))

    def _render(self, left: int, right: int) -> Block:
        total = np.zeros(right - left)
        for index in np.flatnonzero((self._starts < right) & (self._ends > left)):
            first, last, pitch, velocity = self._notes[index]
            a, b = max(left, first), min(right, int(self._ends[index]))
            if self._drums:
                wave = _DRUM_LEVEL * _drum(pitch, self.sample_rate)[a - first : b - first]
            else:
                wave = _LEVEL * _tone(pitch, last - first, a - first, b - first, self.sample_rate)
            total[a - left : b - left] += (velocity / 127) ** 2 * wave  # 40 dB a decade, as General MIDI has it
        return total.astype(np.float32)[None]


def _checked(note: Mapping[str, Any], rate: int) -> tuple[int, int, int, float]:
    start, end, pitch = float(note["start"]), float(note["end"]), note["pitch"]
    if not (0 <= start < end and 0 <= pitch <= 127):
        raise ParameterError(f"a note from {start:g} to {end:g} s of pitch {pitch} cannot be played")
    first = to_frames(start, rate)
    return first, max(to_frames(end, rate), first + 1), round(pitch), float(note.get("velocity", 100))


def _tone(pitch: int, length: int, start: int, stop: int, rate: int) -> Wave:
    """Give frames `start` to `stop` of a tone that is held for `length` frames: higher partials die first."""
    time = np.arange(start, stop) / rate
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    total = np.zeros(len(time))
    for n in range(1, _PARTIALS + 1):
        if n * frequency < 0.45 * rate:
            total += np.sin(2 * np.pi * n * frequency * time) * np.exp(-time * n / 1.5) / n**1.3
    held = np.clip(1 - (time - length / rate) / _RELEASE, 0, 1)
    return np.asarray(total * np.minimum(1, time / _ATTACK) * held)


_DRUMS: Mapping[int, tuple[Callable[..., Wave], dict[str, float]]] = {
    **dict.fromkeys((35, 36), (instruments.kick, {})),
    **dict.fromkeys((37, 75, 76, 77), (instruments.snare, {"seconds": 0.06, "pitch": 420.0})),
    **dict.fromkeys((38, 40), (instruments.snare, {})),
    39: (instruments.clap, {}),
    **{key: (instruments.tom, {"pitch": hertz}) for key, hertz in ((41, 80.0), (43, 92.0), (45, 105.0))},
    **{key: (instruments.tom, {"pitch": hertz}) for key, hertz in ((47, 125.0), (48, 150.0), (50, 180.0))},
    **dict.fromkeys((42, 44, 54, 69, 70, 82), (instruments.closed_hat, {})),
    **dict.fromkeys((46, 51, 53, 59), (instruments.open_hat, {})),
    **dict.fromkeys((49, 52, 55, 57), (instruments.crash, {})),
}
_OTHER_DRUM = (instruments.tom, {"pitch": 260.0})


@lru_cache(maxsize=256)
def _drum(key: int, rate: int) -> Wave:
    """Render a drum; the same at every hit."""
    instrument, options = _DRUMS.get(key, _OTHER_DRUM)
    return np.asarray(instrument(rate, np.random.default_rng(_SEED), **options))
