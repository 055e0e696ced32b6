"""Rendered and processed sounds: the same for the same seed, finite, different for different numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from audiolab.errors import ParameterError
from audiolab.stages.classification.preparing import RATE, prepare
from audiolab.training.augmentation import process
from audiolab.training.data import render
from audiolab.training.settings import load_config

LABELS = load_config("default").labels


@pytest.mark.parametrize("label", LABELS)
def test_every_label_is_rendered(label):
    first, again, other = render(label, 3, 1), render(label, 3, 1), render(label, 4, 1)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)
    for number in range(4):
        prepared = prepare(render(label, number, 9), RATE)
        assert prepared is not None
        assert np.isfinite(prepared).all()


@pytest.mark.parametrize("label", ["kick", "crash", "synth"])
def test_processing_is_seeded_and_finite(label):
    sound = render(label, 0, 2)
    for seed in range(8):
        changed = process(np.random.default_rng(seed), sound, label)
        assert np.isfinite(changed).all()
        assert np.array_equal(changed, process(np.random.default_rng(seed), sound, label))
        assert prepare(changed, RATE) is not None


def test_pitch_of_rendered_sounds_fits_the_label():
    """Hats lie high, kicks low: the centre of the spectrum says so."""

    def centre(label: str) -> float:
        values = []
        for number in range(10):
            power = np.abs(np.fft.rfft(render(label, number, 5))) ** 2
            values.append(float((power * np.linspace(0, RATE / 2, power.size)).sum() / power.sum()))
        return float(np.median(values))

    assert centre("kick") < 400 < centre("snare") < centre("closed_hat")


def test_unknown_labels_are_refused():
    with pytest.raises(ParameterError, match="kazoo"):
        render("kazoo", 0, 0)


@pytest.mark.slow
def test_maps_made_in_several_processes_are_the_same(tmp_path):
    """From a script that does not guard its main part: processes must not run it again."""
    script = tmp_path / "script.py"
    script.write_text(
        "from audiolab.training import data\n"
        "from audiolab.training.settings import ClassifierConfig\n"
        "config = ClassifierConfig(labels=('kick', 'snare'), rendered=3)\n"
        "entries = data.rendered_entries(config)\n"
        "one = data.collect(entries, config, variants=2).pool.maps\n"
        "data._MANY, data.available_cores = 1, lambda: 2\n"
        "two = data.collect(entries, config, variants=2).pool.maps\n"
        "print(len(one), bool((one == two).all()))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "6 True\n", done.stderr
