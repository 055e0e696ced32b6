"""The one road from any sound to the encoder's input, used by the stages and by training alike.

Conventions: the encoder hears mono at 32 kHz, 1.28 s from the first audible frame on, peak at full scale,
shorter sounds padded with silence. Everything after that (spectra, levels) lies inside the ONNX graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from audiolab.audio import Block, BlockSource, to_frames

__all__ = ["FRAMES", "LISTEN_SECONDS", "RATE", "Heard", "listen", "prepare", "to_mono"]

RATE = 32_000
FRAMES = 40_960
"""1.28 s at 32 kHz."""
LISTEN_SECONDS = 4.0
"""How much of a sound is read: the encoder needs 1.28 s, the loop rule the rest."""

_SILENCE = 3e-5  # peak (-90 dBFS): below one step of 16 bit, nothing is there to be heard
_START_DB = 40.0  # the sound starts where it first comes within 40 dB of its peak ...
_LEAD = 0.002  # ... less 2 ms, so that the attack is whole
_FADE = 0.003  # a cut end must not click: a click is broadband and looks like a drum
_SHORTEST = 0.004  # less is a click: nothing to tell one drum from another by
_PATIENCE = 60.0  # seconds of leading silence that are skipped before giving up


@dataclass(frozen=True, slots=True)
class Heard:
    """What was read of a sound."""

    mono: NDArray[np.float32]
    """Its first `LISTEN_SECONDS` from the first audible block on, mono, at its own rate."""
    sample_rate: int
    duration: float
    """Of the whole sound, in seconds."""


def to_mono(samples: Block) -> NDArray[np.float32]:
    """Give the mean of the channels; where they cancel each other, the louder channel."""
    if samples.shape[0] == 1:
        return np.asarray(samples[0])
    mono: NDArray[np.float32] = samples.mean(axis=0, dtype=np.float64).astype(np.float32)
    energies = np.square(samples, dtype=np.float64).sum(axis=1)
    if np.square(mono, dtype=np.float64).sum() < 0.01 * energies.max():
        return np.asarray(samples[int(energies.argmax())])
    return mono


def listen(source: BlockSource) -> Heard:
    """Read the beginning of a sound: seek, then a few seconds; leading silence is skipped, not kept."""
    rate = source.sample_rate
    duration = source.frames / rate
    want = to_frames(LISTEN_SECONDS, rate)
    size = max(1, min(want, to_frames(1.0, rate)))
    parts: list[Block] = []
    have = 0
    for block in _until(source.blocks(size, stop=_stop(source, want)), to_frames(_PATIENCE, rate)):
        if not parts and np.abs(block - block.mean(axis=1, keepdims=True)).max(initial=0.0) < _SILENCE:
            continue
        parts.append(block[:, : want - have])
        have += parts[-1].shape[1]
        if have >= want:
            break
    samples = np.concatenate(parts, axis=1) if parts else np.zeros((1, 0), np.float32)
    return Heard(to_mono(samples), rate, duration)


def _stop(source: BlockSource, want: int) -> int:
    return min(source.frames, want + to_frames(_PATIENCE, source.sample_rate))


def _until(blocks: Iterator[Block], frames: int) -> Iterator[Block]:
    """Pass blocks on; stop after `frames` (the caller breaks off as soon as it has enough)."""
    done = 0
    for block in blocks:
        yield block
        done += block.shape[1]
        if done >= 2 * frames:
            return


def prepare(mono: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32] | None:
    """Make the encoder's input from a mono sound at its own rate.

    Parameters
    ----------
    mono : ndarray [float32, shape=(n,)]
        The sound, or its beginning; finite.
    sample_rate : int
        Its rate in hertz.

    Returns
    -------
    ndarray [float32, shape=(FRAMES,)] or None
        None if there is nothing to hear: silence, a constant, a click of under 4 ms, no frames at all.
    """
    if mono.size == 0:
        return None
    mono = (mono - mono.mean(dtype=np.float64)).astype(np.float32)
    level = np.abs(mono)
    peak = float(level.max())
    if peak < _SILENCE:
        return None
    first = int(np.argmax(level >= peak * 10 ** (-_START_DB / 20)))
    start = max(0, first - to_frames(_LEAD, sample_rate))
    if mono.size - start < to_frames(_SHORTEST, sample_rate):
        return None
    part = mono[start : start + to_frames((FRAMES + 64) / RATE, sample_rate)]
    fade = min(part.size, to_frames(_FADE, sample_rate))
    if fade and start + part.size >= mono.size:
        part = part.copy()
        part[-fade:] *= np.linspace(1.0, 0.0, fade, endpoint=False, dtype=np.float32)
    if sample_rate != RATE:
        part = soxr.resample(part, sample_rate, RATE, quality="HQ")
    out = np.zeros(FRAMES, np.float32)
    n = min(FRAMES, part.size)
    out[:n] = part[:n]
    top = float(np.abs(out).max())
    return out / np.float32(top) if top > 0 else None
