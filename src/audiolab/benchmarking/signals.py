"""How near an estimated stem is to the true one."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiolab.errors import ParameterError

__all__ = ["bss_sdr", "sdr", "si_sdr"]

Signal: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
_EXACT = 1e-30
"""Share of the energy below which nothing is left: the ratio is infinite."""


def _pair(reference: Signal, estimate: Signal) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s, e = (np.atleast_2d(np.asarray(x, np.float64)) for x in (reference, estimate))
    if s.shape != e.shape:
        raise ParameterError(f"true and estimated stem differ in shape: {s.shape} and {e.shape} (channels, frames)")
    return s, e


def _decibels(signal: float, rest: float) -> float:
    if signal <= 0.0:
        return -np.inf
    return float("inf") if rest <= _EXACT * signal else 10.0 * float(np.log10(signal / rest))


def sdr(reference: Signal, estimate: Signal) -> float:
    """Give the plain signal-to-distortion ratio in dB over all channels: energy of s over that of s - e.

    As in the Music Demixing Challenge (Mitsufuji et al. 2022). A silent reference has none: NaN.
    """
    s, e = _pair(reference, estimate)
    energy = float(np.sum(s * s))
    return float("nan") if energy == 0.0 else _decibels(energy, float(np.sum((s - e) ** 2)))


def si_sdr(reference: Signal, estimate: Signal) -> float:
    """Give the scale-invariant SDR in dB (Le Roux et al. 2019), mean over channels, without removing means.

    NaN where a reference is silent; -inf where an estimate is.
    """
    values = []
    for s, e in zip(*_pair(reference, estimate), strict=True):
        energy = float(s @ s)
        if energy == 0.0:
            continue
        target = float(s @ e) / energy * s
        left = target - e
        values.append(_decibels(float(target @ target), float(left @ left)))
    return float(np.mean(values)) if values else float("nan")


def bss_sdr(reference: Signal, estimate: Signal, *, taps: int = 512) -> float:
    """Give the SDR of BSS Eval 3 (Vincent et al. 2006) in dB, mean over channels.

    A filter of `taps` taps on the reference is forgiven. Equal to `mir_eval.separation.bss_eval_sources`, which
    takes minutes for a song, since it also splits the rest into interference and artefacts; here one Toeplitz
    system a channel is solved.
    """
    from scipy.linalg import solve_toeplitz
    from scipy.signal import fftconvolve

    values = []
    for s, e in zip(*_pair(reference, estimate), strict=True):
        if not s.any():
            continue
        padded = np.concatenate([e, np.zeros(taps - 1)])
        own = fftconvolve(s, s[::-1])[len(s) - 1 :][:taps]
        own = np.pad(own, (0, taps - len(own)))
        shared = fftconvolve(e, s[::-1])[len(s) - 1 :][:taps]
        shared = np.pad(shared, (0, taps - len(shared)))
        target = fftconvolve(s, solve_toeplitz(own, shared))
        left = padded - target
        energy, rest = float(target @ target), float(left @ left)
        # The system is solved to about 1e-10 of the energy; what is exact is told apart here.
        values.append(float("inf") if np.array_equal(s, e) else _decibels(energy, rest))
    return float(np.mean(values)) if values else float("nan")
