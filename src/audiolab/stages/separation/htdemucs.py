"""The engine `demucs`: Demucs networks (HTDemucs and its bags), streamed at constant memory.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (2021); Rouard, Massa and Défossez, "Hybrid
Transformers for Music Source Separation" (ICASSP 2023). The networks come from the package `demucs`, their weights
through `audiolab.weights`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from audiolab.audio import Block, BlockSource, Resampled, resample_blocks
from audiolab.errors import ModelError
from audiolab.stages.base import Progress
from audiolab.stages.separation.checkpoints import Checkpoint, find_checkpoint, load_networks
from audiolab.stages.separation.engines import Identity, Options, Separator
from audiolab.stages.separation.overlap_add import Segments, rechunk

__all__ = ["Demucs", "DemucsEngine"]

_STATISTICS = 0.02
"""Share of the progress that goes to the first pass."""


class DemucsEngine:
    """Registry entry."""

    name = "demucs"

    def missing(self, options: Options) -> str | None:
        """Say what is missing; see `Engine.missing`."""
        lacking = [package for package in ("torch", "demucs") if find_spec(package) is None]
        ways = (
            f"run `audiolab models pull {options.model}`, or fetch the weights elsewhere and run "
            "`audiolab models import FILE`"
        )
        if lacking:
            return f"{' and '.join(lacking)} not installed; `pip install 'audiolab[separate]'`, then {ways}"
        try:
            found = find_checkpoint(options.model)
        except ModelError as error:
            return str(error)
        return None if found else f"the weights of {options.model!r} are not here; {ways}"

    def identify(self, options: Options) -> Identity:
        """Name weights, device class and versions; see `Engine.identify`."""
        profile = {
            "device": _device(options.device).split(":")[0],
            "dtype": "float32",
            "segment": "the model's",
            "threads": str(options.threads),
            "torch": version("torch"),
            "demucs": version("demucs"),
        }
        return Identity(_require(options).sha256, profile)

    def build(self, options: Options) -> Separator:
        """Verify and load the weights; see `Engine.build`."""
        checkpoint = _require(options)
        if options.weights is not None and checkpoint.sha256 != options.weights:
            raise ModelError(f"the weights of {options.model!r} have changed since this was planned; plan it again")
        return Demucs(
            load_networks(checkpoint),
            mixing=checkpoint.mixing,
            overlap=options.overlap,
            device=_device(options.device),
            threads=options.threads,
        )


def _require(options: Options) -> Checkpoint:
    found = find_checkpoint(options.model)
    if found is None:
        raise ModelError(f"engine 'demucs' cannot run here: {DemucsEngine().missing(options)}")
    return found


def _device(asked: str) -> str:
    """Resolve `auto`: cuda, then mps, then cpu."""
    import torch

    if asked == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if (asked.startswith("cuda") and not torch.cuda.is_available()) or (
        asked == "mps" and not torch.backends.mps.is_available()
    ):
        raise ModelError(f"separate: device {asked!r} is not there; choose auto or cpu")
    return asked


class Demucs:
    """One or several Demucs networks as a `Separator`.

    Parameters
    ----------
    networks : list of torch.nn.Module
        With the same stems and sample rate.
    mixing : tuple of tuple of float, optional
        Weight of each network (rows) for each stem (columns).
    overlap : float
        Overlap of the segments, as in upstream's `apply_model`.
    device : str
        Torch's name of the device.
    threads : int
        Threads of torch on a CPU; the low bits of the samples depend on it.
    """

    name = "demucs"

    def __init__(
        self,
        networks: list[Any],
        *,
        mixing: tuple[tuple[float, ...], ...] | None = None,
        overlap: float = 0.25,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self._networks = [network.to(device) for network in networks]
        first = networks[0]
        self._stems = tuple(str(name) for name in first.sources)
        self._rate, self._channels = int(first.samplerate), int(first.audio_channels)
        rows = mixing or tuple(tuple(1.0 for _ in self._stems) for _ in networks)
        self._mixing = np.array(rows, np.float32)[:, :, None, None]
        self._overlap, self._device, self._threads = overlap, device, threads

    def stems(self) -> tuple[str, ...]:
        """Name the stems as the network has them."""
        return self._stems

    def blocks(self, source: BlockSource, *, progress: Progress | None = None) -> Iterator[Mapping[str, Block]]:
        """Separate; see `Separator`. The source is read once for its level, then once for each network."""
        at_rate = Resampled(source, self._rate) if source.sample_rate != self._rate else source
        mean, deviation = self._level(at_rate, progress)
        plans = [Segments(n, at_rate.frames, overlap=self._overlap, device=self._device) for n in self._networks]
        tick = _Ticks(progress, sum(plan.count for plan in plans))
        streams = [
            rechunk(plan.run(self._normalized(at_rate, mean, deviation), tick=tick), plans[0].stride) for plan in plans
        ]
        channels = source.channels

        def mixed() -> Iterator[Block]:
            totals = self._mixing.sum(axis=0)
            while True:
                with self._limited():
                    outs = [next(stream, None) for stream in streams]
                if outs[0] is None:
                    return
                total = sum(out * w for out, w in zip(outs, self._mixing, strict=True) if out is not None) / totals
                total = np.asarray(total * deviation + mean, np.float32)
                yield _channels(total, channels).reshape(len(self._stems) * channels, -1)

        back = resample_blocks(mixed(), len(self._stems) * channels, self._rate, source.sample_rate, source.frames)
        for block in back:
            stacked = block.reshape(len(self._stems), channels, -1)
            yield {name: np.ascontiguousarray(part) for name, part in zip(self._stems, stacked, strict=True)}

    def _level(self, source: BlockSource, progress: Progress | None) -> tuple[np.float32, np.float32]:
        """Mean and deviation of the whole file's channel mean, as upstream takes them (n - 1; plus 1e-8)."""
        count, total, squares = 0, 0.0, 0.0
        shift: float | None = None
        for block in source.blocks():
            mono = block.mean(axis=0, dtype=np.float64)
            if shift is None:
                shift = float(mono[0])
            mono -= shift  # sums around one sample: no cancellation when there is much DC
            count += len(mono)
            total += float(mono.sum())
            squares += float(mono @ mono)
            if progress is not None:
                progress(_STATISTICS * min(1.0, count / source.frames), 1.0)
        variance = max(0.0, squares - total * total / count) / (count - 1) if count > 1 else 0.0
        return np.float32((shift or 0.0) + total / max(1, count)), np.float32(math.sqrt(variance) + 1e-8)

    def _normalized(self, source: BlockSource, mean: np.float32, deviation: np.float32) -> Iterator[Block]:
        for block in source.blocks():
            yield _channels((block - mean) / deviation, self._channels)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Use the promised number of threads, and leave torch as it was."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class _Ticks:
    """Counts segments."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(_STATISTICS + (1 - _STATISTICS) * self._done / self._total, 1.0)


def _channels(block: Block, channels: int) -> Block:
    """Give a block (channels on the axis before the last) another number of channels, as demucs does."""
    have = block.shape[-2]
    if have == channels:
        return block
    if channels == 1:
        return np.asarray(block.mean(axis=-2, keepdims=True), np.float32)
    return np.repeat(block[..., :1, :], channels, axis=-2)
