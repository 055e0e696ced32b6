"""How much new sound begins at each moment: the onset detection function.

SuperFlux (Böck and Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013): the rise
of log-compressed, logarithmically spaced bands against the maximum over neighbouring bands a few frames
earlier. The compression is relative to the sound's own level, so that gain changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import BlockSource, Frames
from audiolab.stages.analysis.framing import Folded, Survey, frame_batches, log_bands, magnitudes
from audiolab.stages.base import Progress, no_progress

__all__ = ["Novelty", "novelty"]

FloatArray = NDArray[np.float32]
HOP_SECONDS = 0.005
LAG = 3
"""Frames between the spectra compared: 15 ms, about the length of a drum's attack in a 23 ms window."""
BANDS_PER_OCTAVE = 24
LOW, HIGH = 27.5, 17000.0
HEARD = 0.3
"""Log magnitude that a band must once pass to count as used: 30 dB below the sound's usual level."""
LEAST_USED = 0.2
"""Share of bands that counts at least, so that a lone sine is not blown up."""
COMPRESSION = 30.0
"""Bands 30 dB below a full-scale sine at the sound's usual level are half-way into the logarithm."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """Detection function and level over time; hop `i` is centred on frame `origin + i * hop`."""

    flux: FloatArray
    """Mean rise over the bands that the sound uses, in powers of ten [shape=(n,)]."""
    level: FloatArray
    """RMS of the hop (5 ms) around the centre [shape=(n,)]."""
    hop: Frames
    origin: Frames


def novelty(source: BlockSource, heard: Survey, *, window: float, progress: Progress = no_progress) -> Novelty:
    """Compute the detection function of a stream; memory grows by 8 bytes per 5 ms only.

    Parameters
    ----------
    source : BlockSource
        Any number of channels, any rate.
    heard : Survey
        From `survey(source)`.
    window : float
        Length of the spectra in seconds; rounded to a power of two in frames.
    progress : Progress
        Called after every batch with frames done and frames in all.
    """
    rate = source.sample_rate
    n_fft = max(64, 1 << round(np.log2(window * rate)))
    hop = max(1, round(HOP_SECONDS * rate))
    filters, _ = log_bands(rate, n_fft, per_octave=BANDS_PER_OCTAVE, low=LOW, high=HIGH)
    filters *= COMPRESSION / max(heard.level, 1e-12)
    shape = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    middle = slice(n_fft // 2 - hop // 2, n_fft // 2 - hop // 2 + hop)
    past = np.zeros((LAG, filters.shape[1]), np.float32)
    loudest = np.zeros(filters.shape[1], np.float32)
    flux: list[FloatArray] = []
    level: list[FloatArray] = []
    folded = Folded(source, heard.weights, heard.offset)
    done = 0
    for frames in frame_batches(folded.blocks(start=heard.first), n_fft, hop):
        bands = np.log10(1.0 + magnitudes(frames, shape) @ filters)
        whole = np.concatenate((past, bands))
        rise = bands - _widen(whole[: len(bands)])
        flux.append(np.asarray(np.maximum(rise, 0.0).sum(axis=1), np.float32))
        np.maximum(loudest, bands.max(axis=0, initial=0.0), out=loudest)
        level.append(np.asarray(np.sqrt((frames[:, middle] ** 2).mean(axis=1)), np.float32))
        past = whole[len(whole) - LAG :]
        done += len(frames) * hop
        progress(min(done, source.frames), source.frames)
    if not flux:
        return Novelty(np.zeros(0, np.float32), np.zeros(0, np.float32), hop, heard.first)
    # A bass stem that ends at 200 Hz rises in a third of the bands only: bands that are never heard do not count.
    used = max(float(np.count_nonzero(loudest > HEARD)), LEAST_USED * len(loudest), 1.0)
    return Novelty(np.asarray(np.concatenate(flux) / used, np.float32), np.concatenate(level), hop, heard.first)


def _widen(bands: FloatArray) -> FloatArray:
    """Take the maximum of each band and its two neighbours, so that vibrato is no onset."""
    out = bands.copy()
    np.maximum(out[:, 1:], bands[:, :-1], out=out[:, 1:])
    np.maximum(out[:, :-1], bands[:, 1:], out=out[:, :-1])
    return out
