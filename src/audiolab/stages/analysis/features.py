"""All that the analysis knows of a sound, gathered in one pass: band-wise onset functions and pitch classes.

Conventions: everything is computed at 22050 Hz, one channel, relative to the sound's own level; times are
seconds from the start of the sound. Memory is some 12 MB an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Block, BlockSource, Resampled
from audiolab.stages.analysis.chroma import FINE_BINS, FinePitchClasses
from audiolab.stages.analysis.framing import Folded, Survey, frame_batches, log_bands, magnitudes
from audiolab.stages.base import Progress, no_progress

__all__ = ["BANDS", "FRAME_RATE", "Features", "gather"]

FloatArray = NDArray[np.float32]
RATE = 22050
HOP, N_FFT = 220, 1024
FRAME_RATE = RATE / HOP
"""Onset functions have some 100.2 values a second."""
LAG = 2
COMPRESSION = 30.0
BANDS: tuple[tuple[str, float, float], ...] = (
    ("kick", 27.5, 120.0),
    ("low", 120.0, 350.0),
    ("middle", 350.0, 1400.0),
    ("presence", 1400.0, 4500.0),
    ("air", 4500.0, 10500.0),
)
"""Names and limits in hertz of the bands whose onsets are kept apart."""
PITCH_HOP, PITCH_FFT = 2205, 8192
PITCH_RATE = RATE / PITCH_HOP


@dataclass(frozen=True, slots=True)
class Features:
    """What one pass gives; `duration` is the sound's in seconds."""

    flux: FloatArray
    """Rise of each band in decades [shape=(bands, n)]; frame `i` is at `i / FRAME_RATE` seconds."""
    pitch: FloatArray
    """Fine pitch classes [shape=(FINE_BINS, m)], tuned to 440 Hz; frame `i` is at `i / PITCH_RATE` seconds."""
    bass: FloatArray
    """The same of the lowest notes only."""
    power: FloatArray
    """Mean power of each band around each pitch frame, relative to the usual level [shape=(bands, m)]."""
    deviation: complex
    """Mean of exp(2 pi i semitones) over spectral peaks: its angle is the tuning, its length (0 to 1) how clear."""
    duration: float

    def part(self, start: float, stop: float) -> Features:
        """Give the features of the seconds from `start` to `stop`, with times from `start` on."""
        a, b = round(start * FRAME_RATE), round(stop * FRAME_RATE)
        c, d = round(start * PITCH_RATE), round(stop * PITCH_RATE)
        return Features(
            self.flux[:, a:b], self.pitch[:, c:d], self.bass[:, c:d], self.power[:, c:d], self.deviation, stop - start
        )


def gather(source: BlockSource, heard: Survey, *, progress: Progress = no_progress) -> Features:
    """Read the sound once and compute all features.

    Parameters
    ----------
    source : BlockSource
        Any number of channels, any rate.
    heard : Survey
        From `survey(source)`.
    progress : Progress
        Called after every few seconds of audio.
    """
    stream = Resampled(Folded(source, heard.weights, heard.offset), RATE, "HQ")
    rhythm, harmony = _Rhythm(heard.level), FinePitchClasses(RATE, PITCH_FFT, heard.level)
    total = max(1, stream.frames)
    done = 0

    def blocks() -> Iterator[Block]:
        nonlocal done
        for block in stream.blocks(1 << 16):
            yield block
            done += block.shape[1]
            progress(done, total)

    pending = np.zeros(PITCH_FFT // 2, np.float32)  # the same stream, cut into the longer frames of the harmony

    def tapped() -> Iterator[Block]:
        nonlocal pending
        for block in blocks():
            pending = np.concatenate((pending, block[0]))
            count = (len(pending) - PITCH_FFT) // PITCH_HOP + 1
            if count > 0:
                harmony.add(_cut(pending, count))
                pending = pending[count * PITCH_HOP :]
            yield block

    for frames in frame_batches(tapped(), N_FFT, HOP):
        rhythm.add(frames)
    left = -(-stream.frames // PITCH_HOP) - harmony.frames
    if left > 0:
        harmony.add(_cut(np.pad(pending, (0, max(0, (left - 1) * PITCH_HOP + PITCH_FFT - len(pending)))), left))
    pitch, bass = harmony.arrays()
    return Features(
        rhythm.flux(), pitch, bass, rhythm.power(pitch.shape[1]), harmony.deviation, source.frames / source.sample_rate
    )


def _cut(data: FloatArray, count: int) -> FloatArray:
    view = np.lib.stride_tricks.sliding_window_view(data, PITCH_FFT)
    return np.asarray(view[: (count - 1) * PITCH_HOP + 1 : PITCH_HOP])


class _Rhythm:
    """Onset functions of the bands (SuperFlux in each; Böck and Widmer 2013) and their power."""

    def __init__(self, level: float) -> None:
        filters, centres = log_bands(RATE, N_FFT, per_octave=24, low=BANDS[0][1], high=BANDS[-1][2])
        # Music falls by some 6 dB an octave: lifted by as much, all bands meet the logarithm alike.
        tilt = np.maximum(1.0, centres / 100.0)
        self.filters = np.asarray(filters * tilt * (COMPRESSION / max(level, 1e-12)), np.float32)
        edges = np.searchsorted(centres, [low for _, low, _ in BANDS])
        self.groups = np.asarray(edges)
        self.sizes = np.diff(np.append(edges, len(centres)))[:, None].astype(np.float32)
        self.window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
        self.past = np.zeros((LAG, filters.shape[1]), np.float32)
        self.parts: list[FloatArray] = []
        self.powers: list[FloatArray] = []

    def add(self, frames: FloatArray) -> None:
        """Take the next batch of frames."""
        bands = magnitudes(frames, self.window) @ self.filters
        self.powers.append(np.asarray(np.add.reduceat(bands**2, self.groups, axis=1).T / self.sizes, np.float32))
        bands = np.log10(1.0 + bands)
        whole = np.concatenate((self.past, bands))
        before = whole[: len(bands)]
        widest = before.copy()
        np.maximum(widest[:, 1:], before[:, :-1], out=widest[:, 1:])
        np.maximum(widest[:, :-1], before[:, 1:], out=widest[:, :-1])
        rise = np.maximum(bands - widest, 0.0)
        self.parts.append(np.asarray(np.add.reduceat(rise, self.groups, axis=1).T / self.sizes, np.float32))
        self.past = whole[len(whole) - LAG :]

    def flux(self) -> FloatArray:
        """Give the onset functions of all frames so far."""
        return np.concatenate(self.parts, axis=1) if self.parts else np.zeros((len(BANDS), 0), np.float32)

    def power(self, frames: int) -> FloatArray:
        """Give the bands' mean power around `frames` pitch frames."""
        out = np.zeros((len(BANDS), frames), np.float32)
        if not self.powers or not frames:
            return out
        whole = np.concatenate(self.powers, axis=1)
        edges = np.round((np.arange(frames) - 0.5) * PITCH_HOP / HOP).astype(int).clip(0, whole.shape[1] - 1)
        out[:] = np.add.reduceat(whole, edges, axis=1)
        return np.asarray(out / np.maximum(1, np.diff(np.append(edges, whole.shape[1]))), np.float32)


assert FINE_BINS % 12 == 0
