"""What plain librosa finds, with its defaults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiolab.audio import Audio

__all__ = ["librosa_beats", "librosa_onsets"]

_RATE = 22_050


def _mono(path: Path) -> tuple[NDArray[np.float32], int]:
    audio = Audio.from_file(path).mono()
    return np.asarray(audio.samples[0]), audio.sample_rate


def librosa_onsets(path: Path) -> NDArray[np.float64]:
    """Give the times of `librosa.onset.onset_detect`."""
    import librosa

    samples, rate = _mono(path)
    return np.asarray(librosa.onset.onset_detect(y=samples, sr=rate, units="time"), float)


def librosa_beats(path: Path) -> tuple[float, NDArray[np.float64]]:
    """Give tempo and beats of `librosa.beat.beat_track` at librosa's own rate."""
    import librosa

    samples, rate = _mono(path)
    if rate != _RATE:
        samples = librosa.resample(samples, orig_sr=rate, target_sr=_RATE)
    tempo, beats = librosa.beat.beat_track(y=samples, sr=_RATE, units="time")
    return float(np.atleast_1d(tempo)[0]), np.asarray(beats, float)
