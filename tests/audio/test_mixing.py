"""Several sources as one."""

from __future__ import annotations

import numpy as np
import pytest

from audiolab.audio import Audio, Mixed, MixTrack, balance
from audiolab.errors import ParameterError


def stereo(seed: int, frames: int = 1000, channels: int = 2) -> Audio:
    values = np.random.default_rng(seed).uniform(-1, 1, (channels, frames))
    return Audio(values.astype(np.float32), 8000, f"sound {seed}")


@pytest.mark.parametrize(
    ("pan", "sides"), [(0, (1, 1)), (-1, (1, 0)), (1, (0, 1)), (0.25, (0.75, 1)), (-0.5, (1, 0.5))]
)
def test_balance(pan: float, sides: tuple[float, float]) -> None:
    assert balance(pan) == sides


def test_the_mix_is_the_sum() -> None:
    one, two, mono = stereo(1), stereo(2), stereo(3, channels=1)
    mixed = Mixed([MixTrack(one, 0.5, 0.2), MixTrack(two), MixTrack(mono, 2.0, -1.0)])
    expected = one.samples * np.array([[0.4], [0.5]]) + two.samples + mono.samples * np.array([[2.0], [0.0]])
    np.testing.assert_allclose(Audio.from_source(mixed).samples, expected, atol=1e-6)
    parts = np.concatenate(list(mixed.blocks(77, start=13, stop=903)), axis=1)
    np.testing.assert_allclose(parts, expected[:, 13:903], atol=1e-6)


def test_mono_stays_mono_until_it_is_panned() -> None:
    mono = stereo(1, channels=1)
    assert Mixed([MixTrack(mono, 0.5)]).channels == 1
    assert Mixed([MixTrack(mono, 1.0, 0.5)]).channels == 2


def test_what_does_not_fit() -> None:
    with pytest.raises(ParameterError, match="nothing to mix"):
        Mixed([])
    with pytest.raises(ParameterError, match="'sound 2' 999 at 8000 Hz"):
        Mixed([MixTrack(stereo(1)), MixTrack(stereo(2, 999))])
