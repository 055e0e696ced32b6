"""How alike two sounds are in one respect: in how they rise and fall, and in their pitch.

Conventions: closeness runs from 0 (nothing in common) to 1 (the same). One sound is compared with many at once,
in the precision in which it is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["envelope_closeness", "pitch_closeness"]

Array = NDArray[np.floating[Any]]
_SEMITONE = 1.0
"""Width of the class: notes a semitone apart are 0.61 alike in it."""
_HEIGHT = 12.0
"""Semitones over which closeness in height falls to 1/e."""
_CLASS_SHARE = 0.7


def envelope_closeness(query: Array, others: Array) -> Array:
    """Compare courses of energy.

    Parameters
    ----------
    query : ndarray [shape=(k,)]
        Features in units of a clear difference: 1 is what one hears at once.
    others : ndarray [shape=(n, k)]
        The same of other sounds.

    Returns
    -------
    ndarray [shape=(n,)]
        exp(-d^2 / 2) of the Euclidean distance d.
    """
    apart = others - query
    return np.asarray(np.exp(-0.5 * np.einsum("ij,ij->i", apart, apart)))


def pitch_closeness(query: Array, others: Array) -> Array:
    """Compare pitches.

    Parameters
    ----------
    query : ndarray [shape=(2,)]
        Pitch in MIDI notes (69 is 440 Hz), and how sure it is that there is one (0 to 1).
    others : ndarray [shape=(n, 2)]
        The same of other sounds.

    Returns
    -------
    ndarray [shape=(n,)]
        With confidences p and q: p q c + (1 - p)(1 - q). Here c is 0.7 exp(-s^2 / 2) + 0.3 exp(-|h| / 12), with the
        distance s of the pitch classes and h of the heights in semitones. So sounds without pitch are alike, and a
        sound with pitch is unlike one without.
    """
    note, sure = float(query[0]), float(np.clip(query[1], 0, 1))
    theirs = np.clip(others[:, 1], 0, 1)
    apart = others[:, 0] - note
    around = np.abs((apart + 6.0) % 12.0 - 6.0) / _SEMITONE
    same = _CLASS_SHARE * np.exp(-0.5 * around**2) + (1 - _CLASS_SHARE) * np.exp(-np.abs(apart) / _HEIGHT)
    return np.asarray(sure * theirs * same + (1 - sure) * (1 - theirs))
