"""The encoder as a torch module: a fixed log-mel front end and a small convolutional network.

Conventions: input is what `preparing.prepare` gives, shape (sounds, FRAMES); the front end gives log-mel maps of
shape (sounds, BANDS, STEPS); the embedding has unit length, shape (sounds, DIMENSIONS). Heads are linear on it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from audiolab.stages.classification.preparing import FRAMES, RATE

__all__ = [
    "BANDS",
    "DIMENSIONS",
    "FLOOR",
    "RANGES",
    "STEPS",
    "Encoder",
    "FrontEnd",
    "Trunk",
    "band_centres",
    "to_decibels",
]

DIMENSIONS = 128
HOP = 320
STEPS = FRAMES // HOP
LOW_BANDS, HIGH_BANDS = 28, 44
BANDS = LOW_BANDS + HIGH_BANDS
FLOOR = 1e-7
"""Power under the loudest band of the sound that counts as nothing (-70 dB)."""

_DECIMATION = 8
_LOWEST, _CROSSOVER, _HIGHEST = 30.0, 1200.0, 15_800.0
RANGES = ((LOW_BANDS, _LOWEST, _CROSSOVER), (HIGH_BANDS, _CROSSOVER, _HIGHEST))
"""Number of bands, lowest and highest frequency of the two parts of a map."""


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))


def band_centres(count: int, low: float, high: float) -> NDArray[np.float64]:
    """Give the centres in hertz of `count` bands, evenly spaced on the mel scale."""
    return np.asarray(700.0 * np.expm1(np.linspace(_mel(low), _mel(high), count + 2) / 1127.0))[1:-1]


def _triangles(count: int, low: float, high: float, bins: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    edges = 700.0 * np.expm1(np.linspace(_mel(low), _mel(high), count + 2) / 1127.0)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.clip(np.minimum(rising, falling), 0.0, None)


class _Spectrum(nn.Module):
    """Mel power of one range of frequencies, by a windowed discrete Fourier transform written as a convolution.

    The cosines are computed inside the graph from two short vectors, so that the exported file stays small; a
    runtime folds them into constants when it loads the graph.
    """

    window: Tensor
    index: Tensor
    bins: Tensor
    filters: Tensor

    def __init__(self, rate: float, size: int, hop: int, bands: int, *, low: float, high: float) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        spacing = rate / size
        first, last = max(1, math.floor(low / spacing)), min(size // 2 - 1, math.ceil(high / spacing))
        numbers = np.arange(first, last + 1)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        filters = _triangles(bands, low, high, numbers * spacing)
        filters *= spacing / (rate * np.square(window).sum())  # power density, so that both ranges join without a step
        self.register_buffer("window", torch.tensor(window, dtype=torch.float32))
        self.register_buffer("index", torch.arange(size, dtype=torch.float32))
        self.register_buffer("bins", torch.tensor(numbers, dtype=torch.float32))
        self.register_buffer("filters", torch.tensor(filters, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        turns = torch.fmod(self.bins[:, None] * self.index[None, :], float(self.size)) * (2 * math.pi / self.size)
        basis = torch.cat((torch.cos(turns), torch.sin(turns))) * self.window
        pad = (self.size - self.hop) // 2
        spectrum = functional.conv1d(functional.pad(x, (pad, pad)), basis[:, None, :], stride=self.hop)
        real, imaginary = spectrum.chunk(2, dim=1)
        return torch.matmul(self.filters, real * real + imaginary * imaginary)


class FrontEnd(nn.Module):
    """Log-mel map with two resolutions: 64 ms windows below 1.2 kHz (where pitch counts), 16 ms above (attacks).

    Values are decibels under the sound's loudest band and step, so the level of a sound makes no difference.
    """

    lowpass: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = 16 * _DECIMATION + 1
        n = np.arange(taps) - taps // 2
        kernel = np.sinc(0.8 * n / _DECIMATION) * np.kaiser(taps, 8.0)
        self.register_buffer("lowpass", torch.tensor(kernel / kernel.sum(), dtype=torch.float32)[None, None, :])
        self.low = _Spectrum(RATE / _DECIMATION, 256, HOP // _DECIMATION, LOW_BANDS, low=_LOWEST, high=_CROSSOVER)
        self.high = _Spectrum(RATE, 512, HOP, HIGH_BANDS, low=_CROSSOVER, high=_HIGHEST)

    def power(self, x: Tensor) -> Tensor:
        """Give mel power, shape (sounds, BANDS, STEPS)."""
        x = x[:, None, :]
        pad = self.lowpass.shape[-1] // 2
        slow = functional.conv1d(functional.pad(x, (pad, pad)), self.lowpass, stride=_DECIMATION)
        slow = slow[:, :, : FRAMES // _DECIMATION]
        return torch.cat((self.low(slow), self.high(x)), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Give the log-mel map of prepared audio."""
        return to_decibels(self.power(x))


def to_decibels(power: Tensor) -> Tensor:
    """Turn mel power into decibels under its maximum, floored and scaled to about [-1.75, 1.75]."""
    top = power.amax(dim=(1, 2), keepdim=True)
    relative = power / (top + 1e-20)
    return (10.0 / math.log(10.0) * torch.log(relative + FLOOR) + 35.0) / 20.0


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.norm(self.first(x)))


def _down(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()
    )


class Trunk(nn.Module):
    """The convolutional part: a log-mel map to an embedding of unit length.

    The map gets a second channel that says how high a band lies. At the end the bands stay apart: time is
    pooled by mean and by maximum, so a low thump and a high tick never look alike.
    """

    place: Tensor

    def __init__(self, width: int = 48, dropout: float = 0.2) -> None:
        super().__init__()
        half, double, triple = width // 2, 2 * width, 3 * width
        self.register_buffer("place", torch.linspace(-1, 1, BANDS)[None, None, :, None])
        self.body = nn.Sequential(
            nn.Conv2d(2, half, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
            _down(half, width), _Residual(width),
            _down(width, double), _Residual(double),
            _down(double, triple), _Residual(triple),
            nn.Conv2d(triple, double, 1, bias=False), nn.BatchNorm2d(double), nn.ReLU(),
        )  # fmt: skip
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(double * math.ceil(BANDS / 16) * 2, DIMENSIONS)

    def forward(self, mel: Tensor) -> Tensor:
        """Give the embedding of a log-mel map."""
        mel = mel[:, None]
        x = self.body(torch.cat((mel, self.place.expand_as(mel)), dim=1))
        pooled = torch.cat((x.mean(dim=3), x.amax(dim=3)), dim=1).flatten(1)
        vector = self.out(self.dropout(pooled)).float()
        unit: Tensor = vector / torch.sqrt((vector * vector).sum(dim=1, keepdim=True) + 1e-12)
        return unit


class Encoder(nn.Module):
    """Front end and trunk: what is exported."""

    def __init__(self, **trunk: Any) -> None:
        super().__init__()
        self.front_end = FrontEnd()
        self.trunk = Trunk(**trunk)

    def forward(self, audio: Tensor) -> Tensor:
        """Give the embedding of prepared audio."""
        vector: Tensor = self.trunk(self.front_end(audio))
        return vector
