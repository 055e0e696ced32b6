"""Folding: the stems add up to the mix, exactly, however the blocks are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.audio import Audio
from audiolab.errors import ModelError
from audiolab.stages.separation.folding import STEPS, Folding, Reader, paired

STEMS = ("drums", "bass", "other", "vocals")


def estimates(mix: np.ndarray, seed: int = 1) -> dict[str, np.ndarray]:
    """Four noisy shares of a mix that do not add up."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(4))
    return {
        name: (share * mix + 0.02 * rng.standard_normal(mix.shape)).astype(np.float32)
        for name, share in zip(STEMS, shares, strict=True)
    }


def on_grid(shape: tuple[int, int], bits: int, seed: int = 0, level: float = 0.3) -> np.ndarray:
    scale = 1 << (bits - 1)
    noise = level * np.random.default_rng(seed).standard_normal(shape)
    return (np.clip(np.rint(noise * scale), -scale, scale - 1) / scale).astype(np.float32)


@given(bits=st.sampled_from([8, 16, 24]), frames=st.integers(1, 400), seed=st.integers(0, 99))
def test_a_mix_on_the_24_bit_grid_is_the_exact_sum(bits: int, frames: int, seed: int) -> None:
    mix = on_grid((2, frames), bits, seed)
    folded = Folding(STEMS, 44100)(mix, estimates(mix, seed))
    assert np.array_equal(sum(stem.astype(np.float64) for stem in folded.values()), mix.astype(np.float64))
    for stem in folded.values():
        steps = stem.astype(np.float64) * STEPS
        assert np.array_equal(steps, np.rint(steps))


@given(cuts=st.lists(st.integers(0, 3000), max_size=6))
def test_the_cut_into_blocks_does_not_matter(cuts: list[int]) -> None:
    mix = on_grid((1, 3000), 16)
    parts = estimates(mix)
    whole = Folding(STEMS, 8000)(mix, parts)
    folding, edges = Folding(STEMS, 8000), [0, *sorted(cuts), 3000]
    pieces = [folding(mix[:, a:b], {name: part[:, a:b] for name, part in parts.items()}) for a, b in pairwise(edges)]
    for name in STEMS:
        assert np.array_equal(np.concatenate([piece[name] for piece in pieces], axis=1), whole[name])


def test_without_the_grid_stems_add_up_within_float32() -> None:
    mix = (1e-4 * np.random.default_rng(0).standard_normal((2, 5000))).astype(np.float32)
    folded = Folding(STEMS, 44100, grid=False)(mix, {name: part * 1e-4 for name, part in estimates(mix).items()})
    left = mix - sum(stem.astype(np.float64) for stem in folded.values())
    assert 10 * np.log10((left**2).mean() / (mix.astype(np.float64) ** 2).mean()) < -130


def test_the_residual_goes_to_the_stems_that_sound_and_a_silent_stem_stays_silent() -> None:
    rng = np.random.default_rng(7)
    mix = on_grid((1, 44100), 24, level=0.1)
    parts = {name: np.zeros_like(mix) for name in STEMS}
    parts["bass"] = (0.8 * mix).astype(np.float32)
    parts["vocals"] = (0.1 * mix + 0.001 * rng.standard_normal(mix.shape)).astype(np.float32)
    folding = Folding(STEMS, 44100)
    folded = folding(mix, parts)
    assert np.abs(folded["drums"]).max() <= 1 / STEPS
    assert np.abs(folded["bass"] - mix * 0.9).mean() < np.abs(parts["bass"] - mix * 0.9).mean()
    assert folding.residual_db == pytest.approx(-20.0, abs=0.2)


def test_where_no_stem_sounds_the_residual_goes_to_other() -> None:
    mix = on_grid((2, 1000), 16)
    folded = Folding(STEMS, 44100)(mix, {name: np.zeros_like(mix) for name in STEMS})
    assert np.array_equal(folded["other"], mix)


def test_estimates_that_add_up_are_left_as_they_are() -> None:
    """Folding changes nothing but the rounding."""
    mix = on_grid((2, 1000), 16)
    parts = {name: share * mix for name, share in zip(STEMS, (0.5, 0.25, 0.125, 0.125), strict=True)}
    folding = Folding(STEMS, 44100)
    folded = folding(mix, parts)
    assert folding.residual_db < -200
    for name in STEMS:
        assert np.abs(folded[name] - parts[name]).max() <= 2 / STEPS


class Broken:
    name = "broken"

    def __init__(self, frames: int, channels: int = 1) -> None:
        self.frames, self.channels = frames, channels

    def stems(self) -> tuple[str, ...]:
        return STEMS

    def blocks(self, source: object, *, progress: object = None) -> object:
        yield {name: np.zeros((self.channels, self.frames), np.float32) for name in STEMS}


@pytest.mark.parametrize("engine", [Broken(99), Broken(101), Broken(100, channels=2)])
def test_an_engine_that_breaks_its_promise_is_an_error(engine: Broken) -> None:
    source = Audio(np.zeros((1, 100), np.float32), 8000)
    with pytest.raises(ModelError, match="broken"):
        list(paired(source, engine))


@given(sizes=st.lists(st.integers(0, 60), max_size=12))
def test_reader_gives_the_source_in_order(sizes: list[int]) -> None:
    samples = np.arange(200, dtype=np.float32)[None, :] / 200
    reader, at = Reader(Audio(samples, 8000)), 0
    for size in sizes:
        got = reader.read(size)
        assert np.array_equal(got, samples[:, at : at + size])
        at += got.shape[1]
