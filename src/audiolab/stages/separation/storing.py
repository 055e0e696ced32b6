"""Storing stems: 24-bit FLAC, or float32 WAV for all stems of a song where 24 bits would clip or not null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from audiolab.audio import AudioWriter, Block, BlockSource, open_source
from audiolab.errors import AudioError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.separation.folding import STEPS

__all__ = ["StemWriter", "Survey", "survey"]

NULL_AIM_DB = -120.0
_ROUNDING_DB = 20.0 * math.log10(1.0 / STEPS / math.sqrt(12.0))
"""RMS of rounding to 24 bits, against full scale."""
_TOP = (STEPS - 1.0) / STEPS


@dataclass(frozen=True, slots=True)
class Survey:
    """What one quick pass over the mix tells before the long work starts."""

    rms: float
    on_grid: bool
    """Whether every sample is a 24-bit integer."""

    @property
    def fits_24_bits(self) -> bool:
        """Whether 24-bit stems can null against this mix as deep as aimed at."""
        return self.on_grid or _ROUNDING_DB - 20.0 * math.log10(max(self.rms, 1e-30)) <= NULL_AIM_DB


def survey(source: BlockSource, *, progress: Progress = no_progress) -> Survey:
    """Read the source once: a damaged file shows now and not after an hour of separating."""
    energy, on_grid, done = 0.0, True, 0
    for block in source.blocks():
        wide = block.astype(np.float64)
        energy += float(np.einsum("cn,cn->", wide, wide))
        if on_grid:
            steps = wide * STEPS
            on_grid = bool(np.array_equal(steps, np.rint(steps)))
        done += block.shape[1]
        progress(done, source.frames)
    count = source.frames * source.channels
    return Survey(math.sqrt(energy / count) if count else 0.0, on_grid)


class StemWriter:
    """Writes all stems of a song side by side into a folder that is the caller's alone.

    It starts with FLAC. When a sample of any stem leaves full scale, what was written so far is carried over to
    float32 WAV (24-bit samples are exact there) and the rest follows; so nothing clips, no stem is rescaled, and the
    result is the same as if it had been WAV from the start.

    Parameters
    ----------
    folder : Path
        Existing folder; files are called `<stem>.flac` or `<stem>.wav` (RF64 inside when large).
    stems : tuple of str
        Names.
    sample_rate, channels, frames : int
        Of every stem.
    as_float : bool
        Write float32 WAV from the start.
    """

    def __init__(
        self, folder: Path, stems: tuple[str, ...], *, sample_rate: int, channels: int, frames: int, as_float: bool
    ) -> None:
        self.folder, self.stems = folder, stems
        self.sample_rate, self.channels, self.frames = sample_rate, channels, frames
        self.as_float = as_float or sample_rate > 655350  # beyond that FLAC has no header for the rate
        self.written = 0

    @property
    def paths(self) -> dict[str, Path]:
        """Where each stem lies."""
        return {name: self.folder / f"{name}{'.wav' if self.as_float else '.flac'}" for name in self.stems}

    @property
    def subtype(self) -> str:
        """`float` or `24`."""
        return "float" if self.as_float else "24"

    def __enter__(self) -> Self:
        self._open()
        return self

    def _open(self) -> None:
        with ExitStack() as stack:
            subtype = "FLOAT" if self.as_float else "PCM_24"
            self._writers = {
                name: stack.enter_context(
                    AudioWriter(path, self.sample_rate, self.channels, subtype=subtype, frames=self.frames)
                )
                for name, path in self.paths.items()
            }
            self._stack = stack.pop_all()

    def write(self, blocks: Mapping[str, Block]) -> None:
        """Append a block of every stem."""
        if not self.as_float and any(beyond_24_bits(block) for block in blocks.values()):
            self._change_to_float()
        for name in self.stems:
            self._writers[name].write(blocks[name])
        self.written += next(iter(blocks.values())).shape[1]

    def _change_to_float(self) -> None:
        flac = self.paths
        if self.written:
            self._stack.close()
        else:
            nothing = AudioError("nothing written yet")
            self._stack.__exit__(type(nothing), nothing, None)
        self.as_float = True
        self._open()
        if self.written:
            for name, path in flac.items():
                for block in open_source(path).blocks():
                    self._writers[name].write(block)
                path.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def beyond_24_bits(block: Block) -> bool:
    """Whether a sample is outside what a 24-bit integer holds."""
    return bool(block.size) and (float(block.max()) > _TOP or float(block.min()) < -1.0)
