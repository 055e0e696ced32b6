"""Upstream's own prediction, quiet."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import numpy as np
import pytest

from audiolab.audio import Audio


@pytest.fixture(scope="session")
def upstream():
    """Give `predict(path, **thresholds)` -> (activations, note events) of the package basic-pitch."""
    pytest.importorskip("basic_pitch")
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
        from basic_pitch.inference import Model, predict
    logging.disable(logging.NOTSET)
    model = Model(build_icassp_2022_model_path(FilenameSuffix.onnx))

    def run(path, **thresholds):
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            output, _, events = predict(path, model, **thresholds)
        return output, events

    return run


@pytest.fixture(scope="session")
def creation():
    """Give the module `basic_pitch.note_creation`."""
    pytest.importorskip("basic_pitch")
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import basic_pitch.note_creation as module
    logging.disable(logging.NOTSET)
    return module


def tune(rate: int, seconds: float = 7.0, channels: int = 2) -> Audio:
    """Chords and a melody of decaying harmonics, with a little noise."""
    rng = np.random.default_rng(3)
    time = np.arange(round(rate * seconds)) / rate
    wave = 0.002 * rng.standard_normal((channels, len(time)))
    for start, length, pitches in (
        (0.2, 1.1, (60, 64, 67)),
        (1.5, 0.4, (72,)),
        (2.0, 2.0, (45, 57)),
        (4.1, 2.6, (69,)),
    ):
        for pitch in pitches:
            inside = (time >= start) & (time < start + length)
            local = time[inside] - start
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            for harmonic in range(1, 6):
                if harmonic * hertz < rate / 2.2:
                    partial = np.sin(2 * np.pi * harmonic * hertz * local) * np.exp(-2 * local) / harmonic
                    wave[:, inside] += 0.15 * partial * np.linspace(1, 0.6, channels)[:, None]
    return Audio(wave.astype(np.float32), rate, "tune")
