"""What every export format declares, gets and gives back.

A format writes files into a folder that nobody else sees and lists them as items. Placing the folder
(or zip) under its name, the manifest, and never overwriting what is not ours are done once, for all formats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from audiolab.exporters.cards import Card, Cards
from audiolab.exporters.choosing import Choice
from audiolab.exporters.lineage import Lineage
from audiolab.exporters.names import NameBook

__all__ = ["ExportJob", "ExportOptions", "Exporter", "Item", "Progress"]


class Progress(Protocol):
    """Called as work goes on; it may raise `Cancelled`, which must pass through."""

    def __call__(self, done: float, total: float) -> None:
        """Say that `done` of `total` is finished."""


class ExportOptions(BaseModel):
    """A format's options: frozen, unknown keys refused, good defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Item:
    """One file of an export."""

    path: str
    """Relative to the export's top, with forward slashes."""
    kind: str
    """sample, stem, song, midi or lyrics."""
    sound: Card
    """What it shows."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of the manifest: root_note, bits, tracks and so on."""


@dataclass(slots=True)
class ExportJob:
    """What a format gets to do."""

    choice: Choice
    folder: Path
    """Empty; the format writes here."""
    names: NameBook
    """Gives every file a name of its own."""
    progress: Progress
    cards: Cards = field(default_factory=Cards)
    """What the catalog knows of each sound."""
    lineage: Lineage = field(init=False)
    """How each sound was made."""
    notes: list[str] = field(default_factory=list)
    """What the user should know: clipped samples, songs without MIDI."""

    def __post_init__(self) -> None:
        self.lineage = Lineage(self.cards)


class Exporter(ABC):
    """An export format. Subclasses set the declarations and write `run`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for help texts."""
    options: ClassVar[type[ExportOptions]]

    @abstractmethod
    def run(self, job: ExportJob, options: ExportOptions) -> list[Item]:
        """Write the files and list them in order.

        Raises
        ------
        ExportError
            If there is nothing of use for this format in the choice.
        """
