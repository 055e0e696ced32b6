"""Batches of mel maps, mixed and spoiled on the way to the network.

Mel powers of sounds that sound together nearly add up, so mixtures, bleed and noise are made from maps without
touching waveforms again. Targets follow: shares for the label head, presence for the drum head.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from audiolab.training.network import BANDS, FLOOR, RANGES, STEPS, band_centres

__all__ = ["MapPool", "blend", "loudness", "mix_batch", "spoil", "warp"]


def _weights() -> Tensor:
    low, high = (band_centres(*part) for part in RANGES)
    return torch.tensor(np.minimum(np.concatenate((low, high)), 4000.0) / 1000.0, dtype=torch.float32)


_WEIGHTS = _weights()
"""Roughly how loud equal power sounds in each band: 3 dB per octave up to 4 kHz."""


def loudness(power: Tensor) -> Tensor:
    """Give each map's peak loudness, shape (n,): a hat beside a kick has little power and is loud all the same."""
    return (power.amax(dim=2) * _WEIGHTS).sum(dim=1)


class MapPool:
    """Log-mel maps of all variants of all sounds, kept as half floats.

    Parameters
    ----------
    maps : Tensor [float16, shape=(sounds, variants, BANDS, STEPS)]
        Decibels as the front end gives them.
    """

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps

    def power(self, sounds: Tensor, variants: Tensor) -> Tensor:
        """Give mel power relative to each sound's loudest band."""
        decibels = self.maps[sounds, variants].float() * 20.0 - 35.0
        return torch.exp(decibels * (math.log(10.0) / 10.0)) - FLOOR

    def __len__(self) -> int:
        return self.maps.shape[0]


def _smooth(noise: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(noise, size=size, mode="linear", align_corners=True)


def spoil(power: Tensor, g: torch.Generator) -> Tensor:
    """Colour, mask and add noise to maps of mel power, each with a chance of its own."""
    n = power.shape[0]

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g)

    curve = _smooth(torch.randn(n, 1, 7, generator=g), BANDS)[:, 0, :, None] * 4.0 * (draw(n, 1, 1) < 0.7)
    power = power * 10 ** (curve / 10)
    # a codec's or an old sampler's lowpass
    edge = (BANDS * (0.62 + 0.38 * draw(n, 1, 1))).floor()
    closed = (torch.arange(BANDS)[None, :, None] > edge) & (draw(n, 1, 1) < 0.2)
    power = torch.where(closed, power * 1e-5, power)
    # holes in time and frequency, as a separator's mask leaves them
    coarse = torch.randn(n, 1, BANDS // 4, STEPS // 4, generator=g)
    mask = torch.nn.functional.interpolate(coarse, size=(BANDS, STEPS), mode="bilinear")[:, 0]
    depth = 8.0 * draw(n, 1, 1) * (draw(n, 1, 1) < 0.3)
    power = power * 10 ** (-depth * mask.clamp(min=0) / 10)
    # steady noise, tilted
    top = power.amax(dim=(1, 2), keepdim=True)
    level = 10 ** (-(2.0 + 4.5 * draw(n, 1, 1))) * (draw(n, 1, 1) < 0.5)
    tilt = 10 ** (torch.linspace(-1, 1, BANDS)[None, :, None] * torch.randn(n, 1, 1, generator=g) * 0.7)
    exponential = -torch.log(draw(n, BANDS, STEPS) + 1e-6)
    power = power + top * level * tilt * (0.5 + 0.5 * exponential)
    return _erase(power, g)


def _erase(power: Tensor, g: torch.Generator) -> Tensor:
    """Blank a few bands or a few steps (SpecAugment, Park et al. 2019)."""
    n = power.shape[0]
    for axis, size, widest in ((1, BANDS, 8), (2, STEPS, 14)):
        start = torch.randint(0 if axis == 1 else 4, size, (n, 1), generator=g)
        width = torch.randint(0, widest, (n, 1), generator=g) * (torch.rand(n, 1, generator=g) < 0.4)
        line = torch.arange(size)[None]
        hit = (line >= start) & (line < start + width)
        power = torch.where(hit[:, :, None] if axis == 1 else hit[:, None, :], power * 1e-4, power)
    return power


def _shift(power: Tensor, steps: Tensor) -> Tensor:
    """Move maps later (positive) or earlier in time; what is left is empty."""
    line = torch.arange(STEPS)[None] - steps[:, None]
    valid = (line >= 0) & (line < STEPS)
    moved = torch.gather(power, 2, line.clamp(0, STEPS - 1)[:, None, :].expand_as(power))
    return moved * valid[:, None, :]


def mix_batch(
    powers: tuple[Tensor, Tensor],
    labels: tuple[Tensor, Tensor],
    presence: Tensor,
    g: torch.Generator,
    *,
    together: float,
    bleed: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mix a batch with a second one.

    Parameters
    ----------
    powers : pair of Tensor [shape=(n, BANDS, STEPS)]
        Mel power of the batch and of the sounds to add; they are brought to one loudness first.
    labels : pair of Tensor [shape=(n,)]
        Numbers of their labels.
    presence : Tensor [shape=(labels, drums)]
        Which drum class a label stands for.
    g : Generator
        Decides everything.
    together : float
        Share of sounds that get a second one struck at the same time.
    bleed : float
        Share that get another sound somewhere before or after, quieter, that is not a target.

    Returns
    -------
    power, shares, drums
        The mixtures, targets of the label head (rows add up to 1) and of the drum head (0 or 1).
    """
    (n, *_), count = powers[0].shape, presence.shape[0]
    label, other_label = labels
    which = torch.rand(n, generator=g)
    paired, bled = which < together, (which >= together) & (which < together + bleed)
    level = torch.where(paired, -18.0 * torch.rand(n, generator=g), -8.0 - 22.0 * torch.rand(n, generator=g))
    steps = torch.where(
        paired, torch.randint(0, 3, (n,), generator=g), torch.randint(-STEPS // 2, STEPS, (n,), generator=g)
    )
    gain = loudness(powers[0]) / loudness(powers[1]) * 10 ** (level / 10) * (paired | bled)
    power = powers[0] + gain[:, None, None] * _shift(powers[1], steps)
    # loudness decides the shares: equal levels share evenly, 12 dB below is worth little
    share = 1 / (1 + 10 ** (-level / 8)) * paired
    one_hot = torch.nn.functional.one_hot
    shares = one_hot(label, count) * (1 - share)[:, None] + one_hot(other_label, count) * share[:, None]
    drums = torch.maximum(presence[label], presence[other_label] * (paired & (level > -15))[:, None])
    return power, shares.float(), drums


def blend(
    maps: Tensor, shares: Tensor, drums: Tensor, g: torch.Generator, *, alpha: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Blend log-mel maps with one another, targets likewise (mixup, Zhang et al. 2018).

    Unlike `mix_batch` nothing that could be heard comes of it; it keeps the network from being sure where it has
    no examples.

    Parameters
    ----------
    maps, shares, drums : Tensor
        A batch of decibel maps with the targets of both heads.
    g : Generator
        Decides everything.
    alpha : float
        Both parameters of the beta distribution that weights are drawn from; the larger weight stays with the
        sound itself. A drum counts as present from a weight of 0.3 on.
    """
    n = maps.shape[0]
    rng = np.random.default_rng(int(torch.randint(0, 2**31, (1,), generator=g)))
    drawn = torch.from_numpy(rng.beta(alpha, alpha, n).astype(np.float32))
    weight = torch.maximum(drawn, 1 - drawn)[:, None]
    other = torch.randperm(n, generator=g)
    mixed = maps * weight[:, :, None] + maps[other] * (1 - weight[:, :, None])
    return (
        mixed,
        shares * weight + shares[other] * (1 - weight),
        torch.maximum(drums, drums[other] * (weight < 0.7)),
    )


def warp(maps: Tensor, g: torch.Generator, *, strength: float) -> Tensor:
    """Stretch seven of ten log-mel maps in time and shift and stretch them in frequency: other sizes of one thing.

    Parameters
    ----------
    maps : Tensor [shape=(n, BANDS, STEPS)]
        Decibels.
    g : Generator
        Decides everything.
    strength : float
        Maps are shifted by up to a quarter of this share of all bands, bands are stretched by up to half of it,
        time by up to twice of it (0.05: 0.9 bands, 2.5 %, 10 %). The start of a sound stays where it is.
    """
    n = maps.shape[0]
    moved = (torch.rand(n, generator=g) < 0.7).float()

    def draw() -> Tensor:
        return moved * (2 * torch.rand(n, generator=g) - 1)

    bands, shift, time = 1 + 0.5 * strength * draw(), 0.5 * strength * draw(), torch.exp(2 * strength * draw())
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = time, time - 1
    theta[:, 1, 1], theta[:, 1, 2] = bands, shift
    grid = torch.nn.functional.affine_grid(theta, [n, 1, BANDS, STEPS], align_corners=False)
    sampled = torch.nn.functional.grid_sample(maps[:, None], grid, padding_mode="border", align_corners=False)
    return sampled[:, 0]
