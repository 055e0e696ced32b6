"""The engine `spectral`: soft masks without weights, streamed.

The song is cut into chunks of nine seconds on a fixed raster. Each chunk is analysed with a margin (`features`),
compared with the chunks before and after (`repetition`), masked (`masks`) and added up. Nothing looks further than
that, so memory is constant, and a chunk's samples do not depend on what comes after the next chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from audiolab.audio import Block, BlockSource
from audiolab.stages.base import Progress
from audiolab.stages.separation.engines import Identity, Options, Separator
from audiolab.stages.separation.folding import Reader
from audiolab.stages.separation.spectral.features import MARGIN, Analysis, analyse
from audiolab.stages.separation.spectral.grid import Array, Grid
from audiolab.stages.separation.spectral.masks import FITTED, STEMS, Table, masks
from audiolab.stages.separation.spectral.repetition import describe_frames, repeated, similar_frames

__all__ = ["Spectral", "SpectralEngine", "featured"]

CHUNK = 384
"""Frames of the grid in a chunk (8.9 s)."""


class SpectralEngine:
    """Registry entry: always available."""

    name = "spectral"

    def missing(self, options: Options) -> str | None:
        """Nothing is ever missing."""
        return None

    def decide(self, options: Options) -> Options:
        """Nothing to decide; see `Engine.decide`."""
        return options

    def identify(self, options: Options) -> Identity:
        """Name the libraries that decide the low bits."""
        import scipy

        profile = {"device": "cpu", "dtype": "float32", "numpy": np.__version__, "scipy": scipy.__version__}
        return Identity(None, profile)

    def build(self, options: Options) -> Separator:
        """Make the separator."""
        return Spectral()


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk analysed and described for comparison."""

    analysis: Analysis
    shape: Array
    hits: Array


class Spectral:
    """Weights-free separator into drums, bass, other and vocals.

    Parameters
    ----------
    table : Table
        Numbers of the model; others than the fitted ones are for fitting and measuring only.
    """

    name = "spectral"

    def __init__(self, table: Table = FITTED) -> None:
        self._table = table

    def stems(self) -> tuple[str, ...]:
        """Drums, bass, other, vocals."""
        return STEMS

    def blocks(self, source: BlockSource, *, progress: Progress | None = None) -> Iterator[Mapping[str, Block]]:
        """Separate; see `Separator`."""
        grid = Grid.at(source.sample_rate)
        size = CHUNK * grid.hop
        tails = np.zeros((len(STEMS), source.channels, 3 * grid.hop), np.float32)
        done, lead = 0, grid.size // 2
        for chunk, features in featured(grid, source, progress):
            sums = np.zeros((len(STEMS), source.channels, size + 3 * grid.hop), np.float32)
            sums[:, :, : 3 * grid.hop] = tails
            for index, mask in enumerate(masks(grid, features, self._table)):
                grid.add_up(chunk.spectra * _up(mask, chunk.spectra.shape[2]), sums[index])
            tails = sums[:, :, size:]
            # The first window starts half its length before the first sample.
            ready = sums[:, :, lead:size][:, :, : source.frames - done]
            if lead:
                ready[:, :, : grid.hop] *= grid.first_gain[: ready.shape[2]]
            lead = 0
            done += ready.shape[2]
            yield {name: np.ascontiguousarray(ready[index]) for index, name in enumerate(STEMS)}


def _up(mask: Array, bins: int) -> Array:
    """Carry the mask of the highest bin that is looked at on to all above."""
    return np.pad(mask, ((0, 0), (0, bins - mask.shape[1])), mode="edge")


def featured(
    grid: Grid, source: BlockSource, progress: Progress | None = None
) -> Iterator[tuple[Analysis, dict[str, Array]]]:
    """Yield each chunk with all its features, those from the chunks around included.

    Progress is called twice a chunk, when it is analysed and when it has been used: half the work each.
    """
    total, steps = 2 * _chunks(grid, source), 0

    def tick() -> None:
        nonlocal steps
        steps += 1
        if progress is not None:
            progress(source.frames * (steps / total), source.frames)

    before: _Chunk | None = None
    here: _Chunk | None = None
    for after in chain(_analysed(grid, source), (None,)):
        if after is not None:
            tick()
        if here is not None:
            yield here.analysis, _with_repetition(before, here, after)
            tick()
        before, here = here, after


def _chunks(grid: Grid, source: BlockSource) -> int:
    """Count the chunks up to the last frame whose window touches the last sample."""
    frames = (source.frames + grid.size // 2 - 1) // grid.hop + 1
    return -(-frames // CHUNK)


def _analysed(grid: Grid, source: BlockSource) -> Iterator[_Chunk]:
    """Yield the chunks of the grid that hold the whole source, silence around it."""
    reader = Reader(source)
    size, margin = CHUNK * grid.hop, MARGIN * grid.hop
    held = np.concatenate([np.zeros((source.channels, margin), np.float32), reader.read(margin)], axis=1)
    for _ in range(_chunks(grid, source)):
        held = np.concatenate([held, reader.read(size)], axis=1)
        held = np.pad(held, ((0, 0), (0, size + 2 * margin - held.shape[1])))
        analysis = analyse(grid, held, CHUNK)
        yield _Chunk(
            analysis,
            describe_frames(grid, analysis.magnitude),
            describe_frames(grid, analysis.percussive, context=True),
        )
        held = held[:, size:]


def _with_repetition(before: _Chunk | None, here: _Chunk, after: _Chunk | None) -> dict[str, Array]:
    def joined(part: Callable[[_Chunk], Array]) -> Array:
        nothing = np.zeros_like(part(here))
        return np.concatenate([nothing if chunk is None else part(chunk) for chunk in (before, here, after)])

    whole = here.analysis.magnitude
    shapes, hits = joined(lambda chunk: chunk.shape), joined(lambda chunk: chunk.hits)
    wholes = joined(lambda chunk: chunk.analysis.magnitude)
    percussives = joined(lambda chunk: chunk.analysis.percussive)
    return {
        **here.analysis.features,
        "repeats": repeated(whole, wholes, similar_frames(shapes, CHUNK), CHUNK),
        "hit_repeats": repeated(whole, percussives, similar_frames(hits, CHUNK), CHUNK),
    }
