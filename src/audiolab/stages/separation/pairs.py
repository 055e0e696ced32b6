"""Two stems instead of all: one that is wanted, and everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audiolab.audio import Block, BlockSource
from audiolab.errors import ParameterError
from audiolab.stages.base import Progress
from audiolab.stages.separation.engines import Separator
from audiolab.stages.separation.folding import Reader

__all__ = ["Pair", "rest_of"]


def rest_of(stem: str) -> str:
    """Name everything else: `instrumental` beside vocals, `no_<stem>` beside any other."""
    return "instrumental" if stem == "vocals" else f"no_{stem}"


class Pair:
    """An engine's one stem, and the song minus that stem.

    Parameters
    ----------
    separator : Separator
        Any engine.
    stem : str
        The wanted stem.

    Raises
    ------
    ParameterError
        If the engine has no such stem.
    """

    def __init__(self, separator: Separator, stem: str) -> None:
        if stem not in separator.stems():
            there = ", ".join(separator.stems())
            raise ParameterError(f"separate: there is no stem {stem!r} to keep apart; {separator.name} gives {there}")
        self._separator, self._stem = separator, stem
        self.name = separator.name

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the engine fell back to."""
        return tuple(getattr(self._separator, "remarks", ()))

    @property
    def profile(self) -> Mapping[str, str]:
        """What the engine really used, where it differs from what was planned."""
        return dict(getattr(self._separator, "profile", {}))

    def stems(self) -> tuple[str, ...]:
        """Name the wanted stem and the rest."""
        return (self._stem, rest_of(self._stem))

    def blocks(self, source: BlockSource, *, progress: Progress | None = None) -> Iterator[Mapping[str, Block]]:
        """Separate; see `Separator`. The rest is taken from the song itself, so nothing of it is lost."""
        reader = Reader(source)
        for stems in self._separator.blocks(source, progress=progress):
            wanted = stems[self._stem]
            yield {self._stem: wanted, rest_of(self._stem): reader.read(wanted.shape[1]) - wanted}
