"""The one way from a source to stored, folded and measured stems; stage and file-level call both take it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.audio import BlockSource, open_source
from audiolab.errors import AudioError
from audiolab.stages.base import Progress, no_progress
from audiolab.stages.separation.engines import Separator
from audiolab.stages.separation.folding import Folding, fold
from audiolab.stages.separation.measuring import measure
from audiolab.stages.separation.storing import StemWriter, survey

__all__ = ["Stored", "separate_into"]

_SURVEYED, _SEPARATED = 0.03, 0.92
"""Where in the whole work (0 to 1) the survey and the separation end; measuring is the rest."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Stems of one song as finished files."""

    paths: dict[str, Path]
    subtype: str
    """`24` (FLAC) or `float` (WAV)."""
    residual_db: float
    """What the engine left over before folding, against the mix, in dB."""
    null_db: float
    facts: dict[str, dict[str, Any]]
    """Of each stem: what `measure` gives, and `energy_share_unfolded`, its share before folding."""


class _Part:
    """Maps the progress of one part of the work to the progress of the whole; never falls."""

    def __init__(self, progress: Progress, start: float, stop: float, total: int) -> None:
        self._progress, self._start, self._stop, self._total = progress, start, stop, total
        self._last = start

    def __call__(self, done: float, total: float) -> None:
        share = self._start + (self._stop - self._start) * (done / total if total else 1.0)
        self._last = min(max(self._last, share), self._stop)
        self._progress(self._last * self._total, self._total)


def separate_into(
    folder: Path,
    source: BlockSource,
    separator: Separator,
    *,
    as_float: bool = False,
    progress: Progress = no_progress,
) -> Stored:
    """Separate a source into a folder that is the caller's alone.

    Parameters
    ----------
    folder : Path
        Existing folder; gets `<stem>.flac` or `<stem>.wav`. After an error or a cancel it holds no finished
        stem that the caller could mistake for a result only if the caller removes it, which it must.
    source : BlockSource
        Mono or stereo.
    separator : Separator
        The engine.
    as_float : bool
        Store float32 WAV even where 24 bits do.
    progress : Progress
        Called with frames done and in all.

    Raises
    ------
    AudioError
        If the source is empty or damaged, or the disk is full.
    Cancelled
        Whatever `progress` raises.
    """
    total = source.frames
    if total == 0:
        raise AudioError(f"{source.name!r} holds no audio (0 frames)")
    seen = survey(source, progress=_Part(progress, 0.0, _SURVEYED, total))
    grid = not as_float and seen.fits_24_bits
    folding = Folding(separator.stems(), source.sample_rate, grid=grid)
    with StemWriter(
        folder,
        separator.stems(),
        sample_rate=source.sample_rate,
        channels=source.channels,
        frames=source.frames,
        as_float=not grid,
    ) as writer:
        for blocks in fold(source, separator, folding, progress=_Part(progress, _SURVEYED, _SEPARATED, total)):
            writer.write(blocks)
    stems = {name: open_source(path) for name, path in writer.paths.items()}
    measured = measure(source, stems, progress=_Part(progress, _SEPARATED, 1.0, total))
    progress(total, total)
    facts = {name: {**fact, "energy_share_unfolded": folding.shares[name]} for name, fact in measured.stems.items()}
    return Stored(writer.paths, writer.subtype, folding.residual_db, measured.null_db, facts)
