"""What a recording chain does to a rendered sound: colour, room, compression, a noise floor.

Synthesis alone is too bright, too clean and too much alike: recordings of one label differ by 10 dB and more in
every band, fall off towards the highs, ring on in a room and end in noise. Each rendered sound passes this chain
once, with every knob drawn at random; the means by label are rough and set by hand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiolab.stages.classification.preparing import RATE
from audiolab.training.rendering import Sound, band, between, chance, log_between, noise, reverb

__all__ = ["record"]

_KNOTS = np.array([50.0, 150.0, 400.0, 750.0, 1300.0, 2200.0, 3600.0, 5600.0, 8500.0, 13_000.0])
_EVEN = (0,) * 10
_COLOURS: dict[str, tuple[int, ...]] = {  # decibels at the knots, before what is drawn
    "kick": (0, 0, 0, -2, -4, -6, -7, -8, -9, -12),
    "snare": (0, 0, -2, -4, -7, -10, -12, -14, -17, -22),
    "clap": (0, 0, 0, 0, -1, -3, -5, -7, -10, -14),
    "rim": (0, 2, 2, 3, 3, 2, 1, -1, -5, -12),
    "closed_hat": (0, 0, 0, 0, 0, -1, -2, -3, -5, -8),
    "open_hat": (0, 0, 0, 0, 0, -1, -2, -2, -3, -6),
    "crash": (-10, -6, -4, -6, -6, -5, -5, -6, -8, -14),
    "ride": (4, 6, 6, 4, 0, -2, -3, -4, -6, -10),
    "tom": (0, 3, 7, 9, 8, 6, 4, 2, -1, -4),
    "cowbell": (0, 0, 0, 0, -2, -3, -4, -6, -8, -12),
    "percussion": (0, 0, 0, 0, -1, -2, -3, -5, -7, -11),
    "guitar": (0, -2, -4, -8, -14, -20, -26, -30, -32, -36),
    "vocal": (6, 3, 0, -6, -11, -16, -24, -28, -32, -36),
    "brass": (0, 0, 0, -2, -4, -7, -9, -12, -15, -20),
    "strings": (0, 0, 0, -2, -4, -6, -8, -11, -14, -18),
    "keys": (0, 0, 0, -1, -3, -5, -7, -9, -12, -16),
}
_DRY = frozenset({"bass", "synth"})


def record(rng: np.random.Generator, x: Sound, label: str) -> Sound:
    """Pass a rendered sound through a random recording chain.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    x : ndarray [float64, shape=(n,)]
        At `RATE`.
    label : str
        Its label, for the colour to begin with.

    Returns
    -------
    ndarray [float64, shape=(m,)]
        With the tail of a room, if it got one.
    """
    if chance(rng, 0.3):  # machines that go straight into the desk
        return x
    if chance(rng, 0.5):
        x = _compress(x, between(rng, 0.45, 0.95))
    share = between(rng, 0.3, 1.2)
    x = _colour(x, share * np.array(_COLOURS.get(label, _EVEN), np.float64) + _curve(rng))
    if chance(rng, 0.15 if label in _DRY else 0.55):
        x = reverb(rng, x, log_between(rng, 0.12, 1.8), log_between(rng, 0.03, 0.7))
    if chance(rng, 0.6):
        floor = 10 ** (-between(rng, 45, 85) / 20) * np.abs(x).max(initial=0.0)
        x = x + floor * band(noise(rng, x.size), None, log_between(rng, 1500, 15_000), order=1)
    return x


def _curve(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a smooth deviation: a tilt, a bow and some bumps."""
    place = np.linspace(-1, 1, _KNOTS.size)
    bumps = np.convolve(rng.normal(0, 4.5, _KNOTS.size + 2), (0.25, 0.5, 0.25), "valid")
    return np.asarray(rng.normal(0, 6.0) * place + rng.normal(0, 4.0) * (place**2 - 0.4) + 1.6 * bumps)


def _colour(x: Sound, decibels: NDArray[np.float64]) -> Sound:
    size = 1 << int(np.ceil(np.log2(x.size + 2048)))
    spectrum = np.fft.rfft(x, size)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    gain = np.interp(np.log(np.maximum(frequency, 20.0)), np.log(_KNOTS), decibels)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain / 20), size)[: x.size])


def _compress(x: Sound, exponent: float) -> Sound:
    """Lift what is soft: the envelope to a power below 1 (decays get longer)."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    envelope = uniform_filter1d(maximum_filter1d(np.abs(x), 640), 640)
    top = envelope.max(initial=0.0)
    if top <= 0:
        return x
    return np.asarray(x * (envelope / top + 1e-3) ** (exponent - 1))
