"""Mixtures of known hits: where hits are, how loud the bed is, and what separation gives back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiolab.errors import ParameterError
from audiolab.training.data import RENDERED, waveform
from audiolab.training.manifest import Entry
from audiolab.training.separated import MIX_RATE, cut_at, cut_by_slice, draw_mixture, separated_hits
from audiolab.training.settings import load_config


def clicks(count: int) -> list[np.ndarray]:
    t = np.arange(MIX_RATE // 8) / MIX_RATE
    return [(np.exp(-t / 0.02) * np.sin(2 * np.pi * (300 + 90 * n) * t)).astype(np.float32) for n in range(count)]


def test_hits_begin_where_the_mixture_says():
    bed = np.sin(2 * np.pi * 110 * np.arange(MIX_RATE) / MIX_RATE).astype(np.float32)
    made = draw_mixture(clicks(6), [bed], np.random.default_rng(3))
    assert len(made.starts) == 6
    assert all(b - a >= 0.16 * MIX_RATE - 1 for a, b in zip(made.starts, made.starts[1:], strict=False))
    for start in made.starts:
        before, after = made.drums[start - 500 : start], made.drums[start : start + 2000]
        assert np.abs(after).max() > 20 * np.abs(before).max()
    assert np.abs(made.mix).max() == pytest.approx(0.9, rel=1e-4)
    assert not np.allclose(made.mix, made.drums)
    again = draw_mixture(clicks(6), [bed], np.random.default_rng(3))
    assert np.array_equal(made.mix, again.mix)
    alone = draw_mixture(clicks(2), [], np.random.default_rng(0))
    assert np.array_equal(alone.mix, alone.drums)
    with pytest.raises(ParameterError, match="at least one"):
        draw_mixture([], [bed], np.random.default_rng(0))


def test_cuts_come_back_by_start_and_by_slice():
    made = draw_mixture(clicks(5), [], np.random.default_rng(1))
    parts = cut_at(made.drums, made.starts)
    assert [int(np.abs(p).argmax()) < 3000 for p in parts] == [True] * 5
    found = cut_by_slice(made.drums, made.starts)
    assert sum(part is not None for part in found) >= 4
    assert cut_by_slice(np.zeros(MIX_RATE, np.float32), [20_000, 30_000]) == [None, None]


def test_separated_hits_are_all_there_and_change():
    config = load_config("default")
    hits = [Entry(Path(f"{label}-{n}"), RENDERED, label) for label in ("kick", "snare") for n in range(2)]
    beds = [Entry(Path(f"keys-{n}"), RENDERED, "keys") for n in range(2)]
    found = separated_hits(hits, lambda entry: waveform(entry, config), beds=beds, seed=1)
    assert sorted(found) == [0, 1, 2, 3]
    for index, wave in found.items():
        assert wave is not None
        assert np.isfinite(wave).all()
        assert 0 < np.abs(wave).max() <= 1.5
        clean = waveform(hits[index], config)
        n = min(len(wave), len(clean))
        assert not np.allclose(wave[:n], clean[:n], atol=1e-3)
