"""The built-in engine without weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import median_filter

from audiolab.audio import Block, BlockSource
from audiolab.stages.base import Progress
from audiolab.stages.separation.engines import Identity, Options, Separator
from audiolab.stages.separation.folding import Reader

__all__ = ["Spectral", "SpectralEngine"]

STEMS = ("drums", "bass", "other", "vocals")
Power = NDArray[np.float32]


class SpectralEngine:
    """Registry entry: always available."""

    name = "spectral"

    def missing(self, options: Options) -> str | None:
        """Nothing is ever missing."""
        return None

    def identify(self, options: Options) -> Identity:
        """Name the libraries that decide the low bits."""
        import scipy

        return Identity(
            None, {"device": "cpu", "dtype": "float32", "numpy": np.__version__, "scipy": scipy.__version__}
        )

    def build(self, options: Options) -> Separator:
        """Make the separator."""
        return Spectral()


class Spectral:
    """Weights-free separator."""

    name = "spectral"

    def stems(self) -> tuple[str, ...]:
        """Drums, bass, other, vocals."""
        return STEMS

    def blocks(self, source: BlockSource, *, progress: Progress | None = None) -> Iterator[Mapping[str, Block]]:
        """Separate; see `Separator`."""
        hop = max(16, round(source.sample_rate * 0.0232))
        core, margin = 256 * hop, 40 * hop
        reader = Reader(source)
        held = np.zeros((source.channels, margin), np.float32)
        held = np.concatenate([held, reader.read(margin)], axis=1)
        for start in range(0, source.frames, core):
            n = min(core, source.frames - start)
            held = np.concatenate([held, reader.read(core)], axis=1)
            window = held
            if window.shape[1] < core + 2 * margin:
                window = np.pad(window, ((0, 0), (0, core + 2 * margin - window.shape[1])))
            done = _separate(window, hop, source.sample_rate)
            held = held[:, core:]
            if progress is not None:
                progress(start + n, source.frames)
            yield {name: np.ascontiguousarray(done[name][:, margin : margin + n]) for name in STEMS}


def _separate(x: Block, hop: int, rate: int) -> dict[str, Block]:
    n_fft = 4 * hop
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    padded = np.pad(x, ((0, 0), (n_fft, n_fft)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, ::hop]
    spec = rfft(frames * window, axis=-1)
    mag = np.abs(spec).mean(axis=0)
    harmonic = median_filter(mag, (31, 1))
    percussive = median_filter(mag, (1, 31))
    total = harmonic**2 + percussive**2 + 1e-20
    drum = percussive**2 / total
    freqs = np.fft.rfftfreq(n_fft, 1 / rate)
    low = 1 / (1 + (freqs / 200.0) ** 8)
    rest = 1 - drum
    masks = {"drums": drum, "bass": rest * low, "other": rest * (1 - low) * 0.5, "vocals": rest * (1 - low) * 0.5}
    out = {}
    for name, mask in masks.items():
        pieces = irfft(spec * mask.astype(np.float32), n=n_fft, axis=-1) * window
        y = np.zeros(padded.shape, np.float32)
        for k in range(4):
            part = pieces[:, k::4]
            part = part.reshape(part.shape[0], -1)
            y[:, k * hop : k * hop + part.shape[1]] += part
        out[name] = (y / 1.5)[:, n_fft : n_fft + x.shape[1]]
    return out
