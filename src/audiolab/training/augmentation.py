"""What may happen to a sound on its way into a song: done to waveforms once, to mel maps anew in every batch.

Waveforms: speed, cutting, fading, equalizing, saturation, bits, rooms. Mel maps, where it costs almost nothing:
colour, noise, the lowpass of a codec, bleed of other sounds, holes as a separator's mask leaves them, mixtures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.classification.preparing import RATE
from audiolab.training.rendering import band, between, chance, drive, log_between, reverb

__all__ = ["process"]

_LONG = frozenset({"crash", "ride", "open_hat"})
"""Labels that a hard cut turns into another one: they keep at least 0.3 to 0.45 s."""
_PITCHED = frozenset({"synth", "keys", "guitar", "strings", "brass", "fx", "percussion"})


def process(rng: np.random.Generator, mono: NDArray[np.float32], label: str) -> NDArray[np.float32]:
    """Give a processed variant of a sound at the encoder's rate; the label must stay true.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    mono : ndarray [float32, shape=(n,)]
        A sound at `RATE`, not yet prepared.
    label : str
        Its label: some changes are held within what the label allows.

    Returns
    -------
    ndarray [float32, shape=(m,)]
        At `RATE`.
    """
    import soxr

    x = mono[: 3 * RATE].astype(np.float64)
    if chance(rng, 0.75):
        span = 5.0 if label in _PITCHED else 2.5
        ratio = 2 ** (between(rng, -span, span) / 12)
        x = soxr.resample(x, RATE, round(RATE * ratio), quality="MQ")
    if chance(rng, 0.3):
        x = _cut(rng, x, label)
    if chance(rng, 0.25) and label not in _LONG:
        t = np.arange(x.size) / RATE
        x = x * np.exp(-t / log_between(rng, 0.08, 1.0))
    if chance(rng, 0.35):
        x = drive(x, log_between(rng, 0.5, 8))
    if chance(rng, 0.4):
        x = _colour(rng, x)
    if chance(rng, 0.08):
        steps = 2 ** between(rng, 4, 8)
        peak = np.abs(x).max(initial=1e-9)
        x = np.round(x / peak * steps) / steps
    if chance(rng, 0.3):
        x = reverb(rng, x, log_between(rng, 0.1, 1.5), log_between(rng, 0.05, 0.6))
    if chance(rng, 0.2):  # a slice begins a little early
        x = np.concatenate(
            (1e-2 * np.abs(x).max(initial=0) * rng.standard_normal(int(between(rng, 0, 0.02) * RATE)), x)
        )
    return x.astype(np.float32)


def _cut(rng: np.random.Generator, x: NDArray[np.float64], label: str) -> NDArray[np.float64]:
    shortest = 0.45 if label in {"crash", "ride"} else 0.3 if label == "open_hat" else 0.07
    n = int(log_between(rng, shortest, 1.2) * RATE)
    if n >= x.size:
        return x
    x = x[:n].copy()
    fade = min(n, int(log_between(rng, 0.002, 0.1) * RATE))
    x[-fade:] *= np.linspace(1, 0, fade)
    return x


def _colour(rng: np.random.Generator, x: NDArray[np.float64]) -> NDArray[np.float64]:
    if chance(rng, 0.4):
        x = band(x, high=log_between(rng, 5000, 15000))
    if chance(rng, 0.3):
        x = band(x, low=log_between(rng, 25, 180))
    if chance(rng, 0.6):
        centre = log_between(rng, 100, 8000)
        gain = 10 ** (between(rng, -9, 9) / 20)
        x = x + (gain - 1) * band(x, centre * 0.75, centre * 1.33, order=1)
    return x
