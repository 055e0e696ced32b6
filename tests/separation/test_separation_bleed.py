"""The bleed estimate against bleed that was planted."""

from __future__ import annotations

import numpy as np
import pytest

from audiolab.audio import Audio
from audiolab.stages.separation import separate
from audiolab.stages.separation.bleeding import BleedMeter
from audiolab.synth import render_song


def estimate(stems: dict[str, np.ndarray], rate: int, block: int = 65536) -> dict[str, tuple[float, str | None]]:
    meter = BleedMeter(tuple(stems), rate)
    frames = next(iter(stems.values())).shape[1]
    for at in range(0, frames, block):
        meter.add({name: stem[:, at : at + block] for name, stem in stems.items()})
    return {name: (bleed.db, bleed.source) for name, bleed in meter.result().items()}


@pytest.fixture(scope="module")
def rendered() -> tuple[dict[str, np.ndarray], int]:
    song = render_song(bars=8)
    return {name: stem.samples for name, stem in song.stems.items()}, song.sample_rate


def test_clean_stems_have_little(rendered: tuple[dict[str, np.ndarray], int]) -> None:
    assert max(db for db, _ in estimate(*rendered).values()) < -18


def test_planted_bleed_is_found(rendered: tuple[dict[str, np.ndarray], int]) -> None:
    """Level and origin, over every pair of stems and 24 dB of bleed."""
    stems, rate = rendered
    true, found, right = [], [], []
    for into in stems:
        for origin in stems:
            for db in (-24.0, -18.0, -12.0, -6.0):
                energy = np.sum(stems[into] ** 2) / np.sum(stems[origin] ** 2)
                gain = np.sqrt(10 ** (db / 10) * energy)
                if into == origin or gain > 0.7:  # a stem that is mostly another one
                    continue
                planted = stems[into] + gain * stems[origin]
                got, source = estimate({**stems, into: planted}, rate)[into]
                true.append(10 * np.log10(np.sum((gain * stems[origin]) ** 2) / np.sum(planted**2)))
                found.append(got)
                right.append(source == origin)
    assert len(true) > 30
    assert np.corrcoef(true, found)[0, 1] > 0.9
    assert abs(np.mean(np.subtract(found, true))) < 2
    assert np.mean(right) > 0.8


def test_gain_and_blocks_change_nothing(rendered: tuple[dict[str, np.ndarray], int]) -> None:
    stems, rate = rendered
    stems = {**stems, "vocals": stems["vocals"] + 0.2 * stems["drums"]}
    whole = estimate(stems, rate)
    quiet = estimate({name: 0.03 * stem for name, stem in stems.items()}, rate)
    for other in (quiet, estimate(stems, rate, block=1000)):
        for name in stems:
            assert other[name] == (pytest.approx(whole[name][0], abs=0.02), whole[name][1])


def test_silence_and_copies(rendered: tuple[dict[str, np.ndarray], int]) -> None:
    stems, rate = rendered
    silent = np.zeros_like(stems["drums"])
    assert estimate({"a": silent, "b": silent}, rate) == {"a": (-80.0, None), "b": (-80.0, None)}
    db, source = estimate({"a": 0.5 * stems["drums"], "b": stems["drums"]}, rate)["a"]
    assert (round(db, 1), source) == (0.0, "b")
    assert estimate({"a": stems["drums"][:, :10], "b": silent[:, :10]}, rate)["a"] == (-80.0, None)


def test_the_card_of_every_stem() -> None:
    song = render_song(bars=4)
    found = separate(song.mix, engine="spectral")
    for stem in found.stems.values():
        assert -80 <= stem.facts["bleed_db"] <= 0
        assert 0 <= stem.facts["energy_share_unfolded"] <= 1
    assert sum(stem.facts["energy_share_unfolded"] for stem in found.stems.values()) == pytest.approx(1.0)
    silent = separate(Audio(np.zeros((1, 8000), np.float32), 8000, "silence"), engine="spectral")
    assert {stem.facts["bleed_db"] for stem in silent.stems.values()} == {-80.0}
