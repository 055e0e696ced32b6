"""The engine `demucs`: Demucs networks (HTDemucs and its bags), streamed at constant memory.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (2021); Rouard, Massa and Défossez, "Hybrid
Transformers for Music Source Separation" (ICASSP 2023). The networks come from the package `demucs`, their weights
through `audiolab.weights`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from audiolab.audio import Block, BlockSource, Resampled, resample_blocks
from audiolab.errors import ModelError, ParameterError
from audiolab.stages.base import Progress
from audiolab.stages.kept import KEPT, file_size, module_size
from audiolab.stages.separation.allocation import kept_memory
from audiolab.stages.separation.checkpoints import Checkpoint, find_checkpoint, load_networks, stamps
from audiolab.stages.separation.engines import Identity, Options, Separator
from audiolab.stages.separation.half_precision import cpu_has_bfloat16, to_bfloat16
from audiolab.stages.separation.overlap_add import Segments, rechunk
from audiolab.stages.separation.placing import Placed
from audiolab.weights import MODELS, official_name

__all__ = ["Demucs", "DemucsEngine"]

_STATISTICS = 0.02
"""Share of the progress that goes to the first pass."""
_GREATEST_SHIFT = 0.5
"""Seconds of silence, at most, before a shifted repetition; upstream's number."""


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
        if found is None and official_name(options.model) not in MODELS:
            known = ", ".join(name for name, model in MODELS.items() if model.kind == "demucs")
            named = options.model
            return f"there is no model {named!r}: name {known}, an imported one, or a path (as in ./{named})"
        return None if found else f"the weights of {options.model!r} are not here; {ways}"

    def decide(self, options: Options) -> Options:
        """Decide device and dtype where they are `auto`; see `Engine.decide`."""
        device = _device(options.device)
        dtype = options.dtype
        if dtype == "auto":
            dtype = "bfloat16" if _has_bfloat16(device) else "float32"
        if dtype == "bfloat16" and device == "mps":
            raise ModelError("separate: dtype bfloat16 is for cpu and cuda; on mps choose auto or float32")
        return replace(options, device=device, dtype=dtype)

    def identify(self, options: Options) -> Identity:
        """Name weights, device class and versions; see `Engine.identify`."""
        options = self.decide(options)
        profile = {
            "device": options.device.split(":")[0],
            "dtype": options.dtype,
            "segment": "the model's" if options.segment is None else f"{options.segment:g}",
            "threads": str(options.threads),
            "torch": version("torch"),
            "demucs": version("demucs"),
        }
        return Identity(_require(options).sha256, profile)

    def build(self, options: Options) -> Separator:
        """Verify and load the weights, or take those that this process has loaded; see `Engine.build`."""
        checkpoint = _require(options)
        if options.weights is not None and checkpoint.sha256 != options.weights:
            raise ModelError(f"the weights of {options.model!r} have changed since this was planned; plan it again")
        options = self.decide(options)
        return Demucs(
            _networks(
                checkpoint, device=options.device, halved=options.dtype == "bfloat16" and options.device == "cpu"
            ),
            mixing=checkpoint.mixing,
            overlap=options.overlap,
            shifts=options.shifts,
            segment=options.segment,
            dtype=options.dtype,
            device=options.device,
            threads=options.threads,
            only=options.stem,
        )


def _networks(checkpoint: Checkpoint, *, device: str, halved: bool) -> list[Any]:
    """Give the networks of a checkpoint; ten songs do not load them ten times."""

    def build() -> list[Any]:
        networks = load_networks(checkpoint)
        return [to_bfloat16(network) for network in networks] if halved else networks

    return KEPT.get(
        ("demucs", checkpoint, stamps(checkpoint), device, halved),
        build,
        device=device,
        size=lambda networks: module_size(*networks),
        expected=file_size(*checkpoint.paths),
    )


def _has_bfloat16(device: str) -> bool:
    import torch

    if device == "cpu":
        return cpu_has_bfloat16()
    return device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)


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
    shifts : int
        Repetitions with up to half a second of silence put first, averaged; 0 for one without. The lengths are
        upstream's after `random.seed(0)`, so results repeat.
    segment : float, optional
        Seconds of a segment, at most the networks' own.
    dtype : {"float32", "bfloat16"}
        For bfloat16 on a CPU the networks must have gone through `to_bfloat16`.
    device : str
        Torch's name of the device.
    threads : int
        Threads of torch on a CPU; the low bits of the samples depend on it.
    only : str, optional
        The only stem to give; networks that have no weight for it are not run.

    Raises
    ------
    ParameterError
        If there is no such stem, or the segment is too long.
    """

    name = "demucs"

    def __init__(
        self,
        networks: list[Any],
        *,
        mixing: tuple[tuple[float, ...], ...] | None = None,
        overlap: float = 0.25,
        shifts: int = 0,
        segment: float | None = None,
        dtype: str = "float32",
        device: str = "cpu",
        threads: int = 1,
        only: str | None = None,
    ) -> None:
        first = networks[0]
        names = [str(name) for name in first.sources]
        if only is not None and only not in names:
            raise ParameterError(f"separate: the model has no stem {only!r}; it gives {', '.join(names)}")
        self._rate, self._channels = int(first.samplerate), int(first.audio_channels)
        rows = np.array(mixing or [[1.0] * len(names)] * len(networks), np.float32)
        self._kept = [names.index(only)] if only else list(range(len(names)))
        self._stems = tuple(names[index] for index in self._kept)
        used = [i for i in range(len(networks)) if rows[i, self._kept].any()]
        self._mixing = rows[np.ix_(used, self._kept)][:, :, None, None]
        self._placed = [Placed(networks[i], device=device, dtype=dtype, segment=segment) for i in used]
        self._overlap, self._device, self._threads = overlap, device, threads
        # Drawn for all networks, so that leaving one out changes nothing for the others.
        draw = random.Random(0)
        top = int(_GREATEST_SHIFT * self._rate)
        leads = [[top - draw.randint(0, top) for _ in range(shifts)] or [0] for _ in networks]
        self._leads = [leads[i] for i in used]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the last run fell back to, and why."""
        return tuple(dict.fromkeys(text for placed in self._placed for text in placed.remarks))

    @property
    def profile(self) -> dict[str, str]:
        """Device, type and segment as the last run used them in the end."""
        last = self._placed[-1]
        changed = last.segment != last.network.own_segment
        return {
            "device": last.device.split(":")[0],
            "dtype": last.dtype,
            **({"segment": f"{float(last.segment):g}"} if changed else {}),
        }

    def stems(self) -> tuple[str, ...]:
        """Name the stems as the network has them."""
        return self._stems

    def blocks(self, source: BlockSource, *, progress: Progress | None = None) -> Iterator[Mapping[str, Block]]:
        """Separate; see `Separator`. The source is read once for its level, then once for each network and shift."""
        with kept_memory():
            yield from self._blocks(source, progress)

    def _blocks(self, source: BlockSource, progress: Progress | None) -> Iterator[Mapping[str, Block]]:
        at_rate = Resampled(source, self._rate) if source.sample_rate != self._rate else source
        mean, deviation = self._level(at_rate, progress)
        with self._limited():
            for placed in self._placed:
                placed.settle()
        plans = [
            [Segments(placed, at_rate.frames, overlap=self._overlap, lead=lead) for lead in leads]
            for placed, leads in zip(self._placed, self._leads, strict=True)
        ]
        tick = _Ticks(progress, sum(plan.count for shifted in plans for plan in shifted))
        size = plans[0][0].stride
        streams = [
            [rechunk(plan.run(self._normalized(at_rate, mean, deviation), tick=tick), size) for plan in shifted]
            for shifted in plans
        ]
        channels = source.channels

        def mixed() -> Iterator[Block]:
            totals = self._mixing.sum(axis=0)
            while True:
                with self._limited():
                    outs = [[next(stream, None) for stream in shifted] for shifted in streams]
                if outs[0][0] is None:
                    return
                means = [np.mean([out[self._kept] for out in shifted if out is not None], axis=0) for shifted in outs]
                total = sum(mean_ * w for mean_, w in zip(means, self._mixing, strict=True)) / totals
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
